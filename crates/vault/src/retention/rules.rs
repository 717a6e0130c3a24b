//! The rules: what is kept, for how long, and how quickly rules and deletions may take effect.
//!
//! `policy.rs` holds the rules of all tenants together, `text.rs` their text.

use super::term::Term;
use std::fmt;
use std::ops::RangeInclusive;

/// The rules of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many of the newest counted snapshots are kept.
    pub keep_last: u32,
    /// In how many of the newest hours that have one the first counted snapshot is kept. All slots are of UTC.
    pub keep_hourly: u32,
    /// The same for days.
    pub keep_daily: u32,
    /// The same for ISO weeks, which start on Monday.
    pub keep_weekly: u32,
    /// The same for months.
    pub keep_monthly: u32,
    /// The same for years.
    pub keep_yearly: u32,
    /// Every counted snapshot is kept this long.
    pub keep_within: Term,
    /// Every snapshot, counted or not, is kept this long.
    pub lock: Term,
    /// How long an object that nothing kept names is condemned before it is deleted.
    pub grace: Term,
    /// How long after the counted snapshot before it a snapshot counts again.
    pub spacing: Term,
    /// How long these rules go on protecting after others have replaced them, and how long a pin or hold does after its release.
    pub tighten_after: Term,
    /// What share of a host's snapshots or bytes one sweep may take away, in percent.
    pub share_percent: u32,
}

impl Rules {
    /// The rules of a vault that was given none.
    pub const DEFAULT: Self = Self {
        keep_last: 7,
        keep_hourly: 24,
        keep_daily: 14,
        keep_weekly: 8,
        keep_monthly: 12,
        keep_yearly: 3,
        keep_within: Term::days(30),
        lock: Term::days(14),
        grace: Term::days(3),
        spacing: Term::minutes(30),
        tighten_after: Term::days(7),
        share_percent: 25,
    };
}

impl Default for Rules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// One rule: its name in the text, its bounds, and where its value lives.
pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) least: Value,
    pub(super) most: Value,
    place: Place,
}

/// A value of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Value {
    Number(u32),
    Term(Term),
}

enum Place {
    Number(fn(&mut Rules) -> &mut u32),
    Term(fn(&mut Rules) -> &mut Term),
}

impl Rule {
    pub(super) fn get(&self, rules: &Rules) -> Value {
        let mut rules = *rules;
        match self.place {
            Place::Number(place) => Value::Number(*place(&mut rules)),
            Place::Term(place) => Value::Term(*place(&mut rules)),
        }
    }

    /// The value is one of this rule's kind: the text's reader sees to that.
    pub(super) fn set(&self, rules: &mut Rules, value: Value) {
        match (&self.place, value) {
            (Place::Number(place), Value::Number(number)) => *place(rules) = number,
            (Place::Term(place), Value::Term(term)) => *place(rules) = term,
            (Place::Number(_), Value::Term(_)) | (Place::Term(_), Value::Number(_)) => {}
        }
    }

    pub(super) fn is_term(&self) -> bool {
        matches!(self.place, Place::Term(_))
    }
}

/// As it stands in the text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Term(term) => write!(f, "\"{term}\""),
        }
    }
}

/// Every rule, in the order in which they are printed.
pub(super) const RULES: [Rule; 12] = [
    // One at least: rules that keep nothing but what is always kept are an accident.
    number("keep_last", 1..=10_000, |rules| &mut rules.keep_last),
    number("keep_hourly", 0..=10_000, |rules| &mut rules.keep_hourly),
    number("keep_daily", 0..=10_000, |rules| &mut rules.keep_daily),
    number("keep_weekly", 0..=10_000, |rules| &mut rules.keep_weekly),
    number("keep_monthly", 0..=10_000, |rules| &mut rules.keep_monthly),
    number("keep_yearly", 0..=10_000, |rules| &mut rules.keep_yearly),
    term("keep_within", Term::ZERO..=Term::MAX, |rules| &mut rules.keep_within),
    term("lock", Term::days(1)..=Term::days(3650), |rules| &mut rules.lock),
    term("grace", Term::days(1)..=Term::days(90), |rules| &mut rules.grace),
    // Longer than a day, it would leave whole days without a counted snapshot.
    term("spacing", Term::minutes(1)..=Term::days(1), |rules| &mut rules.spacing),
    term("tighten_after", Term::days(1)..=Term::days(90), |rules| &mut rules.tighten_after),
    number("share_percent", 1..=90, |rules| &mut rules.share_percent),
];

const fn number(key: &'static str, bounds: RangeInclusive<u32>, place: fn(&mut Rules) -> &mut u32) -> Rule {
    let (least, most) = (Value::Number(*bounds.start()), Value::Number(*bounds.end()));
    Rule { key, least, most, place: Place::Number(place) }
}

const fn term(key: &'static str, bounds: RangeInclusive<Term>, place: fn(&mut Rules) -> &mut Term) -> Rule {
    let (least, most) = (Value::Term(*bounds.start()), Value::Term(*bounds.end()));
    Rule { key, least, most, place: Place::Term(place) }
}
