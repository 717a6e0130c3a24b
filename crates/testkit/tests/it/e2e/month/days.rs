//! What happens on which day.

use vow_testkit::Dice;

/// What a day brings besides changed files and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    /// Nothing.
    Quiet,
    /// The cable of a customer's host is pulled before its backups, and plugged in again after them.
    Cable(usize),
    /// The disk with a customer's own vault is full, until the evening.
    Full(usize),
    /// A table is dropped; in the evening it is restored.
    Dropped(usize),
    /// Somebody holds a host: files are encrypted, its key is used for everything it should not do. In the evening the files are restored.
    TakenOver(usize),
    /// A run, the vault near by and the console are killed.
    Killed(usize),
    /// Packs in the vault near by rot.
    Rot,
    /// A database appears that nobody has told the plan of, and goes again.
    Appears(usize),
}

/// Each of them once, with quiet days first: what is usual has to be known.
pub(super) fn in_order() -> Vec<Day> {
    use Day::{Appears, Cable, Dropped, Full, Killed, Quiet, Rot, TakenOver};
    vec![Quiet, Quiet, Quiet, Cable(0), Dropped(0), Rot, Full(1), Killed(1), TakenOver(1), Appears(0), Quiet]
}

/// Thirty days and what the dice bring, in any order, for any customer.
pub(super) fn dealt(dice: &mut Dice) -> Vec<Day> {
    let mut days = vec![Day::Quiet; 3];
    while days.len() < 30 {
        let who = dice.below(2);
        days.push(match dice.below(10) {
            0 => Day::Cable(who),
            1 => Day::Full(who),
            2 => Day::Dropped(who),
            3 => Day::TakenOver(who),
            4 | 5 => Day::Killed(who),
            6 => Day::Rot,
            7 => Day::Appears(who),
            _ => Day::Quiet,
        });
    }
    days.push(Day::Quiet);
    days
}
