//! What the content of a record is, as its row in the trailer says: one chunk, or several one after the other.

use super::{Row, chunk_id};
use crate::keys::{ChunkId, IdKeys};
use crate::record::{ChunkRef, GROUP_CHUNKS_MAX, GROUP_LIMIT_BYTES, Place, RecordType};
use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// What the content of a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// One chunk, with this id.
    Chunk(ChunkId),
    /// A group of chunks one after the other.
    Group(Box<[Part]>),
}

/// A chunk in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Its length in bytes.
    #[n(0)]
    pub length: u32,
    /// Its id.
    #[cbor(n(1), with = "chunk_id")]
    pub id: ChunkId,
}

impl<C> Encode<C> for Held {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Chunk(id) => chunk_id::encode(id, e, context),
            Self::Group(parts) => parts.encode(e, context),
        }
    }
}

impl<'b, C> Decode<'b, C> for Held {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, Error> {
        match d.datatype()? {
            Type::Array => Ok(Self::Group(Decode::decode(d, context)?)),
            _ => chunk_id::decode(d, context).map(Self::Chunk),
        }
    }
}

impl Row {
    /// Whether it is a row that the format allows: a group is of data, within its limits, and its parts are all of it.
    pub(crate) fn is_possible(&self) -> bool {
        let Held::Group(parts) = &self.held else { return true };
        let sum: u64 = parts.iter().map(|part| u64::from(part.length)).sum();
        self.kind == RecordType::Data as u8
            && (2..=GROUP_CHUNKS_MAX).contains(&parts.len())
            && parts.iter().all(|part| part.length > 0)
            && sum == u64::from(self.length)
            && self.length as usize <= GROUP_LIMIT_BYTES
    }

    /// The chunks of the record, which lies at `place`.
    pub(crate) fn chunks<P: Copy>(&self, place: Place<P>) -> Vec<ChunkRef<P>> {
        match &self.held {
            Held::Chunk(id) => vec![ChunkRef::alone(place, self.length, *id)],
            Held::Group(parts) => {
                let mut start = 0;
                let one = |part: &Part| {
                    let chunk =
                        ChunkRef { place, start, length: part.length, whole: self.length, id: part.id };
                    start += part.length;
                    chunk
                };
                parts.iter().map(one).collect()
            }
        }
    }

    /// How many rows of memory it takes, about.
    pub(crate) fn size(&self) -> usize {
        match &self.held {
            Held::Chunk(_) => 1,
            Held::Group(parts) => 1 + parts.len(),
        }
    }

    /// Whether this is what it holds, chunk by chunk.
    pub(crate) fn is_content(&self, ids: &IdKeys, kind: RecordType, content: &[u8]) -> bool {
        match &self.held {
            Held::Chunk(id) => ids.id(kind, content) == *id,
            Held::Group(parts) => {
                let mut rest = content;
                let right = parts.iter().all(|part| {
                    let Some((now, after)) = rest.split_at_checked(part.length as usize) else {
                        return false;
                    };
                    rest = after;
                    ids.id(kind, now) == part.id
                });
                right && rest.is_empty()
            }
        }
    }

    /// Whether a chunk is one of those it holds, where the reference says.
    pub(crate) fn holds<P>(&self, chunk: &ChunkRef<P>) -> bool {
        if chunk.whole != self.length {
            return false;
        }
        match &self.held {
            Held::Chunk(id) => !chunk.is_part() && chunk.id == *id,
            Held::Group(parts) => {
                let mut start = 0;
                parts.iter().any(|part| {
                    let here = (start, part.length, part.id) == (chunk.start, chunk.length, chunk.id);
                    start = start.saturating_add(part.length);
                    here
                })
            }
        }
    }
}
