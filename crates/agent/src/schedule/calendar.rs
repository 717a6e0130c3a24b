//! Cron expressions in a time zone.

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::str::FromStr;

/// Why a schedule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// It is no cron expression.
    #[error("{text:?} is not a schedule: {reason}")]
    Cron {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such day.
    #[error("the schedule {0:?} never comes")]
    Never(String),
    /// The time zone is unknown here.
    #[error("the time zone {name:?} is not known here: {reason}")]
    Zone {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: Cron,
    text: String,
    zone: TimeZone,
    zone_name: Option<String>,
}

/// Spans that are looked through for the newest slot before now, from its end: one in which there is any has few.
const SPANS_SECS: [i64; 3] = [2 * 86_400, 40 * 86_400, 800 * 86_400];

impl Calendar {
    /// The expression in the zone of this name, or in that of the system.
    ///
    /// # Errors
    /// When it is no expression, never comes, or the zone is unknown.
    pub fn new(text: &str, zone_name: Option<&str>) -> Result<Self, ScheduleError> {
        let cron = Cron::from_str(text)
            .map_err(|e| ScheduleError::Cron { text: text.to_owned(), reason: e.to_string() })?;
        let zone = match zone_name {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name)
                .map_err(|e| ScheduleError::Zone { name: name.to_owned(), reason: e.to_string() })?,
        };
        let calendar = Self { cron, text: text.to_owned(), zone, zone_name: zone_name.map(str::to_owned) };
        match calendar.next_after(0) {
            Some(_) => Ok(calendar),
            None => Err(ScheduleError::Never(text.to_owned())),
        }
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the zone, when one was given.
    pub fn zone_name(&self) -> Option<&str> {
        self.zone_name.as_deref()
    }

    /// The zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first slot after a time.
    pub fn next_after(&self, after_secs: i64) -> Option<i64> {
        let found = self.cron.find_next_occurrence(&self.local(after_secs)?, false).ok()?;
        // What a library finds where clocks are turned must never hold the agent at one place.
        Some(found.timestamp().as_second()).filter(|found| *found > after_secs)
    }

    /// The newest slot after `after_secs` that is not later than `until_secs`.
    pub fn newest_between(&self, after_secs: i64, until_secs: i64) -> Option<i64> {
        let spans =
            SPANS_SECS.iter().map(|span| until_secs.saturating_sub(*span)).filter(|from| *from > after_secs);
        for from in spans.chain([after_secs]) {
            let mut newest = None;
            let mut at = from;
            while let Some(slot) = self.next_after(at).filter(|slot| *slot <= until_secs) {
                (newest, at) = (Some(slot), slot);
            }
            if newest.is_some() {
                return newest;
            }
        }
        None
    }

    fn local(&self, secs: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(secs).ok()?.to_zoned(self.zone.clone()))
    }
}
