//! A host's clock is wrong: its schedules run at wrong times, and its times cannot be compared.

use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{HostFacts, Severity};

/// Signs of life from which on it is certain.
const LEAST: usize = 3;
const CRITICAL_SECS: i64 = 86_400;

pub(super) fn watch(host: &HostFacts, settings: &Settings, _now_secs: i64) -> Said {
    if host.closed {
        return Some(vec![]);
    }
    let newest = host.clock.get(host.clock.len().checked_sub(LEAST)?..)?;
    // On its way a report only grows older: the quickest one says most.
    let ahead = newest.iter().map(|sample| sample.made_secs.saturating_sub(sample.received_secs)).max()?;
    if ahead.abs() <= settings.clock_skew_secs {
        return Some(vec![]);
    }
    let severity = if ahead.abs() > CRITICAL_SECS { Severity::Critical } else { Severity::Warning };
    let word = if ahead > 0 { "ahead" } else { "behind" };
    let by = words::span(ahead.abs() as f64);
    Found::new(
        severity,
        format!("The clock of {} is {by} {word}.", host.host),
        "Look at its time service: `timedatectl` and `chronyc tracking`. Vaults go by their own clocks; its schedules do not.",
    )
    .with("signs of life compared", LEAST)
    .said()
}
