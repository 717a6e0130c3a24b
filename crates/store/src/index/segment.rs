//! Index segments as the vault keeps them: sealed with the host's own secret. Section 8 of `docs/format.md`.

use super::IndexRow;
use crate::compress::{Packer, Unpacker};
use crate::keys::ChunkId;
use crate::record::{ChunkRef, Place};
use crate::seal::expand;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::collections::HashMap;
use vow_base::ObjectId;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"VOWINDX2";
const HEADER_BYTES: usize = 8 + 1 + 32;
const SUITE_AES: u8 = 1;
pub(super) const ROW_BYTES: usize = 60;

/// Why a segment was refused. It is only ever ignored then: the chunks it names are sent again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SegmentError {
    /// It does not open with this host's secret.
    #[error("the index segment does not open with this host's secret")]
    Sealed,
    /// It opens but is not what the format says.
    #[error("the index segment is malformed")]
    Malformed,
    /// The system gave no randomness or memory.
    #[error("no randomness or memory for an index segment")]
    Resources,
}

/// Seals rows, whose packs are published.
pub fn seal_segment(rows: &[ChunkRef<ObjectId>], index_secret: &[u8; 32]) -> Result<Vec<u8>, SegmentError> {
    let mut packs = Vec::new();
    let mut numbers = HashMap::new();
    let mut body = Vec::with_capacity(rows.len() * ROW_BYTES);
    for row in rows {
        let number = *numbers.entry(row.place.pack).or_insert_with(|| {
            packs.push(row.place.pack);
            packs.len() as u32 - 1
        });
        write_row(&mut body, &row.with_pack(number));
    }
    let count = (packs.len() as u32).to_le_bytes();
    let plain = [&count[..], &vow_base::id::join_ids(&packs), &body].concat();
    let mut packer = Packer::new(3).map_err(|_| SegmentError::Resources)?;
    let (codec, payload) = packer.pack(&plain);
    let salt = vow_base::sign::random_secret().map_err(|_| SegmentError::Resources)?;
    let mut stored = [&MAGIC[..], &[SUITE_AES], &salt[..]].concat();
    let mut sealed = [&[codec as u8], payload].concat();
    let aad = Aad::from(&stored[..]);
    let key = key(index_secret, &salt[..]);
    key.seal_in_place_append_tag(nonce(), aad, &mut sealed).map_err(|_| SegmentError::Resources)?;
    stored.append(&mut sealed);
    Ok(stored)
}

/// Opens a segment of this host.
pub fn open_segment(stored: &[u8], index_secret: &[u8; 32]) -> Result<Vec<ChunkRef<ObjectId>>, SegmentError> {
    let (header, sealed) = stored.split_at_checked(HEADER_BYTES).ok_or(SegmentError::Malformed)?;
    if !header.starts_with(MAGIC) || header[8] != SUITE_AES {
        return Err(SegmentError::Malformed);
    }
    let mut sealed = sealed.to_vec();
    let opened = key(index_secret, &header[9..]).open_in_place(nonce(), Aad::from(header), &mut sealed);
    let plain = opened.map_err(|_| SegmentError::Sealed)?;
    let mut unpacker = Unpacker::new().map_err(|_| SegmentError::Resources)?;
    let mut content = Vec::new();
    let unpacked = unpacker.unpack_up_to(plain, vow_base::vault::INDEX_LIMIT_BYTES as usize, &mut content);
    unpacked.map_err(|_| SegmentError::Malformed)?;
    read_rows(&content).ok_or(SegmentError::Malformed)
}

fn read_rows(content: &[u8]) -> Option<Vec<ChunkRef<ObjectId>>> {
    let (count, rest) = content.split_first_chunk::<4>()?;
    let (packs, body) = rest.split_at_checked((u32::from_le_bytes(*count) as usize).checked_mul(32)?)?;
    let packs = vow_base::id::split_ids(packs)?;
    let (rows, left) = body.as_chunks::<ROW_BYTES>();
    let resolve = |row| {
        let row: IndexRow = Some(read_row(row)).filter(ChunkRef::is_possible)?;
        Some(row.with_pack(*packs.get(row.place.pack as usize)?))
    };
    if left.is_empty() { rows.iter().map(resolve).collect() } else { None }
}

/// Appends one row of [`ROW_BYTES`].
pub(super) fn write_row(bytes: &mut Vec<u8>, row: &IndexRow) {
    bytes.extend_from_slice(&row.id.0);
    let ChunkRef { place: Place { pack, record, offset, stored }, start, length, whole, .. } = *row;
    for number in [pack, record, offset, stored, length, start, whole] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

/// Reads one row.
pub(super) fn read_row(bytes: &[u8; ROW_BYTES]) -> IndexRow {
    let mut id = [0; 32];
    id.copy_from_slice(&bytes[..32]);
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let place = Place { pack: number(32), record: number(36), offset: number(40), stored: number(44) };
    ChunkRef { place, length: number(48), start: number(52), whole: number(56), id: ChunkId(id) }
}

fn key(index_secret: &[u8; 32], salt: &[u8]) -> LessSafeKey {
    let mut key = Zeroizing::new([0; 32]);
    expand(index_secret, salt, &[b"vow v1 index"], &mut key[..]);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..]).expect("AES-256 takes keys of 32 bytes"))
}

/// Each segment has a key of its own (from its random salt) and encrypts once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<ChunkRef<ObjectId>> {
        let place = |n: u8| Place { pack: ObjectId([n % 3; 32]), record: n.into(), offset: 9, stored: 8 };
        let row = |n: u8| match n % 2 {
            0 => ChunkRef::alone(place(n), 7, ChunkId([n; 32])),
            _ => ChunkRef { place: place(n), start: n.into(), length: 7, whole: 300, id: ChunkId([n; 32]) },
        };
        (0..100).map(row).collect()
    }

    #[test]
    fn a_segment_with_a_chunk_beyond_its_record_is_refused() {
        for (start, whole) in [(294, 300), (u32::MAX, 300), (0, 2 << 20)] {
            let mut rows = rows();
            (rows[1].start, rows[1].whole) = (start, whole);
            let stored = seal_segment(&rows, &[1; 32]).expect("seal");
            assert_eq!(open_segment(&stored, &[1; 32]), Err(SegmentError::Malformed), "{start} {whole}");
        }
    }

    #[test]
    fn segments_open_for_their_host_alone() {
        let stored = seal_segment(&rows(), &[1; 32]).expect("seal");
        assert_eq!(open_segment(&stored, &[1; 32]), Ok(rows()));
        assert_eq!(open_segment(&stored, &[2; 32]), Err(SegmentError::Sealed));
        for at in 0..stored.len() {
            let mut bad = stored.clone();
            bad[at] ^= 1;
            assert!(open_segment(&bad, &[1; 32]).is_err(), "byte {at}");
        }
    }
}
