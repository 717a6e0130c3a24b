//! Chapters: runs of ledger entries in one object, so that opening a vault with a long ledger costs hundreds of reads, not hundreds of thousands.
//!
//! Nothing is believed because it stands in a chapter: its entries are verified as single ones are, and where one is missing or does not
//! fit, the entry itself is read.

use crate::ledger::ahead;
use crate::storage::Storage;
use crate::tree;
use std::collections::VecDeque;
use vow_base::disk::DiskError;
use vow_base::publish::PublishError;
use vow_base::receipt::ENVELOPE;

/// Entries in a chapter.
pub(crate) const ENTRIES: u64 = 1024;

const LIMIT_BYTES: u64 = ENTRIES * (ENVELOPE.limit_bytes as u64 + 4);

/// The chapters of a ledger, read one after the other.
#[derive(Default)]
pub(crate) struct Chapters {
    /// How many there are, from the first one on without a gap.
    count: u64,
    /// The position of the first of `entries`, and the entries of the chapter that is being read.
    at: u64,
    entries: VecDeque<Vec<u8>>,
}

impl Chapters {
    /// Sees which there are.
    pub(crate) fn open(storage: &dyn Storage) -> Result<Self, DiskError> {
        if !storage.is_folder(tree::CHAPTERS)? {
            return Ok(Self::default());
        }
        let names = storage.names(tree::CHAPTERS)?;
        let in_order = (1u64..).zip(&names).take_while(|(n, name)| **name == tree::entry_name(n * ENTRIES));
        Ok(Self { count: in_order.count() as u64, ..Self::default() })
    }

    /// The last position that a chapter holds; 0 without any.
    pub(crate) fn last(&self) -> u64 {
        self.count * ENTRIES
    }

    /// The stored bytes of the entry at `position`, when a readable chapter holds it. Positions are asked for in order.
    pub(crate) fn take(&mut self, storage: &dyn Storage, position: u64) -> Option<Vec<u8>> {
        if position > self.last() {
            return None;
        }
        if self.entries.is_empty() || self.at != position {
            let last = position.div_ceil(ENTRIES) * ENTRIES;
            let stored = storage.read(&tree::chapter(last), LIMIT_BYTES).ok();
            let Some(entries) = stored.and_then(|stored| split(&stored)) else {
                // Nor is it asked for again, for each of its entries.
                self.count = last / ENTRIES - 1;
                return None;
            };
            self.entries = entries;
            self.at = last - ENTRIES + 1;
            while self.at < position {
                self.entries.pop_front()?;
                self.at += 1;
            }
        }
        self.at += 1;
        self.entries.pop_front()
    }
}

/// Writes the chapter that ends with the entry at `last`. One that is there already is as good.
pub(crate) fn write(storage: &dyn Storage, last: u64) -> Result<(), PublishError> {
    let mut bytes = Vec::new();
    let mut next = last - ENTRIES + 1;
    while next <= last {
        for stored in ahead::entries(storage, next, last)? {
            bytes.extend_from_slice(&(stored.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&stored);
            next += 1;
        }
    }
    storage.make_folder(tree::CHAPTERS)?;
    storage.create(&tree::chapter(last), &bytes, None).map(|_| ())
}

fn split(mut bytes: &[u8]) -> Option<VecDeque<Vec<u8>>> {
    let mut entries = VecDeque::with_capacity(ENTRIES as usize);
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (entry, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        entries.push_back(entry.to_vec());
        bytes = rest;
    }
    (bytes.is_empty() && entries.len() as u64 == ENTRIES).then_some(entries)
}
