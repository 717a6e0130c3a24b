//! No snapshot came when one was due. Vaults are asked, not the host: a host may believe whatever it likes.

use super::case::zone;
use super::due::owed;
use super::host_silent;
use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Around, Severity};
use vow_protocol::report::Outcome;

/// Missing snapshots up to which a failed run explains the silence: its ticket is enough.
const EXPLAINED: usize = 2;
/// The answers of vaults are good for so long.
const ANSWER_SECS: i64 = 2 * 3600;

pub(super) fn watch(around: &Around, settings: &Settings, now_secs: i64) -> Said {
    let host = &around.host;
    if host.closed {
        return Some(vec![]);
    }
    if host.quiet_until_secs.is_some_and(|until| until > now_secs) {
        return None;
    }
    let asked = around
        .levels
        .iter()
        .any(|level| level.asked_secs.is_some_and(|asked| now_secs - asked < ANSWER_SECS));
    // Vaults that are known and do not answer have a ticket of their own; the host's word does not replace theirs.
    if !asked && !around.levels.is_empty() {
        return None;
    }
    let newest = if asked {
        around.levels.iter().filter_map(|level| level.newest.as_ref()).map(|held| held.received_secs).max()
    } else {
        around.last_run.as_ref().filter(|run| run.outcome != Outcome::Failed).map(|run| run.received_secs)
    };
    let since = around.since_secs.max(settings.listening_since_secs.min(now_secs));
    let from = newest.unwrap_or(since).max(host.quiet_until_secs.unwrap_or(i64::MIN));
    let owed = owed(around, settings, from, now_secs)?;
    if owed.missing == 0 {
        // Where there has never been one, nothing came either: this console has only begun to wait again.
        return if newest.is_some() || since == around.since_secs { Some(vec![]) } else { None };
    }
    // One cause, one ticket: a host that is silent, or a run that failed, has one.
    let silent = host_silent::watch(host, settings, now_secs).is_some_and(|found| !found.is_empty());
    let failed = around.last_run.as_ref().is_some_and(|run| {
        run.outcome == Outcome::Failed && newest.is_none_or(|newest| run.received_secs > newest)
    });
    if silent || (failed && owed.missing <= EXPLAINED) {
        return None;
    }
    let zone = zone(around);
    let due = words::moment(owed.due_secs, &zone);
    let last = match newest {
        Some(secs) => format!(
            "the last came {} ({} ago)",
            words::moment(secs, &zone),
            words::span((now_secs - secs) as f64)
        ),
        None => "there has never been one".to_owned(),
    };
    let by = if asked { "no vault has received it" } else { "nothing was reported" };
    let (severity, sentence) = match owed.missing {
        1 => (Severity::Warning, format!("{} is late: due {due}, {by}; {last}.", around.source)),
        missing => (
            Severity::Critical,
            format!("{} is missing: {missing} snapshots since {due}, {by}; {last}.", around.source),
        ),
    };
    Found::new(
        severity,
        sentence,
        format!(
            "On {}: `systemctl status vow-agent` and its log say why; `vow backup {}` makes one now.",
            host.host, around.source
        ),
    )
    .with("due", due)
    .with("missing", owed.missing)
    .with("expected every", words::span(owed.every_secs as f64))
    .said()
}
