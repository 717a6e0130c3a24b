//! Whether data that was brought back is what the listing says: asked of the data itself, wherever it came from.
//!
//! A [`Reader`](super::Reader) checks what it reads by itself. A drill does not take its word: it hashes what came out at the end,
//! so that a fault anywhere on the way is found, and so that the comparison itself can be tested.

use super::chunks::Chunks;
use super::{ArchiveError, Snapshot};
use crate::keys::{ChunkId, SliceDigest, half};
use crate::listing::entry::{Content, Entry};
use vow_base::ObjectId;

/// Takes the data of one file in order (without the holes of a sparse one), in pieces of any length.
pub struct Verifier<'s> {
    expected: Expected<'s>,
    hasher: blake3::Hasher,
    fresh: blake3::Hasher,
    bytes: u64,
}

enum Expected<'s> {
    /// Nothing at all.
    Empty,
    /// One slice with this digest, of so many bytes.
    Slice(SliceDigest, u64),
    /// Chunks; the one at hand has this id and so many bytes to come.
    Chunks { rest: Chunks<'s>, at_hand: Option<(ChunkId, u64)> },
}

impl<'s> Verifier<'s> {
    /// For this file of the snapshot.
    pub fn new(snapshot: &'s Snapshot, entry: &'s Entry<ObjectId>) -> Self {
        let expected = match &entry.content {
            Content::Empty => Expected::Empty,
            Content::Slice { digest, .. } => Expected::Slice(*digest, entry.data_bytes()),
            _ => Expected::Chunks { rest: snapshot.chunks(entry), at_hand: None },
        };
        let fresh = snapshot.ids().data_stream();
        Self { expected, hasher: fresh.clone(), fresh, bytes: 0 }
    }

    /// Takes the next piece; false when it is not what the listing says.
    ///
    /// # Errors
    /// The listing itself cannot be read on.
    pub fn feed(&mut self, mut data: &[u8]) -> Result<bool, ArchiveError> {
        self.bytes += data.len() as u64;
        let Self { expected, hasher, fresh, bytes } = self;
        let (rest, at_hand) = match expected {
            Expected::Empty => return Ok(data.is_empty()),
            Expected::Slice(_, length) => {
                hasher.update(data);
                return Ok(*bytes <= *length);
            }
            Expected::Chunks { rest, at_hand } => (rest, at_hand),
        };
        while !data.is_empty() {
            let (id, left) = match at_hand.take() {
                Some(known) => known,
                None => match rest.next() {
                    Some(chunk) => chunk.map(|chunk| (chunk.id, u64::from(chunk.length)))?,
                    None => return Ok(false),
                },
            };
            let (now, after) = data.split_at(data.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            hasher.update(now);
            data = after;
            let left = left - now.len() as u64;
            if left > 0 {
                *at_hand = Some((id, left));
            } else if std::mem::replace(hasher, fresh.clone()).finalize() != id.0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether everything came, and was what the listing says.
    ///
    /// # Errors
    /// The listing itself cannot be read on.
    pub fn finish(mut self) -> Result<bool, ArchiveError> {
        match &mut self.expected {
            Expected::Empty => Ok(true),
            Expected::Slice(digest, length) => {
                let found = ChunkId(self.hasher.finalize().into());
                Ok(self.bytes == *length && half(&found) == *digest)
            }
            Expected::Chunks { rest, at_hand } => match (at_hand, rest.next()) {
                (None, None) => Ok(true),
                (_, Some(Err(error))) => Err(error),
                _ => Ok(false),
            },
        }
    }
}
