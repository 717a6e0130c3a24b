//! What is usual for a source: robust statistics over the runs that nothing was said against.

use super::case::{RunCase, Slot};
use crate::records::{Past, RuleName};
use jiff::civil::Weekday;
use vow_protocol::report::Outcome;

/// How far back runs are compared, days.
const DAYS: i64 = 100;
/// Runs of the same weekday, or the same hour, from which on only they are compared with.
const ALIKE_MIN: usize = 5;
/// Among runs that are all alike, at most so many of the newest make the median.
const NEWEST: usize = 30;
/// Runs in which growth must have stayed before it is usual by itself. A loss never is.
const SETTLED: usize = 14;
/// Sources with runs at least this far apart are compared by weekday, others by hour.
const DAILY_SECS: i64 = 20 * 3600;
/// So often must something repeat on the same weekday to be usual there, each time like the others within this factor.
const REPEATS: usize = 3;
const LIKE: f64 = 1.5;
/// Numbers below this many of them say nothing.
const LEAST: usize = 3;
/// Makes the median absolute deviation of normally distributed numbers their standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// Which earlier runs were compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alike {
    All,
    Weekday(Weekday),
    Hour(i8),
}

/// What is usual.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Usual {
    pub(super) median: f64,
    /// A robust standard deviation.
    pub(super) spread: f64,
    /// The least and the most among those compared with.
    pub(super) low: f64,
    pub(super) high: f64,
    /// The least and the most of the last hundred days, on whatever weekday.
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) alike: Alike,
    /// Too few to be sure: only what is grossly different speaks.
    pub(super) learning: bool,
}

impl Usual {
    /// ` on Tuesdays`, ` around 14:00`, or nothing.
    pub(super) fn when(&self) -> String {
        match self.alike {
            Alike::All => String::new(),
            Alike::Weekday(day) => format!(" on {}", plural(day)),
            Alike::Hour(hour) => format!(" around {hour:02}:00"),
        }
    }
}

/// What is usual for a number of this run, as far as `rule` did not speak against it. `None` when there are fewer than three.
pub(super) fn usual(case: &RunCase, rule: RuleName, of: impl Fn(&Past) -> Option<f64>) -> Option<Usual> {
    let started = case.run.body.started_secs;
    // Of a source that runs once a week or once a month, a hundred days are not enough.
    let newest =
        case.past.get(case.past.len().saturating_sub(NEWEST)).map_or(started, |past| past.started_secs);
    let since = case.marked_since(rule).unwrap_or(i64::MIN).max(newest.min(started - DAYS * 86_400));
    let known: Vec<(&Past, f64)> = case
        .past
        .iter()
        .filter(|past| past.started_secs >= since && past.outcome != Outcome::Failed)
        .filter_map(|past| of(past).map(|number| (past, number)))
        .collect();
    let good = settled(&known, rule)
        .unwrap_or_else(|| known.iter().filter(|(past, _)| !past.spoke.contains(&rule)).copied().collect());
    if good.len() < LEAST {
        return None;
    }
    let (alike, compared) = pattern(case, &known, rule).unwrap_or_else(|| alike(case, &good));
    let mut numbers: Vec<f64> = compared.iter().rev().take(NEWEST).map(|(_, number)| *number).collect();
    let (low, high) = range(&numbers);
    let all: Vec<f64> = good.iter().chain(&compared).map(|(_, number)| *number).collect();
    let (least, most) = range(&all);
    let middle = median(&mut numbers);
    let mut distances: Vec<f64> = numbers.iter().map(|number| (number - middle).abs()).collect();
    Some(Usual {
        median: middle,
        spread: MAD_TO_SIGMA * median(&mut distances),
        low,
        high,
        least,
        most,
        alike,
        learning: good.len() < case.settings.learning_runs,
    })
}

/// Runs since the last time that a rule spoke against many in a row, when all of those were above what was usual before: growth
/// that stayed.
fn settled<'a>(known: &[(&'a Past, f64)], rule: RuleName) -> Option<Vec<(&'a Past, f64)>> {
    let spoke = |(past, _): &(&Past, f64)| past.spoke.contains(&rule);
    let streaks = known.chunk_by(|a, b| spoke(a) == spoke(b));
    let mut end = 0;
    let mut last = None;
    for streak in streaks {
        end += streak.len();
        if streak.len() >= SETTLED && streak.first().is_some_and(spoke) {
            last = Some((end - streak.len(), end));
        }
    }
    let (start, end) = last?;
    let (before, after) = known.split_at(start);
    let mut usual: Vec<f64> = before.iter().filter(|one| !spoke(one)).map(|(_, number)| *number).collect();
    let (_, most) = range(&usual);
    let middle = median(&mut usual);
    let streak = after.get(..end - start)?;
    let grown = streak.iter().all(|(_, number)| *number > middle && *number > most * 0.9);
    let later = after.get(end - start..)?.iter().filter(|one| !spoke(one));
    grown.then(|| streak.iter().chain(later).copied().collect())
}

/// Runs of the same weekday, or at the same hour, when there are enough of them.
fn alike<'a>(case: &RunCase, good: &[(&'a Past, f64)]) -> (Alike, Vec<(&'a Past, f64)>) {
    let slots = Slots::new(case, good);
    let compared = slots.same(case, good);
    if compared.len() < ALIKE_MIN { (Alike::All, good.to_vec()) } else { (slots.alike(), compared) }
}

/// What repeats on the same weekday, or at the same hour, while all is well in between: a small export on Sundays. The rule speaks
/// the first times; what is never counted as usual would never become it.
fn pattern<'a>(
    case: &RunCase,
    known: &[(&'a Past, f64)],
    rule: RuleName,
) -> Option<(Alike, Vec<(&'a Past, f64)>)> {
    let spoke = |(past, _): &(&Past, f64)| past.spoke.contains(&rule);
    let slots = Slots::new(case, known);
    let same = slots.same(case, known);
    let newest = same.get(same.len().checked_sub(REPEATS)?..)?;
    let (low, high) = range(&newest.iter().map(|(_, number)| *number).collect::<Vec<_>>());
    let is_like = |number: f64| number >= low / LIKE && number <= high * LIKE;
    let is_spoken_of = same.iter().rev().take(2 * REPEATS).any(spoke);
    if !is_spoken_of || high > low * LIKE {
        return None;
    }
    let since = newest.first()?.0.started_secs;
    let between: Vec<_> =
        known.iter().filter(|(past, _)| past.started_secs > since && !slots.is_same(case, past)).collect();
    let spoken = between.iter().filter(|one| spoke(one)).count();
    if between.is_empty() || spoken * 2 >= between.len() {
        return None;
    }
    Some((slots.alike(), same.into_iter().filter(|(_, number)| is_like(*number)).collect()))
}

/// How runs are told apart: by weekday, or by hour when there are several a day.
struct Slots {
    daily: bool,
    slot: Slot,
}

impl Slots {
    fn new(case: &RunCase, runs: &[(&Past, f64)]) -> Self {
        let mut gaps: Vec<f64> =
            runs.windows(2).map(|two| (two[1].0.started_secs - two[0].0.started_secs) as f64).collect();
        Self { daily: median(&mut gaps) >= DAILY_SECS as f64, slot: case.slot(case.run.body.started_secs) }
    }

    fn is_same(&self, case: &RunCase, past: &Past) -> bool {
        let other = case.slot(past.started_secs);
        if self.daily { other.weekday == self.slot.weekday } else { other.hour == self.slot.hour }
    }

    fn same<'a>(&self, case: &RunCase, runs: &[(&'a Past, f64)]) -> Vec<(&'a Past, f64)> {
        runs.iter().filter(|(past, _)| self.is_same(case, past)).copied().collect()
    }

    fn alike(&self) -> Alike {
        if self.daily { Alike::Weekday(self.slot.weekday) } else { Alike::Hour(self.slot.hour) }
    }
}

fn range(numbers: &[f64]) -> (f64, f64) {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    (low, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// The middle; zero of nothing.
pub(super) fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match (numbers.get(half.wrapping_sub(1)), numbers.get(half)) {
        (Some(below), Some(above)) if numbers.len().is_multiple_of(2) => (below + above) / 2.0,
        (_, Some(middle)) => *middle,
        _ => 0.0,
    }
}

fn plural(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mondays",
        Weekday::Tuesday => "Tuesdays",
        Weekday::Wednesday => "Wednesdays",
        Weekday::Thursday => "Thursdays",
        Weekday::Friday => "Fridays",
        Weekday::Saturday => "Saturdays",
        Weekday::Sunday => "Sundays",
    }
}
