//! How times, sizes and states are shown.

use crate::db::hosts::Host;
use crate::db::sources::Source;
use crate::records::Severity;
use maud::{Markup, html};

/// A text from elsewhere: what would move, hide or turn other text is shown as what it is.
pub(crate) fn plain(text: &str) -> String {
    let odd = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}

/// `1.2 GiB`.
pub(crate) fn bytes(bytes: i64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value.abs() >= 100.0 => format!("{value:.0} {}", units[unit]),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

/// `1 234 567`.
pub(super) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `3 m 20 s`.
pub(super) fn duration(secs: f64) -> String {
    let whole = secs.round() as i64;
    match whole {
        ..1 => format!("{secs:.1} s"),
        1..60 => format!("{whole} s"),
        60..3600 => format!("{} m {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} m", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// `3 hours`.
pub(super) fn span(secs: i64) -> String {
    let several = |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    match secs.abs() {
        secs @ ..60 => several(secs, "second"),
        secs @ 60..3600 => several(secs / 60, "minute"),
        secs @ 3600..172_800 => several(secs / 3600, "hour"),
        secs => several(secs / 86_400, "day"),
    }
}

/// `2026-11-28 02:30`, UTC.
pub(crate) fn stamp(secs: i64) -> String {
    match jiff::Timestamp::from_second(secs) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "—".to_owned(),
    }
}

/// `2026-11-28`.
pub(super) fn date(day: i64) -> String {
    stamp(day.saturating_mul(86_400)).split(' ').next().unwrap_or_default().to_owned()
}

/// A time for people, how long ago; the exact one is under it.
pub(super) fn ago(secs: i64, now: i64) -> Markup {
    let text = match now - secs {
        ..-60 => format!("in {}", span(secs - now)),
        -60..60 => "just now".to_owned(),
        past => format!("{} ago", span(past)),
    };
    html! { time datetime=(format!("{}Z", stamp(secs).replace(' ', "T"))) title=(format!("{} UTC", stamp(secs))) { (text) } }
}

/// Since when something is as it is: `for 3 minutes`; the exact time is under it.
pub(super) fn lasting(since_secs: i64, now: i64) -> Markup {
    let text = match now - since_secs {
        ..60 => "just now".to_owned(),
        past => format!("for {}", span(past)),
    };
    html! { time datetime=(format!("{}Z", stamp(since_secs).replace(' ', "T"))) title=(format!("{} UTC", stamp(since_secs))) { (text) } }
}

/// A time in full, and how long ago it was: where somebody compares it with a log.
pub(super) fn dated(secs: i64, now: i64) -> Markup {
    html! { (stamp(secs)) ", " (ago(secs, now)) }
}

/// The same, or a dash.
pub(super) fn maybe_ago(secs: Option<i64>, now: i64) -> Markup {
    match secs {
        Some(secs) => ago(secs, now),
        None => html! { span.none { "never" } },
    }
}

/// A sentence in which commands and names stand between backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in plain(text).split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// `1 copy`, `3 copies`.
pub(super) fn several(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The first characters of an id.
pub(super) fn short(id: &str) -> String {
    id.chars().take(10).collect()
}

/// A state: colour, shape and word say the same.
pub(super) fn chip(kind: &str, word: &str) -> Markup {
    html! { span class={ "chip " (kind) } { (word) } }
}

/// How a run ended.
pub(super) fn outcome(word: &str) -> Markup {
    match word {
        "ok" => chip("good", "whole"),
        "partial" => chip("warn", "partial"),
        "failed" => chip("bad", "failed"),
        _ => chip("idle", "no run yet"),
    }
}

/// How bad the worst open ticket is.
pub(super) fn severity(rank: i64) -> Markup {
    match rank {
        3.. => chip("bad", "critical"),
        2 => chip("warn", "warning"),
        1 => chip("note", "notice"),
        _ => chip("good", "well"),
    }
}

/// How a host is. Of one that was never heard of nothing is known, and that is not well.
pub(super) fn host_state(host: &Host) -> Markup {
    match (host.closed_secs, host.heard_secs, host.severity) {
        (Some(_), ..) => chip("idle", "closed"),
        (None, None, 0) => chip("idle", "never heard"),
        (None, _, rank) => severity(rank),
    }
}

/// How a source is. One that has not run yet is not well.
pub(super) fn source_state(source: &Source) -> Markup {
    match (source.gone_secs, source.last_started_secs, source.severity) {
        (Some(_), ..) => chip("idle", "no longer in the plan"),
        (None, None, 0) => chip("idle", "no run yet"),
        (None, _, rank) => severity(rank),
    }
}

/// The severity of one ticket.
pub(super) fn ticket_severity(severity: Severity) -> Markup {
    match severity {
        Severity::Critical => chip("bad", "critical"),
        Severity::Warning => chip("warn", "warning"),
        Severity::Notice => chip("note", "notice"),
    }
}

/// What a drill said.
pub(super) fn verdict(word: &str) -> Markup {
    match word {
        "proven" => chip("good", "proven"),
        "failed" => chip("bad", "failed"),
        "broken" => chip("bad", "drill broken"),
        "blocked" => chip("warn", "could not be tried"),
        _ => chip("idle", "never drilled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(250 << 30), "250 GiB");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(12), "12");
        assert_eq!(duration(0.25), "0.2 s");
        assert_eq!(duration(200.0), "3 m 20 s");
        assert_eq!(span(7200), "2 hours");
        assert_eq!(stamp(0), "1970-01-01 00:00");
        assert_eq!(date(1), "1970-01-02");
    }

    #[test]
    fn what_stands_between_backticks_is_a_command() {
        let said = prose("run `vow backup <b>` there").into_string();
        assert_eq!(said, "run <code>vow backup &lt;b&gt;</code> there");
        assert!(lasting(0, 59).into_string().contains(">just now<"));
        assert!(lasting(0, 180).into_string().contains(">for 3 minutes<"));
        assert_eq!(
            (several(1, "copy", "copies"), several(2, "copy", "copies")),
            ("1 copy".into(), "2 copies".into())
        );
    }

    #[test]
    fn odd_characters_are_seen() {
        assert_eq!(plain("a\u{202e}b\u{7}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
    }
}
