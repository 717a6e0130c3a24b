//! Reading a vault: which snapshots there are, and what is in them. Nothing here writes to a vault.
//!
//! What is believed, and why: a manifest, because a trusted host key signed it; the root record, because its whole pack hashes to
//! the name in the manifest; everything else, because its keyed id stands in what was read before it. A vault that serves other
//! bytes than it was given can only be caught, never obeyed.

mod children;
mod chunks;
mod content;
mod entries;
mod error;
mod file;
mod find;
mod openers;
mod snapshot;
mod spec;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trailer;
mod verify;

pub use children::Children;
pub use chunks::Chunks;
pub(crate) use chunks::Spans;
pub use content::Reader;
pub use entries::Entries;
pub use error::ArchiveError;
pub use file::FileReader;
pub(crate) use snapshot::Decoded;
pub use snapshot::Snapshot;
pub use spec::{Spec, SpecError};
pub use verify::Verifier;

use crate::session::Identities;
use openers::Openers;
use std::sync::Arc;
use vow_base::clock::Nanos;
use vow_base::manifest::Manifest;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// A vault as a restorer sees it. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    vault: Arc<dyn Retrieve>,
    trusted: Vec<PublicKey>,
    openers: Openers,
}

/// A snapshot, as far as it can be known without an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its id: that of its manifest.
    pub id: ObjectId,
    /// What the host signed.
    pub manifest: Manifest,
    /// What the vault countersigned.
    pub receipt: Receipt,
}

impl SnapshotInfo {
    /// `HOST/SOURCE`, for people.
    pub fn name(&self) -> String {
        format!("{}/{}", self.manifest.host, self.manifest.source)
    }
}

impl Archive {
    /// Reads from `vault`. With `identities` snapshots can be opened. `trusted` are the keys of the hosts to believe; when there are
    /// none, the keys that the vault itself has on record are believed.
    pub fn new(
        vault: Arc<dyn Retrieve>,
        identities: Option<Arc<Identities>>,
        trusted: Vec<PublicKey>,
    ) -> Self {
        Self { inner: Arc::new(Inner { vault, trusted, openers: Openers::new(identities) }) }
    }

    /// The same vault, read through something that stands before it.
    #[must_use]
    pub fn through(&self, stand: impl FnOnce(Arc<dyn Retrieve>) -> Arc<dyn Retrieve>) -> Self {
        let vault = stand(self.inner.vault.clone());
        Self::new(vault, self.inner.openers.identities(), self.inner.trusted.clone())
    }

    /// The same vault, opened with other identities.
    #[must_use]
    pub fn opened_by(&self, identities: Arc<Identities>) -> Self {
        Self::new(self.inner.vault.clone(), Some(identities), self.inner.trusted.clone())
    }

    /// Whether host keys are taken from the vault, because none were given: worth telling the user.
    pub fn trusts_the_vault(&self) -> bool {
        self.inner.trusted.is_empty()
    }

    /// Whether there is an identity to open snapshots with.
    pub fn has_identity(&self) -> bool {
        self.inner.openers.has_identity()
    }

    /// Every snapshot, by host and sequence number.
    ///
    /// # Errors
    /// The first manifest that is damaged, or host that is not trusted.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, ArchiveError> {
        let (snapshots, errors) = self.snapshots_lenient()?;
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(snapshots),
        }
    }

    /// Every snapshot whose manifest is sound, and what is wrong with the others.
    ///
    /// # Errors
    /// The vault cannot say which hosts and receipts there are, or is gone before all were read.
    pub fn snapshots_lenient(&self) -> Result<(Vec<SnapshotInfo>, Vec<ArchiveError>), ArchiveError> {
        let Inner { vault, trusted, .. } = &*self.inner;
        let (mut snapshots, mut errors) = (Vec::new(), Vec::new());
        for key in vault.hosts()? {
            if !trusted.is_empty() && !trusted.contains(&key) {
                errors.push(ArchiveError::Untrusted { key });
                continue;
            }
            let host = key.host_id();
            let found = match vault.committed(&host).map_err(ArchiveError::from) {
                Ok(receipts) => until_gone(receipts.into_iter().map(|receipt| self.manifest(&host, receipt))),
                Err(error) if error.is_gone() => Err(error),
                Err(error) => {
                    // The ledger is damaged. What the host signed can still be restored; only the vault's word on it is lost.
                    errors.push(error);
                    let manifests = vault.objects(&host, Kind::Manifest)?;
                    until_gone(manifests.into_iter().map(|(id, _)| self.unreceipted(&host, id)))
                }
            }?;
            for one in found {
                match one {
                    Ok(info) => snapshots.push(info),
                    Err(error) => errors.push(error),
                }
            }
        }
        snapshots.sort_by(|a, b| {
            let key = |s: &'_ SnapshotInfo| (s.manifest.host_key, s.manifest.sequence, s.receipt.position);
            a.manifest.host.cmp(&b.manifest.host).then_with(|| key(a).cmp(&key(b)))
        });
        Ok((snapshots, errors))
    }

    /// [`find_in`](Self::find_in) with the days of UTC.
    ///
    /// # Errors
    /// As there.
    pub fn find(&self, spec: &str) -> Result<SnapshotInfo, ArchiveError> {
        self.find_in(spec, &|midnight| midnight)
    }

    /// The snapshot that `spec` names: an id or its unique prefix (4 digits or more), `SOURCE@latest`, `SOURCE@2026-11-20` (the newest
    /// received on or before that day), the same with `HOST/` before it, or `latest`. Days are those of a time zone: of a midnight, given as if it
    /// were one of UTC, `zone` says when it is; both in nanoseconds since 1970.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchSnapshot`] and [`ArchiveError::Ambiguous`] name what there is. A damaged manifest that may be the one
    /// asked for is an error, so that an older snapshot is never taken for the latest in silence.
    pub fn find_in(&self, spec: &str, zone: &dyn Fn(Nanos) -> Nanos) -> Result<SnapshotInfo, ArchiveError> {
        let (snapshots, errors) = self.snapshots_lenient()?;
        find::find(spec, snapshots, errors, zone)
    }

    /// Opens a snapshot.
    pub fn open(&self, info: &SnapshotInfo) -> Result<Snapshot, ArchiveError> {
        Snapshot::open(self.clone(), info.clone())
    }

    pub(crate) fn vault(&self) -> &dyn Retrieve {
        &*self.inner.vault
    }

    pub(crate) fn openers(&self) -> &Openers {
        &self.inner.openers
    }

    /// Reads and checks the manifest that a receipt is for.
    fn manifest(&self, host: &HostId, receipt: Receipt) -> Result<SnapshotInfo, ArchiveError> {
        let id = receipt.manifest;
        let manifest = self.signed(host, id, Some(&receipt))?;
        if receipt.host_id() != *host || receipt.sequence != manifest.sequence {
            let reason = "its receipt is for another one".into();
            return Err(ArchiveError::Manifest { id, host: *host, receipt: Some(Box::new(receipt)), reason });
        }
        Ok(SnapshotInfo { id, manifest, receipt })
    }

    /// A manifest whose receipt cannot be read: position 0, and the host's own word for the time.
    fn unreceipted(&self, host: &HostId, id: ObjectId) -> Result<SnapshotInfo, ArchiveError> {
        let manifest = self.signed(host, id, None)?;
        let receipt = Receipt {
            version: vow_base::manifest::VERSION,
            vault_key: [0; 32],
            position: 0,
            previous: None,
            host: host.0,
            manifest: id,
            sequence: manifest.sequence,
            received: manifest.finished,
            event: vow_base::receipt::Event::Committed,
        };
        Ok(SnapshotInfo { id, manifest, receipt })
    }

    fn signed(
        &self,
        host: &HostId,
        id: ObjectId,
        receipt: Option<&Receipt>,
    ) -> Result<Manifest, ArchiveError> {
        let receipt = || receipt.cloned().map(Box::new);
        let wrong = |reason: String| ArchiveError::Manifest { id, host: *host, receipt: receipt(), reason };
        let stored = self.vault().get(host, Kind::Manifest, &id).map_err(ArchiveError::from);
        let stored = stored.map_err(|error| match error {
            gone if gone.is_gone() => gone,
            ArchiveError::Vault(VaultError::Damaged { reason, .. }) => wrong(reason),
            ArchiveError::Vault(VaultError::Absent { .. }) => wrong("it is not in the vault".into()),
            other => wrong(other.to_string()),
        })?;
        if ObjectId::of(&stored) != id {
            return Err(wrong("the bytes do not hash to its name".into()));
        }
        let manifest = Manifest::open(&stored).map_err(|error| wrong(error.to_string()))?;
        if manifest.host_id() != *host {
            return Err(wrong("another host signed it".into()));
        }
        Ok(manifest)
    }
}

/// All results, unless one says that there can be no more.
fn until_gone<T>(
    found: impl Iterator<Item = Result<T, ArchiveError>>,
) -> Result<Vec<Result<T, ArchiveError>>, ArchiveError> {
    let unless_gone = |one| match one {
        Err(error) if ArchiveError::is_gone(&error) => Err(error),
        other => Ok(other),
    };
    found.map(unless_gone).collect()
}
