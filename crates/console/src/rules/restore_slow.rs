//! Restoring takes longer than the plan allows.

use super::drill_failed::newest_by_level;
use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Around, Severity};
use vow_protocol::report::Verdict;

pub(super) fn watch(around: &Around, _settings: &Settings, _now_secs: i64) -> Said {
    let target = around
        .expected
        .as_ref()
        .and_then(|expected| expected.restore_target_secs)
        .or_else(|| around.proofs.last().and_then(|proof| proof.body.restore_target_secs))?;
    let newest = newest_by_level(around);
    // The promise is kept when one level is quick enough.
    let quickest = newest
        .values()
        .filter(|proof| proof.body.verdict == Verdict::Proven)
        .min_by(|a, b| a.body.restore_secs.total_cmp(&b.body.restore_secs))?;
    if quickest.body.restore_secs <= target as f64 {
        return Some(vec![]);
    }
    let (took, target) = (words::span(quickest.body.restore_secs), words::span(target as f64));
    Found::new(
        Severity::Warning,
        format!(
            "Restoring {} took {took} from {}, the quickest level; the target is {target}.",
            around.source, quickest.body.level
        ),
        "Add a nearer or faster level, split the source, or agree on another target.",
    )
    .with("bytes", quickest.body.bytes)
    .with("took", took)
    .with("target", target)
    .report(&quickest.report)
    .said()
}
