//! The power fails, or the program is killed, after every operation: FAULTS 1 and 8. Absent or whole; acknowledged means present.

use crate::scenario::{Acknowledged, Scenario, interesting, new_disk};
use vow_testkit::mem_disk::{Fate, Pending};
use vow_testkit::{Dice, MemDisk};

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
