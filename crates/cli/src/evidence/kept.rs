//! A deposit whose receipts are kept, and that remembers what was sent through it.

use super::Evidence;
use crate::level::Notary;
use crate::sent::Sent;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vow_base::ObjectId;
use vow_base::receipt::Receipt;
use vow_base::vault::{Deposit, Kind, VaultError};

/// A host's deposit at one vault.
pub(crate) struct Kept {
    inner: Arc<dyn Deposit>,
    notary: Arc<dyn Notary>,
    evidence: Mutex<Evidence>,
    sent: Arc<Sent>,
}

impl Kept {
    /// Keeps what passes through `inner`.
    pub(crate) fn new(
        inner: Arc<dyn Deposit>,
        notary: Arc<dyn Notary>,
        evidence: Evidence,
        sent: Arc<Sent>,
    ) -> Self {
        Self { inner, notary, evidence: Mutex::new(evidence), sent }
    }

    /// What is held of the vault.
    pub(crate) fn evidence(&self) -> MutexGuard<'_, Evidence> {
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the vault says of its ledger.
    pub(crate) fn notary(&self) -> &dyn Notary {
        &*self.notary
    }
}

impl Deposit for Kept {
    fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<(), VaultError> {
        if kind == Kind::List {
            self.sent.keep_list(id, bytes);
        }
        self.inner.put(kind, id, bytes)
    }

    fn missing(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VaultError> {
        let missing = self.inner.missing(kind, ids)?;
        if kind != Kind::List {
            return Ok(missing);
        }
        // One that this host does not remember is sent again: it is small, and the spool needs to know what it names.
        let missing: HashSet<_> = missing.into_iter().collect();
        let lacks = |id: &&ObjectId| missing.contains(id) || !self.sent.has_list(id);
        Ok(ids.iter().filter(lacks).copied().collect())
    }

    fn commit(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError> {
        let receipt = self.inner.commit(id, stored)?;
        self.sent.keep_manifest(id, stored);
        // The vault has acknowledged it; its signed words are asked for again in the next run when they cannot be had now.
        let _ = self.evidence().take_new(self.notary());
        Ok(receipt)
    }

    fn receipts(&self) -> Result<Vec<Receipt>, VaultError> {
        let mut evidence = self.evidence();
        evidence.take_new(self.notary())?;
        Ok(evidence.receipts())
    }

    fn index_segments(&self) -> Result<Vec<ObjectId>, VaultError> {
        self.inner.index_segments()
    }

    fn index_segment(&self, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.inner.index_segment(id)
    }
}
