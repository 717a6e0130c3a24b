//! What is true of every plan, on random histories and rules.

use super::made::{
    DAY, HOUR, MINUTE, Numbers, START, any_history, any_numbers, any_versions, positions, snapshot, versions,
};
use super::naive;
use proptest::prelude::*;
use std::collections::HashSet;
use vow_base::manifest::Status;
use vow_base::{HostId, ObjectId};
use vow_vault::retention::{Hold, Plan, Policy, Snapshot, Version, brake, plan};

fn kept(plan: &Plan) -> Vec<u64> {
    positions(plan.kept())
}

fn expired(plan: &Plan) -> HashSet<u64> {
    plan.expired().map(|snapshot| snapshot.position).collect()
}

/// The same history after a plan was carried out.
fn carried_out(history: &[Snapshot], plan: &Plan) -> Vec<Snapshot> {
    let gone = expired(plan);
    let mut history = history.to_vec();
    for snapshot in &mut history {
        snapshot.gone |= gone.contains(&snapshot.position);
    }
    history
}

fn end_of(history: &[Snapshot]) -> i64 {
    history.iter().map(|snapshot| snapshot.received).max().unwrap_or(START)
}

fn days() -> impl Strategy<Value = i64> {
    prop_oneof![3 => -2..60i64, 1 => -700..1000i64].prop_map(|days| days * DAY)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_plan_is_that_of_the_naive_model(history in any_history(), rules in any_versions(), later in days()) {
        let now = end_of(&history) + later;
        prop_assert_eq!(kept(&plan(&history, &versions(&rules), now)), naive::kept(&history, &rules, now));
    }

    #[test]
    fn every_decision_has_its_reasons_and_order_of_input_is_nothing(
        history in any_history(), rules in any_versions(), later in days(),
    ) {
        let now = end_of(&history) + later;
        let plan1 = plan(&history, &versions(&rules), now);
        for decision in &plan1.decisions {
            prop_assert_eq!(decision.keep.is_empty(), !decision.expire.is_empty());
        }
        let living: Vec<_> = history.iter().filter(|snapshot| !snapshot.gone).collect();
        prop_assert_eq!(plan1.decisions.len(), living.len());
        let mut turned = history;
        turned.reverse();
        prop_assert_eq!(plan(&turned, &versions(&rules), now), plan1);
    }

    #[test]
    fn loosening_never_expires_more(
        history in any_history(), rules in any_versions(), more in prop::array::uniform9(0..3u32), later in days(),
    ) {
        let now = end_of(&history) + later;
        let before = expired(&plan(&history, &versions(&rules), now));
        // Whether one version was looser, or a looser one is added.
        let mut loose = rules.clone();
        let last = loose.len() - 1;
        loose[last].0 = loose[last].0.loosened(more);
        prop_assert!(expired(&plan(&history, &versions(&loose), now)).is_subset(&before));
        let mut added = rules.clone();
        added.push((rules[last].0.loosened(more), (now - START) / DAY));
        prop_assert!(expired(&plan(&history, &versions(&added), now)).is_subset(&before));
    }

    #[test]
    fn new_rules_expire_nothing_before_the_delay(
        history in any_history(), rules in any_versions(), tight in any_numbers(), later in 0..1000i64, hours in 0..400i64,
    ) {
        let set = end_of(&history) + later * DAY;
        let mut new = versions(&rules);
        new.push(tight.version(set));
        let (old, now) = (versions(&rules), set + hours * HOUR);
        let delay = i64::from(rules[rules.len() - 1].0.tighten_hours) * HOUR;
        if now < set + delay {
            prop_assert!(expired(&plan(&history, &new, now)).is_subset(&expired(&plan(&history, &old, now))));
        }
    }

    #[test]
    fn time_that_passes_keeps_nothing_more(history in any_history(), rules in any_versions(), later in days(), hours in 0..2000i64) {
        let now = end_of(&history) + later;
        let versions = versions(&rules);
        let before = expired(&plan(&history, &versions, now));
        prop_assert!(before.is_subset(&expired(&plan(&history, &versions, now + hours * HOUR))));
    }

    /// With one version of the rules: plans carried out on the way, while snapshots arrive, take nothing away that a plan
    /// made at the end would keep, and leave nothing that it would not.
    #[test]
    fn sweeping_often_ends_as_sweeping_once(
        history in any_history(), rules in any_numbers(), later in 0..60i64, every in 1..20usize,
    ) {
        let versions = [rules.version(i64::MIN)];
        let mut history = history;
        history.iter_mut().for_each(|snapshot| {
            snapshot.gone = false;
            // A proof makes an older one dispensable at once: what was kept by it is not kept to the end.
            snapshot.marks.proven = None;
        });
        let mut time = START;
        for snapshot in &mut history {
            time = time.max(snapshot.received);
            snapshot.received = time;
        }
        let end = end_of(&history) + later * DAY;
        let once = kept(&plan(&history, &versions, end));
        let mut often: Vec<Snapshot> = Vec::new();
        for (number, arrived) in history.iter().enumerate() {
            often.push(arrived.clone());
            if number % every == 0 {
                let now = arrived.received;
                often = carried_out(&often, &plan(&often, &versions, now));
            }
        }
        for now in [end - DAY, end, end] {
            if now >= end_of(&history) {
                often = carried_out(&often, &plan(&often, &versions, now));
            }
        }
        prop_assert_eq!(positions(often.iter().filter(|snapshot| !snapshot.gone)), once);
    }

    /// What a drill host says from afar keeps one snapshot more of each source, and makes none go.
    #[test]
    fn an_attestation_keeps_one_more_and_loses_none(
        history in any_history(), rules in any_versions(), later in days(), attested in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let now = end_of(&history) + later;
        let versions = versions(&rules);
        let before = kept(&plan(&history, &versions, now));
        let mut forged = history.clone();
        for (snapshot, said) in forged.iter_mut().zip(attested.iter().cycle()) {
            snapshot.marks.attested = said.then_some(now);
        }
        let after = kept(&plan(&forged, &versions, now));
        prop_assert!(before.iter().all(|position| after.contains(position)));
        let living = forged.iter().filter(|snapshot| !snapshot.gone);
        let sources: std::collections::BTreeSet<_> = living.clone().map(|one| (one.host, one.source.clone())).collect();
        prop_assert!(after.len() <= before.len() + sources.len());
        for (host, source) in sources {
            let of_source = living.clone().filter(|one| one.host == host && one.source == source);
            if let Some(last) = of_source.filter(|one| one.marks.attested.is_some()).max_by_key(|one| one.position) {
                prop_assert!(after.contains(&last.position));
            }
        }
    }

    #[test]
    fn some_are_kept_whatever_the_rules_say(history in any_history(), rules in any_versions(), later in days()) {
        let now = end_of(&history) + later;
        let versions = versions(&rules);
        let plan = plan(&history, &versions, now);
        let is_kept = |position: u64| plan.kept().any(|snapshot| snapshot.position == position);
        let living = || history.iter().filter(|snapshot| !snapshot.gone);
        for one in living() {
            let source = || living().filter(|other| other.host == one.host && other.source == one.source);
            let newest = source().max_by_key(|other| other.position);
            prop_assert!(newest.is_some_and(|newest| is_kept(newest.position)));
            if let Some(proven) = source().filter(|other| other.marks.proven > other.marks.doubted).max_by_key(|other| other.position) {
                prop_assert!(is_kept(proven.position));
            }
            if one.marks.pin == Hold::On || one.marks.hold == Hold::On {
                prop_assert!(is_kept(one.position));
            }
            let lock = i64::from(rules[rules.len() - 1].0.lock_hours) * HOUR;
            if now < one.received + lock {
                prop_assert!(is_kept(one.position));
            }
        }
    }

    /// Partial, doubted, empty and hasty ones, before, between and after the good ones, by the thousand.
    #[test]
    fn what_does_not_count_changes_nothing_for_what_does(
        history in any_history(), rules in any_versions(), later in days(),
        bad in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, 0..1000u64), 0..60),
    ) {
        prop_assume!(!history.is_empty());
        let now = end_of(&history) + later;
        let versions = versions(&rules);
        let before = plan(&history, &versions, now);
        let mut flooded = history.clone();
        let mut added = HashSet::new();
        for (at, kind, offset) in bad {
            let near = at.get(&history);
            let counted = before.decisions.iter().find(|decision| decision.snapshot.position == near.position);
            let mut forged = Snapshot { position: near.position + 1 + offset % 999, gone: false, ..near.clone() };
            forged.marks = Default::default();
            forged.manifest = ObjectId::of(&forged.position.to_le_bytes());
            match kind {
                0 => forged.status = Status::Partial,
                1 => forged.marks.doubted = Some(1),
                // Directly after one that counts under every version of the rules.
                2 if rules.len() == 1 && counted.is_some_and(|counted| counted.uncounted.is_none()) => {}
                _ => (forged.files, forged.bytes, forged.status) = (0, 0, Status::Partial),
            }
            if added.insert(forged.position) {
                flooded.push(forged);
            }
        }
        let after = plan(&flooded, &versions, now);
        let lost: Vec<_> = before
            .decisions
            .iter()
            .filter(|decision| decision.is_kept() && decision.uncounted.is_none())
            .map(|decision| decision.snapshot.position)
            .filter(|position| !kept(&after).contains(position))
            .collect();
        prop_assert!(lost.is_empty(), "{lost:?} of {:?}", kept(&before));
    }

    /// Whoever holds a host's key can make snapshots that look healthy. As many as they like displace what was there before no
    /// faster than the calendar: each hour, day, week, … that passes costs one place, and so does each `spacing` for `keep_last`.
    #[test]
    fn a_flood_displaces_no_faster_than_time_passes(
        good in 1..30usize, gap_hours in 1..60i64, rules in any_numbers(), attack_hours in 0..300i64,
        forged in prop::collection::vec((any::<u32>(), 1..3000u64), 0..200),
    ) {
        let honest: Vec<_> = (0..good as u64).map(|n| snapshot(n + 1, START + n as i64 * gap_hours * HOUR)).collect();
        let taken_over = end_of(&honest);
        let now = taken_over + attack_hours * HOUR;
        let mut flooded = honest.clone();
        let mut times: Vec<_> = forged.iter().map(|(seed, size)| (taken_over + i64::from(*seed) % (attack_hours * HOUR + 1), size)).collect();
        times.sort_unstable();
        for (position, (time, size)) in (1000..).zip(times) {
            flooded.push(Snapshot { bytes: *size, files: *size, ..snapshot(position, time) });
        }
        let after = kept(&plan(&flooded, &[rules.version(i64::MIN)], now));
        let gentle = displaced_by_time(rules, attack_hours);
        let promised = kept(&plan(&honest, &[gentle.version(i64::MIN)], now));
        let lost: Vec<_> = promised.iter().filter(|position| !after.contains(position)).collect();
        // The newest ones are promised by nothing but their being the newest, which an attack ends.
        let newest = good as u64;
        prop_assert!(lost.iter().all(|position| **position == newest), "{lost:?}");
    }
}

/// Rules whose places are fewer by what may pass in so many hours, and nothing but slots and the last ones.
fn displaced_by_time(rules: Numbers, hours: i64) -> Numbers {
    let mut left = rules;
    let spacings = hours * 60 / i64::from(rules.spacing_minutes) + 1;
    let passed = [spacings, hours + 1, hours / 24 + 1, hours / 168 + 1, hours / 672 + 1, hours / 8760 + 1];
    for (count, passed) in left.counts.iter_mut().zip(passed) {
        *count = count.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
    }
    left.counts[0] = left.counts[0].max(1);
    left
}

#[test]
fn nothing_in_nothing_out() {
    let plan = plan(&[], &[Version::first()], START);
    assert_eq!((plan.decisions.len(), brake(&plan, &[])), (0, Ok(())));
}

#[test]
fn equal_times_are_told_apart_by_the_ledger() {
    let mut history: Vec<_> = (1..=5).map(|position| snapshot(position, START)).collect();
    let kept_of = |history: &[Snapshot]| kept(&plan(history, &[Version::first()], START + 900 * DAY));
    // The first one counts; nothing that counts came after the others.
    assert_eq!(kept_of(&history), [1, 2, 3, 4, 5]);
    history.push(snapshot(6, START + DAY));
    assert_eq!(kept_of(&history), [1, 6]);
}

/// FAULTS 20: the host's clock is not even among what retention is told; the rest of a manifest can be made up.
#[test]
fn ten_thousand_forged_snapshots_in_a_day_displace_none() {
    let mut history: Vec<_> = (0..400).map(|day| snapshot(day as u64 + 1, START + day * DAY)).collect();
    let now = end_of(&history) + DAY;
    // Without the rules that a day of real snapshots would fill anew as well.
    let rules = "keep_last = 1\nkeep_hourly = 0\nkeep_within = \"0d\"";
    let versions = [Version { policy: Policy::parse(rules).expect("rules"), since: i64::MIN }];
    let before = kept(&plan(&history, &versions, now));
    assert!(before.len() > 30, "{before:?}");
    for forged in 0..10_000u64 {
        let time = end_of(&history[..400]) + 1 + forged as i64 * (DAY / 10_000);
        let mut one = snapshot(1000 + forged, time);
        match forged % 5 {
            0 => one.status = Status::Partial,
            1 => (one.files, one.bytes) = (0, 0),
            2 => (one.files, one.bytes) = (1, 1),
            3 => (one.files, one.bytes) = (u64::MAX, u64::MAX),
            _ => {}
        }
        one.source = if forged % 7 == 0 { format!("made up {forged}") } else { one.source };
        history.push(one);
    }
    let after = kept(&plan(&history, &versions, now));
    let lost: Vec<_> = before.iter().filter(|position| !after.contains(position)).collect();
    assert_eq!(lost, [] as [&u64; 0], "of {before:?}");
}

#[test]
fn the_brake_stops_what_is_too_much() {
    let tight = "keep_last = 1\nkeep_hourly = 0\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\nkeep_yearly = 0\n\
                 keep_within = \"0d\"\nlock = \"1d\"\n";
    let versions = [Version { policy: Policy::parse(tight).expect("rules"), since: i64::MIN }];
    let days =
        |count: u64| (0..count).map(|day| snapshot(day + 1, START + day as i64 * DAY)).collect::<Vec<_>>();
    let stopped = |history: &[Snapshot]| {
        let plan = plan(history, &versions, end_of(history) + 50 * DAY);
        brake(&plan, &versions).err().map(|why| why.to_string())
    };
    // One of two, which is half, may go; nine of ten may not.
    assert_eq!(stopped(&days(2)), None);
    let why = stopped(&days(10)).expect("nine of ten");
    assert!(why.starts_with("9 of 10 snapshots of host 010101010101 would expire"), "{why}");
    // Another host with many that stay changes nothing for this one.
    let mut two = days(10);
    two.extend((100..200).map(|position| Snapshot {
        host: HostId([2; 32]),
        marks: vow_vault::retention::Marks { pin: Hold::On, ..Default::default() },
        ..snapshot(position, START + 20 * DAY)
    }));
    assert!(stopped(&two).is_some());
    // Two of ten are few, but not if nearly all of the content is in them.
    let mut heavy = days(10);
    for one in heavy.iter_mut().skip(2) {
        one.marks.pin = Hold::On;
    }
    assert_eq!(stopped(&heavy), None);
    for one in heavy.iter_mut().take(2) {
        one.bytes = 100_000;
    }
    let why = stopped(&heavy).expect("nearly all content");
    assert!(why.contains("of 203.1 KiB"), "{why}");
    // No sum of made-up numbers overflows.
    heavy.iter_mut().for_each(|one| one.bytes = u64::MAX);
    assert_eq!(stopped(&heavy), None);
}

#[test]
fn a_plan_without_the_newest_of_a_source_is_stopped_even_if_small() {
    let history: Vec<_> = (0..100).map(|n| snapshot(n + 1, START + n as i64 * MINUTE)).collect();
    let mut plan = plan(&history, &[Version::first()], START);
    let Some(last) = plan.decisions.last_mut() else { panic!("a plan of 100") };
    last.snapshot.source = "other".into();
    assert_eq!(brake(&plan, &[]), Ok(()));
    if let Some(last) = plan.decisions.last_mut() {
        last.keep.clear();
    }
    let why = brake(&plan, &[]).expect_err("a whole source").to_string();
    assert!(why.starts_with("every snapshot of source \"other\""), "{why}");
}

#[test]
fn a_lock_and_a_term_end_to_the_nanosecond() {
    let rules = "keep_last = 1\nkeep_hourly = 0\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\nkeep_yearly = 0\n";
    let history = [snapshot(1, START), snapshot(2, START + DAY)];
    for (terms, days) in
        [("keep_within = \"0d\"\nlock = \"9d\"", 9), ("keep_within = \"8d\"\nlock = \"1d\"", 8)]
    {
        let policy = Policy::parse(&format!("{rules}{terms}")).expect("rules");
        let versions = [Version { policy, since: i64::MIN }];
        let end = START + days * DAY;
        assert_eq!(kept(&plan(&history, &versions, end - 1)), [1, 2]);
        assert_eq!(kept(&plan(&history, &versions, end)), [2]);
    }
}
