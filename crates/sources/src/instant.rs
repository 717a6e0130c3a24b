//! Moments as servers write them. Pure.

/// Microseconds in a second.
pub(crate) const MICROS: i64 = 1_000_000;

/// Reads `2026-11-20 10:00:00.25`, a moment in UTC: microseconds since 1970.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    let numbers =
        |text: &str, by: char| text.split(by).map(|part| part.parse().ok()).collect::<Option<Vec<i64>>>();
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?[..] else { return None };
    let [hour, minute, second] = numbers(time, ':')?[..] else { return None };
    let fraction: i64 = format!("{fraction:0<6.6}").parse().ok()?;
    // Days since 1970, with years that begin in March: the leap day is the last one then.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * MICROS + fraction)
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn moments_are_counted() {
        assert_eq!(micros("1970-01-01 00:00:00"), Some(0));
        assert_eq!(micros("2000-02-29 23:59:59.999999"), Some(951_868_799_999_999));
        assert_eq!(micros("2026-11-28 05:46:41.25"), Some(1_795_844_801_250_000));
        assert_eq!(micros("2026-11-28 05:46:41.000000123"), Some(1_795_844_801_000_000));
        for wrong in ["", "2026-11-28", "2026-11-28 05:46", "2026-11-28 05:46:41 UTC"] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }
}
