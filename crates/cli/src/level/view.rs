//! What a host can say of its snapshots in a vault that it may only add to: their receipts, and the manifests that it remembers.

use crate::sent::Sent;
use std::sync::Arc;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// A vault, read from memory.
pub(crate) struct HostView {
    host: PublicKey,
    known: Vec<Receipt>,
    sent: Arc<Sent>,
    /// Snapshots of which nothing but the receipt is known here.
    pub(crate) unknown: u64,
}

impl HostView {
    /// The snapshots that these receipts are for.
    pub(crate) fn new(host: PublicKey, receipts: Vec<Receipt>, sent: Arc<Sent>) -> Self {
        let is_known = |receipt: &Receipt| sent.manifest(receipt.sequence, &receipt.manifest).is_some();
        let (known, unknown): (Vec<_>, Vec<_>) = receipts.into_iter().partition(is_known);
        Self { host, known, sent, unknown: unknown.len() as u64 }
    }

    fn refused(&self) -> VaultError {
        VaultError::Refused("this host may only add to that vault; reading from it needs the identity".into())
    }
}

impl Retrieve for HostView {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        Ok(vec![self.host])
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        Ok(if *host == self.host.host_id() { self.known.clone() } else { Vec::new() })
    }

    fn objects(&self, _host: &HostId, _kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        Err(self.refused())
    }

    fn get(&self, _host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let known = self.known.iter().find(|receipt| kind == Kind::Manifest && receipt.manifest == *id);
        let stored = known.and_then(|receipt| self.sent.manifest(receipt.sequence, id));
        stored.ok_or_else(|| self.refused())
    }

    fn pack_range(
        &self,
        _host: &HostId,
        _id: &ObjectId,
        _offset: u64,
        _length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        Err(self.refused())
    }
}
