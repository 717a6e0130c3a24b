use super::*;
use crate::records::*;
use std::collections::BTreeMap;
use vow_protocol::report::{Alive, Expected, LevelReport, RunReport, Shape, Tree, Verdict as Drill};

const DAY: i64 = 86_400;
/// 2026-01-05, a Monday, 03:00 UTC.
const MONDAY: i64 = 1_767_582_000;
const MB: u64 = 1_000_000;

fn run(day: i64, bytes: u64) -> Run {
    Run {
        report: format!("report-{day}"),
        tenant: "acme".into(),
        host: "web-1".into(),
        received_secs: MONDAY + day * DAY + 300,
        body: RunReport {
            run: format!("{day:032x}"),
            source: "orders".into(),
            source_type: "postgres".into(),
            started_secs: MONDAY + day * DAY,
            duration_secs: 300.0,
            outcome: Outcome::Ok,
            snapshot: Some("a".repeat(64)),
            sequence: Some(day as u64 + 1),
            files: 1,
            dirs: 0,
            bytes,
            added_bytes: bytes / 50,
            errors: 0,
            error: None,
            hint: None,
            problems: vec![],
            notes: vec![],
            levels: vec![],
            end_marker: Some(true),
            shape: None,
            objects: BTreeMap::new(),
            attempt: 1,
            next_secs: None,
            plan: None,
            recipients: vec![],
        },
    }
}

fn around() -> Around {
    Around {
        host: HostFacts {
            tenant: "acme".into(),
            host: "web-1".into(),
            since_secs: MONDAY,
            heard_secs: None,
            clock: vec![],
            software: None,
            alive: None,
            quiet_until_secs: None,
            closed: false,
        },
        source: "orders".into(),
        since_secs: MONDAY,
        usual_gap_secs: None,
        expected: Some(Expected {
            source: "orders".into(),
            source_type: "postgres".into(),
            schedule: Some("0 3 * * *".into()),
            time_zone: None,
            next_secs: None,
            levels: vec!["local".into(), "remote".into()],
            restore_target_secs: None,
            drill_within_secs: None,
        }),
        levels: vec![],
        last_run: None,
        proofs: vec![],
        marks: vec![],
    }
}

/// A source that was well for so many days.
struct Told {
    history: History,
    around: Around,
    settings: Settings,
}

impl Told {
    fn days(days: i64, bytes: impl Fn(i64) -> u64) -> Self {
        let mut told = Self { history: History::default(), around: around(), settings: Settings::default() };
        for day in 0..days {
            told.live(&run(day, bytes(day)));
        }
        told
    }

    fn judge(&self, run: &Run) -> Verdict {
        judge_run(&RunCase::new(run, &self.history, &self.around, &self.settings, run.received_secs))
    }

    fn live(&mut self, run: &Run) -> Verdict {
        let verdict = self.judge(run);
        self.history.push(run, verdict.spoke());
        verdict
    }

    fn sentences(&self, run: &Run) -> Vec<String> {
        sentences(&self.judge(run).judged)
    }
}

fn sentences(judged: &Judged) -> Vec<String> {
    judged.problems.iter().map(|problem| problem.sentence.clone()).collect()
}

/// Around 120 MB on working days, a tenth of that on Sundays.
fn weekly(day: i64) -> u64 {
    if day % 7 == 6 { 12 * MB } else { 118 * MB + (day as u64 % 4) * 2 * MB }
}

#[test]
fn a_size_is_compared_with_the_same_weekday_and_said_in_numbers() {
    let told = Told::days(63, weekly);
    let tuesday = run(64, 12_300_000);
    assert_eq!(
        told.sentences(&tuesday),
        ["orders was 12.3 MB, usually 118 to 124 MB on Tuesdays (90 % less)."]
    );
    assert_eq!(told.judge(&tuesday).judged.problems[0].severity, Severity::Critical);
    assert!(!told.judge(&tuesday).healthy);
    // The same on a Sunday is what Sundays are like, and a full one is not.
    assert!(told.sentences(&run(69, 12_300_000)).is_empty());
    assert_eq!(told.sentences(&run(69, 120 * MB)).len(), 1);
}

#[test]
fn a_series_that_never_changes_does_not_speak_of_trifles() {
    let told = Told::days(40, |_| 100 * MB);
    for bytes in [100 * MB + 1, 101 * MB, 99 * MB, 80 * MB, 140 * MB] {
        assert!(told.sentences(&run(40, bytes)).is_empty(), "{bytes}");
    }
    assert_eq!(told.sentences(&run(40, 60 * MB)).len(), 1);
    assert_eq!(told.sentences(&run(40, 160 * MB)).len(), 1);
    let small = Told::days(40, |_| 5000);
    assert!(small.sentences(&run(40, 1000)).is_empty(), "below the floor");
}

#[test]
fn while_learning_only_what_is_grossly_different_speaks_and_the_verdict_says_so() {
    let told = Told::days(4, |_| 100 * MB);
    assert!(told.sentences(&run(4, 50 * MB)).is_empty());
    assert_eq!(told.sentences(&run(4, 10 * MB)).len(), 1);
    let learning = told.judge(&run(4, 50 * MB)).learning.unwrap_or_default();
    assert!(learning.contains("4 runs of the 8"), "{learning}");
    assert_eq!(Told::days(8, |_| 100 * MB).judge(&run(8, 100 * MB)).learning, None);
    assert!(Told::days(1, |_| 100 * MB).sentences(&run(1, MB)).is_empty(), "two runs say nothing");
}

#[test]
fn what_a_person_marks_as_expected_is_usual_from_that_run_on() {
    let mut told = Told::days(40, |_| 100 * MB);
    let moved = run(40, 30 * MB);
    assert_eq!(sentences(&told.live(&moved).judged).len(), 1);
    // It does not heal by waiting: a loss never becomes usual by itself.
    for day in 41..60 {
        assert_eq!(sentences(&told.live(&run(day, 30 * MB)).judged).len(), 1, "day {day}");
    }
    told.history.accept(&moved, RuleName::Size);
    told.around.marks.push(Mark {
        rule: RuleName::Size,
        report: moved.report.clone(),
        started_secs: moved.body.started_secs,
        by: "kim".into(),
        at_secs: moved.received_secs,
        reason: "moved to another host".into(),
    });
    assert!(told.sentences(&run(60, 30 * MB)).is_empty());
    assert_eq!(told.sentences(&run(60, 100 * MB)).len(), 1, "what was usual before is not any more");
}

#[test]
fn growth_that_stays_becomes_usual_after_two_weeks() {
    let mut told = Told::days(40, |_| 100 * MB);
    let spoke: Vec<bool> =
        (40..60).map(|day| !told.live(&run(day, 300 * MB)).judged.problems.is_empty()).collect();
    assert!(spoke[..14].iter().all(|spoke| *spoke), "{spoke:?}");
    assert!(spoke[14..].iter().all(|spoke| !*spoke), "{spoke:?}");
}

#[test]
fn failures_count_and_say_since_when() {
    let mut told = Told::days(10, |_| 100 * MB);
    let mut failed = run(10, 0);
    failed.body.outcome = Outcome::Failed;
    failed.body.error = Some("connection refused.".into());
    let verdict = told.live(&failed);
    assert_eq!(
        sentences(&verdict.judged),
        [
            "orders failed: connection refused; the last snapshot is from Wed 2026-01-14 03:00 UTC (24 hours before)."
        ]
    );
    assert!(!verdict.judged.rules.contains(&RuleName::Size), "what has no size cannot be judged by it");
    for day in [11, 12] {
        failed.report = format!("failed-{day}");
        failed.body.started_secs = MONDAY + day * DAY;
        told.live(&failed);
    }
    failed.report = "failed-13".into();
    failed.body.started_secs = MONDAY + 13 * DAY;
    let problem = &told.judge(&failed).judged.problems[0];
    assert!(problem.sentence.contains("4 in a row") && problem.severity == Severity::Critical, "{problem:?}");
}

#[test]
fn a_late_report_of_an_old_run_neither_opens_nor_moves_references() {
    let mut told = Told::days(10, |_| 100 * MB);
    let mut old = run(5, 0);
    old.report = "late".into();
    old.body.outcome = Outcome::Failed;
    assert!(!told.judge(&old).newest);
    told.history.push(&old, vec![RuleName::Failed]);
    assert!(told.history.past.windows(2).all(|two| two[0].started_secs <= two[1].started_secs));
    let length = told.history.past.len();
    told.history.push(&old, vec![]);
    assert_eq!(told.history.past.len(), length, "a report that comes twice counts once");
}

#[test]
fn zero_bytes_a_missing_end_and_a_partial_snapshot_speak_at_once() {
    let told = Told::days(0, |_| 0);
    assert_eq!(told.sentences(&run(0, 0)), ["orders has no bytes at all: 1 file, 0 B."]);
    let mut cut = run(0, MB);
    cut.body.end_marker = Some(false);
    assert_eq!(
        told.sentences(&cut),
        ["orders is cut off: the dump does not end with its end marker, after 1 MB."]
    );
    let mut partial = run(0, MB);
    partial.body.outcome = Outcome::Partial;
    partial.body.errors = 2;
    partial.body.problems = vec!["/srv/a: permission denied".into(), "/srv/b: permission denied".into()];
    partial.body.levels = vec![LevelReport {
        name: "remote".into(),
        vault: None,
        received: Some(false),
        error: Some("timed out".into()),
    }];
    assert_eq!(
        told.sentences(&partial),
        [
            "orders is not whole: 2 things could not be captured beside 1 captured file, the first: /srv/a: permission denied; not received by remote (timed out)."
        ]
    );
    assert!(told.judge(&partial).healthy, "it counts, its problem has a ticket");
}

#[test]
fn objects_are_compared_with_the_last_run_that_had_them_until_a_person_agrees() {
    let mut told = Told::days(0, |_| 0);
    let with = |day, tables: u64| {
        let mut run = run(day, 100 * MB);
        run.body.objects = BTreeMap::from([("table".into(), tables), ("view".into(), 3)]);
        run
    };
    told.live(&with(0, 10));
    let dropped = with(1, 9);
    assert_eq!(
        sentences(&told.live(&dropped).judged),
        ["orders has 1 table fewer (10 before, 9 now), compared with Mon 2026-01-05 03:00 UTC."]
    );
    assert_eq!(sentences(&told.live(&with(2, 9)).judged).len(), 1, "it stays");
    assert!(told.live(&with(3, 11)).judged.problems.is_empty(), "they came back");
    let mut all_gone = with(4, 0);
    all_gone.body.objects.clear();
    assert_eq!(told.judge(&all_gone).judged.problems[0].severity, Severity::Critical);
    told.history.accept(&with(4, 9), RuleName::Objects);
    assert!(told.sentences(&with(5, 9)).is_empty());
}

fn files(day: i64, trees: &[(&str, u64, u64)], change: impl Fn(&mut Shape)) -> Run {
    let bytes = trees.iter().map(|(_, _, bytes)| bytes).sum();
    let mut run = run(day, bytes);
    run.body.source_type = "files".into();
    run.body.files = trees.iter().map(|(_, files, _)| files).sum();
    let trees =
        trees.iter().map(|(path, files, bytes)| ((*path).to_owned(), Tree { files: *files, bytes: *bytes }));
    let mut shape = Shape {
        trees: trees.collect(),
        changed_files: 10,
        typed_files: 1000,
        mistyped_files: 5,
        sampled_bytes: 50 * MB,
        random_bytes: 5 * MB,
        ..Shape::default()
    };
    change(&mut shape);
    run.body.shape = Some(shape);
    run
}

#[test]
fn the_signs_of_ransomware_speak_together_and_each_by_itself() {
    let trees = [("/srv/a", 10_000, 800 * MB), ("/home", 2000, 200 * MB)];
    let mut told = Told::days(0, |_| 0);
    for day in 0..20 {
        assert!(told.live(&files(day, &trees, |_| {})).judged.problems.is_empty());
    }
    let spoke = |change: &dyn Fn(&mut Shape)| told.judge(&files(20, &trees, change)).spoke();
    assert_eq!(spoke(&|shape| shape.changed_files = 6000), [RuleName::Changed]);
    assert_eq!(spoke(&|shape| shape.mistyped_files = 400), [RuleName::Types]);
    assert_eq!(spoke(&|shape| shape.random_bytes = 48 * MB), [RuleName::Entropy]);
    assert!(spoke(&|shape| shape.changed_files = 900).is_empty());
    let gone = files(20, &trees[..1], |_| {});
    let trees_gone = told.judge(&gone);
    assert!(trees_gone.spoke().contains(&RuleName::Trees));
    assert!(
        sentences(&trees_gone.judged).iter().any(|said| said.contains("/home lost 2000 files with 200 MB"))
    );
    let new = files(20, &[trees[0], trees[1], ("/srv/dump", 5, 900 * MB)], |_| {});
    assert!(told.sentences(&new).iter().any(|said| said.contains("/srv/dump is new with 900 MB")));
}

fn level(name: &str, sequence: u64, received_secs: i64, asked_secs: i64) -> LevelFacts {
    LevelFacts {
        name: name.into(),
        vault: None,
        newest: Some(Held { snapshot: "a".repeat(64), sequence, received_secs }),
        asked_secs: Some(asked_secs),
        away: false,
    }
}

#[test]
fn late_and_missing_go_by_receipts_and_not_by_the_word_of_the_host() {
    let settings = Settings { drill_term_secs: None, ..Settings::default() };
    let mut around = around();
    let said = |around: &Around, now| sentences(&watch_source(around, &settings, now));
    // The host says that it ran; no vault has it.
    around.last_run = Some(LastRun {
        report: "r".into(),
        started_secs: MONDAY + DAY,
        received_secs: MONDAY + DAY + 60,
        duration_secs: 60.0,
        outcome: Outcome::Ok,
        levels: vec![],
    });
    let at = |around: &mut Around, now| {
        around.levels = vec![level("local", 1, MONDAY + 60, now), level("remote", 1, MONDAY + 60, now)];
        said(around, now)
    };
    assert!(at(&mut around, MONDAY + DAY + 3600).is_empty(), "within its grace");
    assert_eq!(
        at(&mut around, MONDAY + DAY + 4 * 3600),
        [
            "orders is late: due Tue 2026-01-06 03:00 UTC, no vault has received it; the last came Mon 2026-01-05 03:01 UTC (28 hours ago)."
        ]
    );
    let missing = at(&mut around, MONDAY + 3 * DAY + 4 * 3600);
    assert!(missing[0].starts_with("orders is missing: 3 snapshots since Tue 2026-01-06"), "{missing:?}");
    // Vaults that do not answer leave everything open.
    let later = MONDAY + 9 * DAY;
    assert!(said(&around, later).is_empty());
    assert!(!watch_source(&around, &settings, later).rules.contains(&RuleName::Missing));
    // A failed run has a ticket; the second one comes only when it lasts.
    around.last_run.as_mut().into_iter().for_each(|run| run.outcome = Outcome::Failed);
    assert!(at(&mut around, MONDAY + DAY + 4 * 3600).is_empty());
    assert_eq!(at(&mut around, MONDAY + 3 * DAY + 4 * 3600).len(), 1);
}

#[test]
fn a_vault_that_does_not_answer_has_its_own_ticket_and_not_one_for_each_source() {
    let mut told = Told::days(20, |_| 100 * MB);
    let mut partial = run(20, 100 * MB);
    partial.body.outcome = Outcome::Partial;
    let absent = |name: &str| LevelReport {
        name: name.into(),
        vault: None,
        received: Some(false),
        error: Some("connection refused".into()),
    };
    partial.body.levels = vec![absent("remote")];
    let now = partial.received_secs;
    let mut levels = vec![level("local", 20, now, now), level("remote", 19, now - DAY, now)];
    told.around.levels.clone_from(&levels);
    assert_eq!(told.judge(&partial).spoke(), [RuleName::Partial], "this host alone does not reach it");
    levels[1].away = true;
    told.around.levels = levels;
    let silent = told.judge(&partial);
    assert!(silent.spoke().is_empty(), "{:?}", sentences(&silent.judged));
    assert!(!silent.judged.rules.contains(&RuleName::Partial), "and that heals nothing");
    // What is missing besides is said, and that alone.
    partial.body.levels.push(absent("third"));
    assert_eq!(
        told.sentences(&partial),
        ["orders is not whole: not received by third (connection refused)."]
    );
    partial.body.levels.pop();
    (partial.body.errors, partial.body.problems) = (1, vec!["/srv/a: permission denied".into()]);
    assert!(
        told.sentences(&partial)[0].contains("/srv/a") && !told.sentences(&partial)[0].contains("remote")
    );
}

#[test]
fn without_a_schedule_the_usual_gap_is_what_is_expected() {
    let settings = Settings { drill_term_secs: None, ..Settings::default() };
    let mut around = around();
    around.expected = None;
    around.last_run = Some(LastRun {
        report: "r".into(),
        started_secs: MONDAY,
        received_secs: MONDAY,
        duration_secs: 60.0,
        outcome: Outcome::Ok,
        levels: vec![],
    });
    assert!(!watch_source(&around, &settings, MONDAY + 90 * DAY).rules.contains(&RuleName::Missing));
    around.usual_gap_secs = Some(DAY);
    assert!(sentences(&watch_source(&around, &settings, MONDAY + DAY + 12 * 3600)).is_empty());
    assert_eq!(sentences(&watch_source(&around, &settings, MONDAY + 2 * DAY)).len(), 1);
}

#[test]
fn a_level_that_is_behind_is_named_and_one_cause_has_one_ticket() {
    let settings = Settings { drill_term_secs: None, ..Settings::default() };
    let mut around = around();
    let now = MONDAY + DAY + 8 * 3600;
    around.levels = vec![level("local", 2, MONDAY + DAY + 60, now), level("remote", 1, MONDAY + 60, now)];
    let judged = watch_source(&around, &settings, now);
    assert_eq!(
        sentences(&judged),
        [
            "remote is behind for orders: its newest is from Mon 2026-01-05 03:01 UTC, while another level has one from Tue 2026-01-06 03:01 UTC."
        ]
    );
    assert_eq!(judged.problems[0].key.to_string(), "acme/out-of-step/level/web-1/orders/remote");
    assert!(judged.decides(&judged.problems[0].key));
    // A silent host is one problem, not one for each of its sources.
    around.levels.iter_mut().for_each(|level| level.newest = None);
    (around.host.alive, around.host.heard_secs) = (Some(Alive::default()), Some(MONDAY));
    assert!(sentences(&watch_source(&around, &settings, now)).is_empty());
    assert_eq!(sentences(&watch_host(&around.host, &settings, now)).len(), 1);
    let restarted = Settings { listening_since_secs: now - 60, ..settings };
    let judged = watch_host(&around.host, &restarted, now);
    assert!(sentences(&judged).is_empty(), "nobody could reach this console");
    assert!(!judged.rules.contains(&RuleName::HostSilent), "and that is no recovery");
}

#[test]
fn a_console_that_was_restarted_takes_its_own_absence_for_no_recovery() {
    let now = MONDAY + 30 * DAY;
    let settings = Settings { drill_term_secs: None, ..Settings::default() };
    let restarted = Settings { listening_since_secs: now - 60, ..settings.clone() };
    let mut around = around();
    (around.levels, around.last_run, around.since_secs) = (vec![], None, MONDAY);
    assert_eq!(sentences(&watch_source(&around, &settings, now)).len(), 1, "there has never been one");
    assert!(!watch_source(&around, &restarted, now).rules.contains(&RuleName::Missing));
    let vault = VaultFacts {
        tenant: "acme".into(),
        vault: "remote".into(),
        since_secs: MONDAY,
        answered_secs: Some(MONDAY),
        error: None,
        set_back: None,
        findings: vec![],
        usage: vec![],
    };
    assert_eq!(sentences(&watch_vault(&vault, &settings, now)).len(), 1);
    assert!(!watch_vault(&vault, &restarted, now).rules.contains(&RuleName::VaultSilent));
    let answered = VaultFacts { answered_secs: Some(now), ..vault };
    assert!(watch_vault(&answered, &restarted, now).rules.contains(&RuleName::VaultSilent));
}

#[test]
fn clocks_and_versions() {
    let settings = Settings { version_min: Some("1.4.0".into()), ..Settings::default() };
    let mut host = around().host;
    let sample = |made_secs, received_secs| ClockSample { made_secs, received_secs };
    host.clock = vec![sample(0, 5000), sample(10_000, 10_001), sample(20_000, 29_000)];
    host.software = Some("vow 1.4.0".into());
    assert!(sentences(&watch_host(&host, &settings, 30_000)).is_empty(), "reports may be slow");
    host.clock = vec![sample(900, 300), sample(1900, 1301), sample(2900, 2305)];
    host.software = Some("vow 1.3.9".into());
    assert_eq!(
        sentences(&watch_host(&host, &settings, 30_000)),
        ["The clock of web-1 is 10 min ahead.", "web-1 runs vow 1.3.9; the oldest that is not old is 1.4.0."]
    );
}

#[test]
fn a_vault_that_fills_says_when() {
    let usage =
        |day: i64, used: u64| Usage { at_secs: MONDAY + day * DAY, used_bytes: used, total_bytes: 1000 * MB };
    let mut vault = VaultFacts {
        tenant: String::new(),
        vault: "remote".into(),
        since_secs: MONDAY,
        answered_secs: Some(MONDAY + 20 * DAY),
        error: None,
        set_back: None,
        findings: vec![],
        usage: (0..20).map(|day| usage(day, 600 * MB + day as u64 * 10 * MB)).collect(),
    };
    let said = |vault: &VaultFacts| sentences(&watch_vault(vault, &Settings::default(), MONDAY + 20 * DAY));
    assert_eq!(
        said(&vault),
        ["remote is 79 % full (790 MB of 1 GB); it grows by 10 MB a day and is full in about 21 days."]
    );
    vault.usage = (0..20).map(|day| usage(day, 500 * MB + day as u64 % 3 * 20 * MB)).collect();
    assert!(said(&vault).is_empty(), "ups and downs are no growth");
    vault.set_back = Some("its ledger was read up to entry 9, and ends at 8 now".into());
    vault.answered_secs = Some(MONDAY);
    assert_eq!(
        said(&vault),
        ["remote was set back: its ledger was read up to entry 9, and ends at 8 now."],
        "that it is not asked any further is no second problem"
    );
    (vault.set_back, vault.answered_secs) = (None, Some(MONDAY + 20 * DAY));
    vault.usage = vec![usage(0, 960 * MB)];
    assert_eq!(said(&vault), ["remote is 96 % full (960 MB of 1 GB)."]);
    vault.answered_secs = Some(MONDAY);
    vault.error = Some("connection refused".into());
    assert_eq!(said(&vault)[1], "remote has not answered for 20 days (connection refused).");
}

#[test]
fn what_a_vault_has_found_itself_is_a_problem() {
    let finding = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    let mut vault = VaultFacts {
        tenant: String::new(),
        vault: "remote".into(),
        since_secs: MONDAY,
        answered_secs: Some(MONDAY),
        error: None,
        set_back: None,
        findings: vec![finding("replicate", "replicate near: it is not reached")],
        usage: vec![],
    };
    let found = |vault: &VaultFacts| watch_vault(vault, &Settings::default(), MONDAY).problems;
    assert_eq!(found(&vault)[0].sentence, "remote says: replicate near: it is not reached.");
    assert_eq!(found(&vault)[0].severity, Severity::Warning);
    vault.findings.push(finding("scrub", "scrub: 2 objects are damaged"));
    assert_eq!(
        found(&vault)[0].sentence,
        "remote says: replicate near: it is not reached, and another finding."
    );
    assert_eq!(found(&vault)[0].severity, Severity::Critical, "copies are lost");
    vault.findings.clear();
    assert!(found(&vault).is_empty());
}

fn proof(day: i64, verdict: Drill, restore_secs: f64) -> Proof {
    Proof {
        report: format!("proof-{day}"),
        received_secs: MONDAY + day * DAY,
        body: vow_protocol::report::ProofReport {
            source: "orders".into(),
            source_type: "postgres".into(),
            snapshot: "a".repeat(64),
            received_secs: MONDAY,
            level: "remote".into(),
            vault: None,
            recipient: String::new(),
            started_secs: MONDAY,
            restore_secs,
            compare_secs: 1.0,
            verdict,
            compared: 12,
            files: 1,
            files_read: 1,
            bytes: MB,
            problems: vec!["table orders: 3 rows fewer".into(), "trigger t: gone".into()],
            blocked: vec!["no server of version 17 here".into()],
            restore_target_secs: Some(600),
            drill_within_secs: None,
        },
    }
}

#[test]
fn drills_that_fail_are_overdue_or_broken_and_restores_that_are_slow() {
    let settings = Settings::default();
    let mut around = around();
    around.expected = None;
    let said = |around: &Around, day: i64| sentences(&watch_source(around, &settings, MONDAY + day * DAY));
    assert!(said(&around, 30).is_empty());
    assert_eq!(said(&around, 40), ["orders has never been proven, in 40 days; it should be every 35 days."]);
    around.proofs = vec![proof(10, Drill::Proven, 500.0)];
    assert!(said(&around, 40).is_empty());
    around.proofs.push(proof(39, Drill::Blocked, 0.0));
    assert_eq!(
        said(&around, 50),
        [
            "orders was last proven 40 days ago; it should be every 35 days; the last try was blocked: no server of version 17 here."
        ]
    );
    around.proofs.push(proof(41, Drill::Failed, 10.0));
    assert_eq!(
        said(&around, 42),
        [
            "The restore test of orders from remote failed: table orders: 3 rows fewer and 1 more; 12 things compared well."
        ]
    );
    around.proofs.push(proof(42, Drill::Proven, 1200.0));
    assert_eq!(
        said(&around, 43),
        ["Restoring orders took 20 min from remote, the quickest level; the target is 10 min."]
    );
    around.proofs.push(proof(43, Drill::Broken, 1.0));
    assert!(said(&around, 44)[0].starts_with("The restore test of orders cannot be trusted"));
}

#[test]
fn the_term_of_a_plan_is_what_a_drill_is_overdue_by() {
    let settings = Settings::default();
    let mut around = around();
    let said = |around: &Around, day: i64| {
        let said = sentences(&watch_source(around, &settings, MONDAY + day * DAY));
        said.into_iter().filter(|text| text.contains("proven")).collect::<Vec<_>>()
    };
    let term = |around: &mut Around, days: Option<i64>| {
        let secs = days.map(|days| (days * DAY) as u64);
        if let Some(expected) = &mut around.expected {
            expected.drill_within_secs = secs;
        }
    };
    around.proofs = vec![proof(10, Drill::Proven, 500.0)];
    term(&mut around, Some(90));
    assert!(said(&around, 99).is_empty(), "the plan gives it ninety days");
    assert_eq!(said(&around, 101), ["orders was last proven 91 days ago; it should be every 90 days."]);
    term(&mut around, Some(2));
    assert_eq!(said(&around, 13), ["orders was last proven 3 days ago; it should be every 2 days."]);
    // A host without an agent tells it with its drills.
    term(&mut around, None);
    around.proofs[0].body.drill_within_secs = Some(5 * DAY as u64);
    assert_eq!(said(&around, 16), ["orders was last proven 6 days ago; it should be every 5 days."]);
    around.proofs[0].body.drill_within_secs = Some(u64::MAX);
    assert!(said(&around, 44).is_empty(), "no term at all is the console's own");
}

#[test]
fn a_rule_that_is_off_says_nothing_and_closes_its_tickets_and_severities_can_be_set() {
    let mut told = Told::days(20, |_| 100 * MB);
    told.settings.off.insert(RuleName::Size);
    let verdict = told.judge(&run(20, MB));
    assert!(verdict.judged.problems.iter().all(|problem| problem.key.rule != RuleName::Size));
    assert!(verdict.judged.rules.contains(&RuleName::Size));
    told.settings.off.clear();
    told.settings.severity.insert(RuleName::Size, Severity::Notice);
    assert!(
        told.judge(&run(20, MB)).judged.problems.iter().any(|problem| problem.severity == Severity::Notice)
    );
}

proptest::proptest! {
    /// Whatever a host reports, rules answer, and what they say fits on a line.
    #[test]
    fn no_report_makes_a_rule_fall(
        numbers in proptest::collection::vec(proptest::prelude::any::<u64>(), 14),
        durations in proptest::collection::vec(proptest::prelude::any::<f64>(), 12),
        starts in proptest::collection::vec(proptest::prelude::any::<i64>(), 12),
    ) {
        let mut told = Told::days(0, |_| 0);
        for (number, duration) in durations.iter().enumerate() {
            let trees = [("/a", numbers[number] / 4, numbers[number + 1] / 4), ("/b", numbers[number + 2] / 4, 3)];
            let mut run = files(number as i64, &trees, |shape| {
                shape.changed_files = numbers[number];
                shape.random_bytes = numbers[number + 1];
                shape.gone_files = numbers[number + 2];
            });
            run.body.duration_secs = *duration;
            // Dates are kept within ten years of the console's own before they come here.
            run.body.started_secs = MONDAY + starts[number] % (3650 * DAY);
            run.body.added_bytes = numbers[13 - number];
            for sentence in sentences(&told.live(&run).judged) {
                proptest::prop_assert!(sentence.len() < 400 && !sentence.contains('\n'), "{}", sentence);
            }
        }
    }
}
