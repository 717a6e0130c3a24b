//! The role of a host.

use crate::objects::Put;
use crate::vault::Inner;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use vow_base::receipt::Receipt;
use vow_base::vault::{Deposit, Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// What one host may do with a vault: only in its own folder, and nothing that takes away.
pub struct HostDeposit {
    pub(crate) vault: Arc<Inner>,
    pub(crate) host: HostId,
    pub(crate) lock_wait: Duration,
}

impl HostDeposit {
    /// Whose deposit it is.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// Begins an object of `length` bytes that arrives in pieces.
    pub fn begin(&self, kind: Kind, id: &ObjectId, length: u64) -> Result<Put, VaultError> {
        if kind == Kind::Manifest {
            return Err(VaultError::Refused(format!("manifest {id}: a manifest is committed, not put")));
        }
        Put::begin(self.vault.clone(), self.host, kind, *id, length)
    }
}

impl fmt::Debug for HostDeposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostDeposit({}, host {})", self.vault.storage.place(), self.host.short())
    }
}

impl Deposit for HostDeposit {
    fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<(), VaultError> {
        let mut put = self.begin(kind, id, bytes.len() as u64)?;
        put.write(bytes)?;
        put.finish().map(|_| ())
    }

    fn missing(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VaultError> {
        let state = self.vault.ledger.state()?;
        self.vault.missing(&self.host, &state.of_host(&self.host), kind, ids)
    }

    fn commit(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError> {
        self.commit_manifest(id, stored)
    }

    fn receipts(&self) -> Result<Vec<Receipt>, VaultError> {
        let state = self.vault.ledger.state()?;
        let receipts =
            state.of_host(&self.host).snapshots.iter().map(|known| known.receipt.clone()).collect();
        // To the host this is an acknowledgement, and one that somebody else is writing right now may not be durable yet.
        self.vault.ledger.settle()?;
        Ok(receipts)
    }

    fn index_segments(&self) -> Result<Vec<ObjectId>, VaultError> {
        let objects = self.vault.objects(&self.host, Kind::Index)?;
        Ok(objects.into_iter().map(|(id, _)| id).collect())
    }

    fn index_segment(&self, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.vault.get(&self.host, Kind::Index, id)
    }
}
