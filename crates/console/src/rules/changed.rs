//! A much larger share of the files changed or went than usual: a sign of ransomware, of a runaway script, of a wrong mount.

use super::usual::usual;
use super::words;
use super::{Found, RunCase, Said};
use crate::records::{Past, RuleName, Severity};

/// Fewer files than this change together for many good reasons.
const LEAST_FILES: u64 = 50;
/// How much more than ever it must be.
const OUTSIDE: f64 = 1.25;
const CRITICAL_SHARE: f64 = 0.5;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    let shape = body.shape.as_ref().filter(|_| case.has_snapshot())?;
    let share = f64::from(Past::new(case.run, vec![]).changed_ppm?) / 1e6;
    let touched = shape.changed_files.saturating_add(shape.gone_files);
    if touched < LEAST_FILES {
        return Some(vec![]);
    }
    let usual = usual(case, RuleName::Changed, |past| past.changed_ppm.map(|ppm| f64::from(ppm) / 1e6))?;
    let allowed = (case.settings.spreads * usual.spread)
        .max(case.settings.changed_share * if usual.learning { 2.0 } else { 1.0 });
    if share - usual.median <= allowed || share <= usual.most * OUTSIDE {
        return Some(vec![]);
    }
    let severity = if share >= CRITICAL_SHARE { Severity::Critical } else { Severity::Warning };
    let range = match (words::percent(usual.low), words::percent(usual.high)) {
        (low, high) if low == high => high,
        (low, high) => format!("{} to {high}", low.trim_end_matches(" %")),
    };
    let (changed, gone) = (shape.changed_files, shape.gone_files);
    Found::new(
        severity,
        format!(
            "{} of the files of {} changed or went at once ({changed} changed, {gone} gone), usually {range}{}.",
            words::percent(share),
            case.source(),
            usual.when()
        ),
        "Look at some of the changed files on the host now. If nobody changed them on purpose, think of ransomware: cut the host off; the snapshots before this one are out of its reach.",
    )
    .with("changed files", changed)
    .with("gone files", gone)
    .with("new files", shape.new_files)
    .with("usually", range)
    .said()
}
