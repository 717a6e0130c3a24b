//! Packs: immutable encrypted objects that hold many records. Section 3 of `docs/format.md`.

mod build;
mod held;
mod view;

pub use build::{BuildError, PackBuilder, SealedPack};
pub use held::{Held, Part};
pub use view::{PackView, ViewError};

use minicbor::{Decode, Encode};

/// The writer closes a pack when its records exceed this.
pub const PACK_TARGET_BYTES: usize = 16 << 20;
/// Length of the tail.
pub(crate) const TAIL_BYTES: usize = 16 + crate::seal::TAG_BYTES;
/// The most records a pack may hold.
pub(crate) const RECORDS_MAX: u32 = 1 << 18;

/// One row of a trailer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Row {
    /// Number of the record type.
    #[n(0)]
    pub kind: u8,
    /// Stored length in bytes.
    #[n(1)]
    pub stored: u32,
    /// Length of the content in bytes.
    #[n(2)]
    pub length: u32,
    /// What the content is.
    #[n(3)]
    pub held: Held,
}

#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Trailer {
    #[n(0)]
    pub(crate) rows: Vec<Row>,
}

/// A chunk id as a CBOR byte string.
pub(crate) mod chunk_id {
    use crate::keys::ChunkId;
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        id: &ChunkId,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&id.0)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<ChunkId, Error> {
        d.bytes()?.try_into().map(ChunkId).map_err(|_| Error::message("a chunk id has 32 bytes"))
    }
}

/// The length that hides `length`: the next multiple of 1/64 of its power of two, at least of 4 KiB.
pub(crate) fn size_class(length: usize) -> usize {
    let step = 1 << (length.max(1).ilog2().saturating_sub(6)).max(12);
    length.next_multiple_of(step)
}

#[cfg(test)]
mod tests;
