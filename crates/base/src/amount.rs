//! Amounts as people write them: `"512 MiB"`, `"30s"`.

use serde::{Deserialize, Deserializer, de::Error};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: a number, or a text with a unit (`B`, `KiB` … `PiB`, `KB` … `PB`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A length of time: a text with a unit (`ms`, `s`, `m`, `h`, `d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(pub Duration);

/// A text that is no such amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// No number of bytes.
    #[error("not a number of bytes: write for example \"512 MiB\" or \"2 TB\"")]
    Bytes,
    /// No length of time.
    #[error("not a length of time: write for example \"30s\", \"5m\" or \"12h\"")]
    Term,
}

const BYTE_UNITS: [(&str, u64); 12] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
];

const TERM_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number and a unit, with blanks between them at most.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(known, _)| *known == unit.trim_start_matches(' '))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl FromStr for Bytes {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        amount(text, &BYTE_UNITS).map(Self).ok_or(BadAmount::Bytes)
    }
}

impl FromStr for Term {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let millis = amount(text, &TERM_UNITS).filter(|millis| *millis > 0).ok_or(BadAmount::Term)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = |factor: u64| millis > 0 && millis.is_multiple_of(factor);
        let unit = TERM_UNITS.iter().rev().find(|(_, factor)| fits(*factor));
        let (unit, factor) = unit.copied().unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / factor)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        let unit = BYTE_UNITS[1..7].iter().rev().find(|(_, factor)| whole(*factor));
        let (unit, factor) = unit.unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u64),
            Text(String),
        }
        match Raw::deserialize(deserializer).map_err(|_| D::Error::custom(BadAmount::Bytes))? {
            Raw::Number(bytes) => Ok(Self(bytes)),
            Raw::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_numbers_with_a_unit() {
        for (text, bytes) in
            [("0", 0), ("7", 7), ("7 B", 7), ("512MiB", 512 << 20), ("2 TB", 2_000_000_000_000)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for bad in
            ["", "MiB", "1.5 GiB", "-1", "+1", "1 mib", "1 MiB ", "20000000 PiB", "99999999999999999999"]
        {
            assert_eq!(bad.parse::<Bytes>(), Err(BadAmount::Bytes), "{bad}");
        }
        assert_eq!("90s".parse(), Ok(Term(Duration::from_secs(90))));
        assert_eq!("250 ms".parse(), Ok(Term(Duration::from_millis(250))));
        for bad in ["", "5", "0s", "s", "1 week"] {
            assert_eq!(bad.parse::<Term>(), Err(BadAmount::Term), "{bad}");
        }
        assert_eq!(Bytes(3 << 30).to_string(), "3 GiB");
        assert_eq!(Bytes(1500).to_string(), "1500 B");
        for text in ["14d", "90s", "36h", "250ms", "1m"] {
            assert_eq!(text.parse::<Term>().expect("a term").to_string(), text);
        }
    }
}
