//! Files whose content is not what their names say: photographs that are none.

use super::usual::usual;
use super::words;
use super::{Found, RunCase, Said};
use crate::records::{Past, RuleName, Severity};

/// Fewer files than this say nothing.
const LEAST_FILES: u64 = 10;
/// How much more than ever it must be.
const OUTSIDE: f64 = 1.5;
/// What is usual of a source that is not known yet.
const UNKNOWN: f64 = 0.1;
const CRITICAL_SHARE: f64 = 0.3;

pub(super) fn judge(case: &RunCase) -> Said {
    let shape = case.run.body.shape.as_ref().filter(|_| case.has_snapshot())?;
    let share = f64::from(Past::new(case.run, vec![]).mistyped_ppm?) / 1e6;
    let usual = usual(case, RuleName::Types, |past| past.mistyped_ppm.map(|ppm| f64::from(ppm) / 1e6))?;
    if shape.mistyped_files < LEAST_FILES {
        return Some(vec![]);
    }
    let allowed = (case.settings.spreads * usual.spread).max(if usual.learning {
        UNKNOWN.max(case.settings.types_share)
    } else {
        case.settings.types_share
    });
    if share - usual.median <= allowed || share <= usual.most * OUTSIDE {
        return Some(vec![]);
    }
    let severity = if share >= CRITICAL_SHARE { Severity::Critical } else { Severity::Warning };
    Found::new(
        severity,
        format!(
            "{} of {} files looked at in {} are not what their names say ({}), usually {}.",
            shape.mistyped_files,
            shape.typed_files,
            case.source(),
            words::percent(share),
            words::percent(usual.median)
        ),
        "Open some of them. Photographs and documents that no longer open are the sign of ransomware: cut the host off; the snapshots before this one are out of its reach.",
    )
    .with("mistyped files", shape.mistyped_files)
    .with("files looked at", shape.typed_files)
    .said()
}
