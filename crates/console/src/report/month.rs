//! A month, as `2026-10`, UTC.

use std::fmt;
use std::str::FromStr;

/// A month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    year: i16,
    month: i8,
}

/// What is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no month: write it as 2026-10")]
pub struct MonthError(String);

impl Month {
    /// The month of a time.
    pub fn of(secs: i64) -> Self {
        let date =
            jiff::Timestamp::from_second(secs).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
        Self { year: date.year(), month: date.month() }
    }

    /// The one before.
    pub fn before(self) -> Self {
        match self.month {
            1 => Self { year: self.year - 1, month: 12 },
            month => Self { month: month - 1, ..self },
        }
    }

    fn after(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { month: month + 1, ..self },
        }
    }

    /// Its first second.
    pub fn start_secs(self) -> i64 {
        let date = jiff::civil::date(self.year, self.month, 1).to_zoned(jiff::tz::TimeZone::UTC);
        date.map_or(0, |date| date.timestamp().as_second())
    }

    /// The first second after it.
    pub fn end_secs(self) -> i64 {
        self.after().start_secs()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let wrong = || MonthError(text.chars().take(20).collect());
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        if year.len() != 4 || month.len() != 2 || !text.is_ascii() {
            return Err(wrong());
        }
        let month =
            Self { year: year.parse().map_err(|_| wrong())?, month: month.parse().map_err(|_| wrong())? };
        let good = (1970..=9000).contains(&month.year) && (1..=12).contains(&month.month);
        if good { Ok(month) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_each_other() {
        let month: Month = "2026-12".parse().expect("there is one");
        assert_eq!((month.to_string(), month.before().to_string()), ("2026-12".into(), "2026-11".into()));
        assert_eq!(month.end_secs() - month.start_secs(), 31 * 86_400);
        assert_eq!(Month::of(month.start_secs()), month);
        assert_eq!(Month::of(month.start_secs() - 1), month.before());
        assert_eq!("2027-01".parse::<Month>().expect("there is one").before(), month);
        for bad in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "26-10",
            "2026-1",
            "2026-10-01",
            "+026-10",
            "1969-12",
            "ä026-1",
        ] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
