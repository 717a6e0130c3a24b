//! One level is behind the others: the copies are fewer than the plan says.

use super::case::zone;
use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Around, Severity};

const WEEK: i64 = 7 * 86_400;
/// The answers of vaults are good for so long.
const ANSWER_SECS: i64 = 2 * 3600;

pub(super) fn watch(around: &Around, settings: &Settings, now_secs: i64) -> Said {
    if around.host.closed {
        return Some(vec![]);
    }
    let known: Vec<_> = around
        .levels
        .iter()
        .filter(|level| level.asked_secs.is_some_and(|asked| now_secs - asked < ANSWER_SECS))
        .collect();
    // One level has nothing to be out of step with. Levels that are not known are not behind.
    if known.len() < 2 || known.len() < around.levels.len() {
        return None;
    }
    let Some(newest) = known
        .iter()
        .filter_map(|level| level.newest.as_ref())
        .max_by_key(|held| (held.sequence, -held.received_secs))
    else {
        return Some(vec![]);
    };
    let mut said = Vec::new();
    for level in &known {
        let held = level.newest.as_ref();
        let behind = newest.sequence - held.map_or(0, |held| held.sequence.min(newest.sequence));
        if behind == 0 {
            continue;
        }
        // Either the newest has had time enough to arrive here, or this level lags by more than is between two snapshots.
        let waiting = now_secs - newest.received_secs;
        let lag = newest.received_secs - held.map_or(around.since_secs, |held| held.received_secs);
        let gap = around.usual_gap_secs.unwrap_or(86_400);
        if waiting <= settings.out_of_step_secs && lag <= settings.out_of_step_secs + gap {
            continue;
        }
        let zone = zone(around);
        let last = match held {
            Some(held) => format!("its newest is from {}", words::moment(held.received_secs, &zone)),
            None => "it has none at all".to_owned(),
        };
        let severity = if lag.max(waiting) > WEEK { Severity::Critical } else { Severity::Warning };
        let found = Found::new(
            severity,
            format!(
                "{} is behind for {}: {last}, while another level has one from {}.",
                level.name,
                around.source,
                words::moment(newest.received_secs, &zone)
            ),
            format!("Look whether {} can reach that vault, and whether the vault is full; the next run brings it up to date.", around.host.host),
        )
        .with("newest snapshot elsewhere", &newest.snapshot)
        .with("its number", newest.sequence)
        .with("number here", held.map_or(0, |held| held.sequence))
        .on(&level.name);
        said.push(found);
    }
    Some(said)
}
