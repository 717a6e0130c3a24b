//! A file of a snapshot that is read here and there.

use super::{ArchiveError, Reader, Snapshot, Spans};
use crate::listing::entry::{Content, Entry};
use crate::record::ChunkRef;
use vow_base::ObjectId;

/// Reads any part of one file. What was read last is kept, so that reading on costs each record once.
pub struct FileReader {
    reader: Reader,
    entry: Entry<ObjectId>,
    spans: Spans,
    /// Chunks, each with the offset in the data at which it starts; read with the first byte that is wanted.
    chunks: Option<Vec<(u64, ChunkRef<ObjectId>)>>,
    /// The piece of data that was read last: its offset in the data, and its bytes.
    piece: Option<(u64, Vec<u8>)>,
}

impl FileReader {
    pub(super) fn new(snapshot: &Snapshot, entry: Entry<ObjectId>) -> Result<Self, ArchiveError> {
        let (reader, spans) = (snapshot.reader()?, Spans::of(&entry));
        Ok(Self { reader, entry, spans, chunks: None, piece: None })
    }

    /// The entry it reads.
    pub fn entry(&self) -> &Entry<ObjectId> {
        &self.entry
    }

    /// Fills `buffer` from `offset` on, holes as zeros; says how many bytes there were, fewer only at the end of the file.
    ///
    /// # Errors
    /// What cannot be read, or is not what was stored. No byte of it is given out.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let length = self.entry.size.saturating_sub(offset).min(buffer.len() as u64);
        let wanted = &mut buffer[..length as usize];
        wanted.fill(0);
        let mut at = offset;
        while let Some((data_at, from, until)) = self.spans.next_data(at, offset + length) {
            let (start, piece) = self.piece_at(data_at)?;
            let skip = (data_at - start) as usize;
            let take = (piece.len() - skip).min((until - from) as usize);
            let to = (from - offset) as usize;
            wanted[to..to + take].copy_from_slice(&piece[skip..skip + take]);
            at = from + take as u64;
        }
        Ok(wanted.len())
    }

    /// The first stretch of data at or behind `offset`: where it starts and ends in the file. What lies between such stretches is holes.
    pub fn data_from(&self, offset: u64) -> Option<(u64, u64)> {
        self.spans.next_data(offset, self.entry.size).map(|(_, from, until)| (from, until))
    }

    /// The piece of data in which an offset lies, and where it starts.
    fn piece_at(&mut self, data_at: u64) -> Result<(u64, &[u8]), ArchiveError> {
        let holds =
            |(start, bytes): &(u64, Vec<u8>)| *start <= data_at && data_at < start + bytes.len() as u64;
        if !self.piece.as_ref().is_some_and(holds) {
            self.piece = Some(self.fetch(data_at)?);
        }
        let wrong =
            || ArchiveError::Content { path: self.entry.display(), reason: "its data ends too early" };
        match &self.piece {
            Some(piece) if holds(piece) => Ok((piece.0, &piece.1)),
            _ => Err(wrong()),
        }
    }

    fn fetch(&mut self, data_at: u64) -> Result<(u64, Vec<u8>), ArchiveError> {
        let mut bytes = self.piece.take().map(|(_, bytes)| bytes).unwrap_or_default();
        bytes.clear();
        if matches!(self.entry.content, Content::Slice { .. } | Content::Empty) {
            self.reader.pieces(&self.entry, |_, data| {
                bytes.extend_from_slice(data);
                Ok(())
            })?;
            return Ok((0, bytes));
        }
        let chunks = match self.chunks.take() {
            Some(chunks) => chunks,
            None => self.table()?,
        };
        let at = chunks.partition_point(|(start, _)| *start <= data_at).saturating_sub(1);
        let found = chunks.get(at).copied();
        self.chunks = Some(chunks);
        let Some((start, chunk)) = found else { return Ok((0, bytes)) };
        self.reader.chunk(&chunk, &mut bytes)?;
        Ok((start, bytes))
    }

    fn table(&self) -> Result<Vec<(u64, ChunkRef<ObjectId>)>, ArchiveError> {
        let mut at = 0;
        let place = |chunk: Result<ChunkRef<ObjectId>, ArchiveError>| {
            let chunk = chunk?;
            let start = at;
            at += u64::from(chunk.length);
            Ok((start, chunk))
        };
        self.reader.snapshot().chunks(&self.entry).map(place).collect()
    }
}
