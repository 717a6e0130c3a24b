//! Lists that come in pages, each checked as it comes: ordered, within limits, signed where it is signed.

use super::{Inner, RemoteVault};
use crate::limits::{ENTRIES_PAGE_MAX, OBJECTS_PAGE_MAX};
use crate::path::{Route, Spot, after_id, after_position};
use crate::wire::{Entries, Objects};
use vow_base::receipt::{Event, Receipt};
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, VaultError};
use vow_base::{Fingerprint, HostId, ObjectId};

/// No host has more objects of a kind than this: the most that a pack list can name.
const OBJECTS_MAX: usize = 1 << 26;
/// No host has more snapshots than this: one every minute for eight years.
const RECEIPTS_MAX: usize = 1 << 22;

/// One entry of a vault's ledger, verified against the vault's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its stored bytes.
    pub stored: Vec<u8>,
    /// The same, read.
    pub receipt: Receipt,
}

impl Entry {
    /// The hash that the entry after it names.
    pub fn id(&self) -> ObjectId {
        ObjectId::of(&self.stored)
    }
}

/// A run of ledger entries without gaps, each naming the hash of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// The entries; at most 1,000.
    pub entries: Vec<Entry>,
    /// Whether there are more.
    pub more: bool,
}

impl RemoteVault {
    /// The ledger after position `after`, whose entry has the id `last` where that is known.
    pub fn ledger(&self, after: u64, last: Option<ObjectId>) -> Result<LedgerPage, VaultError> {
        let (entries, more) = self.inner.entries(Route::Ledger, after, "ledger")?;
        let mut before = if after == 0 { Some(None) } else { last.map(Some) };
        for (position, entry) in (after.saturating_add(1)..).zip(&entries) {
            let wrong = |reason: &str| {
                let (place, reason) = (self.inner.place.clone(), reason.to_owned());
                Err(VaultError::Ledger { place, position, reason })
            };
            if entry.receipt.position != position {
                return wrong("it is left out");
            }
            if before.is_some_and(|before| before != entry.receipt.previous) {
                return wrong("it does not name the entry before it");
            }
            before = Some(Some(entry.id()));
        }
        Ok(LedgerPage { entries, more })
    }
}

impl RemoteVault {
    /// The receipts of the host whose key it is, at positions above `after`, as the vault signed them.
    pub fn receipts_after(&self, after: u64) -> Result<Vec<Entry>, VaultError> {
        self.inner.receipts_after(&self.inner.own, Spot::Receipts, after)
    }
}

impl Inner {
    /// All receipts of a host at `spot`, in ledger order.
    pub(super) fn receipts(&self, host: &HostId, spot: Spot) -> Result<Vec<Receipt>, VaultError> {
        let entries = self.receipts_after(host, spot, 0)?;
        Ok(entries.into_iter().map(|entry| entry.receipt).collect())
    }

    fn receipts_after(&self, host: &HostId, spot: Spot, after: u64) -> Result<Vec<Entry>, VaultError> {
        let what = format!("receipts of host {}", host.short());
        let mut receipts: Vec<Entry> = Vec::new();
        loop {
            let after = receipts.last().map_or(after, |entry| entry.receipt.position);
            let (entries, more) = self.entries(Route::Host(*host, spot), after, &what)?;
            for entry in entries {
                let Entry { receipt, .. } = &entry;
                if receipt.host_id() != *host || receipt.event != Event::Committed {
                    let reason = format!("entry {} is no receipt of this host", receipt.position);
                    return Err(self.nonsense(&what, reason));
                }
                receipts.push(entry);
            }
            if !more {
                return Ok(receipts);
            }
            if receipts.len() > RECEIPTS_MAX {
                return Err(self.nonsense(&what, "there is no end to them".into()));
            }
        }
    }

    /// All objects of a kind, by id, with their lengths.
    pub(super) fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        let what = format!("{} of host {}", kind.folder(), host.short());
        let mut objects: Vec<(ObjectId, u64)> = Vec::new();
        loop {
            let query = objects.last().map(|(id, _)| after_id(id));
            let page: Objects = self.get_json(Route::Host(*host, Spot::Objects(kind)), query, &what)?;
            if page.objects.len() > OBJECTS_PAGE_MAX || (page.more && page.objects.is_empty()) {
                return Err(self.nonsense(&what, format!("a page of {}", page.objects.len())));
            }
            for (id, length) in page.objects {
                if objects.last().is_some_and(|(before, _)| *before >= id.0) {
                    return Err(self.nonsense(&what, format!("{id} comes out of order")));
                }
                objects.push((id.0, length));
            }
            if !page.more {
                return Ok(objects);
            }
            if objects.len() > OBJECTS_MAX {
                return Err(self.nonsense(&what, "there is no end to them".into()));
            }
        }
    }

    /// One page of entries, in order, each verified; whether there are more.
    fn entries(&self, route: Route, after: u64, what: &str) -> Result<(Vec<Entry>, bool), VaultError> {
        let page: Entries = self.get_json(route, Some(after_position(after)), what)?;
        if page.entries.len() > ENTRIES_PAGE_MAX || (page.more && page.entries.is_empty()) {
            return Err(self.nonsense(what, format!("a page of {}", page.entries.len())));
        }
        let mut entries: Vec<Entry> = Vec::new();
        for stored in page.entries {
            let entry = self.entry(stored.0, what)?;
            let before = entries.last().map_or(after, |entry| entry.receipt.position);
            if entry.receipt.position <= before {
                let reason = format!("entry {} comes out of order", entry.receipt.position);
                return Err(self.nonsense(what, reason));
            }
            entries.push(entry);
        }
        Ok((entries, page.more))
    }

    /// Stored bytes of an entry, verified as one of this vault.
    pub(super) fn entry(&self, stored: Vec<u8>, what: &str) -> Result<Entry, VaultError> {
        let receipt = Receipt::open(&stored)
            .map_err(|source| VaultError::Signed { what: format!("{what} of {}", self.place), source })?;
        if Fingerprint::of(&PublicKey(receipt.vault_key)) != self.pin {
            return Err(VaultError::Ledger {
                place: self.place.clone(),
                position: receipt.position,
                reason: "it is by another vault".into(),
            });
        }
        Ok(Entry { stored, receipt })
    }
}
