//! The whole chain for a month: two customers' hosts with databases and web content, a vault on each, a vault near by and a copy of it
//! in a bucket far away, a console on PostgreSQL, a machine that drills. Time is compressed: each day is turned to, not waited for.
//! Cables are pulled, disks fill, processes are killed, packs rot, a host is taken over, a table is dropped, a new database appears, and
//! at last a site burns down. In the end every acknowledged snapshot that retention kept is restored and compared with what was noted
//! of its day, and the tickets are those that were expected, no more and no less.
//!
//! With `VOW_MONTH` the short form takes the events one after the other; with `VOW_SOAK` a seed (`VOW_SEED`) deals them out over a month.

mod customer;
mod days;
mod world;

use days::{dealt, in_order};
use vow_testkit::Dice;
use vow_testkit::shell::{is_root, is_soak};
use world::World;

#[test]
fn what_was_acknowledged_is_there_after_everything_that_can_happen_to_a_fleet() {
    if !is_root("what_was_acknowledged_is_there_after_everything_that_can_happen_to_a_fleet") {
        return;
    }
    // Minutes that not every run has.
    if !is_soak() && std::env::var_os("VOW_MONTH").is_none() {
        println!("SKIPPED: set VOW_MONTH for the short form, VOW_SOAK for the month");
        return;
    }
    let seed = std::env::var("VOW_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026);
    let mut dice = Dice::new(seed);
    let days = if is_soak() { dealt(&mut dice) } else { in_order() };
    println!("seed {seed}: {days:?}");
    let mut world = World::new(dice);
    for (number, day) in (0..).zip(&days) {
        world.live(number, *day);
    }
    let last = u32::try_from(days.len()).unwrap();
    world.compare_all_that_is_near(last);
    world.burn(last);
    world.restore_everything_from_afar(last);
    world.assert_tickets();
}
