//! Packs that must not be referred to again. F10 of the design: nothing is ever compacted; what little still lives in a pack is
//! sent again from the source, and the pack ages out.

use super::cache::PackUse;
use super::packs::{LevelState, PackTable};
use std::collections::HashSet;
use vow_base::ObjectId;
use vow_base::vault::Kind;

/// A pack of which less than this share is used is let go.
const LIVE_SHARE: f64 = 0.25;
/// Packs below this are small.
const SMALL_BYTES: u64 = 1 << 20;
/// More small packs than this are let go together, so that frequent small snapshots do not pile up objects.
const SMALL_MAX: usize = 256;

/// By number: whether a pack is lost, mostly dead, or one of too many small ones.
pub(super) fn find(packs: &PackTable, earlier: &[PackUse], levels: &[LevelState]) -> Vec<bool> {
    let ids = packs.ids();
    let mut gone: HashSet<ObjectId> = let_go(earlier).into_iter().collect();
    gone.extend(lost(Kind::Pack, &ids.iter().flatten().copied().collect::<Vec<_>>(), levels));
    ids.iter().map(|id| id.is_some_and(|id| gone.contains(&id))).collect()
}

/// The index segments that are not lost. A lost one must not be named again, or no manifest would be accepted any more; what
/// it said is only missed when the host's own index is lost as well.
pub(super) fn present_segments(segments: Vec<ObjectId>, levels: &[LevelState]) -> Vec<ObjectId> {
    let lost = lost(Kind::Index, &segments, levels);
    segments.into_iter().filter(|id| !lost.contains(id)).collect()
}

/// Objects that no level has, and those that a level lacks to which nobody else can give them.
fn lost(kind: Kind, ids: &[ObjectId], levels: &[LevelState]) -> HashSet<ObjectId> {
    let mut nowhere = ids.to_vec();
    let mut lost = HashSet::new();
    for level in levels.iter().filter(|level| level.is_alive()) {
        let alone = level.level.alone;
        match level.level.deposit.missing(kind, if alone { ids } else { &nowhere }) {
            Ok(missing) if alone => lost.extend(missing),
            Ok(missing) => nowhere = missing,
            Err(error) => level.fail(error),
        }
    }
    // A level that is alone has what it does not miss.
    if !levels.iter().any(|level| level.level.alone && level.is_alive()) {
        lost.extend(nowhere);
    }
    lost
}

fn let_go(earlier: &[PackUse]) -> Vec<ObjectId> {
    let small = earlier.iter().filter(|pack| pack.total_bytes < SMALL_BYTES).count() > SMALL_MAX;
    let goes = |pack: &&PackUse| {
        let dead = pack.total_bytes >= SMALL_BYTES
            && (pack.live_bytes as f64) < LIVE_SHARE * pack.total_bytes as f64;
        dead || small && pack.total_bytes < SMALL_BYTES
    };
    earlier.iter().filter(goes).map(|pack| pack.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(n: u32, live_bytes: u64, total_bytes: u64) -> PackUse {
        PackUse { id: ObjectId::of(&n.to_le_bytes()), live_bytes, total_bytes }
    }

    #[test]
    fn mostly_dead_packs_are_let_go_and_small_ones_only_when_they_are_many() {
        let large = [pack(1, 4 << 20, 16 << 20), pack(2, (4 << 20) - 1, 16 << 20)];
        assert_eq!(let_go(&large), [large[1].id]);
        let few: Vec<_> = (0..256).map(|n| pack(n, 1, 4096)).collect();
        assert_eq!(let_go(&few), []);
        let many: Vec<_> = (0..257).map(|n| pack(n, 4096, 4096)).collect();
        assert_eq!(let_go(&many).len(), 257);
    }
}
