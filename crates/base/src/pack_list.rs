//! Which packs a snapshot needs: inline when short, else a tree of segments that snapshots share. Section 6 of `docs/format.md`.

use crate::id::{ObjectId, join_ids, split_ids};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::collections::HashSet;

/// Up to this many ids stay inline.
const INLINE: usize = 64;
/// A segment ends after an id whose first two bytes are divisible by this.
const CUT_DIVISOR: u16 = 512;
/// A segment never holds more ids than this.
const SEGMENT_MAX: usize = 4096;
/// A list is never deeper than this: 64 ids at the top, at least two per segment on average far less.
const DEPTH_MAX: u8 = 8;
/// A list never names more packs than this (a petabyte of full packs).
const COUNT_MAX: u64 = 1 << 26;
const MAGIC: &[u8] = b"VOWLIST1";
/// The longest stored segment that is read, in bytes.
pub const SEGMENT_LIMIT_BYTES: usize = 1 << 20;

/// The top of a pack list, as a manifest carries it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PackList {
    /// 0: `ids` are packs; d: `ids` are segments of depth d - 1.
    #[n(0)]
    pub depth: u8,
    /// Number of packs in all.
    #[n(1)]
    pub count: u64,
    /// Ids one after the other.
    #[n(2)]
    pub ids: ByteVec,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Segment {
    #[n(0)]
    depth: u8,
    #[n(1)]
    ids: ByteVec,
}

/// Why a pack list was refused.
#[derive(Debug, thiserror::Error)]
pub enum ListError<E> {
    /// A segment could not be had.
    #[error(transparent)]
    Fetch(E),
    /// What was read is not a pack list.
    #[error("pack list {id}: {reason}")]
    Malformed {
        /// The segment, or "in the manifest".
        id: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl PackList {
    /// The list of these packs, and the segments to store with it (id and stored bytes).
    pub fn build(packs: &[ObjectId]) -> (Self, Vec<(ObjectId, Vec<u8>)>) {
        let mut segments = Vec::new();
        let mut ids = packs.to_vec();
        let mut depth = 0;
        while ids.len() > INLINE {
            let stored = cut(&ids).map(|part| {
                let segment = Segment { depth, ids: join_ids(part).into() };
                let mut bytes = MAGIC.to_vec();
                crate::cbor::encode_onto(&segment, &mut bytes);
                (ObjectId::of(&bytes), bytes)
            });
            let level: Vec<_> = stored.collect();
            ids = level.iter().map(|(id, _)| *id).collect();
            segments.extend(level);
            depth += 1;
        }
        (Self { depth, count: packs.len() as u64, ids: join_ids(&ids).into() }, segments)
    }

    /// Every pack and every segment named, reading segments with `fetch`, which must return bytes that hash to the id.
    pub fn expand<E>(
        &self,
        mut fetch: impl FnMut(&ObjectId) -> Result<Vec<u8>, E>,
    ) -> Result<Expanded, ListError<E>> {
        let top = || ListError::Malformed { id: "in the manifest".into(), reason: "malformed" };
        if self.depth > DEPTH_MAX || self.count > COUNT_MAX {
            return Err(top());
        }
        let mut ids = split_ids(&self.ids).ok_or_else(top)?;
        let mut lists = Vec::new();
        let mut seen = HashSet::new();
        for depth in (0..self.depth).rev() {
            let mut below = Vec::new();
            for id in &ids {
                if !seen.insert(*id) {
                    // Naming one segment over and over would make a small manifest cost a vault gigabytes.
                    return Err(ListError::Malformed { id: id.to_string(), reason: "named twice" });
                }
                let bytes = fetch(id).map_err(ListError::Fetch)?;
                below.extend(segment(id, &bytes, depth)?);
                if below.len() as u64 > self.count {
                    return Err(ListError::Malformed { id: id.to_string(), reason: "more ids than packs" });
                }
            }
            lists.append(&mut ids);
            ids = below;
        }
        if ids.len() as u64 != self.count {
            return Err(top());
        }
        Ok(Expanded { packs: ids, lists })
    }
}

/// One id that a pack list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A pack.
    Pack(ObjectId),
    /// A segment of the list.
    List(ObjectId),
}

impl PackList {
    /// Tells `visit` every pack and segment named, and reads a segment with `fetch` only when `visit` answers that it is new.
    ///
    /// So of a thousand snapshots that share most of their segments each segment is read once. Nothing below a segment that is not new
    /// is visited; the number of packs is not checked: what a vault accepted was expanded whole when it was committed.
    pub fn walk<E>(
        &self,
        mut visit: impl FnMut(Named) -> bool,
        mut fetch: impl FnMut(&ObjectId) -> Result<Vec<u8>, E>,
    ) -> Result<(), ListError<E>> {
        let top = || ListError::Malformed { id: "in the manifest".into(), reason: "malformed" };
        if self.depth > DEPTH_MAX {
            return Err(top());
        }
        let mut due: Vec<(u8, Vec<ObjectId>)> = vec![(self.depth, split_ids(&self.ids).ok_or_else(top)?)];
        while let Some((depth, ids)) = due.pop() {
            for id in ids {
                if depth == 0 {
                    visit(Named::Pack(id));
                } else if visit(Named::List(id)) {
                    let bytes = fetch(&id).map_err(ListError::Fetch)?;
                    due.push((depth - 1, segment(&id, &bytes, depth - 1)?));
                }
            }
        }
        Ok(())
    }
}

/// A pack list, read whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// Every pack, in list order.
    pub packs: Vec<ObjectId>,
    /// Every segment.
    pub lists: Vec<ObjectId>,
}

/// The ids in the stored bytes of a segment of this depth.
fn segment<E>(id: &ObjectId, stored: &[u8], depth: u8) -> Result<Vec<ObjectId>, ListError<E>> {
    let wrong = |reason| ListError::Malformed { id: id.to_string(), reason };
    let segment = parse(stored).ok_or_else(|| wrong("not a list segment"))?;
    if segment.depth != depth {
        return Err(wrong("wrong depth"));
    }
    split_ids(&segment.ids).ok_or_else(|| wrong("odd length"))
}

fn parse(stored: &[u8]) -> Option<Segment> {
    if stored.len() > SEGMENT_LIMIT_BYTES {
        return None;
    }
    crate::cbor::decode(stored.strip_prefix(MAGIC)?).ok()
}

fn cut(ids: &[ObjectId]) -> impl Iterator<Item = &[ObjectId]> {
    let ends = |id: &ObjectId| u16::from_be_bytes([id.0[0], id.0[1]]).is_multiple_of(CUT_DIVISOR);
    ids.split_inclusive(ends).flat_map(|part| part.chunks(SEGMENT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn ids(count: usize, salt: u64) -> Vec<ObjectId> {
        (0..count as u64).map(|n| ObjectId::of(&[n.to_le_bytes(), salt.to_le_bytes()].concat())).collect()
    }

    fn round_trip(packs: &[ObjectId]) -> usize {
        let (list, segments) = PackList::build(packs);
        let store: HashMap<_, _> = segments.into_iter().collect();
        let found = list.expand(|id| store.get(id).cloned().ok_or(())).expect("a list just built");
        assert_eq!(found.packs, packs);
        assert_eq!(found.lists.len(), store.len());
        list.ids.len()
    }

    proptest! {
        #[test]
        fn lists_read_as_they_were_written(count in 0usize..3000, salt: u64) {
            round_trip(&ids(count, salt));
        }
    }

    #[test]
    fn a_walk_visits_what_expanding_finds_and_reads_shared_segments_once() {
        let mut packs = ids(20_000, 5);
        let (one, first) = PackList::build(&packs);
        packs.truncate(19_000);
        packs.extend(ids(500, 6));
        let (two, second) = PackList::build(&packs);
        let store: HashMap<_, _> = first.iter().chain(&second).cloned().collect();
        let mut seen = HashSet::new();
        let mut reads = 0;
        for list in [&one, &two, &two] {
            let walked = list.walk(
                |named| match named {
                    Named::Pack(id) | Named::List(id) => seen.insert(id),
                },
                |id| {
                    reads += 1;
                    store.get(id).cloned().ok_or(())
                },
            );
            assert!(walked.is_ok());
        }
        assert_eq!(reads, store.len());
        let expand =
            |list: &PackList| list.expand(|id| store.get(id).cloned().ok_or(())).expect("just built");
        let all = [expand(&one), expand(&two)].into_iter().flat_map(|list| [list.packs, list.lists].concat());
        assert_eq!(seen, all.collect());
        assert!(one.walk(|_| true, |_| Err(())).is_err());
    }

    #[test]
    fn a_huge_host_keeps_its_manifest_small() {
        // 3 million packs of 16 MiB are 48 TB; the manifest's part stays below 2 KiB.
        assert!(round_trip(&ids(3_000_000, 1)) <= INLINE * 32);
    }

    #[test]
    fn a_new_pack_changes_one_segment_per_depth() {
        let mut packs = ids(100_000, 2);
        let before: HashMap<_, _> = PackList::build(&packs).1.into_iter().collect();
        packs.push(ObjectId::of(b"new"));
        let new = PackList::build(&packs).1.into_iter().filter(|(id, _)| !before.contains_key(id));
        assert!(new.count() <= 2);
    }

    #[test]
    fn a_segment_that_is_named_twice_is_refused() {
        let (mut list, segments) = PackList::build(&ids(100, 4));
        let store: HashMap<_, _> = segments.into_iter().collect();
        list.ids = [&list.ids[..], &list.ids[..]].concat().into();
        list.count *= 2;
        assert!(list.expand(|id| store.get(id).cloned().ok_or(())).is_err());
    }

    #[test]
    fn a_list_that_lies_about_its_count_is_refused() {
        let (mut list, _) = PackList::build(&ids(10, 3));
        list.count = 11;
        assert!(list.expand(|_| Err::<Vec<u8>, ()>(())).is_err());
    }
}
