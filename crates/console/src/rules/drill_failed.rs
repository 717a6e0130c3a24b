//! A drill found something wrong: the snapshot may not be what it should be.

use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Around, Proof, Severity};
use std::collections::BTreeMap;
use vow_protocol::report::Verdict;

pub(super) fn watch(around: &Around, _settings: &Settings, _now_secs: i64) -> Said {
    let newest = newest_by_level(around);
    if newest.is_empty() {
        return None;
    }
    let failed: Vec<&&Proof> =
        newest.values().filter(|proof| proof.body.verdict == Verdict::Failed).collect();
    let Some(worst) = failed.iter().max_by_key(|proof| proof.received_secs) else { return Some(vec![]) };
    let levels = words::names(failed.iter().map(|proof| proof.body.level.as_str()), 5);
    let first = worst.body.problems.first().map_or("it gave no reason", String::as_str);
    let more = match worst.body.problems.len() {
        0 | 1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    let mut found = Found::new(
        Severity::Critical,
        format!(
            "The restore test of {} from {levels} failed: {}{more}; {} compared well.",
            around.source,
            first.trim_end_matches('.'),
            words::count(worst.body.compared, "thing")
        ),
        format!("Run `vow drill {}` again, and an older snapshot; if that is good, find out what changed between them.", around.source),
    )
    .with("snapshot", &worst.body.snapshot)
    .report(&worst.report);
    for problem in worst.body.problems.iter().take(10) {
        found = found.with("problem", problem);
    }
    found.said()
}

/// The newest drill from each level that came to a result. One that could not be tried says nothing about the snapshot.
pub(super) fn newest_by_level(around: &Around) -> BTreeMap<&str, &Proof> {
    let mut newest: BTreeMap<&str, &Proof> = BTreeMap::new();
    for proof in
        around.proofs.iter().filter(|proof| matches!(proof.body.verdict, Verdict::Proven | Verdict::Failed))
    {
        let held = newest.entry(proof.body.level.as_str()).or_insert(proof);
        if held.received_secs <= proof.received_secs {
            *held = proof;
        }
    }
    newest
}
