//! Choosing files at random, the same ones for the same snapshot.

use crate::failure::Outcome;
use crate::ui::Problem;
use vow_base::ObjectId;
use vow_store::archive::Snapshot;
use vow_store::listing::entry::{Entry, Kind};

const FILES_MAX: usize = 200;
const BYTES_MAX: u64 = 256 << 20;

/// What was chosen, and out of how much.
pub(super) struct Sample {
    pub(super) entries: Vec<Entry<ObjectId>>,
    pub(super) of_files: u64,
    pub(super) of_bytes: u64,
    /// Parts of the listing that cannot be read.
    pub(super) unread: Vec<Problem>,
}

/// Every file when they are few, otherwise each with the same chance.
pub(super) fn choose(snapshot: &Snapshot) -> Outcome<Sample> {
    let mut dice = Dice::new(&snapshot.info().id);
    let mut sample = Sample { entries: Vec::new(), of_files: 0, of_bytes: 0, unread: Vec::new() };
    for entry in snapshot.entries(None) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.is_identity() => return Err(error.into()),
            Err(error) => {
                sample.unread.push(Problem { path: "the listing".into(), text: error.to_string() });
                continue;
            }
        };
        if entry.kind != Kind::File {
            continue;
        }
        sample.of_files += 1;
        sample.of_bytes += entry.size;
        if sample.entries.len() < FILES_MAX {
            sample.entries.push(entry);
        } else {
            let at = dice.below(sample.of_files) as usize;
            if let Some(place) = sample.entries.get_mut(at) {
                *place = entry;
            }
        }
    }
    keep_within(&mut sample.entries, BYTES_MAX, &mut dice);
    // In listing order neighbours share bundles, which are then read once.
    sample.entries.sort_by(|a, b| vow_store::listing::path::compare(&a.path, &b.path));
    Ok(sample)
}

/// Drops files at random until the rest fits; one file stays in any case.
fn keep_within(entries: &mut Vec<Entry<ObjectId>>, limit_bytes: u64, dice: &mut Dice) {
    let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
    while total > limit_bytes && entries.len() > 1 {
        // A file that does not fit alone goes first, the others by chance.
        let too_large = entries.iter().position(|entry| entry.size > limit_bytes);
        let at = too_large.unwrap_or_else(|| dice.below(entries.len() as u64) as usize);
        total -= entries.swap_remove(at).size;
    }
}

/// Numbers that look random and depend on the snapshot alone (splitmix64).
struct Dice(u64);

impl Dice {
    fn new(id: &ObjectId) -> Self {
        Self(id.0.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte)))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_depend_on_the_snapshot_alone() {
        let roll = |id: u8| {
            let mut dice = Dice::new(&ObjectId([id; 32]));
            (0..50).map(|_| dice.below(100)).collect::<Vec<_>>()
        };
        assert_eq!(roll(1), roll(1));
        assert_ne!(roll(1), roll(2));
        assert!(roll(3).iter().all(|n| *n < 100));
    }
}
