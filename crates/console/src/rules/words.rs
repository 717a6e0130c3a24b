//! Numbers and times as a tired person reads them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `12.3 MB`: decimal units, three digits.
pub fn bytes(bytes: f64) -> String {
    let (number, unit) = scaled(bytes, bytes);
    format!("{number} {unit}")
}

/// `118 to 124 MB`, or `118 MB` when both read the same.
pub fn byte_range(low: f64, high: f64) -> String {
    let ((low_number, _), (high_number, unit)) = (scaled(low, high), scaled(high, high));
    if low_number == high_number {
        format!("{high_number} {unit}")
    } else {
        format!("{low_number} to {high_number} {unit}")
    }
}

/// `value` in the unit that suits `like`.
fn scaled(value: f64, like: f64) -> (String, &'static str) {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut unit = 0;
    let mut divisor = 1.0;
    // 999.5 kB would round to 1000 kB.
    while like.abs() / divisor >= 999.5 && unit + 1 < UNITS.len() {
        divisor *= 1000.0;
        unit += 1;
    }
    let scaled = value / divisor;
    let number = match scaled.abs() {
        _ if unit == 0 => format!("{scaled:.0}"),
        size if size < 9.995 => trimmed(format!("{scaled:.2}")),
        size if size < 99.95 => trimmed(format!("{scaled:.1}")),
        _ => format!("{scaled:.0}"),
    };
    (number, UNITS[unit])
}

fn trimmed(number: String) -> String {
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `45 s`, `12 min`, `3.5 hours`, `4 days`.
pub fn span(secs: f64) -> String {
    // Nothing takes longer than thirty thousand years, and what is no number took no time.
    let secs = if secs.is_nan() { 0.0 } else { secs.clamp(0.0, 1e12) };
    match secs {
        secs if secs < 1.0 => format!("{} s", trimmed(format!("{secs:.2}"))),
        secs if secs < 120.0 => format!("{secs:.0} s"),
        secs if secs < 7200.0 => format!("{:.0} min", secs / 60.0),
        secs if secs < 172_800.0 => format!("{} hours", trimmed(format!("{:.1}", secs / 3600.0))),
        secs => format!("{:.0} days", secs / 86_400.0),
    }
}

/// `20 to 25 min`, in words of the larger.
pub fn span_range(low: f64, high: f64) -> String {
    let (low_text, high_text) = (span(low), span(high));
    match (low_text.split_once(' '), high_text.split_once(' ')) {
        _ if low_text == high_text => high_text,
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number} to {high_text}"),
        _ => format!("{low_text} to {high_text}"),
    }
}

/// `Tue 2026-11-24 03:00`, in the zone, with its name when it is not UTC.
pub fn moment(secs: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(secs) {
        Ok(time) => {
            let time = time.to_zoned(zone.clone());
            let name =
                if zone == &TimeZone::UTC { "UTC".to_owned() } else { time.strftime("%Z").to_string() };
            format!("{} {name}", time.strftime("%a %Y-%m-%d %H:%M"))
        }
        Err(_) => format!("second {secs}"),
    }
}

/// `0.4 %`, `12 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 9.95 {
        format!("{} %", trimmed(format!("{percent:.1}")))
    } else {
        format!("{percent:.0} %")
    }
}

/// `1 file`, `3 files`.
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `a`, `a and b`, `a, b and 3 more`.
pub fn names<'a>(names: impl IntoIterator<Item = &'a str>, at_most: usize) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.len() > at_most {
        return format!("{} and {} more", names[..at_most].join(", "), names.len() - at_most);
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(bytes(12_345_678.0), "12.3 MB");
        assert_eq!(bytes(999.0), "999 B");
        assert_eq!(bytes(999_700.0), "1 MB");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(byte_range(118e6, 124e6), "118 to 124 MB");
        assert_eq!(byte_range(40e3, 124e6), "0.04 to 124 MB");
        assert_eq!(byte_range(1e6, 1e6), "1 MB");
        assert_eq!(span_range(1200.0, 1500.0), "20 to 25 min");
        assert_eq!(span_range(45.0, 1500.0), "45 s to 25 min");
        assert_eq!(span(90_000.0), "25 hours");
        assert_eq!(span(400_000.0), "5 days");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(names(["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(names(["a", "b", "c"], 3), "a, b and c");
        assert_eq!(moment(0, &TimeZone::UTC), "Thu 1970-01-01 00:00 UTC");
        assert_eq!(moment(i64::MAX, &TimeZone::UTC), format!("second {}", i64::MAX));
    }
}
