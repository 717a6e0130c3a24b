//! A sweep in which the n-th operation goes wrong, for every n: nothing that is kept suffers, and the next sweep ends where this one would have.

use super::alone::daily;
use super::scene::{DAY, Scene, packs, send, sweep};
use super::store::Fault;
use vow_base::ObjectId;
use vow_testkit::Dice;
use vow_testkit::fixture::FakeHost;

/// A vault whose next sweep expires, condemns, deletes, and finishes a deletion that another one left.
fn ready(lockable: bool) -> (Scene, FakeHost) {
    let (scene, host, mut dice) = (Scene::new(lockable), FakeHost::new(1), Dice::new(1));
    daily(&scene, &host, 4, &mut dice);
    scene.sweep().expect("a sweep");
    let deposit = scene.join(&host);
    let more = packs(2, &mut dice);
    send(&deposit, &host.snapshot_of(5, &more, &mut dice), 1, || {}).expect("a snapshot");
    scene.clock.advance(DAY);
    (scene, host)
}

fn kept(scene: &Scene) -> Vec<ObjectId> {
    let mut kept: Vec<_> = scene.model(|model| model.kept().keys().copied().collect());
    kept.sort_unstable();
    kept
}

fn every_operation(fault: Fault, lockable: bool) -> (usize, usize) {
    let (start, _) = ready(lockable);
    let scene = start.fork();
    let vault = scene.vault();
    let before = scene.store.operations();
    sweep(&vault).expect("a sweep that nothing disturbs");
    let operations = scene.store.operations() - before;
    scene.sweep_days(3);
    scene.check(true);
    let expected = kept(&scene);
    let mut failed = 0;
    for n in 0..operations {
        let scene = start.fork();
        let vault = scene.vault();
        scene.store.fail_at(n, fault);
        failed += usize::from(sweep(&vault).is_err());
        scene.store.heal();
        scene.check(false);
        scene.sweep_days(4);
        scene.check(true);
        assert_eq!(kept(&scene), expected, "operation {n}, {fault:?}");
    }
    (operations, failed)
}

#[test]
fn any_operation_may_fail() {
    for lockable in [true, false] {
        let (operations, failed) = every_operation(Fault::Refused, lockable);
        assert!(failed == operations, "{failed} of {operations} were noticed");
    }
}

#[test]
fn any_answer_may_be_lost() {
    for lockable in [true, false] {
        let (operations, failed) = every_operation(Fault::AnswerLost, lockable);
        // Where the answer was that nothing is there, nothing is lost with it.
        assert!(failed + 12 > operations, "{failed} of {operations} were noticed");
    }
}

#[test]
fn the_process_may_die_at_any_moment() {
    for lockable in [true, false] {
        let (operations, failed) = every_operation(Fault::Killed, lockable);
        assert!(failed == operations, "{failed} of {operations} were noticed");
    }
}

#[test]
fn on_a_full_disk_nothing_is_deleted() {
    let (scene, _) = ready(true);
    let (before, length) = (scene.store.contents(), scene.ledger_length());
    scene.store.fail_at(0, Fault::Full);
    let error = scene.sweep().expect_err("a full disk").to_string();
    assert!(error.contains("memory") || error.contains("create"), "{error}");
    scene.store.heal();
    assert_eq!(scene.ledger_length(), length);
    assert!(before.keys().all(|name| scene.store.contents().contains_key(name)));
    // Full from any moment on: what was announced is finished later.
    every_operation(Fault::Full, true);
}

#[test]
fn a_listing_that_lost_its_end_deletes_nothing_that_is_needed() {
    for lockable in [true, false] {
        every_operation(Fault::ListCut, lockable);
    }
}

#[test]
fn a_deletion_that_was_left_is_finished_before_anything_else_and_by_a_server_that_starts() {
    for by_server in [true, false] {
        let (scene, host) = ready(true);
        // Dies with half of the removals done.
        let before = scene.store.operations();
        let dry = ready(true);
        let start = dry.0.store.operations();
        let first_removal = dry.0.store.operation_of("remove", || {
            dry.0.sweep().expect("a sweep");
        });
        scene.store.fail_at(first_removal - start + 3, Fault::Killed);
        assert_eq!(scene.store.operations(), before);
        scene.sweep().expect_err("killed");
        scene.store.heal();
        let state = scene.vault().state().expect("state");
        assert_eq!(state.deleting.len(), 1);
        let deletion = state.deleting.values().next().expect("a deletion");
        // Until then the host is told to wait.
        let deposit = scene.join(&host);
        let ((kind, id), _) = deletion
            .objects
            .iter()
            .find(|((_, id), _)| scene.store.contents().keys().any(|name| name.ends_with(&id.to_string())))
            .expect("one that is left");
        use vow_base::vault::Deposit;
        let missing = deposit.missing(*kind, &[*id]).expect("an answer");
        assert_eq!(missing, [*id]);
        if by_server {
            assert_eq!(scene.vault().resume_deletions().expect("resumed"), deletion.objects.len() as u64);
            assert_eq!(scene.vault().resume_deletions().expect("nothing left"), 0);
        } else {
            let report = scene.sweep().expect("a sweep");
            assert_eq!(report.resumed, deletion.objects.len() as u64);
        }
        assert!(scene.vault().state().expect("state").deleting.is_empty());
        scene.sweep_days(3);
        scene.check(true);
    }
}
