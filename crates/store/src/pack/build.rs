//! Writing packs.

use super::{Held, PACK_TARGET_BYTES, Part as Chunk, RECORDS_MAX, Row, TAIL_BYTES, Trailer, size_class};
use crate::compress::Codec;
use crate::keys::{ChunkId, IdKeys};
use crate::pack::{PackView, ViewError};
use crate::record::{Place, RecordType};
use crate::seal::{PackSealer, Part, SealError, Suite, TAG_BYTES};
use crate::session::SessionKey;
use vow_base::ObjectId;

/// Why a pack could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What was sealed does not open again: bad memory or a fault in a library. Nothing was sent.
    #[error("a pack does not verify before it is sent; suspect the memory of this machine: {0}")]
    Verify(#[from] ViewError),
}

/// A pack being filled.
pub struct PackBuilder {
    sealer: PackSealer,
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

/// A pack that is complete, verified and ready to be sent.
pub struct SealedPack {
    /// SHA-256 of the bytes.
    pub id: ObjectId,
    /// The stored bytes.
    pub bytes: Vec<u8>,
    /// Its records and where they lie.
    pub records: Vec<(Place<()>, Row)>,
}

impl PackBuilder {
    /// An empty pack with a key of its own.
    pub fn new(session: &SessionKey, blob: &[u8]) -> Result<Self, SealError> {
        let (sealer, header) = PackSealer::new(session, blob, Suite::detect())?;
        let mut bytes = Vec::with_capacity(PACK_TARGET_BYTES + PACK_TARGET_BYTES / 8);
        bytes.extend_from_slice(&header);
        Ok(Self { sealer, bytes, rows: Vec::new() })
    }

    /// Adds a record that holds one chunk; says where it will lie.
    pub fn push(
        &mut self,
        kind: RecordType,
        id: ChunkId,
        length: usize,
        payload: (Codec, &[u8]),
    ) -> Result<Place<()>, SealError> {
        self.push_record(kind, length as u32, Held::Chunk(id), payload)
    }

    /// Adds a record that holds these chunks of data one after the other; says where it will lie.
    pub fn push_group(
        &mut self,
        chunks: Box<[Chunk]>,
        payload: (Codec, &[u8]),
    ) -> Result<Place<()>, SealError> {
        let length = chunks.iter().map(|chunk| chunk.length).sum();
        self.push_record(RecordType::Data, length, Held::Group(chunks), payload)
    }

    fn push_record(
        &mut self,
        kind: RecordType,
        length: u32,
        held: Held,
        (codec, payload): (Codec, &[u8]),
    ) -> Result<Place<()>, SealError> {
        let from = self.bytes.len();
        self.bytes.reserve(1 + payload.len() + TAG_BYTES);
        self.bytes.push(codec as u8);
        self.bytes.extend_from_slice(payload);
        self.sealer.seal(Part::Record(kind), &mut self.bytes, from)?;
        let stored = (self.bytes.len() - from) as u32;
        let record = self.rows.len() as u32;
        self.rows.push(Row { kind: kind as u8, stored, length, held });
        Ok(Place { pack: (), record, offset: from as u32, stored })
    }

    /// Whether it should be closed before a record of this length is added.
    pub fn is_full(&self, next_bytes: usize) -> bool {
        let used = self.bytes.len() + next_bytes;
        !self.rows.is_empty() && used > PACK_TARGET_BYTES || self.rows.len() as u32 >= RECORDS_MAX - 1
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Closes the pack, opens it again from its bytes and compares every id.
    pub fn finish(mut self, session: &SessionKey, ids: &IdKeys) -> Result<SealedPack, BuildError> {
        let first = self.bytes.len() - self.rows.iter().map(|row| row.stored as usize).sum::<usize>();
        let rows = std::mem::take(&mut self.rows);
        let count = rows.len() as u32;
        let trailer = Trailer { rows };
        let encoded = vow_base::cbor::encode(&trailer);
        let Trailer { rows } = trailer;
        self.pad(1 + encoded.len() + TAG_BYTES + TAIL_BYTES)?;
        let offset = self.bytes.len();
        self.bytes.push(Codec::Stored as u8);
        self.bytes.extend_from_slice(&encoded);
        self.sealer.seal(Part::Trailer, &mut self.bytes, offset)?;
        let stored = (self.bytes.len() - offset) as u32;
        let tail = self.bytes.len();
        self.bytes.extend_from_slice(&(offset as u64).to_le_bytes());
        self.bytes.extend_from_slice(&stored.to_le_bytes());
        self.bytes.extend_from_slice(&count.to_le_bytes());
        self.sealer.seal_tail(&mut self.bytes, tail)?;
        let bytes = self.bytes;
        // By another implementation than the vault's, which hashes these bytes again: a fault in either shows.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let id = ObjectId(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"));
        PackView::open(&bytes, session)?.verify(ids, Some(&rows))?;
        let mut at = first as u32;
        let records = (0u32..).zip(rows).map(|(record, row)| {
            let place = Place { pack: (), record, offset: at, stored: row.stored };
            at += row.stored;
            (place, row)
        });
        let records = records.collect();
        Ok(SealedPack { id, bytes, records })
    }

    /// Adds padding so that with `rest` more bytes the length is that of a size class.
    fn pad(&mut self, rest: usize) -> Result<(), SealError> {
        let least = 1 + TAG_BYTES;
        let bare = self.bytes.len() + rest;
        let mut class = size_class(bare);
        if class != bare && class - bare < least {
            class = size_class(bare + least);
        }
        if class == bare {
            self.sealer.skip();
            return Ok(());
        }
        let from = self.bytes.len();
        self.bytes.resize(from + (class - bare - TAG_BYTES), 0);
        self.sealer.seal(Part::Padding, &mut self.bytes, from)
    }
}
