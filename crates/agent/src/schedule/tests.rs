use super::*;
use proptest::prelude::*;

/// 2025-01-01 00:00:00 UTC.
const NEW_YEAR: i64 = 1_735_689_600;
const DAY: i64 = 86_400;

fn job(key: &str, text: &str, zone: &str) -> Job {
    Job {
        key: key.into(),
        what: What::Backup,
        calendar: Some(Calendar::new(text, Some(zone)).expect("a schedule")),
        window: None,
        delay_secs: 0,
        retries: 3,
        catch_up_secs: None,
    }
}

fn plan(jobs: Vec<Job>) -> Plan {
    Plan { jobs, parallel: 4 }
}

fn met(plan: &Plan, now: i64) -> Memory {
    let mut memory = Memory::default();
    memory.meet(plan, now);
    memory
}

/// Runs an agent from `from` to `until` in which every run ends at once; gives the times at which runs began.
fn live(plan: &Plan, memory: &mut Memory, from: i64, until: i64) -> Vec<i64> {
    let (mut now, mut begun) = (from, Vec::new());
    loop {
        let decision = decide(plan, memory, now);
        memory.settle(&decision);
        for start in &decision.start {
            begun.push(now);
            memory.begun(start, now);
            memory.ended(&start.key, Ending::Done, Some(0), 3, now);
        }
        if !decision.start.is_empty() {
            continue;
        }
        match decision.wake_secs {
            Some(wake) if wake <= until => {
                assert!(wake > now, "it must never wake at {wake} for what is not due at {now}");
                now = wake;
            }
            _ => return begun,
        }
    }
}

#[test]
fn every_local_day_has_its_run_also_when_clocks_are_turned() {
    // 02:30 does not exist on one day of the year and exists twice on another one.
    for (zone, text) in [
        ("Europe/Berlin", "30 2 * * *"),
        ("America/New_York", "30 2 * * *"),
        ("Australia/Lord_Howe", "15 2 * * *"),
        ("America/Sao_Paulo", "0 0 * * *"),
        ("Asia/Beirut", "0 0 * * *"),
        ("UTC", "30 2 * * *"),
    ] {
        let plan = plan(vec![job("a", text, zone)]);
        let zone = jiff::tz::TimeZone::get(zone).expect("a zone");
        let begun = live(&plan, &mut met(&plan, NEW_YEAR), NEW_YEAR, NEW_YEAR + 3 * 365 * DAY);
        let days: Vec<_> = begun
            .iter()
            .map(|at| jiff::Timestamp::from_second(*at).expect("a time").to_zoned(zone.clone()).date())
            .collect();
        for pair in days.windows(2) {
            assert_eq!(pair[0].tomorrow().expect("a day"), pair[1], "{text} in {zone:?}");
        }
        assert!((3 * 365 - 2..=3 * 365 + 2).contains(&(days.len() as i64)), "{}", days.len());
    }
}

#[test]
fn what_was_missed_is_done_once_and_late_enough_not_at_all() {
    let mut plan = plan(vec![job("a", "0 * * * *", "UTC")]);
    let memory = met(&plan, NEW_YEAR);
    let after_downtime = NEW_YEAR + 300 * DAY + 1234;
    let decision = decide(&plan, &memory, after_downtime);
    let slot_secs = after_downtime - after_downtime % 3600;
    assert_eq!(decision.start, [Start { key: "a".into(), slot_secs, attempt: 1 }]);
    assert_eq!(decision.wake_secs, Some(slot_secs + 3600));
    plan.jobs[0].catch_up_secs = Some(600);
    let decision = decide(&plan, &memory, after_downtime);
    assert!(decision.start.is_empty());
    assert_eq!(decision.settled, [Settled { key: "a".into(), anchor_secs: slot_secs, why: Why::TooLate }]);
    assert_eq!(decide(&plan, &memory, slot_secs + 500).start.len(), 1);
}

#[test]
fn a_job_that_is_new_waits_for_its_first_slot() {
    let plan = plan(vec![job("a", "30 2 * * *", "UTC")]);
    let now = NEW_YEAR + 12 * 3600;
    assert!(decide(&plan, &Memory::default(), now).start.is_empty());
    let decision = decide(&plan, &met(&plan, now), now);
    assert!(decision.start.is_empty());
    assert_eq!(decision.wake_secs, Some(NEW_YEAR + DAY + 9000));
}

#[test]
fn failures_are_tried_again_with_growing_pauses_and_not_for_ever() {
    let plan = plan(vec![job("a", "0 0 1 1 *", "UTC")]);
    let mut memory = met(&plan, NEW_YEAR - 10);
    let (mut now, mut begun) = (NEW_YEAR, Vec::new());
    while let Some(start) = decide(&plan, &memory, now).start.first() {
        begun.push((start.attempt, now));
        memory.begun(start, now);
        memory.ended("a", Ending::Failed, Some(1), 3, now);
        let wake = decide(&plan, &memory, now).wake_secs.expect("next year at the latest");
        now = wake;
        if now > NEW_YEAR + DAY {
            break;
        }
    }
    assert_eq!(begun.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let pauses: Vec<_> = begun.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
    assert_eq!(memory.jobs["a"].failures, 4);
    let now = NEW_YEAR + DAY;
    // Somebody else's run is waited for, and uses up no try.
    memory.begun(&Start { key: "a".into(), slot_secs: NEW_YEAR, attempt: 1 }, now);
    memory.ended("a", Ending::Busy, Some(11), 3, now);
    let decision = decide(&plan, &memory, now + 60);
    assert_eq!(decision.start[0].attempt, 1);
    // A mistake in the plan is not tried again.
    memory.ended("a", Ending::Hopeless, Some(2), 3, now);
    assert!(decide(&plan, &memory, now + DAY).start.is_empty());
}

#[test]
fn a_run_that_vanished_with_the_machine_is_begun_again() {
    let plan = plan(vec![job("a", "0 0 1 1 *", "UTC")]);
    let mut memory = met(&plan, NEW_YEAR - 10);
    memory.begun(&decide(&plan, &memory, NEW_YEAR).start[0].clone(), NEW_YEAR);
    assert!(decide(&plan, &memory, NEW_YEAR + 5).start.is_empty(), "it runs");
    assert_eq!(memory.cut_off(), ["a"]);
    memory.ended("a", Ending::CutOff, None, 3, NEW_YEAR + 9);
    assert_eq!(decide(&plan, &memory, NEW_YEAR + 9).start[0].attempt, 2);
}

#[test]
fn of_each_kind_one_runs_at_a_time_and_the_longest_due_comes_first() {
    let mut jobs = vec![job("late", "10 0 * * *", "UTC"), job("early", "5 0 * * *", "UTC")];
    jobs.push(Job { what: What::Audit, ..job("audit", "20 0 * * *", "UTC") });
    jobs.push(Job { what: What::Drill, ..job("drill", "21 0 * * *", "UTC") });
    let mut plan = Plan { jobs, parallel: 2 };
    let mut memory = met(&plan, NEW_YEAR);
    let now = NEW_YEAR + 3600;
    let keys = |decision: &Decision| decision.start.iter().map(|start| start.key.clone()).collect::<Vec<_>>();
    let first = decide(&plan, &memory, now);
    assert_eq!(keys(&first), ["early", "audit"]);
    first.start.iter().for_each(|start| memory.begun(start, now));
    assert!(decide(&plan, &memory, now + 1).start.is_empty());
    memory.ended("audit", Ending::Done, Some(0), 3, now + 2);
    assert_eq!(
        keys(&decide(&plan, &memory, now + 2)),
        ["drill"],
        "a second backup would have to wait for the first"
    );
    plan.parallel = 0;
    assert!(decide(&plan, &memory, now + 2).start.is_empty());
}

#[test]
fn windows_hold_runs_back_until_they_open() {
    let mut plan = plan(vec![job("a", "0 12 * * *", "Europe/Berlin")]);
    plan.jobs[0].window = Some("22:00-06:00".parse().expect("a window"));
    let begun = live(&plan, &mut met(&plan, NEW_YEAR), NEW_YEAR, NEW_YEAR + 3 * DAY);
    // 22:00 in Berlin in winter is 21:00 UTC.
    assert_eq!(begun, [0, 1, 2].map(|day| NEW_YEAR + day * DAY + 21 * 3600));
    for bad in ["", "22-06", "22:00", "24:00-01:00", "22:00-22:00", "1:00-2:00", "22:60-23:00", "ä-ö"] {
        assert!(bad.parse::<Window>().is_err(), "{bad}");
    }
    assert_eq!("00:00-23:59".parse::<Window>().expect("a window").to_string(), "00:00-23:59");
}

#[test]
fn hosts_are_spread_and_each_keeps_its_place() {
    let of = |host: &str| spread(host, "files", 900);
    assert_eq!(of("web-1"), of("web-1"));
    let all: Vec<_> = (0..1000).map(|n| of(&format!("web-{n}"))).collect();
    assert!(all.iter().all(|delay| (0..=900).contains(delay)));
    for part in 0..9 {
        let inside = all.iter().filter(|delay| (part * 100..part * 100 + 100).contains(*delay)).count();
        assert!((60..170).contains(&inside), "{inside} of 1000 in part {part}");
    }
    assert_eq!(spread("a", "b", 0), 0);
}

#[test]
fn schedules_that_make_no_sense_are_refused() {
    assert!(matches!(Calendar::new("30 2 31 2 *", None), Err(ScheduleError::Never(_))));
    assert!(matches!(Calendar::new("61 * * * *", None), Err(ScheduleError::Cron { .. })));
    assert!(matches!(Calendar::new("0 * * * *", Some("Mars/Base")), Err(ScheduleError::Zone { .. })));
}

#[test]
fn what_is_remembered_survives_and_damage_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("schedule.json");
    assert_eq!(Memory::load(&path).expect("nothing yet").jobs.len(), 0);
    let plan = plan(vec![job("a", "0 * * * *", "UTC")]);
    let memory = met(&plan, NEW_YEAR);
    memory.save(&path).expect("written");
    assert_eq!(Memory::load(&path).expect("read").jobs, memory.jobs);
    for damaged in ["", "{", "{}", r#"{"version":2,"jobs":{}}"#] {
        std::fs::write(&path, damaged).expect("written");
        assert!(matches!(Memory::load(&path), Err(MemoryError::Damaged(_))), "{damaged}");
    }
}

fn any_schedule() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "*/15 * * * *",
        "0 * * * *",
        "30 2 * * *",
        "59 23 * * 0",
        "0 3 1 * *",
        "30 1,2,3 * * *",
    ])
}

fn any_zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the clock does, an agent begins a run within a day and one interval of any moment, never runs twice for a slot
    /// while time goes forward, and never wants to be woken in the past.
    #[test]
    fn no_jump_of_the_clock_stops_a_schedule(
        text in any_schedule(), zone in any_zone(), delay in 0i64..900,
        jumps in prop::collection::vec((0i64..40 * DAY, -400 * DAY..400 * DAY), 1..6),
    ) {
        let mut plan = plan(vec![job("a", text, zone)]);
        plan.jobs[0].delay_secs = delay;
        let mut now = NEW_YEAR;
        let mut memory = met(&plan, now);
        for (forward, jump) in jumps {
            live(&plan, &mut memory, now, now + forward);
            now += forward + jump;
            // The longest interval is a month, and what was put back by less than 26 hours waits that long.
            let begun = live(&plan, &mut memory.clone(), now, now + 33 * DAY + 2 * DAY);
            prop_assert!(!begun.is_empty(), "nothing after {now}: {memory:?}");
            prop_assert!(begun.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    /// Over any year the runs are exactly the slots of the calendar, each once, each late by the delay.
    #[test]
    fn runs_are_the_slots(text in any_schedule(), zone in any_zone(), delay in 0i64..900, start in 0i64..365) {
        let mut plan = plan(vec![job("a", text, zone)]);
        plan.jobs[0].delay_secs = delay;
        let (from, until) = (NEW_YEAR + start * DAY, NEW_YEAR + (start + 40) * DAY);
        let begun = live(&plan, &mut met(&plan, from), from, until);
        let calendar = plan.jobs[0].calendar.as_ref().expect("one");
        let (mut at, mut slots) = (from, Vec::new());
        while let Some(slot) = calendar.next_after(at).filter(|slot| slot + delay <= until) {
            slots.push(slot + delay);
            at = slot;
        }
        prop_assert_eq!(begun, slots);
    }

    /// The newest slot of a span is what going through all of it finds.
    #[test]
    fn the_newest_slot_is_found(text in any_schedule(), zone in any_zone(), from in 0i64..90 * DAY, length in 0i64..90 * DAY) {
        let calendar = Calendar::new(text, Some(zone)).expect("a schedule");
        let (from, until) = (NEW_YEAR + from, NEW_YEAR + from + length);
        let (mut at, mut newest) = (from, None);
        while let Some(slot) = calendar.next_after(at).filter(|slot| *slot <= until) {
            (newest, at) = (Some(slot), slot);
        }
        prop_assert_eq!(calendar.newest_between(from, until), newest);
    }

    #[test]
    fn windows_open_when_they_say(zone in any_zone(), from in 0u16..1440, length in 1u16..1440, at in 0i64..365 * DAY) {
        let to = (from + length) % 1440;
        let text = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60);
        let window: Window = text.parse().expect("a window");
        let zone = jiff::tz::TimeZone::get(zone).expect("a zone");
        let opens = window.opens_after(&zone, NEW_YEAR + at);
        prop_assert!(opens > NEW_YEAR + at && opens <= NEW_YEAR + at + 2 * DAY + 7200);
    }
}
