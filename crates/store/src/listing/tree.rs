//! Leaves, nodes and the root: how a listing is divided so that snapshots share what did not change.

use super::entry::Entry;
use super::path;
use super::wire::{Row, TableBuilder, decode_entry, encode_entry, resolve};
use crate::record::ChunkRef;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::BTreeMap;
use vow_base::ObjectId;

/// A leaf of this many bytes ends, whatever its paths.
const LEAF_TARGET_BYTES: usize = 256 << 10;
/// A leaf ends after a path whose hash is divisible by this.
const LEAF_CUT_DIVISOR: u64 = 512;
/// Children of one node.
pub const NODE_CHILDREN: usize = 2048;
/// About the memory that the entries of one leaf may take, in bytes: paths share their starts and entries their chunks, so a hostile
/// leaf of 16 MiB could stand for terabytes.
const LEAF_MEMORY_BYTES: usize = 256 << 20;
/// The deepest tree that is read.
pub const DEPTH_MAX: u8 = 8;

/// Why a part of a listing was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListingError {
    /// It is not CBOR of the shape expected.
    #[error("the listing is malformed: {0}")]
    Cbor(String),
    /// It breaks a rule of the format.
    #[error("the listing is malformed: {0}")]
    Malformed(&'static str),
}

impl From<minicbor::decode::Error> for ListingError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Cbor(error.to_string())
    }
}

/// A leaf being written.
#[derive(Default)]
pub struct LeafBuilder {
    table: TableBuilder,
    entries: Vec<u8>,
    count: u64,
    first: Vec<u8>,
    last: Vec<u8>,
    memory: usize,
}

impl LeafBuilder {
    /// Adds the next entry in path order.
    pub fn push(&mut self, entry: &Entry<ObjectId>) {
        encode_entry(&mut self.entries, &self.last, entry, &mut self.table);
        if self.count == 0 {
            self.first.clone_from(&entry.path);
        }
        self.last.clone_from(&entry.path);
        self.count += 1;
        self.memory += memory_of(entry);
    }

    /// Whether the leaf ends here. It depends on the paths alone (unless it grows long), so an unchanged part of a tree gives an
    /// unchanged leaf.
    pub fn is_complete(&self) -> bool {
        let hash = blake3::hash(&self.last);
        let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("8 of 32 bytes"));
        let bytes = self.entries.len() + self.table.len() * 64;
        let long = bytes > LEAF_TARGET_BYTES || self.memory > LEAF_MEMORY_BYTES / 4;
        self.count > 0 && (number.is_multiple_of(LEAF_CUT_DIVISOR) || long)
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first path and the content of the record.
    pub fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let (packs, rows) = self.table.finish();
        let mut bytes = Vec::with_capacity(self.entries.len() + packs.len() + rows.len() * 56 + 32);
        let mut e = Encoder::new(&mut bytes);
        let head =
            e.map(3).and_then(|e| e.u8(0)?.bytes(&packs)?.u8(1)?.encode(&rows)?.u8(2)?.array(self.count));
        head.expect("a vector takes every write");
        bytes.extend_from_slice(&self.entries);
        (self.first, bytes)
    }
}

/// What an entry takes in memory that its encoding may hide: its path and its references.
fn memory_of(entry: &Entry<ObjectId>) -> usize {
    size_of_val(entry) + entry.path.len() + size_of_val(entry.content.chunks())
}

/// Reads a leaf; paths must be in order.
pub fn read_leaf(content: &[u8]) -> Result<Vec<Entry<ObjectId>>, ListingError> {
    let mut d = Decoder::new(content);
    let (mut packs, mut rows, mut entries) = (&[][..], Vec::<Row>::new(), Vec::<Entry<_>>::new());
    let mut memory = 0;
    for _ in 0..d.map()?.unwrap_or(0) {
        match d.u64()? {
            0 => packs = d.bytes()?,
            1 => rows = d.decode()?,
            2 => {
                let table = resolve(packs, &rows)?;
                for _ in 0..d.array()?.unwrap_or(0) {
                    let before = entries.last();
                    let entry = decode_entry(&mut d, before.map_or(&[], |e| &e.path), &table)?;
                    if before.is_some_and(|b| path::compare(&b.path, &entry.path).is_ge()) {
                        return Err(ListingError::Malformed("paths out of order"));
                    }
                    memory += memory_of(&entry);
                    if memory > LEAF_MEMORY_BYTES {
                        return Err(ListingError::Malformed("a leaf that grows out of bounds"));
                    }
                    entries.push(entry);
                }
            }
            _ => d.skip()?,
        }
    }
    if d.position() != content.len() {
        return Err(ListingError::Malformed("bytes left over"));
    }
    Ok(entries)
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireList {
    #[n(0)]
    packs: ByteVec,
    #[n(1)]
    rows: Vec<Row>,
}

/// The content of a chunk list record.
pub fn write_chunk_list(chunks: &[ChunkRef<ObjectId>]) -> Vec<u8> {
    let mut table = TableBuilder::default();
    // A chunk that occurs twice needs two rows here: the rows are the file.
    let rows = chunks.iter().map(|chunk| table.lone_row(chunk)).collect();
    let (packs, _) = table.finish();
    vow_base::cbor::encode(&WireList { packs, rows })
}

/// Reads a chunk list.
pub fn read_chunk_list(content: &[u8]) -> Result<Vec<ChunkRef<ObjectId>>, ListingError> {
    let list: WireList = vow_base::cbor::decode(content)?;
    resolve(&list.packs, &list.rows)
}

/// An inner part of the tree: references to leaves (depth 1) or to nodes (depth 2 and more).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Distance to the entries: 1 is directly above the leaves.
    pub depth: u8,
    /// The first path of each child and where the child lies.
    pub children: Vec<(Vec<u8>, ChunkRef<ObjectId>)>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireNode {
    #[n(0)]
    packs: ByteVec,
    #[n(1)]
    rows: Vec<Row>,
    #[n(2)]
    first: Vec<ByteVec>,
    #[n(3)]
    depth: u8,
}

impl Node {
    /// The content of a node record.
    pub fn write(&self) -> Vec<u8> {
        vow_base::cbor::encode(&self.to_wire())
    }

    /// Reads a node.
    pub fn read(content: &[u8]) -> Result<Self, ListingError> {
        Self::from_wire(vow_base::cbor::decode(content)?)
    }

    fn to_wire(&self) -> WireNode {
        let mut table = TableBuilder::default();
        let rows = self.children.iter().map(|(_, chunk)| table.lone_row(chunk)).collect();
        let (packs, _) = table.finish();
        let first = self.children.iter().map(|(path, _)| path.clone().into()).collect();
        WireNode { packs, rows, first, depth: self.depth }
    }

    fn from_wire(wire: WireNode) -> Result<Self, ListingError> {
        let chunks = resolve(&wire.packs, &wire.rows)?;
        if wire.depth == 0 || wire.depth > DEPTH_MAX || wire.first.len() != chunks.len() {
            return Err(ListingError::Malformed("a node of wrong depth or shape"));
        }
        let first: Vec<Vec<u8>> = wire.first.into_iter().map(Vec::from).collect();
        let in_order = first.windows(2).all(|pair| path::compare(&pair[0], &pair[1]).is_lt());
        if !in_order || !first.iter().all(|path| path::is_clean(path)) {
            return Err(ListingError::Malformed("paths out of order"));
        }
        Ok(Self { depth: wire.depth, children: first.into_iter().zip(chunks).collect() })
    }
}

/// The top of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The secret from which chunk ids derive.
    pub id_secret: [u8; 32],
    /// Public key of the host.
    pub host_key: [u8; 32],
    /// Name of the source.
    pub source: String,
    /// Type of the source.
    pub source_type: String,
    /// What the user asked for, as absolute paths.
    pub roots: Vec<Vec<u8>>,
    /// Exclude patterns.
    pub excludes: Vec<String>,
    /// The top node.
    pub top: Node,
    /// What is missing: path and reason.
    pub problems: Vec<(Vec<u8>, String)>,
    /// What was left out on purpose.
    pub notes: Vec<String>,
    /// User names by id.
    pub users: BTreeMap<u32, String>,
    /// Group names by id.
    pub groups: BTreeMap<u32, String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireRoot {
    #[n(0)]
    version: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    id_secret: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    host_key: [u8; 32],
    #[n(3)]
    source: String,
    #[n(4)]
    source_type: String,
    #[n(5)]
    roots: Vec<ByteVec>,
    #[n(6)]
    excludes: Vec<String>,
    #[n(7)]
    top: WireNode,
    #[n(8)]
    problems: Vec<WireProblem>,
    #[n(9)]
    notes: Vec<String>,
    #[n(10)]
    users: BTreeMap<u32, String>,
    #[n(11)]
    groups: BTreeMap<u32, String>,
}

#[derive(Encode, Decode)]
struct WireProblem(#[n(0)] ByteVec, #[n(1)] String);

impl Root {
    /// The content of the root record.
    pub fn write(&self) -> Vec<u8> {
        let problem = |(path, text): &(Vec<u8>, String)| WireProblem(path.clone().into(), text.clone());
        vow_base::cbor::encode(&WireRoot {
            version: vow_base::manifest::VERSION,
            id_secret: self.id_secret,
            host_key: self.host_key,
            source: self.source.clone(),
            source_type: self.source_type.clone(),
            roots: self.roots.iter().map(|root| root.clone().into()).collect(),
            excludes: self.excludes.clone(),
            top: self.top.to_wire(),
            problems: self.problems.iter().map(problem).collect(),
            notes: self.notes.clone(),
            users: self.users.clone(),
            groups: self.groups.clone(),
        })
    }

    /// Reads a root record.
    pub fn read(content: &[u8]) -> Result<Self, ListingError> {
        let wire: WireRoot = vow_base::cbor::decode(content)?;
        if wire.version != vow_base::manifest::VERSION {
            return Err(ListingError::Malformed("a version that is not known here"));
        }
        Ok(Self {
            id_secret: wire.id_secret,
            host_key: wire.host_key,
            source: wire.source,
            source_type: wire.source_type,
            roots: wire.roots.into_iter().map(Vec::from).collect(),
            excludes: wire.excludes,
            top: Node::from_wire(wire.top)?,
            problems: wire.problems.into_iter().map(|p| (p.0.into(), p.1)).collect(),
            notes: wire.notes,
            users: wire.users,
            groups: wire.groups,
        })
    }
}

#[cfg(test)]
mod tests;
