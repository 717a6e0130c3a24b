//! The hours of a day in which something may begin: `22:00-06:00`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::fmt;
use std::str::FromStr;

/// From one time of day to another; over midnight when the second is the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from_minute: u16,
    to_minute: u16,
}

const DAY_MINUTES: u16 = 24 * 60;

/// A text that is no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is two different times of day, as in \"22:00-06:00\"")]
pub struct BadWindow;

impl Window {
    /// Whether it is open at this time.
    pub fn is_open(&self, zone: &TimeZone, at_secs: i64) -> bool {
        let Ok(at) = Timestamp::from_second(at_secs) else { return true };
        let local = at.to_zoned(zone.clone()).time();
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        if self.from_minute < self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }

    /// When it opens next, after this time.
    pub fn opens_after(&self, zone: &TimeZone, at_secs: i64) -> i64 {
        let Ok(at) = Timestamp::from_second(at_secs) else { return at_secs };
        let today = at.to_zoned(zone.clone()).date();
        let (hour, minute) = ((self.from_minute / 60) as i8, (self.from_minute % 60) as i8);
        for days in 0..=2 {
            let opens = today
                .checked_add(i64::from(days).days())
                .ok()
                .and_then(|day| day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok());
            if let Some(opens) =
                opens.map(|opens| opens.timestamp().as_second()).filter(|opens| *opens > at_secs)
            {
                return opens;
            }
        }
        at_secs.saturating_add(i64::from(DAY_MINUTES) * 60)
    }
}

impl FromStr for Window {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<Self, BadWindow> {
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
            let (hour, minute) = (number(hour)?, number(minute)?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-').ok_or(BadWindow)?;
        let (from_minute, to_minute) = (time(from).ok_or(BadWindow)?, time(to).ok_or(BadWindow)?);
        if from_minute == to_minute { Err(BadWindow) } else { Ok(Self { from_minute, to_minute }) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from_minute, self.to_minute);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}
