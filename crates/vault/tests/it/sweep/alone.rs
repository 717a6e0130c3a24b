//! What a sweep does when nobody is in its way.

use super::scene::{DAY, HOUR, Scene, name, names_of, packs, send, sweep};
use std::ops::ControlFlow;
use vow_base::detail::Mark;
use vow_base::vault::{Kind, Retrieve};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Snapshot};
use vow_vault::retention::Keep;
use vow_vault::sweep::{Stopped, SweepOptions, Tally};

/// One a day; each shares half of its packs with the one before it.
pub(crate) fn daily(scene: &Scene, host: &FakeHost, days: u64, dice: &mut Dice) -> Vec<Snapshot> {
    let deposit = scene.join(host);
    let mut shared = packs(3, dice);
    let mut sent = Vec::new();
    for day in 1..=days {
        scene.clock.advance(DAY);
        let new = packs(3, dice);
        let all = [shared.clone(), new.clone()].concat();
        let snapshot = host.snapshot_of(day, &all, dice);
        send(&deposit, &snapshot, 1, || {}).expect("a snapshot");
        sent.push(snapshot);
        shared = new;
    }
    sent
}

#[test]
fn what_expires_is_condemned_and_after_the_grace_gone_and_the_rest_is_there() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(1));
    let sent = daily(&scene, &host, 5, &mut dice);
    let there = names_of(&scene.store.contents(), &host, Kind::Pack).len();
    let report = scene.sweep().expect("a sweep");
    // The last two are kept, the youngest three are less than a day old… only the last one is.
    assert_eq!((report.hosts[0].expired, report.hosts[0].deleted.objects), (3, 0));
    // Three packs are shared with the kept ones; of each expired one its list, its index segment and its manifest go.
    assert_eq!(report.hosts[0].condemned.objects, 9 + 9);
    assert_eq!(
        names_of(&scene.store.contents(), &host, Kind::Pack).len(),
        there,
        "nothing goes before the grace"
    );
    scene.clock.advance(DAY - HOUR);
    let report = scene.sweep().expect("a sweep");
    assert_eq!(report.hosts[0].deleted.objects, 0);
    scene.clock.advance(HOUR);
    let report = scene.sweep().expect("a sweep");
    assert_eq!((report.hosts[0].deleted.objects, report.hosts[0].locked), (18, 0));
    assert!(!report.needs_attention(), "{}", report.summary());
    scene.check(true);
    let kept = scene.vault().committed(&host.id()).expect("receipts");
    assert_eq!(kept.iter().map(|receipt| receipt.sequence).collect::<Vec<_>>(), [4, 5]);
    assert!(!scene.store.contents().contains_key(&name(&host, &sent[0].manifest)));
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let (scene, host, mut dice) = (Scene::new(false), FakeHost::new(1), Dice::new(2));
    daily(&scene, &host, 5, &mut dice);
    for _ in 0..3 {
        scene.clock.advance(DAY);
        let before = scene.store.contents();
        let options = SweepOptions { dry_run: true, ..SweepOptions::default() };
        let dry = scene.vault().sweep(&options, &|_| ControlFlow::Continue(())).expect("a dry run");
        let after = scene.store.contents();
        assert!(before.keys().eq(after.keys()));
        let plan = scene.vault().retention_plan().expect("a plan");
        assert_eq!(plan.decisions.len(), dry.plan.decisions.len());
        assert_eq!(plan.expired().count() as u64, dry.hosts[0].expired);
        let wet = scene.sweep().expect("a sweep");
        for (dry, wet) in dry.hosts.iter().zip(&wet.hosts) {
            assert_eq!((dry.expired, dry.condemned, dry.deleted), (wet.expired, wet.condemned, wet.deleted));
        }
    }
    scene.check(true);
}

#[test]
fn condemned_objects_that_are_sent_again_live() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(3));
    let sent = daily(&scene, &host, 5, &mut dice);
    scene.sweep().expect("a sweep");
    let old: Vec<_> = sent[0].of_kind(Kind::Pack).into_iter().cloned().collect();
    let again = host.snapshot_of(6, &old, &mut dice);
    scene.clock.advance(DAY);
    let deposit = scene.join(&host);
    let missing = again.commit(&deposit).expect_err("condemned is as good as missing").to_string();
    assert!(missing.contains("lacks"), "{missing}");
    send(&deposit, &again, 2, || {}).expect("sent again");
    assert!(scene.model(|model| model.revived) >= 6);
    scene.sweep_days(4);
    scene.check(true);
    assert!(old.iter().all(|pack| scene.store.contents().contains_key(&name(&host, pack))));
}

#[test]
fn a_long_first_backup_is_left_alone_and_an_abandoned_one_goes() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(4));
    let deposit = scene.join(&host);
    let parts: Vec<_> = (0..10).map(|_| packs(1, &mut dice)).collect();
    for part in &parts {
        use vow_base::vault::Deposit;
        for pack in part {
            deposit.put(Kind::Pack, &pack.id, &pack.bytes).expect("a pack");
        }
        scene.clock.advance(12 * HOUR);
        assert_eq!(scene.sweep().expect("a sweep").hosts[0].condemned.objects, 0);
    }
    assert_eq!(
        names_of(&scene.store.contents(), &host, Kind::Pack).len(),
        10,
        "five days, and still sending"
    );
    let snapshot = host.snapshot_of(1, &parts.concat(), &mut dice);
    scene.clock.advance(HOUR);
    send(&deposit, &snapshot, 1, || {}).expect("a snapshot");
    // Another one that is never committed.
    for pack in packs(4, &mut dice) {
        use vow_base::vault::Deposit;
        deposit.put(Kind::Pack, &pack.id, &pack.bytes).expect("a pack");
    }
    assert_eq!(names_of(&scene.store.contents(), &host, Kind::Pack).len(), 14);
    scene.sweep_days(3);
    scene.check(true);
    assert_eq!(names_of(&scene.store.contents(), &host, Kind::Pack).len(), 10);
}

#[test]
fn pinned_snapshots_stay_and_a_release_counts_after_the_delay() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(5));
    let sent = daily(&scene, &host, 1, &mut dice);
    let id = sent[0].manifest.id;
    scene.vault().mark(&host.id(), &id, Mark::Pinned, "the audit wants it").expect("a mark");
    let deposit = scene.join(&host);
    for sequence in 2..6 {
        scene.clock.advance(DAY);
        let more = packs(2, &mut dice);
        send(&deposit, &host.snapshot_of(sequence, &more, &mut dice), 1, || {}).expect("a snapshot");
        scene.sweep().expect("a sweep");
    }
    scene.sweep_days(3);
    assert!(scene.model(|model| model.kept().contains_key(&id)));
    scene.vault().mark(&host.id(), &id, Mark::Released, "the audit is over").expect("a mark");
    scene.clock.advance(DAY - HOUR);
    let report = scene.sweep().expect("a sweep");
    let decision =
        report.plan.decisions.iter().find(|decision| decision.snapshot.manifest == id).expect("decided");
    assert!(matches!(decision.keep[..], [Keep::Pinned(Some(_))]), "{decision:?}");
    scene.clock.advance(HOUR);
    scene.sweep().expect("a sweep");
    assert!(!scene.model(|model| model.kept().contains_key(&id)));
}

#[test]
fn a_host_of_which_too_much_would_go_is_left_alone_and_the_others_go_on() {
    let rules = super::scene::RULES.replace("share_percent = 90", "share_percent = 25");
    let (scene, mut dice) = (Scene::with_rules(true, &rules), Dice::new(6));
    let (host, other) = (FakeHost::new(1), FakeHost::new(2));
    daily(&scene, &other, 3, &mut dice);
    daily(&scene, &host, 8, &mut dice);
    let kept = || scene.vault().state().expect("a state").of_host(&host.id()).kept().count();
    let passes = || scene.vault().state().expect("a state").passes.len();
    let before = passes();
    let dry = SweepOptions { dry_run: true, ..SweepOptions::default() };
    let report = scene.vault().sweep(&dry, &|_| ControlFlow::Continue(())).expect("a sweep");
    assert!(report.needs_attention() && report.plan.expired().count() > 6, "what would go is in the plan");
    let report = scene.sweep().expect("a sweep");
    let of = |host: &FakeHost| report.hosts.iter().find(|swept| swept.host == host.id()).expect("swept");
    let why = of(&host).held.as_ref().expect("six of eight").to_string();
    assert!(why.starts_with("6 of 8 snapshots"), "{why}");
    assert!(report.needs_attention() && report.summary().contains("left alone: 6 of 8"));
    assert_eq!((of(&host).expired, of(&host).condemned, kept()), (0, Tally::default(), 8));
    // One of three may always go; and the sweep has looked at everything, which keeps the clock out of doubt.
    assert_eq!((of(&other).held.as_ref(), of(&other).expired, report.stopped.as_ref()), (None, 1, None));
    assert_eq!(passes(), before + 1);
    let options = SweepOptions { despite_brake: true, ..SweepOptions::default() };
    let report = scene.vault().sweep(&options, &|_| ControlFlow::Continue(())).expect("a sweep");
    assert_eq!((report.stopped, kept()), (None, 2));
}

#[test]
fn a_host_whose_objects_are_lacking_is_not_touched() {
    let (scene, host, other, mut dice) = (Scene::new(true), FakeHost::new(1), FakeHost::new(2), Dice::new(7));
    let sent = daily(&scene, &host, 5, &mut dice);
    daily(&scene, &other, 5, &mut dice);
    // What an expiring one alone needs is not missed; what a kept one needs is.
    scene.store.lose(&name(&host, sent[0].of_kind(Kind::Pack)[0]));
    scene.store.lose(&name(&host, sent[4].of_kind(Kind::Pack)[5]));
    let report = scene.sweep().expect("a sweep");
    let of = |host: &FakeHost| report.hosts.iter().find(|swept| swept.host == host.id()).expect("swept");
    assert_eq!((of(&host).lacking.map(|lacking| lacking.count), of(&host).expired), (Some(1), 0));
    assert_eq!((of(&other).lacking, of(&other).expired), (None, 3));
    assert!(report.needs_attention() && report.summary().contains("1 object not there"));
    let options = SweepOptions { despite_lacking: true, ..SweepOptions::default() };
    let report = scene.vault().sweep(&options, &|_| ControlFlow::Continue(())).expect("a sweep");
    assert_eq!(report.hosts.iter().map(|swept| swept.expired).sum::<u64>(), 3);
}

#[test]
fn a_ledger_that_lost_its_end_costs_nobody_a_snapshot() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(8));
    let sent = daily(&scene, &host, 4, &mut dice);
    // The folder of the ledger is put back from the day before the last two.
    let last = scene.ledger_length();
    for position in [last, last - 1] {
        scene.store.lose(&format!("ledger/{position:020}"));
    }
    scene.store.watch(Box::new(|_, name, change| {
        assert!(change != super::store::Change::Removed, "{name} was removed");
    }));
    for _ in 0..5 {
        scene.clock.advance(DAY);
        let _ = scene.vault().accept_clock();
        let report = scene.sweep().expect("a sweep");
        assert_eq!(report.hosts[0].unreceipted, 2);
        assert!(report.needs_attention());
    }
    let contents = scene.store.contents();
    for snapshot in &sent[2..] {
        let objects = snapshot.objects.iter().chain([&snapshot.manifest]);
        assert!(objects.map(|object| name(&host, object)).all(|name| contents.contains_key(&name)));
    }
}

#[test]
fn a_commit_that_comes_between_is_no_finding() {
    let (start, host, mut dice) = (Scene::new(false), FakeHost::new(1), Dice::new(11));
    daily(&start, &host, 3, &mut dice);
    let more = packs(2, &mut dice);
    let snapshot = host.snapshot_of(4, &more, &mut dice);
    for n in (0..).step_by(7) {
        let scene = start.fork();
        let (vault, deposit) = (scene.vault(), scene.join(&host));
        let snapshot = snapshot.clone();
        // Its own operations come between two of the sweep's.
        scene
            .store
            .at_operation(n, Box::new(move || send(&deposit, &snapshot, 3, || {}).expect("a snapshot")));
        let report = sweep(&vault).expect("a sweep");
        assert!(!report.needs_attention(), "{n}: {}", report.summary());
        scene.check(false);
        if !scene.store.heal() {
            break;
        }
        assert_eq!(scene.model(|model| model.kept().len()), 3);
    }
}

#[test]
fn a_pass_that_did_not_come_to_its_end_is_none() {
    let (start, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(12));
    daily(&start, &host, 4, &mut dice);
    let trial = start.fork();
    let before = trial.store.operations();
    let vault = trial.vault();
    let opened = trial.store.operations() - before;
    sweep(&vault).expect("a sweep");
    let whole = trial.store.operations() - before - opened;
    // It dies with everything done but the entry that says so: that is created last.
    let scene = start.fork();
    let vault = scene.vault();
    scene.store.fail_at(whole - 1, super::store::Fault::Killed);
    sweep(&vault).expect_err("killed");
    scene.store.heal();
    assert!(scene.vault().state().expect("state").hosts[&host.id()].condemned.len() > 5);
    scene.clock.advance(DAY + HOUR);
    let report = scene.sweep().expect("a sweep");
    assert_eq!(report.hosts[0].deleted.objects, 0, "condemned a grace ago, but by no whole pass");
    scene.clock.advance(HOUR);
    assert!(scene.sweep().expect("a sweep").hosts[0].deleted.objects > 5);
}

#[test]
fn an_object_that_the_store_holds_is_tried_again_later() {
    let (scene, host, mut dice) = (Scene::new(false), FakeHost::new(1), Dice::new(9));
    let sent = daily(&scene, &host, 4, &mut dice);
    let held = name(&host, sent[0].of_kind(Kind::Pack)[0]);
    scene.store.hold(&held, true);
    scene.sweep_days(1);
    scene.clock.advance(DAY);
    let report = scene.sweep().expect("a sweep");
    assert_eq!(report.hosts[0].locked, 1);
    assert!(scene.store.contents().contains_key(&held));
    // It is an object like any other again: whoever commits may rely on it, and else it goes the whole way once more.
    assert!(scene.vault().state().expect("state").deleting.is_empty());
    scene.store.hold(&held, false);
    scene.sweep_days(3);
    scene.check(true);
}

#[test]
fn asked_to_stop_it_stops_and_goes_on_next_time() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(10));
    daily(&scene, &host, 5, &mut dice);
    let asked = std::cell::Cell::new(0);
    for patience in 0..12 {
        asked.set(0);
        let progress = |_| {
            asked.set(asked.get() + 1);
            if asked.get() > patience { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let report = scene.vault().sweep(&SweepOptions::default(), &progress).expect("a sweep");
        assert!(report.stopped.is_none() || report.stopped == Some(Stopped::Asked));
        assert!(!report.needs_attention());
    }
    scene.sweep_days(3);
    scene.check(true);
}

#[test]
fn a_vault_without_hosts_is_swept() {
    let scene = Scene::new(true);
    let report = sweep(&scene.vault()).expect("a sweep");
    assert_eq!((report.hosts.len(), report.stopped), (0, None));
}

#[test]
fn rules_that_are_no_rules_are_refused() {
    let scene = Scene::new(true);
    let error = scene.vault().set_rules("keep_dayly = 3", "a slip").expect_err("a slip").to_string();
    assert!(error.contains("line 1, column 1") && error.contains("keep_dayly"), "{error}");
    scene.vault().set_rules("keep_daily = 3", "right").expect("rules");
    let state = scene.vault().state().expect("state");
    let text = &state.rules.last().expect("rules").text;
    assert!(text.contains("keep_daily = 3") && text.contains("keep_weekly = 8"), "{text}");
}
