//! Hours, days, ISO weeks, months and years in UTC. Not in local time: a vault serves many places, and no hour comes twice.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;
use vow_base::clock::Nanos;

/// How a rule divides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From full hour to full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// Of the calendar.
    Month,
    /// Of the calendar.
    Year,
}

/// One hour, day, …. Of one period, later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Year, month, day, hour.
    Hour(i16, i8, i8, i8),
    /// Year, month, day.
    Day(i16, i8, i8),
    /// ISO year, week.
    Week(i16, i8),
    /// Year, month.
    Month(i16, i8),
    /// Year.
    Year(i16),
}

impl Period {
    /// All of them, as the rules list them.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The slot that this moment lies in.
    pub fn slot(self, time: Nanos) -> Slot {
        let time = utc(time);
        match self {
            Self::Hour => Slot::Hour(time.year(), time.month(), time.day(), time.hour()),
            Self::Day => Slot::Day(time.year(), time.month(), time.day()),
            Self::Week => {
                let week = time.iso_week_date();
                Slot::Week(week.year(), week.week())
            }
            Self::Month => Slot::Month(time.year(), time.month()),
            Self::Year => Slot::Year(time.year()),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(year, month, day, hour) => write!(f, "{year:04}-{month:02}-{day:02} {hour:02}h"),
            Self::Day(year, month, day) => write!(f, "{year:04}-{month:02}-{day:02}"),
            Self::Week(year, week) => write!(f, "{year:04}-W{week:02}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Year(year) => write!(f, "{year:04}"),
        }
    }
}

/// A moment for people, to the minute, in UTC.
pub(crate) fn stamp(time: Nanos) -> String {
    utc(time).strftime("%Y-%m-%d %H:%M").to_string()
}

fn utc(time: Nanos) -> DateTime {
    // Nanos reach from 1677 to 2262, a Timestamp from -9999 to 9999.
    let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
    TimeZone::UTC.to_datetime(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_calendar_in_utc() {
        // From `date -u -d @1767225599.999999999 '+%F %H %G-W%V'` and one nanosecond later.
        let before = 1_767_225_599_999_999_999;
        let text = |time| Period::ALL.map(|period| period.slot(time).to_string());
        assert_eq!(text(before), ["2025-12-31 23h", "2025-12-31", "2026-W01", "2025-12", "2025"]);
        assert_eq!(text(before + 1), ["2026-01-01 00h", "2026-01-01", "2026-W01", "2026-01", "2026"]);
        // A Sunday and the Monday after it.
        assert_eq!(text(1_736_726_399_000_000_000)[2], "2025-W02");
        assert_eq!(text(1_736_726_400_000_000_000)[2], "2025-W03");
        assert_eq!(text(-1)[0], "1969-12-31 23h");
        assert_eq!(stamp(before), "2025-12-31 23:59");
    }

    #[test]
    fn the_ends_of_time_have_slots() {
        for period in Period::ALL {
            assert!(period.slot(Nanos::MIN) < period.slot(Nanos::MAX));
        }
        assert_eq!(Period::Year.slot(Nanos::MAX), Slot::Year(2262));
    }
}
