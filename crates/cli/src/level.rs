//! A vault of the plan, opened in one of the two roles it is used in, wherever it is.

mod bucket;
mod folder;
mod remote;
mod view;

pub(crate) use folder::open_vault;
pub(crate) use remote::{options, unpinned};
pub(crate) use view::HostView;

use crate::failure::Outcome;
use crate::identity::Identity;
use std::sync::Arc;
use vow_agent::plan::{Place, VaultPlan};
use vow_base::Fingerprint;
use vow_base::sign::SigningKey;
use vow_base::vault::{Deposit, Retrieve, VaultError};

/// A vault, opened by a host of its.
pub(crate) struct HostLevel {
    /// Where the host adds.
    pub(crate) deposit: Arc<dyn Deposit>,
    /// Where everybody who reached this far may read as well.
    pub(crate) retrieve: Option<Arc<dyn Retrieve>>,
    /// What it says of its own ledger.
    pub(crate) notary: Arc<dyn Notary>,
    /// Whether this host has introduced itself there: not in a folder before its first backup, nor where it joined before there were introductions.
    pub(crate) introduced: bool,
}

/// What a vault says of its own ledger to a host. Nothing of it is believed before it is verified.
pub(crate) trait Notary: Send + Sync {
    /// The fingerprint of its key, as it was pinned or shown.
    fn fingerprint(&self) -> Fingerprint;
    /// Stored bytes of this host's receipts at positions above `after`, in ledger order.
    fn receipts_after(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError>;
    /// Stored bytes of the newest ledger entry; `None` when there is none yet.
    fn head(&self) -> Result<Option<Vec<u8>>, VaultError>;
    /// Shows it the newest entry of another vault's ledger.
    fn witness(&self, head: &[u8]) -> Result<(), VaultError>;
    /// Says whose this host is, what it is called and who may read what it sends: signed by it, for vaults that copy from this one.
    fn introduce(&self, introduction: &[u8]) -> Result<(), VaultError>;
}

/// Opens a vault of the plan as the host with this key.
pub(crate) fn open_as_host(plan: &VaultPlan, key: &SigningKey) -> Result<HostLevel, VaultError> {
    match &plan.place {
        Place::Folder(path) => folder::open_as_host(path, plan.fingerprint, &key.public()),
        Place::Address(address) => remote::open_as_host(plan, address, key),
        Place::Bucket(url) => Err(VaultError::Refused(format!(
            "{url} is read only here: hosts send to the server of that vault"
        ))),
    }
}

/// Opens a vault to read from it. `fingerprint` is that of the plan or of a recovery kit.
pub(crate) fn open_to_read(
    plan: &VaultPlan,
    fingerprint: Option<Fingerprint>,
    identity: Option<&Identity>,
) -> Outcome<Arc<dyn Retrieve>> {
    match &plan.place {
        Place::Folder(path) => Ok(Arc::new(open_vault(path, fingerprint)?)),
        Place::Address(address) => remote::open_to_read(plan, address, fingerprint, identity),
        Place::Bucket(url) => Ok(Arc::new(bucket::open_to_read(url, fingerprint)?)),
    }
}

/// Whether it may heal by itself: a vault that is away, busy or full, not one that refuses.
pub(crate) fn is_passing(error: &VaultError) -> bool {
    match error {
        VaultError::NoVault { .. }
        | VaultError::Busy { .. }
        | VaultError::Disk(_)
        | VaultError::Unreachable { .. }
        | VaultError::Limited { .. }
        | VaultError::Full { .. }
        | VaultError::Storage { .. } => true,
        VaultError::OtherVault { .. }
        | VaultError::NotJoined { .. }
        | VaultError::NotForThisKey { .. }
        | VaultError::Protocol { .. }
        | VaultError::Absent { .. }
        | VaultError::Damaged { .. }
        | VaultError::Missing(_)
        | VaultError::WrongHash { .. }
        | VaultError::Refused(_)
        | VaultError::Signed { .. }
        | VaultError::Ledger { .. } => false,
    }
}
