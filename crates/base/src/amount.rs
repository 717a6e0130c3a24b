//! Amounts as people write them: one reading of sizes, times and rates, for every file and every command line.
//!
//! | what | its units |
//! |---|---|
//! | [`Bytes`], `"512 MiB"` | none or `B`; in thousands `kB` or `KB`, `MB`, `GB`, `TB`, `PB`; in 1024s `KiB`, `MiB`, `GiB`, `TiB`, `PiB` |
//! | [`Rate`], `"10 MB/s"` | those of bytes but none, with `/s` behind |
//! | [`Term`], `"30m"` | `ms`; `s`; `m` or `min`; `h`; `d`, `day` or `days`; `w`, `week` or `weeks` |
//!
//! Each is a whole number of digits and one unit in this spelling, with blanks before, between and behind them or without. There are no
//! signs, no fractions and no sums (`"1d12h"`), and nothing is guessed: whoever writes `"5 mb"` or `"5 Mbit"` is asked what is meant.

use serde::{Deserialize, Deserializer, de::Error};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes. In a file a plain number will do as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Bytes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// A length of time, of a millisecond at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(pub Duration);

/// A text that is no such amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// No number of bytes.
    #[error("not a number of bytes: write for example \"512 MiB\" or \"2 TB\"")]
    Bytes,
    /// No rate.
    #[error("not a rate: write for example \"10 MB/s\" or \"500 KiB/s\"")]
    Rate,
    /// No length of time.
    #[error("not a length of time: write for example \"30s\", \"5m\", \"12h\" or \"14 days\"")]
    Term,
    /// A length of time where only whole seconds can be kept.
    #[error("not a length of whole seconds: write for example \"30s\", \"5m\", \"12h\" or \"14 days\"")]
    WholeSecs,
}

/// A number of bytes for people, to a tenth: `"3.9 MiB"`. It cannot be read back.
pub fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// The words for a unit, the one that is written first, and how much it is.
type Unit = (&'static [&'static str], u64);

const BYTES: [Unit; 11] = [
    (&["B"], 1),
    (&["kB", "KB"], 1_000),
    (&["KiB"], 1 << 10),
    (&["MB"], 1_000_000),
    (&["MiB"], 1 << 20),
    (&["GB"], 1_000_000_000),
    (&["GiB"], 1 << 30),
    (&["TB"], 1_000_000_000_000),
    (&["TiB"], 1 << 40),
    (&["PB"], 1_000_000_000_000_000),
    (&["PiB"], 1 << 50),
];

const MILLIS: [Unit; 6] = [
    (&["ms"], 1),
    (&["s"], 1_000),
    (&["m", "min"], 60_000),
    (&["h"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

/// The number and the word of an amount, which may be empty.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

/// The amount in the smallest unit.
fn whole(number: u64, word: &str, units: &[Unit]) -> Option<u64> {
    let (_, factor) = units.iter().find(|(words, _)| words.contains(&word))?;
    number.checked_mul(*factor)
}

/// The number and the word with which an amount is written: of the largest unit that says it exactly.
fn written(amount: u64, units: &[Unit]) -> (u64, &'static str) {
    let fits = |factor: u64| amount >= factor && amount.is_multiple_of(factor);
    let unit = units.iter().rev().find(|(_, factor)| fits(*factor)).unwrap_or(&units[0]);
    (amount / unit.1, unit.0[0])
}

/// A length of time, which may be none at all.
pub fn time(text: &str) -> Result<Duration, BadAmount> {
    let millis = split(text).and_then(|(number, word)| whole(number, word, &MILLIS));
    millis.map(Duration::from_millis).ok_or(BadAmount::Term)
}

impl Term {
    /// Its seconds, where no part of one can be kept.
    pub fn whole_secs(self) -> Result<u64, BadAmount> {
        if self.0.subsec_nanos() == 0 { Ok(self.0.as_secs()) } else { Err(BadAmount::WholeSecs) }
    }
}

impl FromStr for Bytes {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let bytes = split(text).and_then(|(number, word)| match word {
            "" => Some(number),
            word => whole(number, word, &BYTES),
        });
        bytes.map(Self).ok_or(BadAmount::Bytes)
    }
}

impl FromStr for Rate {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let rate = split(text).and_then(|(number, word)| whole(number, word.strip_suffix("/s")?, &BYTES));
        rate.map(Self).ok_or(BadAmount::Rate)
    }
}

impl FromStr for Term {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        time(text).ok().filter(|time| !time.is_zero()).map(Self).ok_or(BadAmount::Term)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, word) = written(self.0, &BYTES);
        write!(f, "{number} {word}")
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Bytes(self.0))
    }
}

/// In days at most: weeks are what people write, and hardly what they compare.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (number, word) = written(millis, &MILLIS[..5]);
        write!(f, "{number}{word}")
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
    use proptest::prelude::*;

    #[test]
    fn amounts_are_whole_numbers_with_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("7", 7),
            ("7 B", 7),
            ("512MiB", 512 << 20),
            (" 1\t kB ", 1000),
            ("1KB", 1000),
            ("2 TB", 2_000_000_000_000),
            ("18014398509481983 KiB", u64::MAX - 1023),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for (text, rate) in [("10 MB/s", 10_000_000), ("500KiB/s", 512_000), ("32768 B/s", 32_768)] {
            assert_eq!(text.parse(), Ok(Rate(rate)), "{text}");
        }
        for (text, secs) in [
            ("90s", 90),
            ("5m", 300),
            ("15 min", 900),
            ("4 h", 14_400),
            ("1 day", 86_400),
            ("2 days", 172_800),
            ("3d", 259_200),
            ("1 week", 604_800),
            ("2 weeks", 1_209_600),
            ("8w", 4_838_400),
        ] {
            assert_eq!(text.parse(), Ok(Term(Duration::from_secs(secs))), "{text}");
        }
        assert_eq!("250 ms".parse(), Ok(Term(Duration::from_millis(250))));
        assert_eq!(time("0m"), Ok(Duration::ZERO));
    }

    #[test]
    fn nothing_is_guessed() {
        for bad in [
            "",
            "MiB",
            "1.5 GiB",
            "-1",
            "+1",
            "1 mib",
            "1 M",
            "1 Ki B",
            "7 s",
            "20000000 PiB",
            "99999999999999999999",
        ] {
            assert_eq!(bad.parse::<Bytes>(), Err(BadAmount::Bytes), "{bad}");
        }
        for bad in [
            "",
            "5",
            "5/s",
            "/s",
            "10 MB",
            "10 mb/s",
            "10 Mbit/s",
            "1.5 MB/s",
            "10 MB /s",
            "-1 MB/s",
            "ten MB/s",
        ] {
            assert_eq!(bad.parse::<Rate>(), Err(BadAmount::Rate), "{bad}");
        }
        for bad in ["", "5", "0s", "s", "1 month", "3D", "1d12h", "+3d", "3.5d", "３d", "99999999999999999d"]
        {
            assert_eq!(bad.parse::<Term>(), Err(BadAmount::Term), "{bad}");
        }
        assert_eq!(Term(Duration::from_millis(1500)).whole_secs(), Err(BadAmount::WholeSecs));
        assert_eq!(Term(Duration::from_secs(90)).whole_secs(), Ok(90));
    }

    #[test]
    fn the_largest_unit_that_fits_is_written() {
        for (bytes, text) in [
            (0, "0 B"),
            (1500, "1500 B"),
            (3 << 30, "3 GiB"),
            (2_000_000_000_000, "2 TB"),
            (512_000, "500 KiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(Rate(10_000_000).to_string(), "10 MB/s");
        for text in ["14d", "90s", "36h", "250ms", "1m"] {
            assert_eq!(text.parse::<Term>().expect("a term").to_string(), text);
        }
        assert_eq!(Term(Duration::ZERO).to_string(), "0ms");
    }

    proptest! {
        #[test]
        fn amounts_are_read_as_they_are_written(number in 0u64..1 << 40, factor in prop::sample::select(vec![1u64, 1000, 1024, 60_000])) {
            let amount = number * factor;
            prop_assert_eq!(Bytes(amount).to_string().parse(), Ok(Bytes(amount)));
            prop_assert_eq!(Rate(amount).to_string().parse(), Ok(Rate(amount)));
            let term = Term(Duration::from_millis(amount + 1));
            prop_assert_eq!(term.to_string().parse(), Ok(term));
        }
    }
}
