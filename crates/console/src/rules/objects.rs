//! Objects of a database that went: tables, routines, triggers, users.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::{RuleName, Severity};

/// A loss of this share of a kind is critical.
const CRITICAL_LOSS: f64 = 0.2;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    let reference = case.history.objects.as_ref()?;
    // A database whose every object is gone reports none: that is the worst case, not a missing report.
    if !case.has_snapshot() || !case.is_newest() {
        return None;
    }
    if case.marked_since(RuleName::Objects).is_some_and(|since| since > reference.started_secs) {
        return Some(vec![]);
    }
    let lost: Vec<(&str, u64, u64)> = reference
        .value
        .iter()
        .map(|(kind, was)| (kind.as_str(), *was, body.objects.get(kind).copied().unwrap_or(0)))
        .filter(|(_, was, is)| is < was)
        .collect();
    if lost.is_empty() {
        return Some(vec![]);
    }
    let worst = lost.iter().map(|(_, was, is)| (was - is) as f64 / *was as f64).fold(0.0, f64::max);
    let severity = if worst >= CRITICAL_LOSS { Severity::Critical } else { Severity::Warning };
    let parts: Vec<String> = lost
        .iter()
        .map(|(kind, was, is)| format!("{} fewer ({was} before, {is} now)", words::count(was - is, kind)))
        .collect();
    let since = words::moment(reference.started_secs, &case.zone);
    let mut found = Found::new(
        severity,
        format!("{} has {}, compared with {since}.", case.source(), words::names(parts.iter().map(String::as_str), 5)),
        "Ask whether they were dropped on purpose; then mark it as expected. Otherwise restore them from the snapshot before: `vow restore … --table`.",
    )
    .report(&reference.report);
    for (kind, was, is) in &lost {
        found = found.with(kind, format!("{was} before, {is} now"));
    }
    found.said()
}
