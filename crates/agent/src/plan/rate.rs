//! Transfer rates: `10 MB/s`, `500 KiB/s`.

/// Units with their bytes per second, largest first, binary before decimal.
const UNITS: [(&str, u64); 7] = [
    ("GiB/s", 1 << 30),
    ("GB/s", 1_000_000_000),
    ("MiB/s", 1 << 20),
    ("MB/s", 1_000_000),
    ("KiB/s", 1 << 10),
    ("kB/s", 1000),
    ("B/s", 1),
];

/// Below this, in bytes per second, a vault takes a transfer for a stalled one.
const LEAST: u64 = 32 << 10;

/// Bytes per second; or what is wrong with the text.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let malformed = || format!("{text:?} is not a rate: write for example \"10 MB/s\" or \"500 KiB/s\"");
    let (number, unit) = text.split_once(' ').ok_or_else(malformed)?;
    let digits = !number.is_empty() && number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.then(|| number.parse().ok()).flatten().ok_or_else(malformed)?;
    let (_, bytes) = UNITS.iter().find(|(word, _)| *word == unit).ok_or_else(malformed)?;
    let rate = number.saturating_mul(*bytes);
    if rate < LEAST {
        return Err(format!("{text:?} is too little: a transfer needs 32 KiB/s"));
    }
    Ok(rate)
}

/// A rate as it can be read again, in the largest unit that fits it.
pub(super) fn shown(rate: u64) -> String {
    let fits = UNITS.iter().filter(|(_, bytes)| rate.is_multiple_of(*bytes));
    let (word, bytes) = fits.max_by_key(|(_, bytes)| *bytes).unwrap_or(&("B/s", 1));
    format!("{} {word}", rate / bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_a_space_and_a_unit() {
        for (text, rate) in [
            ("10 MB/s", 10_000_000),
            ("500 KiB/s", 512_000),
            ("32768 B/s", 32_768),
            ("999999999 GiB/s", 999_999_999 << 30),
        ] {
            assert_eq!(parse(text), Ok(rate), "{text}");
            assert_eq!(parse(&shown(rate)), Ok(rate), "{}", shown(rate));
        }
        assert_eq!(shown(10_000_000), "10 MB/s");
        for bad in [
            "",
            "10",
            "10MB/s",
            "10 MB",
            "10  MB/s",
            " 10 MB/s",
            "+10 MB/s",
            "1.5 MB/s",
            "10 mb/s",
            "10 Mbit/s",
            "0 MB/s",
            "31 KiB/s",
            "9999999999 B/s",
            "-1 MB/s",
            "ten MB/s",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
