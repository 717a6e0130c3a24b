//! The last days of a host: a row for its runs, and one for each level.

use crate::db::hosts::HostDay;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// How many days are shown.
pub(super) const DAYS: i64 = 21;
const CELL: i64 = 12;
const GAP: i64 = 3;
const LABEL: i64 = 54;

/// The picture. `days` are those of one host.
pub(super) fn strip(days: &[&HostDay], today: i64) -> Markup {
    let mut levels: BTreeMap<&str, BTreeMap<i64, &HostDay>> = BTreeMap::new();
    levels.insert("", BTreeMap::new());
    for day in days {
        levels.entry(&day.level).or_default().insert(day.day, day);
    }
    let first = today - DAYS + 1;
    let width = LABEL + DAYS * (CELL + GAP);
    let height = levels.len() as i64 * (CELL + GAP);
    let told = told(&levels);
    html! {
        svg.days viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(told) {
            @for (row, (level, days)) in (0_i64..).zip(&levels) {
                @let y = row * (CELL + GAP);
                text x="0" y=(y + CELL - 2) { (name(level)) }
                @for day in first..=today {
                    @let found = days.get(&day);
                    rect class=(class(found)) x=(LABEL + (day - first) * (CELL + GAP)) y=(y) width=(CELL) height=(CELL) rx="2" {
                        @if let Some(found) = found { title { (title(found)) } }
                    }
                }
            }
        }
    }
}

fn name(level: &str) -> String {
    let text = if level.is_empty() { "runs" } else { level };
    let text = super::draw::plain(text);
    match text.char_indices().nth(8) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn class(day: Option<&&HostDay>) -> &'static str {
    match day {
        None => "e",
        Some(day) if day.failed > 0 => "b",
        Some(day) if day.partial > 0 => "w",
        Some(_) => "g",
    }
}

fn title(day: &HostDay) -> String {
    let date = super::draw::date(day.day);
    match day.level.is_empty() {
        true => format!("{date}: {} whole, {} partial, {} failed", day.ok, day.partial, day.failed),
        false => format!("{date}: {} received, {} not", day.ok + day.partial, day.failed),
    }
}

fn told(levels: &BTreeMap<&str, BTreeMap<i64, &HostDay>>) -> String {
    let of = |level: &str, days: &BTreeMap<i64, &HostDay>| {
        let bad = days.values().filter(|day| day.failed > 0).count();
        format!("{}: {} days with backups, {bad} with failures", name(level), days.len())
    };
    let texts: Vec<_> = levels.iter().map(|(level, days)| of(level, days)).collect();
    format!("The last {DAYS} days. {}", texts.join("; "))
}

/// What the colours mean.
pub(super) fn legend() -> Markup {
    let sample = |class: &'static str, word: &'static str| {
        html! { span { svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" { rect class=(class) width="12" height="12" rx="2" {} } " " (word) } }
    };
    html! {
        p.legend {
            (sample("g", "whole, received"))
            (sample("w", "partial"))
            (sample("b", "failed, not received"))
            (sample("e", "nothing"))
            span { "today is on the right" }
        }
    }
}
