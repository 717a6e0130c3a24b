//! The rules once more, as plainly as they can be said, each question asked anew for each snapshot. Slow, and shares nothing with
//! the real thing: not its calendar, not its judging, not its reading of rules.

use super::made::{DAY, HOUR, MINUTE, Numbers, START};
use vow_base::manifest::Status;
use vow_vault::retention::{Hold, Snapshot};

/// The positions of those that are kept.
pub(crate) fn kept(snapshots: &[Snapshot], versions: &[(Numbers, i64)], now: i64) -> Vec<u64> {
    let mut all = snapshots.to_vec();
    all.sort_by_key(|s| s.position);
    let times: Vec<i64> =
        (0..all.len()).map(|at| all[..=at].iter().map(|s| s.received).max().unwrap_or(0)).collect();
    for (snapshot, time) in all.iter_mut().zip(times) {
        snapshot.received = time;
    }
    let mut kept = Vec::new();
    for one in all.iter().filter(|s| !s.gone) {
        let mut keeps = false;
        for (at, (numbers, _)) in versions.iter().enumerate() {
            let protects = match versions.get(at + 1) {
                None => true,
                Some((_, replaced)) => now < START + replaced * DAY + i64::from(numbers.tighten_hours) * HOUR,
            };
            keeps |= protects && keep(one, &all, numbers, now);
        }
        if keeps {
            kept.push(one.position);
        }
    }
    kept
}

fn keep(one: &Snapshot, all: &[Snapshot], rules: &Numbers, now: i64) -> bool {
    let history: Vec<&Snapshot> =
        all.iter().filter(|s| s.host == one.host && s.source == one.source).collect();
    let good: Vec<&Snapshot> =
        history.iter().copied().filter(|s| !s.gone && counts(s, &history, rules)).collect();
    let living: Vec<&Snapshot> = history.iter().copied().filter(|s| !s.gone).collect();

    let release = i64::from(rules.tighten_hours) * HOUR;
    let holds = |hold: Hold| match hold {
        Hold::None => false,
        Hold::On => true,
        Hold::Released(at) => now < at + release,
    };
    if holds(one.marks.pin) || holds(one.marks.hold) {
        return true;
    }
    if now < one.received + i64::from(rules.lock_hours) * HOUR {
        return true;
    }
    if living.iter().all(|s| s.position <= one.position) {
        return true;
    }
    let proven = |s: &&&Snapshot| s.marks.proven.is_some();
    let sure = |s: &&&Snapshot| s.marks.proven.is_some() && s.marks.doubted <= s.marks.proven;
    let last_proven = living.iter().rfind(sure).or(living.iter().rfind(proven));
    if last_proven.is_some_and(|s| s.position == one.position) {
        return true;
    }
    if !good.iter().any(|s| s.position == one.position) {
        return good.iter().all(|s| s.position < one.position);
    }
    if now < one.received + i64::from(rules.within_hours) * HOUR {
        return true;
    }
    // The newest good one, and the last ones.
    let newer = good.iter().filter(|s| s.position > one.position).count();
    if newer == 0 || newer < rules.counts[0] as usize {
        return true;
    }
    let slots: [fn(i64) -> i64; 5] = [hour, day, week, month, year];
    for (slot, count) in slots.into_iter().zip(&rules.counts[1..]) {
        let mine = slot(one.received);
        let first = good.iter().all(|s| s.position >= one.position || slot(s.received) != mine);
        let mut later: Vec<i64> =
            good.iter().map(|s| slot(s.received)).filter(|other| *other > mine).collect();
        later.sort_unstable();
        later.dedup();
        if first && later.len() < *count as usize {
            return true;
        }
    }
    false
}

fn before<'s>(one: &Snapshot, history: &[&'s Snapshot]) -> Vec<&'s Snapshot> {
    history.iter().copied().filter(|s| s.position < one.position).collect()
}

/// Whether it counts.
fn counts(one: &Snapshot, history: &[&Snapshot], rules: &Numbers) -> bool {
    if one.marks.doubted > one.marks.proven || one.status == Status::Partial {
        return false;
    }
    let before = before(one, history);
    let flags = judged(&before, rules);
    let good: Vec<&Snapshot> = (0..before.len()).filter(|at| flags[*at]).map(|at| before[at]).collect();
    if one.files + one.bytes == 0 && good.iter().any(|s| s.files + s.bytes > 0) {
        return false;
    }
    if let Some(last) = good.last()
        && one.received - last.received < i64::from(rules.spacing_minutes) * MINUTE
    {
        return false;
    }
    match usual(&before, &flags) {
        Some(usual) if smaller((one.files, one.bytes), usual) => {
            let row = row(one, &before, &flags, rules);
            row.len() >= 3 && one.received - row[0].received >= DAY
        }
        _ => true,
    }
}

/// Whether each of these counts, in order. The only thing that is remembered: else this would take for ever.
fn judged(history: &[&Snapshot], rules: &Numbers) -> Vec<bool> {
    thread_local! {
        static KNOWN: std::cell::RefCell<std::collections::HashMap<String, Vec<bool>>> = std::cell::RefCell::default();
    }
    let Some((last, earlier)) = history.split_last() else { return Vec::new() };
    let key = format!("{history:?} {}", rules.spacing_minutes);
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&key).cloned()) {
        return known;
    }
    let mut flags = judged(earlier, rules);
    flags.push(counts(last, history, rules));
    KNOWN.with_borrow_mut(|known| {
        if known.len() > 5000 {
            known.clear();
        }
        known.insert(key, flags.clone())
    });
    flags
}

/// The usual files and bytes: medians of the last five that count since the last shrink that was believed.
fn usual(before: &[&Snapshot], flags: &[bool]) -> Option<(u64, u64)> {
    let mut sizes: Vec<(u64, u64)> = Vec::new();
    for (snapshot, good) in before.iter().zip(flags) {
        if !good {
            continue;
        }
        let size = (snapshot.files, snapshot.bytes);
        // One that counts although it is small is a shrink that was believed.
        if median(&sizes).is_some_and(|usual| smaller(size, usual)) {
            sizes.clear();
        }
        sizes.push(size);
        if sizes.len() > 5 {
            sizes.remove(0);
        }
    }
    median(&sizes)
}

fn median(sizes: &[(u64, u64)]) -> Option<(u64, u64)> {
    let middle = |mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        numbers.get((numbers.len().max(1) - 1) / 2).copied()
    };
    let files = middle(sizes.iter().map(|size| size.0).collect())?;
    Some((files, middle(sizes.iter().map(|size| size.1).collect())?))
}

fn smaller(size: (u64, u64), usual: (u64, u64)) -> bool {
    2 * size.1 < usual.1 && (2 * size.0 < usual.0 || usual.0 < 10)
}

/// The row of shrunk ones that say the same and that this one ends.
fn row<'s>(one: &'s Snapshot, before: &[&'s Snapshot], flags: &[bool], rules: &Numbers) -> Vec<&'s Snapshot> {
    let start = flags.iter().rposition(|good| *good).map_or(0, |last| last + 1);
    let last_good = before[start - 1];
    let Some(usual) = usual(&before[..start], &flags[..start]) else { return vec![one] };
    let mut row: Vec<&Snapshot> = Vec::new();
    for s in before[start..].iter().copied().chain([one]) {
        let sound = s.marks.doubted <= s.marks.proven && s.status == Status::Ok;
        let emptied = s.files + s.bytes == 0;
        let soon = s.received - last_good.received < i64::from(rules.spacing_minutes) * MINUTE;
        // Shrunk needs a usual size above nothing, so there was content, and an empty one is not looked at.
        if !sound || emptied || soon || !smaller((s.files, s.bytes), usual) {
            continue;
        }
        if let Some(last) = row.last() {
            let (a, b) = ((s.files, s.bytes), (last.files, last.bytes));
            if smaller(a, b) || smaller(b, a) {
                row.clear();
            }
        }
        row.push(s);
    }
    row
}

fn hour(time: i64) -> i64 {
    time.div_euclid(HOUR)
}

fn day(time: i64) -> i64 {
    time.div_euclid(DAY)
}

/// 1970-01-01 was a Thursday.
fn week(time: i64) -> i64 {
    (day(time) + 3).div_euclid(7)
}

fn month(time: i64) -> i64 {
    let (year, month) = year_and_month(day(time));
    year * 12 + month
}

fn year(time: i64) -> i64 {
    year_and_month(day(time)).0
}

/// Counts the days off, year by year and month by month.
fn year_and_month(mut days: i64) -> (i64, i64) {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as i64)
}
