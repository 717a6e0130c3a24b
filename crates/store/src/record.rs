//! What a record is: its type, and where it lies.

use crate::keys::ChunkId;

/// The longest content of a record, in bytes.
pub const CONTENT_LIMIT_BYTES: usize = 16 << 20;

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
    /// Where it lies.
    pub place: Place<P>,
    /// Length of the content in bytes.
    pub length: u32,
    /// Id of the content.
    pub id: ChunkId,
}

impl<P> ChunkRef<P> {
    /// The same reference with its pack named differently.
    pub fn with_pack<Q>(&self, pack: Q) -> ChunkRef<Q> {
        let Place { record, offset, stored, .. } = self.place;
        ChunkRef { place: Place { pack, record, offset, stored }, length: self.length, id: self.id }
    }
}
