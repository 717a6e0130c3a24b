//! Numbers, times and paths as people and programs read them.

use serde_json::{Map, Value};
use vow_base::clock::Nanos;
use vow_base::id::hex;

/// A size for people.
pub(crate) fn bytes(bytes: u64) -> String {
    vow_base::amount::readable(bytes)
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 file", "2 files".
pub(crate) fn plural(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A time span for people.
pub(crate) fn duration(secs: f64) -> String {
    let whole = secs as u64;
    match whole {
        0..10 => format!("{secs:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole / 60 % 60),
    }
}

/// A time for people, in the machine's time zone.
pub(crate) fn local_time(nanos: Nanos) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// When a midnight is in the machine's time zone; given as if it were one of UTC. People name the days that [`local_time`] shows.
pub(crate) fn midnight(as_utc: Nanos) -> Nanos {
    let there = jiff::Timestamp::from_nanosecond(i128::from(as_utc)).ok().and_then(|time| {
        let civil = time.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        Some(civil.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp())
    });
    there.and_then(|time| Nanos::try_from(time.as_nanosecond()).ok()).unwrap_or(as_utc)
}

/// A time for programs.
pub(crate) fn rfc3339(nanos: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default().to_string()
}

/// Text that cannot move the cursor: control characters are escaped.
pub(crate) fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut plain, c| {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
        plain
    })
}

/// Puts a path of a snapshot into a JSON object: `path` as text, and `path_hex` when that text is not the whole truth.
pub(crate) fn path_value(object: &mut Map<String, Value>, path: &[u8]) {
    let absolute = [b"/", path].concat();
    object.insert("path".into(), String::from_utf8_lossy(&absolute).into());
    if std::str::from_utf8(path).is_err() {
        object.insert("path_hex".into(), hex(&absolute).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "file"), "1 file");
        assert_eq!(duration(3725.0), "1:02 h");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
    }

    #[test]
    fn a_path_that_is_not_text_is_kept_whole_in_json() {
        let mut object = Map::new();
        path_value(&mut object, b"a\xff");
        assert_eq!(object["path_hex"], "2f61ff");
        let mut object = Map::new();
        path_value(&mut object, b"a");
        assert_eq!((object["path"].as_str(), object.get("path_hex")), (Some("/a"), None));
    }
}
