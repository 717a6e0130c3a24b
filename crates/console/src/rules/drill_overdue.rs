//! A source was not proven within its term: the restorability debt is too large. The term is that of its plan, where the plan has one.

use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Around, Severity};
use vow_protocol::report::Verdict;

/// Critical after so many terms.
const CRITICAL_TERMS: i64 = 3;

pub(super) fn watch(around: &Around, settings: &Settings, now_secs: i64) -> Said {
    if around.host.closed {
        return Some(vec![]);
    }
    let Some(term) = settings.drill_term_secs else { return Some(vec![]) };
    let term = planned(around).unwrap_or(term);
    let of = |verdict| around.proofs.iter().filter(move |proof| proof.body.verdict == verdict);
    let proven = of(Verdict::Proven).map(|proof| proof.received_secs).max();
    let debt = now_secs - proven.unwrap_or(around.since_secs);
    if debt <= term {
        return Some(vec![]);
    }
    let last = match proven {
        Some(_) => format!("was last proven {} ago", words::span(debt as f64)),
        None => format!("has never been proven, in {}", words::span(debt as f64)),
    };
    let blocked = of(Verdict::Blocked).max_by_key(|proof| proof.received_secs);
    let why = blocked.filter(|proof| proven.is_none_or(|proven| proven < proof.received_secs));
    let why = why.and_then(|proof| proof.body.blocked.first());
    let severity =
        if debt > term.saturating_mul(CRITICAL_TERMS) { Severity::Critical } else { Severity::Warning };
    let because = why
        .map(|why| format!("; the last try was blocked: {}", why.trim_end_matches('.')))
        .unwrap_or_default();
    let found = Found::new(
        severity,
        format!("{} {last}; it should be every {}{because}.", around.source, words::span(term as f64)),
        format!("Run `vow drill {}` on a drill host, or give its nightly budget more time.", around.source),
    )
    .with("term", words::span(term as f64));
    match why {
        Some(why) => found.with("blocked", why).said(),
        None => found.said(),
    }
}

/// What the plan says, as its host's agent or its newest drill tells it.
fn planned(around: &Around) -> Option<i64> {
    let of_agent = around.expected.as_ref().and_then(|expected| expected.drill_within_secs);
    let of_drill = || around.proofs.last().and_then(|proof| proof.body.drill_within_secs);
    of_agent.or_else(of_drill).and_then(|secs| i64::try_from(secs).ok())
}
