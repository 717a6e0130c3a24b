//! A larger file put together from chunks that several threads store.

use super::block::Place;
use super::engine::Engine;
use super::packs::PackNo;
use super::read::{entry_of, read_done, ready};
use crate::listing::Content;
use crate::record::ChunkRef;
use crate::source::{Attributes, Item, Stat};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is known of a file once it was read to its end.
pub(super) struct Finish {
    pub(super) stat: Stat,
    pub(super) extents: Option<Vec<(u64, u64)>>,
    pub(super) xattrs: Attributes,
    pub(super) changed: bool,
}

/// The chunks of a file, stored by several threads.
#[derive(Default)]
pub(super) struct Assembly {
    state: Mutex<Parts>,
    /// Chunks announced and not yet stored.
    outstanding: AtomicUsize,
}

#[derive(Default)]
struct Parts {
    chunks: Vec<Option<ChunkRef<PackNo>>>,
    finish: Option<(Item, Place, Finish)>,
}

impl Assembly {
    /// Announces the next chunks; the number of the first among the file's.
    pub(super) fn expect(&self, count: usize) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = state.chunks.len();
        state.chunks.resize(first + count, None);
        self.outstanding.fetch_add(count, Ordering::AcqRel);
        first
    }

    /// Hands in chunks that follow each other.
    pub(super) fn give(&self, first: usize, chunks: &[ChunkRef<PackNo>], engine: &Engine<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (slot, chunk) in state.chunks[first..].iter_mut().zip(chunks) {
            *slot = Some(*chunk);
        }
        let left = self.outstanding.fetch_sub(chunks.len(), Ordering::AcqRel) - chunks.len();
        if left == 0 {
            complete(&mut state, engine);
        }
    }

    /// The file was read to its end; no more chunks will be announced.
    pub(super) fn finish(&self, item: Item, place: Place, finish: Finish, engine: &Engine<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.finish = Some((item, place, finish));
        if self.outstanding.load(Ordering::Acquire) == 0 {
            complete(&mut state, engine);
        }
    }
}

/// Fills the slot when the file was read to its end and all its chunks are stored.
fn complete(parts: &mut Parts, engine: &Engine<'_>) {
    let Some((item, place, finish)) = parts.finish.take() else { return };
    let chunks: Vec<_> = parts.chunks.drain(..).flatten().collect();
    let content = if chunks.is_empty() { Content::Empty } else { Content::Chunks(chunks) };
    let mut entry = entry_of(&item, &finish.stat, content, finish.xattrs);
    entry.extents = finish.extents;
    entry.changed = finish.changed;
    read_done(engine, &item, &finish.stat, finish.changed);
    place.fill(Some(ready(entry, &finish.stat)));
}
