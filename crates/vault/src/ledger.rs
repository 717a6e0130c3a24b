//! The ledger: receipts in order, each naming the hash of the one before it. Section 7 of `docs/format.md`.

use crate::dir::text_error;
use crate::fuse::Fuse;
use crate::tree::Tree;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vow_base::disk::Disk;
use vow_base::publish::{Published, publish};
use vow_base::receipt::{ENVELOPE, Receipt};
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::VaultError;
use vow_base::{HostId, ObjectId};

pub(crate) struct Ledger {
    disk: Fuse,
    folder: PathBuf,
    temporary: PathBuf,
    place: String,
    key: PublicKey,
    known: Mutex<Known>,
}

/// What was read and verified. Entries never change, so nothing is read twice.
#[derive(Default)]
struct Known {
    receipts: Vec<Receipt>,
    /// Hash of the last one's stored bytes.
    last: Option<ObjectId>,
    /// How many of them are known to have durable names.
    durable: usize,
}

impl Ledger {
    pub(crate) fn new(disk: Fuse, tree: &Tree, key: PublicKey) -> Self {
        let (folder, temporary, place) = (tree.ledger(), tree.temporary(), tree.place());
        Self { disk, folder, temporary, place, key, known: Mutex::default() }
    }

    /// The receipts of one host, in ledger order.
    pub(crate) fn of_host(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        let known = self.refreshed()?;
        Ok(known.receipts.iter().filter(|receipt| receipt.host == host.0).cloned().collect())
    }

    /// Makes every entry that was read durable: whoever wrote it may have died before that.
    pub(crate) fn settle(&self) -> Result<(), VaultError> {
        self.settle_known(&mut self.known())
    }

    /// Appends a receipt, durably. The caller holds the vault's lock.
    pub(crate) fn append(
        &self,
        key: &SigningKey,
        receipt: impl FnOnce(u64, Option<ObjectId>) -> Receipt,
    ) -> Result<Receipt, VaultError> {
        let mut known = self.refreshed()?;
        // Else a power cut could keep the new entry and lose the one before it.
        self.settle_known(&mut known)?;
        let receipt = receipt(known.receipts.len() as u64 + 1, known.last);
        let stored = receipt.seal(key);
        let path = self.folder.join(name(receipt.position));
        match publish(&self.disk, &self.temporary, &path, &stored, None, false).map_err(text_error)? {
            Published::New => {}
            Published::AlreadyThere => {
                return Err(self.wrong(receipt.position, "somebody else wrote it, without the lock".into()));
            }
        }
        known.receipts.push(receipt.clone());
        known.last = Some(ObjectId::of(&stored));
        known.durable = known.receipts.len();
        Ok(receipt)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Known is changed only in steps that cannot panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle_known(&self, known: &mut Known) -> Result<(), VaultError> {
        if known.durable < known.receipts.len() {
            self.disk.sync_dir(&self.folder)?;
            known.durable = known.receipts.len();
        }
        Ok(())
    }

    /// Reads what was appended since the last time.
    ///
    /// Only the newest signature is verified: it covers the hash of the entry before it, and that one the next, down to what
    /// was verified earlier. The other signatures are looked at only to name the culprit when a hash does not fit.
    fn refreshed(&self) -> Result<MutexGuard<'_, Known>, VaultError> {
        let mut known = self.known();
        let names = self.disk.list(&self.folder)?;
        for (position, found) in (1..).zip(&names) {
            if *found != name(position) {
                return Err(self.wrong(position, format!("{found:?} stands in its place")));
            }
        }
        let (old, new) = (known.receipts.len() as u64, names.len() as u64);
        if new < old {
            return Err(self.wrong(new + 1, "it was here and has vanished".into()));
        }
        let mut receipts = Vec::new();
        let mut last = known.last;
        let mut before = Vec::new();
        for position in old + 1..=new {
            let stored = self.disk.read(&self.folder.join(name(position)), ENVELOPE.limit_bytes as u64)?;
            let receipt = self.parse(position, &stored)?;
            if receipt.previous != last {
                if position > old + 1 {
                    self.verify(position - 1, &before)?;
                }
                self.verify(position, &stored)?;
                return Err(self.wrong(position, "it does not name the entry before it".into()));
            }
            last = Some(ObjectId::of(&stored));
            receipts.push(receipt);
            before = stored;
        }
        if new > old {
            self.verify(new, &before)?;
        }
        known.receipts.append(&mut receipts);
        known.last = last;
        Ok(known)
    }

    fn parse(&self, position: u64, stored: &[u8]) -> Result<Receipt, VaultError> {
        let payload = ENVELOPE.payload(stored).map_err(|e| self.wrong(position, e.to_string()))?;
        let receipt: Receipt =
            vow_base::cbor::decode(payload).map_err(|e| self.wrong(position, e.to_string()))?;
        let reason = if receipt.version != 1 {
            format!("its version {} is not known here", receipt.version)
        } else if receipt.vault_key != self.key.0 {
            "it is by another vault".into()
        } else if receipt.position != position {
            format!("it says that its position is {}", receipt.position)
        } else {
            return Ok(receipt);
        };
        Err(self.wrong(position, reason))
    }

    fn verify(&self, position: u64, stored: &[u8]) -> Result<(), VaultError> {
        ENVELOPE.verify(stored, &self.key).map_err(|e| self.wrong(position, e.to_string()))
    }

    fn wrong(&self, position: u64, reason: String) -> VaultError {
        VaultError::Ledger { place: self.place.clone(), position, reason }
    }
}

/// The name of the entry at this position.
fn name(position: u64) -> String {
    format!("{position:020}")
}
