//! Admitting a host, and opening its deposit.

use crate::deposit::HostDeposit;
use crate::texts::{self, TEXT_LIMIT_BYTES};
use crate::tree;
use crate::vault::{Inner, Vault, text_error};
use vow_base::HostId;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, VaultError};

const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

impl Vault {
    /// Admits a host. Idempotent.
    ///
    /// All of the host's folders are made here, once: nothing later depends on a folder whose name is not durable yet, and a
    /// folder that is missing is an error, never an empty list.
    pub fn join(&self, key: &PublicKey) -> Result<(), VaultError> {
        let storage = &*self.inner.storage;
        let host = key.host_id();
        self.inner.settle()?;
        if self.inner.host_key(&host)?.is_none() {
            storage.make_folder(&tree::host(&host))?;
            for kind in KINDS {
                storage.make_folder(&tree::kind(&host, kind))?;
                for folder in tree::folders(&host, kind) {
                    storage.make_folder(&folder)?;
                }
            }
            storage.settle(&tree::kind(&host, Kind::Pack))?;
            storage.settle(&tree::host(&host))?;
            storage.settle(tree::HOSTS)?;
        }
        let text = texts::host_key_text(key);
        storage.create(&tree::host_key(&host), text.as_bytes(), None).map_err(text_error)?;
        Ok(())
    }

    /// The deposit of a host that has joined.
    pub fn deposit(&self, key: &PublicKey) -> Result<HostDeposit, VaultError> {
        let storage = &*self.inner.storage;
        let host = key.host_id();
        if self.inner.host_key(&host)?.is_none() {
            return Err(VaultError::NotJoined { host, place: storage.place() });
        }
        self.inner.settle()?;
        // The join may have died before the name of host.pub was durable.
        storage.settle(&tree::host(&host))?;
        Ok(HostDeposit { vault: self.inner.clone(), host, lock_wait: self.lock_wait })
    }
}

impl Inner {
    /// The key of a host, checked against its id; `None` when it has not joined.
    pub(crate) fn host_key(&self, host: &HostId) -> Result<Option<PublicKey>, VaultError> {
        match self.storage.read(&tree::host_key(host), TEXT_LIMIT_BYTES) {
            Err(error) if error.is_absent() => Ok(None),
            text => self.key_in(host, &text?).map(Some),
        }
    }

    /// [`Inner::host_key`] of many hosts, in their order: from a bucket, several at once.
    pub(crate) fn host_keys(&self, hosts: &[HostId]) -> Result<Vec<Option<PublicKey>>, VaultError> {
        let names: Vec<_> = hosts.iter().map(tree::host_key).collect();
        match self.storage.reads(&names, TEXT_LIMIT_BYTES) {
            // Somebody's join was cut short.
            Err(error) if error.is_absent() => hosts.iter().map(|host| self.host_key(host)).collect(),
            texts => {
                hosts.iter().zip(texts?).map(|(host, text)| self.key_in(host, &text).map(Some)).collect()
            }
        }
    }

    fn key_in(&self, host: &HostId, text: &[u8]) -> Result<PublicKey, VaultError> {
        texts::parse_host_key(text).filter(|key| key.host_id() == *host).ok_or_else(|| {
            let (place, name) = (self.storage.place(), tree::host_key(host));
            VaultError::Refused(format!("{place}/{name} does not hold the key of this host"))
        })
    }
}
