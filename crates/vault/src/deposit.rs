//! The role of a host.

use crate::dir::Inner;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use vow_base::receipt::Receipt;
use vow_base::vault::{Deposit, Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// What one host may do with a vault: only in its own folder, and nothing that takes away.
pub struct DirDeposit {
    pub(crate) vault: Arc<Inner>,
    pub(crate) host: HostId,
    pub(crate) lock_wait: Duration,
}

impl DirDeposit {
    /// Whose deposit it is.
    pub fn host(&self) -> HostId {
        self.host
    }
}

impl fmt::Debug for DirDeposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirDeposit({}, host {})", self.vault.tree.place(), self.host.short())
    }
}

impl Deposit for DirDeposit {
    fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<(), VaultError> {
        if kind == Kind::Manifest {
            return Err(VaultError::Refused(format!("manifest {id}: a manifest is committed, not put")));
        }
        self.vault.put(&self.host, kind, id, bytes)
    }

    fn missing(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VaultError> {
        self.vault.missing(&self.host, kind, ids)
    }

    fn commit(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError> {
        self.commit_manifest(id, stored)
    }

    fn receipts(&self) -> Result<Vec<Receipt>, VaultError> {
        let receipts = self.vault.ledger.of_host(&self.host)?;
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
