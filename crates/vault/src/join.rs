//! Admitting a host, and opening its deposit.

use crate::deposit::DirDeposit;
use crate::dir::{DirVault, Inner, make_folder, text_error};
use crate::texts::{self, TEXT_LIMIT_BYTES};
use vow_base::HostId;
use vow_base::disk::Disk;
use vow_base::publish::publish;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, VaultError};

const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

impl DirVault {
    /// Admits a host. Idempotent.
    ///
    /// All of the host's folders are made here, once: nothing later depends on a folder whose name is not durable yet, and a
    /// folder that is missing is an error, never an empty list.
    pub fn join(&self, key: &PublicKey) -> Result<(), VaultError> {
        let Inner { disk, tree, .. } = &*self.inner;
        let host = key.host_id();
        self.inner.settle()?;
        if self.inner.host_key(&host)?.is_none() {
            make_folder(disk, &tree.host(&host))?;
            for kind in KINDS {
                make_folder(disk, &tree.kind(&host, kind))?;
                for folder in tree.folders(&host, kind) {
                    make_folder(disk, &folder)?;
                }
            }
            disk.sync_dir(&tree.kind(&host, Kind::Pack))?;
            disk.sync_dir(&tree.host(&host))?;
            disk.sync_dir(&tree.hosts())?;
        }
        let text = texts::host_key_text(key);
        publish(disk, &tree.temporary(), &tree.host_key(&host), text.as_bytes(), None, false)
            .map_err(text_error)?;
        Ok(())
    }

    /// The deposit of a host that has joined.
    pub fn deposit(&self, key: &PublicKey) -> Result<DirDeposit, VaultError> {
        let Inner { disk, tree, .. } = &*self.inner;
        let host = key.host_id();
        if self.inner.host_key(&host)?.is_none() {
            return Err(VaultError::NotJoined { host, place: tree.place().to_string() });
        }
        self.inner.settle()?;
        // The join may have died before the name of host.pub was durable.
        disk.sync_dir(&tree.host(&host))?;
        Ok(DirDeposit { vault: self.inner.clone(), host, lock_wait: self.lock_wait })
    }
}

impl Inner {
    /// The key of a host, checked against its id; `None` when it has not joined.
    pub(crate) fn host_key(&self, host: &HostId) -> Result<Option<PublicKey>, VaultError> {
        let path = self.tree.host_key(host);
        if self.disk.len(&path)?.is_none() {
            return Ok(None);
        }
        let key = texts::parse_host_key(&self.disk.read(&path, TEXT_LIMIT_BYTES)?);
        match key.filter(|key| key.host_id() == *host) {
            Some(key) => Ok(Some(key)),
            None => {
                Err(VaultError::Refused(format!("{} does not hold the key of this host", path.display())))
            }
        }
    }
}
