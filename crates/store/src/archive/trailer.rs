//! What a pack says it holds, by two small reads.

use super::{Archive, ArchiveError};
use crate::pack::{RECORDS_MAX, Row, TAIL_BYTES, Trailer};
use crate::record::Place;
use crate::seal::Part;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// The longest trailer that is read, in bytes.
const TRAILER_LIMIT_BYTES: u64 = 16 << 20;

impl Archive {
    /// The records of a pack that is `length` bytes long: where each lies, and its row in the trailer.
    pub(crate) fn trailer(
        &self,
        host: &HostId,
        pack: &ObjectId,
        length: u64,
    ) -> Result<Vec<(Place<()>, Row)>, ArchiveError> {
        let damaged = || {
            let reason = "its trailer is malformed".to_owned();
            ArchiveError::from(VaultError::Damaged { kind: Kind::Pack, id: *pack, reason })
        };
        let opened = self.openers().of(self.vault(), host, pack)?;
        let tail_at = length.checked_sub(TAIL_BYTES as u64).ok_or_else(damaged)?;
        let mut tail = self.vault().pack_range(host, pack, tail_at, TAIL_BYTES)?;
        let tail = opened.opener.open_tail(&mut tail).map_err(|_| damaged())?;
        let (at, rest) = tail.split_first_chunk().ok_or_else(damaged)?;
        let (stored, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (count, _) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (at, stored, count) =
            (u64::from_le_bytes(*at), u32::from_le_bytes(*stored), u32::from_le_bytes(*count));
        if at.checked_add(stored.into()) != Some(tail_at)
            || count > RECORDS_MAX
            || u64::from(stored) > TRAILER_LIMIT_BYTES
        {
            return Err(damaged());
        }
        let mut bytes = self.vault().pack_range(host, pack, at, stored as usize)?;
        let plain = opened.opener.open_part(count + 1, Part::Trailer, &mut bytes).map_err(|_| damaged())?;
        let Some((0, payload)) = plain.split_first() else { return Err(damaged()) };
        let trailer: Trailer = vow_base::cbor::decode(payload).map_err(|_| damaged())?;
        if trailer.rows.len() != count as usize || !trailer.rows.iter().all(Row::is_possible) {
            return Err(damaged());
        }
        let mut offset = opened.header as u64;
        let mut records = Vec::with_capacity(trailer.rows.len());
        for (record, row) in (0..).zip(trailer.rows) {
            let start = u32::try_from(offset).map_err(|_| damaged())?;
            offset += u64::from(row.stored);
            if offset > at {
                return Err(damaged());
            }
            records.push((Place { pack: (), record, offset: start, stored: row.stored }, row));
        }
        Ok(records)
    }
}
