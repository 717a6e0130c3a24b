//! When a snapshot of a source was due.

use super::case::zone;
use super::settings::Settings;
use crate::records::Around;
use croner::Cron;
use jiff::Timestamp;
use std::str::FromStr;

const QUARTER_HOUR: i64 = 900;
const THREE_HOURS: i64 = 3 * 3600;
/// A schedule that names no time within this many steps is none.
const STEPS_MAX: usize = 64;

/// What a source owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// When the first snapshot that did not come was due.
    pub(super) due_secs: i64,
    /// How many are missing by now, at most [`STEPS_MAX`].
    pub(super) missing: usize,
    /// The time between the last two times that it was due.
    pub(super) every_secs: i64,
}

/// What is owed of a source whose newest snapshot came at `newest_secs`, or that is known since then and has none.
/// `None` when nothing is promised; `missing` is 0 when nothing is owed.
pub(super) fn owed(around: &Around, settings: &Settings, newest_secs: i64, now_secs: i64) -> Option<Owed> {
    let schedule = around.expected.as_ref().and_then(|expected| expected.schedule.as_deref());
    match schedule.and_then(|text| Cron::from_str(text).ok()) {
        Some(cron) => by_schedule(&cron, around, settings, newest_secs, now_secs),
        None => by_period(around, settings, newest_secs, now_secs),
    }
}

fn by_schedule(
    cron: &Cron,
    around: &Around,
    settings: &Settings,
    newest_secs: i64,
    now_secs: i64,
) -> Option<Owed> {
    let zone = zone(around);
    let previous = |secs: i64, inclusive: bool| {
        let time = Timestamp::from_second(secs).ok()?.to_zoned(zone.clone());
        Some(cron.find_previous_occurrence(&time, inclusive).ok()?.timestamp().as_second())
    };
    let (last, before) = {
        let last = previous(now_secs, true)?;
        (last, previous(last, false)?)
    };
    let every_secs = (last - before).max(1);
    let mut due = previous(now_secs - grace(around, settings, every_secs), true)?;
    let mut owed = Owed { due_secs: due, missing: 0, every_secs };
    while due > newest_secs && owed.missing < STEPS_MAX {
        owed = Owed { due_secs: due, missing: owed.missing + 1, every_secs };
        due = previous(due, false)?;
    }
    Some(owed)
}

fn by_period(around: &Around, settings: &Settings, newest_secs: i64, now_secs: i64) -> Option<Owed> {
    // What is only usual is less than a promise: half of it late is not late yet.
    let (every_secs, slack) = match settings.period_secs {
        Some(period) => (period, 0),
        None => around.usual_gap_secs.map(|gap| (gap, gap / 2))?,
    };
    let every_secs = every_secs.max(1);
    let due_secs = newest_secs.saturating_add(every_secs);
    let over = now_secs - slack - grace(around, settings, every_secs) - due_secs;
    let missing =
        if over < 0 { 0 } else { 1 + usize::try_from(over / every_secs).unwrap_or(STEPS_MAX).min(STEPS_MAX) };
    Some(Owed { due_secs, missing, every_secs })
}

/// How long after it was due it may still arrive.
fn grace(around: &Around, settings: &Settings, every_secs: i64) -> i64 {
    let fixed = settings.grace_secs.unwrap_or((every_secs / 4).clamp(QUARTER_HOUR, THREE_HOURS));
    let run = around.last_run.as_ref().map_or(0.0, |run| run.duration_secs.clamp(0.0, 7.0 * 86_400.0));
    fixed + (2.0 * run) as i64
}
