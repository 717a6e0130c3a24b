//! A run beside what it is judged by.

use super::settings::Settings;
use super::words;
use crate::records::{Around, History, Past, RuleName, Run};
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use vow_protocol::report::Outcome;

/// A run, the runs before it, the facts around it.
pub struct RunCase<'a> {
    /// The run.
    pub run: &'a Run,
    /// The history of its source, without it.
    pub history: &'a History,
    /// What else is known.
    pub around: &'a Around,
    /// What is set for its source.
    pub settings: &'a Settings,
    /// The time now.
    pub now_secs: i64,
    /// Runs that began before it.
    pub(super) past: &'a [Past],
    pub(super) zone: TimeZone,
}

/// When in the week a run began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) weekday: Weekday,
    pub(super) hour: i8,
}

impl<'a> RunCase<'a> {
    /// Puts them together. A run that is in the history already is judged as it was before it was there.
    pub fn new(
        run: &'a Run,
        history: &'a History,
        around: &'a Around,
        settings: &'a Settings,
        now_secs: i64,
    ) -> Self {
        let before = history
            .past
            .iter()
            .position(|past| past.report == run.report || past.started_secs > run.body.started_secs)
            .unwrap_or(history.past.len());
        let past = history.past.get(..before).unwrap_or_default();
        Self { run, history, around, settings, now_secs, past, zone: zone(around) }
    }

    /// Whether no later run is known.
    pub fn is_newest(&self) -> bool {
        self.history.past.last().is_none_or(|last| last.started_secs <= self.run.body.started_secs)
    }

    /// Why rules are not sure yet.
    pub(super) fn learning(&self) -> Option<String> {
        let (known, needed) = (
            self.past.iter().filter(|past| past.outcome != Outcome::Failed).count(),
            self.settings.learning_runs,
        );
        (known < needed).then(|| {
            format!(
                "still learning: {} of the {needed} needed to know what is usual",
                words::count(known as u64, "run")
            )
        })
    }

    /// Since which run a person said that what `rule` spoke against is usual.
    pub(super) fn marked_since(&self, rule: RuleName) -> Option<i64> {
        let marks = self.around.marks.iter().filter(|mark| mark.rule == rule);
        marks.map(|mark| mark.started_secs).filter(|secs| *secs <= self.run.body.started_secs).max()
    }

    /// Whether there is a snapshot to look at.
    pub(super) fn has_snapshot(&self) -> bool {
        self.run.body.outcome != Outcome::Failed
    }

    pub(super) fn source(&self) -> &str {
        &self.run.body.source
    }

    pub(super) fn slot(&self, secs: i64) -> Slot {
        let time = Timestamp::from_second(secs).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone());
        Slot { weekday: time.weekday(), hour: time.hour() }
    }
}

/// The time zone of the plan.
pub(super) fn zone(around: &Around) -> TimeZone {
    let name = around.expected.as_ref().and_then(|expected| expected.time_zone.as_deref());
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}
