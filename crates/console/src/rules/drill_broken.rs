//! The drill itself is broken: it passed what it must not. Then no proof of it counts.

use super::settings::Settings;
use super::{Found, Said};
use crate::records::{Around, Severity};
use vow_protocol::report::Verdict;

pub(super) fn watch(around: &Around, _settings: &Settings, _now_secs: i64) -> Said {
    // A drill that could not be tried says nothing about drills.
    let tried = around.proofs.iter().filter(|proof| proof.body.verdict != Verdict::Blocked);
    let newest = tried.max_by_key(|proof| proof.received_secs)?;
    if newest.body.verdict != Verdict::Broken {
        return Some(vec![]);
    }
    let what = newest.body.problems.first().map_or("a damaged copy", String::as_str);
    Found::new(
        Severity::Critical,
        format!(
            "The restore test of {} cannot be trusted: it passed {}.",
            around.source,
            what.trim_end_matches('.')
        ),
        "Until this is mended no proof of this source counts. Look at the drill host's programs and checks.",
    )
    .with("snapshot", &newest.body.snapshot)
    .report(&newest.report)
    .said()
}
