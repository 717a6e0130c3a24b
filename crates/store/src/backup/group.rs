//! Groups: new chunks of one stretch of a finely cut file go into one record, so that they are compressed together. They are small so that
//! the next dump adds little; alone they would compress badly.
//!
//! A stretch is up to [`GROUP_BYTES`] of a file. Chunks in it that are known already are left out, and those on both sides of them share the
//! record; no group reaches beyond its stretch, so reading a file in order needs few groups at a time, however many snapshots it is made of.

use super::BackupError;
use super::assembly::Assembly;
use super::engine::Engine;
use super::packs::PackNo;
use crate::chunker::Grain;
use crate::compress::Packer;
use crate::keys::ChunkId;
use crate::pack::Part;
use crate::record::{ChunkRef, GROUP_CHUNKS_MAX, GROUP_LIMIT_BYTES, RecordType};
use std::ops::Range;
use std::sync::Arc;

/// How much of a file is compressed together: figures in `docs/performance.md`.
const GROUP_BYTES: usize = GROUP_LIMIT_BYTES;

/// Chunks of a file one after the other.
#[derive(Clone)]
pub(super) struct Stretch {
    grain: Grain,
    lengths: Vec<u32>,
    bytes: usize,
}

/// A stretch that was read by another thread.
pub(super) struct StretchJob {
    pub(super) data: Vec<u8>,
    pub(super) stretch: Stretch,
    /// The number of its first chunk among the file's.
    pub(super) first: usize,
    pub(super) assembly: Arc<Assembly>,
}

impl Stretch {
    /// An empty one, of a file of this grain.
    pub(super) fn new(grain: Grain) -> Self {
        Self { grain, lengths: Vec::new(), bytes: 0 }
    }

    /// Whether it ends before a chunk of this length (0: whether it ends at once). Chunks of ordinary files stay alone.
    pub(super) fn ends_before(&self, length: usize) -> bool {
        let goes_on = match self.grain {
            Grain::Fine => self.bytes + length.max(1) <= GROUP_BYTES && self.lengths.len() < GROUP_CHUNKS_MAX,
            Grain::Coarse => false,
        };
        !(self.lengths.is_empty() || goes_on)
    }

    pub(super) fn push(&mut self, length: usize) {
        self.lengths.push(length as u32);
        self.bytes += length;
    }

    /// What was collected; the next stretch starts empty.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.grain);
        std::mem::replace(self, empty)
    }

    pub(super) fn count(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The chunks and where they lie.
    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        self.lengths.iter().map(move |length| {
            let start = at;
            at += *length as usize;
            start..at
        })
    }
}

impl Engine<'_> {
    /// Makes sure the chunks of a stretch are stored; says where, in order. `gathered` is memory to be used again.
    pub(super) fn store_stretch(
        &self,
        slot: usize,
        data: &[u8],
        stretch: &Stretch,
        packer: &mut Packer,
        gathered: &mut Vec<u8>,
    ) -> Result<Vec<ChunkRef<PackNo>>, BackupError> {
        if stretch.grain == Grain::Coarse {
            return stretch
                .ranges()
                .map(|range| self.store(slot, RecordType::Data, &data[range], packer))
                .collect();
        }
        let mut found = Vec::with_capacity(stretch.count());
        // The ids and places of what is new; a chunk that occurs twice is new once.
        let mut new: Vec<(ChunkId, Range<usize>)> = Vec::new();
        for range in stretch.ranges() {
            let id = self.ids.id(RecordType::Data, &data[range.clone()]);
            let known = self.find(&id)?;
            if known.is_none() && !new.iter().any(|(other, _)| *other == id) {
                new.push((id, range));
            }
            found.push((id, known));
        }
        let stored = self.store_new(slot, data, &new, packer, gathered)?;
        let place = |(id, known): (ChunkId, Option<ChunkRef<PackNo>>)| {
            known.or_else(|| stored.iter().find(|chunk| chunk.id == id).copied()).ok_or(BackupError::Worker)
        };
        found.into_iter().map(place).collect()
    }

    /// Stores new chunks of `data` in one record.
    fn store_new(
        &self,
        slot: usize,
        data: &[u8],
        new: &[(ChunkId, Range<usize>)],
        packer: &mut Packer,
        gathered: &mut Vec<u8>,
    ) -> Result<Vec<ChunkRef<PackNo>>, BackupError> {
        let whole: usize = new.iter().map(|(_, range)| range.len()).sum();
        let content = match new {
            [] => return Ok(Vec::new()),
            [(_, range)] => &data[range.clone()],
            _ if whole == data.len() => data,
            _ => {
                gathered.clear();
                new.iter().for_each(|(_, range)| gathered.extend_from_slice(&data[range.clone()]));
                gathered
            }
        };
        let payload = packer.pack_fine(content);
        let place = self.push(slot, payload, |pack| match new {
            [(id, _)] => pack.push(RecordType::Data, *id, whole, payload),
            _ => {
                let parts = new.iter().map(|(id, range)| Part { length: range.len() as u32, id: *id });
                pack.push_group(parts.collect(), payload)
            }
        })?;
        let mut start = 0;
        let one = |(id, range): &(ChunkId, Range<usize>)| {
            let length = range.len() as u32;
            let chunk = ChunkRef { place, start, length, whole: whole as u32, id: *id };
            start += length;
            self.index.insert(chunk);
            chunk
        };
        Ok(new.iter().map(one).collect())
    }
}
