//! Reading ahead: entries and details come several at once, for from a bucket one after the other would take minutes.
//!
//! What is read is verified by whoever takes it.

use crate::state::State;
use crate::storage::Storage;
use crate::tree;
use std::collections::VecDeque;
use vow_base::ObjectId;
use vow_base::detail;
use vow_base::disk::DiskError;
use vow_base::receipt::{ENVELOPE, Receipt};

/// So many entries at a time.
pub(crate) const ENTRIES: u64 = 256;
/// So many details: each may have mebibytes, and all of these are held at once.
const DETAILS: usize = 8;

/// The stored bytes of the entries from `first` on, at most [`ENTRIES`] of them and none beyond `last`.
pub(crate) fn entries(storage: &dyn Storage, first: u64, last: u64) -> Result<Vec<Vec<u8>>, DiskError> {
    let last = last.min(first.saturating_add(ENTRIES - 1));
    let names: Vec<_> = (first..=last).map(tree::entry).collect();
    storage.reads(&names, ENVELOPE.limit_bytes as u64)
}

/// Details that entries are about, asked for in their order.
#[derive(Default)]
pub(crate) struct Details {
    /// Those not read yet.
    wanted: VecDeque<ObjectId>,
    /// Those read and not taken yet.
    read: VecDeque<(ObjectId, Vec<u8>)>,
}

impl Details {
    /// Those of these entries that matter to the state. What is no entry is passed over: whoever takes the entry says so.
    pub(crate) fn of<'e>(entries: impl IntoIterator<Item = &'e Vec<u8>>) -> Self {
        let parsed = entries.into_iter().filter_map(|stored| {
            let entry: Receipt = vow_base::cbor::decode(ENVELOPE.payload(stored).ok()?).ok()?;
            State::needs_detail(entry.event).then_some(entry.manifest)
        });
        Self { wanted: parsed.collect(), read: VecDeque::new() }
    }

    /// The stored bytes of this detail, read together with those that come after it.
    pub(crate) fn take(&mut self, storage: &dyn Storage, id: &ObjectId) -> Result<Vec<u8>, DiskError> {
        while let Some((read, bytes)) = self.read.pop_front() {
            if read == *id {
                return Ok(bytes);
            }
        }
        let limit = detail::LIMIT_BYTES as u64;
        while self.wanted.pop_front().is_some_and(|wanted| wanted != *id) {}
        let next = self.wanted.iter().take(DETAILS - 1);
        let ids: Vec<_> = [*id].into_iter().chain(next.copied()).collect();
        let names: Vec<_> = ids.iter().map(tree::detail).collect();
        let read = match storage.reads(&names, limit) {
            // One of those that come later may be the one that is gone: it is missed when its entry is read.
            Err(error) if error.is_absent() => return storage.read(&tree::detail(id), limit),
            other => other?,
        };
        self.read = ids.into_iter().zip(read).collect();
        self.wanted.drain(..self.read.len().saturating_sub(1));
        // As many came as were asked for, and this one first.
        Ok(self.read.pop_front().map(|(_, bytes)| bytes).unwrap_or_default())
    }
}
