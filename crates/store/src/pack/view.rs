//! Reading packs whole, from their own trailer. Restores read single records by reference instead.

use super::{RECORDS_MAX, Row, TAIL_BYTES, Trailer};
use crate::compress::{CodecError, Unpacker};
use crate::keys::IdKeys;
use crate::record::{CONTENT_LIMIT_BYTES, RecordType};
use crate::seal::{Header, PackOpener, Part, SealError, TAG_BYTES};
use crate::session::SessionKey;

/// Why a pack was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ViewError {
    /// It does not decrypt.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Its trailer is not what the format says.
    #[error("the trailer is malformed")]
    Trailer,
    /// A record does not decompress to the length its row says.
    #[error("record {record}: {source}")]
    Codec {
        /// Number of the record.
        record: u32,
        /// What was wrong.
        source: CodecError,
    },
    /// A record's content, or a chunk in it, is not what its id says.
    #[error("record {0} is not what its id says")]
    Id(u32),
    /// zstd could not be set up.
    #[error("out of memory")]
    Memory,
}

/// A pack whose trailer was read.
pub struct PackView<'b> {
    bytes: &'b [u8],
    opener: PackOpener,
    rows: Vec<Row>,
    first: usize,
    padding: bool,
    trailer_at: usize,
}

impl<'b> PackView<'b> {
    /// Opens the trailer of a whole pack.
    pub fn open(bytes: &'b [u8], session: &SessionKey) -> Result<Self, ViewError> {
        let header = Header::parse(bytes)?;
        let opener = PackOpener::new(&header, session)?;
        let tail_at = bytes.len().checked_sub(TAIL_BYTES).filter(|at| *at >= header.len());
        let tail_at = tail_at.ok_or(ViewError::Trailer)?;
        let mut tail = bytes[tail_at..].to_vec();
        let tail = opener.open_tail(&mut tail)?;
        let number = |at: usize| tail[at..at + 4].try_into().map(u32::from_le_bytes);
        let (Ok(low), Ok(high), Ok(stored), Ok(count)) = (number(0), number(4), number(8), number(12)) else {
            return Err(ViewError::Trailer);
        };
        let trailer_at = low as usize;
        if high != 0 || trailer_at.checked_add(stored as usize) != Some(tail_at) || count > RECORDS_MAX {
            return Err(ViewError::Trailer);
        }
        let mut plain = bytes.get(trailer_at..tail_at).ok_or(ViewError::Trailer)?.to_vec();
        let plain = opener.open_part(count + 1, Part::Trailer, &mut plain)?;
        let Some((0, payload)) = plain.split_first() else { return Err(ViewError::Trailer) };
        let trailer: Trailer = vow_base::cbor::decode(payload).map_err(|_| ViewError::Trailer)?;
        let sum = trailer.rows.iter().map(|row| row.stored as usize).sum::<usize>();
        let padding = trailer_at.checked_sub(header.len() + sum).ok_or(ViewError::Trailer)?;
        if trailer.rows.len() != count as usize || (1..=TAG_BYTES).contains(&padding) {
            return Err(ViewError::Trailer);
        }
        let first = header.len();
        Ok(Self { bytes, opener, rows: trailer.rows, first, padding: padding > 0, trailer_at })
    }

    /// The rows of the trailer.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Decrypts, decompresses and re-hashes every record; compares with `expected` rows when given.
    pub fn verify(&self, ids: &IdKeys, expected: Option<&[Row]>) -> Result<(), ViewError> {
        if expected.is_some_and(|rows| rows != self.rows) {
            return Err(ViewError::Trailer);
        }
        let mut unpacker = Unpacker::new().map_err(|_| ViewError::Memory)?;
        let (mut stored, mut content) = (Vec::new(), Vec::new());
        let mut at = self.first;
        for (record, row) in (0..).zip(&self.rows) {
            let kind =
                RecordType::from_tag(row.kind).filter(|_| row.is_possible()).ok_or(ViewError::Trailer)?;
            let end = at.checked_add(row.stored as usize).filter(|end| *end <= self.trailer_at);
            let end = end.ok_or(ViewError::Trailer)?;
            if row.length as usize > CONTENT_LIMIT_BYTES {
                return Err(ViewError::Trailer);
            }
            stored.clear();
            stored.extend_from_slice(&self.bytes[at..end]);
            let plain = self.opener.open(record, kind, &mut stored)?;
            let content = match plain {
                // Stored as it is: no need to copy what can be hashed in place.
                [0, payload @ ..] if payload.len() == row.length as usize => &*payload,
                _ => {
                    let unpacked = unpacker.unpack(plain, row.length as usize, &mut content);
                    unpacked.map_err(|source| ViewError::Codec { record, source })?;
                    &content
                }
            };
            if !row.is_content(ids, kind, content) {
                return Err(ViewError::Id(record));
            }
            at = end;
        }
        if self.padding {
            let mut padding = self.bytes[at..self.trailer_at].to_vec();
            let number = self.rows.len() as u32;
            let plain = self.opener.open_part(number, Part::Padding, &mut padding)?;
            if plain.iter().any(|byte| *byte != 0) {
                return Err(ViewError::Trailer);
            }
        }
        Ok(())
    }
}
