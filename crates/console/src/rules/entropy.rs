//! New data that looks random although its names do not promise it: it was encrypted.

use super::usual::usual;
use super::words;
use super::{Found, RunCase, Said};
use crate::records::{Past, RuleName, Severity};

/// Less new data than this says nothing.
const LEAST_BYTES: u64 = 1 << 20;
/// How far above everything seen it must be.
const OUTSIDE: f64 = 0.1;
const CRITICAL_SHARE: f64 = 0.7;

pub(super) fn judge(case: &RunCase) -> Said {
    let shape = case.run.body.shape.as_ref().filter(|_| case.has_snapshot())?;
    let share = f64::from(Past::new(case.run, vec![]).random_ppm?) / 1e6;
    if shape.random_bytes < LEAST_BYTES {
        return Some(vec![]);
    }
    let usual = usual(case, RuleName::Entropy, |past| past.random_ppm.map(|ppm| f64::from(ppm) / 1e6));
    let usually = match &usual {
        Some(usual) => {
            let share_allowed = case.settings.entropy_share * if usual.learning { 2.0 } else { 1.0 };
            let allowed = (case.settings.spreads * usual.spread).max(share_allowed);
            if share - usual.median <= allowed || share <= (usual.most + OUTSIDE).min(0.99) {
                return Some(vec![]);
            }
            format!("usually {}", words::percent(usual.median))
        }
        // An archive that never had anything new has no usual share. That what comes looks random is strange enough.
        None if case.learning().is_none() && case.marked_since(RuleName::Entropy).is_none() => {
            if share < CRITICAL_SHARE {
                return Some(vec![]);
            }
            "usually nothing is new".to_owned()
        }
        None => return None,
    };
    let severity = if share >= CRITICAL_SHARE { Severity::Critical } else { Severity::Warning };
    Found::new(
        severity,
        format!(
            "{} of the new data in {} looks random ({} of {} looked at), {usually}.",
            words::percent(share),
            case.source(),
            words::bytes(shape.random_bytes as f64),
            words::bytes(shape.sampled_bytes as f64)
        ),
        "Look whether someone began to store encrypted or compressed files under other names. If not, think of ransomware: cut the host off; the snapshots before this one are out of its reach.",
    )
    .with("random bytes", shape.random_bytes)
    .with("bytes looked at", shape.sampled_bytes)
    .said()
}
