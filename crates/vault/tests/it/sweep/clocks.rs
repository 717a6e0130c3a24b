//! Clocks that jump: nothing is deleted early, and nobody is locked out for ever.

use super::alone::daily;
use super::scene::{DAY, HOUR, Scene, packs, send};
use vow_testkit::Dice;
use vow_testkit::fixture::FakeHost;
use vow_vault::sweep::Stopped;

const YEARS: i64 = 3652 * DAY;

#[test]
fn ten_years_forward_and_back_delete_nothing_early() {
    for jump in [YEARS, -YEARS] {
        let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(1));
        daily(&scene, &host, 5, &mut dice);
        scene.sweep().expect("a sweep");
        scene.clock.advance(HOUR);
        let before = scene.store.contents();
        scene.clock.advance(jump);
        // Before any entry says so.
        let report = scene.sweep().expect("a sweep");
        assert!(matches!(report.stopped, Some(Stopped::Clock(_))), "{:?}", report.stopped);
        assert!(report.needs_attention());
        // Commits go on, and their entries put the clock in doubt for all.
        let deposit = scene.join(&host);
        for sequence in 6..9 {
            let more = packs(2, &mut dice);
            send(&deposit, &host.snapshot_of(sequence, &more, &mut dice), 1, || {}).expect("a snapshot");
            scene.clock.advance(DAY);
            let report = scene.sweep().expect("a sweep");
            assert!(matches!(report.stopped, Some(Stopped::Clock(_))), "{:?}", report.stopped);
        }
        assert!(before.keys().all(|name| scene.store.contents().contains_key(name)));
        // The clock is set right; the next entry jumps back. That is doubtful as well, until somebody looks.
        scene.clock.advance(-jump);
        assert!(matches!(scene.sweep().expect("a sweep").stopped, Some(Stopped::Clock(_))));
        scene.vault().accept_clock().expect("accepted");
        let report = scene.sweep().expect("a sweep");
        assert_eq!(report.stopped, None);
        // Three days passed: what was condemned a grace ago goes now. What came while the clock was wrong counts as what it is.
        assert!(report.hosts[0].deleted.objects > 0);
        let newest = report.plan.decisions.last().expect("decided");
        assert!(newest.is_kept() && (report.now - newest.snapshot.received) < 4 * DAY, "{newest:?}");
        // Nobody knows how far apart those were that came while the clock was wrong: only the first of them counts, and the others stay
        // until a later one does.
        scene.sweep_days(1);
        let kept = scene.model(|model| model.kept().len());
        assert!((4..=5).contains(&kept), "{kept}");
        let more = packs(2, &mut dice);
        send(&deposit, &host.snapshot_of(9, &more, &mut dice), 1, || {}).expect("a snapshot");
        scene.sweep_days(4);
        scene.check(true);
        assert_eq!(scene.model(|model| model.kept().len()), 2);
    }
}

#[test]
fn a_jump_while_it_sweeps_stops_it() {
    // At every operation of a sweep that expires, condemns and deletes.
    let mut stopped = 0;
    let (start, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(2));
    daily(&start, &host, 4, &mut dice);
    start.sweep().expect("a sweep");
    start.clock.advance(DAY);
    let more = packs(2, &mut dice);
    send(&start.join(&host), &host.snapshot_of(5, &more, &mut dice), 1, || {}).expect("a snapshot");
    for n in 0.. {
        let scene = start.fork();
        scene.store.at_operation(n, {
            let clock = scene.clock.clone();
            Box::new(move || clock.advance(YEARS))
        });
        // The model refuses any step of a sweep after the entry that jumped.
        let report = scene.sweep().expect("a sweep");
        scene.check(false);
        stopped += usize::from(matches!(report.stopped, Some(Stopped::Clock(_))));
        if !scene.store.heal() {
            break;
        }
    }
    assert!(stopped > 20, "{stopped}");
}

#[test]
fn a_machine_that_slept_for_half_a_day_is_not_in_doubt_and_one_that_slept_for_a_week_is() {
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(3));
    daily(&scene, &host, 3, &mut dice);
    scene.clock.advance(12 * HOUR);
    assert_eq!(scene.sweep().expect("a sweep").stopped, None);
    scene.clock.advance(7 * DAY);
    assert!(matches!(scene.sweep().expect("a sweep").stopped, Some(Stopped::Clock(_))));
    scene.vault().accept_clock().expect("accepted");
    assert_eq!(scene.sweep().expect("a sweep").stopped, None);
}

#[test]
fn no_host_has_a_say_in_the_time() {
    // The host's clock is a label of the manifest: the fixture says 1 and 2 nanoseconds after 1970.
    let (scene, host, mut dice) = (Scene::new(true), FakeHost::new(1), Dice::new(4));
    let sent = daily(&scene, &host, 1, &mut dice);
    assert_eq!((sent[0].content.started, sent[0].content.finished), (1, 2));
    let report = scene.sweep().expect("a sweep");
    assert!(report.now - report.plan.decisions[0].snapshot.received < HOUR);
}
