//! The contents of files as streams.

use super::chunks::Spans;
use super::{ArchiveError, Snapshot};
use crate::listing::entry::{Content, Entry};
use crate::record::{ChunkRef, RecordType};
use std::collections::VecDeque;
use std::io::Write;
use vow_base::ObjectId;

/// Records that are remembered: files that are neighbours in the listing share few bundles, chunks that are neighbours in a file few groups.
const RECORDS_MAX: usize = 4;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Reads file contents one after the other; small files of one bundle cost one read of it, and so do chunks of one group.
pub struct Reader {
    snapshot: Snapshot,
    /// Bundles and groups, the last used first.
    records: VecDeque<Record>,
    content: Vec<u8>,
}

/// A record that may be asked for again.
struct Record {
    /// The chunk of it that was asked for last, and proven.
    chunk: ChunkRef<ObjectId>,
    content: Vec<u8>,
}

impl Reader {
    pub(super) fn new(snapshot: Snapshot) -> Result<Self, ArchiveError> {
        Ok(Self { snapshot, records: VecDeque::new(), content: Vec::new() })
    }

    /// Writes a file's data in order, holes as zeros; says how many bytes.
    pub fn content(&mut self, entry: &Entry<ObjectId>, out: &mut dyn Write) -> Result<u64, ArchiveError> {
        let spans = Spans::of(entry);
        let mut at = 0;
        self.pieces(entry, |start, data| {
            let mut data = data;
            for (offset, length) in spans.pieces(start, data.len() as u64) {
                zeros(offset - at, out)?;
                let (now, rest) = data.split_at(length as usize);
                out.write_all(now).map_err(ArchiveError::Write)?;
                at = offset + length;
                data = rest;
            }
            Ok(())
        })?;
        zeros(entry.size - at, out)?;
        Ok(entry.size)
    }

    /// One chunk of a file, proven to be what its reference says.
    pub fn chunk(&mut self, chunk: &ChunkRef<ObjectId>) -> Result<&[u8], ArchiveError> {
        if chunk.is_part() {
            return self.shared(chunk);
        }
        self.snapshot.read(chunk, RecordType::Data, &mut self.content)?;
        Ok(&self.content)
    }

    /// Hands on the data of a file in order, with the offset of each piece in the data.
    pub fn pieces(
        &mut self,
        entry: &Entry<ObjectId>,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        if let Content::Slice { chunk, offset, digest } = &entry.content {
            let (from, length) = (*offset as usize, entry.data_bytes() as usize);
            let snapshot = self.snapshot.clone();
            let bundle = self.shared(chunk)?;
            let wrong = |reason| ArchiveError::Content { path: entry.display(), reason };
            let slice = from.checked_add(length).and_then(|to| bundle.get(from..to));
            let slice = slice.ok_or_else(|| wrong("it lies beyond its bundle"))?;
            if snapshot.ids().slice_digest(slice) != *digest {
                return Err(wrong("its data is not what its digest says"));
            }
            return take(0, slice);
        }
        let snapshot = self.snapshot.clone();
        let mut at = 0;
        for chunk in snapshot.chunks(entry) {
            let chunk = chunk?;
            if chunk.is_part() {
                take(at, self.shared(&chunk)?)?;
            } else {
                snapshot.read(&chunk, RecordType::Data, &mut self.content)?;
                take(at, &self.content)?;
            }
            at += u64::from(chunk.length);
        }
        Ok(())
    }

    /// The snapshot it reads from.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Reads one chunk into `content`.
    pub(super) fn chunk(
        &mut self,
        chunk: &ChunkRef<ObjectId>,
        content: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        if chunk.is_part() {
            content.clear();
            content.extend_from_slice(self.shared(chunk)?);
            return Ok(());
        }
        self.snapshot.read(chunk, RecordType::Data, content)
    }

    /// A chunk of a record that others are likely to be asked of as well.
    fn shared(&mut self, chunk: &ChunkRef<ObjectId>) -> Result<&[u8], ArchiveError> {
        let known = self.records.iter().position(|record| record.chunk.shares_record(chunk));
        let mut record = match known.and_then(|at| self.records.remove(at)) {
            Some(record) if record.chunk == *chunk => {
                self.records.push_front(record);
                return Ok(&self.records[0].content[chunk.range()]);
            }
            Some(record) => record,
            None => {
                let oldest = if self.records.len() >= RECORDS_MAX { self.records.pop_back() } else { None };
                let mut content = oldest.map(|record| record.content).unwrap_or_default();
                self.snapshot.read_record(chunk, RecordType::Data, &mut content)?;
                Record { chunk: *chunk, content }
            }
        };
        self.snapshot.proven(chunk, RecordType::Data, &record.content)?;
        record.chunk = *chunk;
        self.records.push_front(record);
        Ok(&self.records[0].content[chunk.range()])
    }
}

fn zeros(mut count: u64, out: &mut dyn Write) -> Result<(), ArchiveError> {
    while count > 0 {
        let now = count.min(ZEROS.len() as u64);
        out.write_all(&ZEROS[..now as usize]).map_err(ArchiveError::Write)?;
        count -= now;
    }
    Ok(())
}
