//! A length of time in the rules: whole minutes, written as [`vow_base::amount`] reads it, "30m", "12h", "14d" or "8w".

use std::fmt;
use std::str::FromStr;
use vow_base::amount;
use vow_base::clock::Nanos;

const NANOS_PER_MINUTE: i64 = 60_000_000_000;
const MILLIS_PER_MINUTE: u128 = 60_000;
const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;
/// A hundred years: far from what [`Nanos`] can hold.
const LONGEST: u32 = 36_500 * DAY;

/// A length of time in whole minutes, at most a hundred years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(u32);

/// A text that should have been a length of time and is not.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a length of time: write a whole number and m, h, d or w, as in \"30m\", \"12h\", \"14d\" or \"8w\""
)]
pub struct BadTerm(String);

impl Term {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest there is.
    pub const MAX: Self = Self(LONGEST);

    /// This many minutes; more than a hundred years are a hundred years.
    pub const fn minutes(minutes: u32) -> Self {
        if minutes > LONGEST { Self::MAX } else { Self(minutes) }
    }

    /// This many hours.
    pub const fn hours(hours: u32) -> Self {
        Self::minutes(hours.saturating_mul(HOUR))
    }

    /// This many days of 24 hours.
    pub const fn days(days: u32) -> Self {
        Self::minutes(days.saturating_mul(DAY))
    }

    /// The same in nanoseconds.
    pub const fn nanos(self) -> Nanos {
        self.0 as i64 * NANOS_PER_MINUTE
    }

    /// The moment this long after `time`.
    pub const fn after(self, time: Nanos) -> Nanos {
        time.saturating_add(self.nanos())
    }
}

/// The largest unit that gives a whole number; days at most, because that is how people compare these terms.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            minutes if minutes.is_multiple_of(DAY) => write!(f, "{}d", minutes / DAY),
            minutes if minutes.is_multiple_of(HOUR) => write!(f, "{}h", minutes / HOUR),
            minutes => write!(f, "{minutes}m"),
        }
    }
}

impl FromStr for Term {
    type Err = BadTerm;

    fn from_str(text: &str) -> Result<Self, BadTerm> {
        let bad = || BadTerm(text.chars().take(40).collect());
        let millis = amount::time(text).map_err(|_| bad())?.as_millis();
        let whole = millis.is_multiple_of(MILLIS_PER_MINUTE);
        let minutes = u32::try_from(millis / MILLIS_PER_MINUTE).ok();
        minutes.filter(|minutes| whole && *minutes <= LONGEST).map(Self).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_and_written_in_their_largest_unit() {
        let pairs = [
            ("30m", "30m"),
            ("90m", "90m"),
            ("120m", "2h"),
            ("36h", "36h"),
            ("48h", "2d"),
            ("8w", "56d"),
            ("3 days", "3d"),
            ("120s", "2m"),
        ];
        for (text, written) in pairs {
            let term: Term = text.parse().expect(text);
            assert_eq!(term.to_string(), written);
            assert_eq!(written.parse(), Ok(term));
        }
        assert_eq!("0m".parse(), Ok(Term::ZERO));
        assert_eq!("36500d".parse(), Ok(Term::MAX));
        assert_eq!(Term::days(1).nanos(), 86_400_000_000_000);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "d",
            "3",
            "+3d",
            "-3d",
            "3.5d",
            "3D",
            "3s",
            "90s",
            "1d12h",
            "36501d",
            "99999999999d",
            "３d",
            "3é",
        ] {
            assert!(text.parse::<Term>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        assert_eq!(Term::MAX.after(i64::MAX - 1), i64::MAX);
        assert_eq!(Term::days(u32::MAX), Term::MAX);
    }
}
