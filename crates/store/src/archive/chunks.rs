//! The chunks of a file, and which bytes of the file they are.

use super::{ArchiveError, Snapshot};
use crate::listing::entry::{Content, Entry};
use crate::listing::tree::read_chunk_list;
use crate::record::{ChunkRef, RecordType};
use vow_base::ObjectId;

/// Streams the data chunks of a file, with one chunk list in memory. See [`Snapshot::chunks`].
pub struct Chunks<'s> {
    snapshot: &'s Snapshot,
    entry: &'s Entry<ObjectId>,
    /// Chunk lists not read yet.
    lists: &'s [ChunkRef<ObjectId>],
    /// Chunks referred to directly.
    direct: &'s [ChunkRef<ObjectId>],
    /// The rest of the chunk list at hand.
    list: std::vec::IntoIter<ChunkRef<ObjectId>>,
    /// Bytes that the lists still owe.
    owed: u64,
    failed: bool,
}

impl<'s> Chunks<'s> {
    pub(super) fn new(snapshot: &'s Snapshot, entry: &'s Entry<ObjectId>) -> Self {
        let (direct, lists) = match &entry.content {
            Content::Lists(lists) => (&[][..], &lists[..]),
            other => (other.chunks(), &[][..]),
        };
        let owed = if lists.is_empty() { 0 } else { entry.data_bytes() };
        Self { snapshot, entry, lists, direct, list: Vec::new().into_iter(), owed, failed: false }
    }

    fn wrong(&mut self) -> Option<Result<ChunkRef<ObjectId>, ArchiveError>> {
        self.failed = true;
        let path = self.entry.display();
        Some(Err(ArchiveError::Content { path, reason: "its chunk lists do not add up to its size" }))
    }

    fn read(&self, list: &ChunkRef<ObjectId>) -> Result<Vec<ChunkRef<ObjectId>>, ArchiveError> {
        let mut content = Vec::new();
        self.snapshot.read(list, RecordType::ChunkList, &mut content)?;
        read_chunk_list(&content).map_err(|source| Snapshot::listing_error(list, source))
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<ChunkRef<ObjectId>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if let Some((first, rest)) = self.direct.split_first() {
            self.direct = rest;
            return Some(Ok(*first));
        }
        loop {
            if let Some(chunk) = self.list.next() {
                return match self.owed.checked_sub(chunk.length.into()) {
                    Some(rest) => {
                        self.owed = rest;
                        Some(Ok(chunk))
                    }
                    None => self.wrong(),
                };
            }
            let Some((first, rest)) = self.lists.split_first() else { break };
            self.lists = rest;
            match self.read(first) {
                Ok(chunks) => self.list = chunks.into_iter(),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        if self.owed > 0 { self.wrong() } else { None }
    }
}

/// Where the data of a file lies in it: all of it, or the extents of a sparse file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans {
    /// Offset in the data, offset in the file, length.
    spans: Vec<(u64, u64, u64)>,
}

impl Spans {
    pub(crate) fn of<P>(entry: &Entry<P>) -> Self {
        let whole = [(0, entry.size)];
        let extents = entry.extents.as_deref().unwrap_or(&whole);
        let mut at = 0;
        let spans = extents.iter().map(|(offset, length)| {
            let span = (at, *offset, *length);
            at += length;
            span
        });
        Self { spans: spans.collect() }
    }

    /// The pieces of the file that `length` bytes of data from `start` on fill: offset in the file and length.
    pub(crate) fn pieces(&self, start: u64, length: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first = self.spans.partition_point(|(at, _, span)| at + span <= start);
        let end = start + length;
        self.spans[first..].iter().take_while(move |(at, _, _)| *at < end).map(move |(at, offset, span)| {
            let from = start.max(*at);
            let to = end.min(at + span);
            (offset + (from - at), to - from)
        })
    }

    /// The first data between two offsets of the file: its offset in the data, and from where to where in the file it reaches.
    pub(crate) fn next_data(&self, from: u64, until: u64) -> Option<(u64, u64, u64)> {
        let first = self.spans.partition_point(|(_, offset, length)| offset + length <= from);
        let (at, offset, length) = self.spans.get(first)?;
        let start = from.max(*offset);
        (start < until).then(|| (at + (start - offset), start, until.min(offset + length)))
    }

    /// What lies between the extents of a file of `size` bytes: offset and length.
    pub(crate) fn holes(&self, size: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let starts = std::iter::once(0).chain(self.spans.iter().map(|(_, offset, length)| offset + length));
        let ends = self.spans.iter().map(|(_, offset, _)| *offset).chain([size]);
        starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| (start, end - start))
    }
}
