//! What a record is: its type, and where it lies; and what a chunk is: all of a record's content, or a part of it.

use crate::keys::ChunkId;
use std::ops::Range;

/// The longest content of a record, in bytes.
pub const CONTENT_LIMIT_BYTES: usize = 16 << 20;
/// The longest content of a record that holds several chunks, in bytes: what has to be decoded for the sake of a small one.
pub const GROUP_LIMIT_BYTES: usize = 1 << 20;
/// The most chunks in one record.
pub const GROUP_CHUNKS_MAX: usize = 1024;

/// What a record holds; bound into its encryption and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordType {
    /// A chunk of a file, or a bundle of small files.
    Data = 1,
    /// Part of a listing.
    Leaf = 2,
    /// References to leaves or nodes.
    Node = 3,
    /// Part of the chunk references of one large file.
    ChunkList = 4,
    /// The top of a listing.
    Root = 5,
}

impl RecordType {
    /// The type with this number.
    pub fn from_tag(tag: u8) -> Option<Self> {
        use RecordType::{ChunkList, Data, Leaf, Node, Root};
        [Data, Leaf, Node, ChunkList, Root].into_iter().find(|kind| *kind as u8 == tag)
    }
}

/// Where a record lies. `P` names the pack: an id once it is sealed, a number of the running backup before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place<P> {
    /// The pack.
    pub pack: P,
    /// Number of the record in the pack.
    pub record: u32,
    /// Where it starts in the pack, in bytes.
    pub offset: u32,
    /// Its stored length in bytes.
    pub stored: u32,
}

/// A reference to a chunk: where it lies and what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkRef<P> {
    /// Where its record lies.
    pub place: Place<P>,
    /// Where it starts in the content of its record, in bytes.
    pub start: u32,
    /// Length of the chunk in bytes.
    pub length: u32,
    /// Length of the content of its record in bytes: more than that of the chunk when the record is a group.
    pub whole: u32,
    /// Id of the chunk.
    pub id: ChunkId,
}

impl<P> ChunkRef<P> {
    /// A chunk that is all of its record's content.
    pub fn alone(place: Place<P>, length: u32, id: ChunkId) -> Self {
        Self { place, start: 0, length, whole: length, id }
    }

    /// Whether its record holds more than this chunk.
    pub fn is_part(&self) -> bool {
        (self.start, self.length) != (0, self.whole)
    }

    /// Whether it is what a reference may say: within its record, and that within the limits.
    pub fn is_possible(&self) -> bool {
        let limit = if self.is_part() { GROUP_LIMIT_BYTES } else { CONTENT_LIMIT_BYTES };
        let end = self.start.checked_add(self.length);
        end.is_some_and(|end| end <= self.whole) && self.whole as usize <= limit
    }

    /// Which bytes of its record's content it is; see [`Self::is_possible`].
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }

    /// The stored bytes that `bytes` of its content account for: their share of the record.
    pub fn stored_share(&self, bytes: u64) -> u64 {
        u64::from(self.place.stored) * bytes / u64::from(self.whole.max(1))
    }

    /// The same reference with its pack named differently.
    pub fn with_pack<Q>(&self, pack: Q) -> ChunkRef<Q> {
        let Place { record, offset, stored, .. } = self.place;
        let Self { start, length, whole, id, .. } = *self;
        ChunkRef { place: Place { pack, record, offset, stored }, start, length, whole, id }
    }
}

impl<P: PartialEq> ChunkRef<P> {
    /// Whether both lie in one record, of which they say the same.
    pub fn shares_record(&self, other: &Self) -> bool {
        self.place == other.place && self.whole == other.whole
    }
}
