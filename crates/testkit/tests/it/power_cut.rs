//! The power fails, or the program is killed, after every operation: FAULTS 1 and 8. Absent or whole; acknowledged means present.

use crate::scenario::{Acknowledged, ROOT, Scenario, interesting, new_disk};
use std::sync::Arc;
use vow_base::vault::{Deposit, Retrieve};
use vow_testkit::fixture::{FakeHost, Snapshot};
use vow_testkit::mem_disk::{Fate, Pending};
use vow_testkit::{Dice, FixedClock, MemDisk};
use vow_vault::Vault;

/// Besides the plain cases, this many random mixtures.
const MIXTURES: u64 = 4;

fn crashes(disk: &MemDisk, seed: u64) -> Vec<(String, MemDisk)> {
    let both = |name, content| {
        disk.crash(move |pending| if matches!(pending, Pending::Name(_)) { name } else { content })
    };
    let mut states = vec![
        ("all lost".to_owned(), both(Fate::Lost, Fate::Lost)),
        ("all kept".to_owned(), both(Fate::Kept, Fate::Kept)),
        ("names kept".to_owned(), both(Fate::Kept, Fate::Lost)),
        ("names and lengths kept".to_owned(), both(Fate::Kept, Fate::Zeroed)),
        ("content kept".to_owned(), both(Fate::Lost, Fate::Kept)),
    ];
    for mixture in 0..MIXTURES {
        let seed = seed * MIXTURES + mixture;
        let mut dice = Dice::new(seed);
        states.push((format!("dice {seed}"), disk.crash(|_| dice.pick(&Fate::ALL))));
    }
    states
}

fn dry_run(scenario: &Scenario) -> Vec<usize> {
    let disk = new_disk();
    let skip = disk.operations().len();
    scenario.run(&disk).1.unwrap();
    let operations = disk.operations().split_off(skip);
    let mut stops = interesting(&disk, skip);
    // Before an operation that changes something, the state is new; before the others it was seen already.
    stops.retain(|n| operations[*n].action.changes());
    stops.push(operations.len());
    stops
}

fn stopped_at(scenario: &Scenario, n: usize) -> (MemDisk, Acknowledged) {
    let disk = new_disk();
    disk.stop_at(n);
    let (acknowledged, _) = scenario.run(&disk);
    disk.heal();
    (disk, acknowledged)
}

#[test]
fn after_a_power_cut_what_was_acknowledged_is_there_and_the_rest_can_be_done() {
    let scenario = Scenario::new(true);
    for n in dry_run(&scenario) {
        let (disk, acknowledged) = stopped_at(&scenario, n);
        for (how, state) in crashes(&disk, n as u64) {
            scenario.check_and_complete(&state, &acknowledged, &format!("stopped at {n}, {how}"));
        }
    }
}

#[test]
fn a_killed_program_leaves_nothing_that_a_later_power_cut_turns_into_a_lie() {
    for eager in [true, false] {
        let scenario = Scenario::new(eager);
        for n in dry_run(&scenario) {
            let (disk, acknowledged) = stopped_at(&scenario, n);
            // No power cut yet: the next program sees names that are not durable.
            let context = format!("killed at {n}, eager {eager}");
            scenario.check_and_complete(&disk, &acknowledged, &context);
        }
    }
}

#[test]
fn killed_at_any_time_and_then_a_power_cut_at_any_time() {
    let scenarios = [Scenario::new(true), Scenario::new(false)];
    let stops = dry_run(&scenarios[0]);
    let mut dice = Dice::new(99);
    for round in 0..100 {
        let scenario = &scenarios[dice.below(2)];
        let (first, second) = (dice.pick(&stops), dice.below(stops.len() * 2));
        let (disk, _) = stopped_at(scenario, first);
        disk.stop_at(second);
        let (acknowledged, _) = scenario.run(&disk);
        disk.heal();
        for (how, state) in crashes(&disk, round) {
            let context = format!("killed at {first}, stopped {second} later, {how}");
            scenario.check_and_complete(&state, &acknowledged, &context);
        }
    }
}

/// A vault with the objects of two snapshots, neither of them committed.
fn two_to_commit() -> (MemDisk, FakeHost, [Snapshot; 2]) {
    let (disk, host, mut dice) = (new_disk(), FakeHost::new(1), Dice::new(4));
    let vault = Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(1)), ROOT.as_ref()).unwrap();
    vault.join(&host.public()).unwrap();
    let deposit = vault.deposit(&host.public()).unwrap();
    let snapshots = [host.snapshot(1, 1, &mut dice), host.snapshot(2, 1, &mut dice)];
    snapshots.iter().for_each(|snapshot| snapshot.put(&deposit).unwrap());
    (disk, host, snapshots)
}

fn open(disk: &MemDisk) -> Vault {
    Vault::open(Arc::new(disk.clone()), Arc::new(FixedClock(1)), ROOT.as_ref()).unwrap()
}

/// A copy of the disk on which somebody died before the n-th operation of committing this.
fn commit_cut_short(disk: &MemDisk, host: &FakeHost, snapshot: &Snapshot, n: usize) -> MemDisk {
    let disk = disk.crash(|_| Fate::Kept);
    let deposit = open(&disk).deposit(&host.public()).unwrap();
    disk.stop_at(n);
    let _ = snapshot.commit(&deposit);
    disk.heal();
    disk
}

#[test]
fn the_ledger_gets_no_gap_whoever_dies_when() {
    let (disk, host, [one, two]) = two_to_commit();
    for (first, second) in (0..40).flat_map(|first| (0..40).map(move |second| (first, second))) {
        let disk = commit_cut_short(&disk, &host, &one, first);
        // The next one does not come back to what was cut short.
        let deposit = open(&disk).deposit(&host.public()).unwrap();
        disk.stop_at(second);
        let committed = two.commit(&deposit);
        disk.heal();
        let second_entry = format!("{:020}", 2);
        let cut = disk.crash(|pending| match pending {
            Pending::Name(path) if path.ends_with(&second_entry) => Fate::Kept,
            _ => Fate::Lost,
        });
        let receipts = open(&cut).committed(&host.id());
        let receipts = receipts.unwrap_or_else(|error| panic!("{first}, {second}: {error}"));
        assert!(committed.is_err() || receipts.contains(&committed.unwrap()), "{first}, {second}");
    }
}

#[test]
fn a_receipt_that_a_host_was_told_of_stays() {
    let (disk, host, [one, _]) = two_to_commit();
    for n in 0..40 {
        let disk = commit_cut_short(&disk, &host, &one, n);
        let told = open(&disk).deposit(&host.public()).unwrap().receipts().unwrap();
        let cut = disk.crash(|_| Fate::Lost);
        assert_eq!(open(&cut).committed(&host.id()).unwrap(), told, "cut short at {n}");
        assert!(n < 39 || told.len() == 1, "the end of the commit was not reached");
    }
}
