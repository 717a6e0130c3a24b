//! The role of a restorer: it reads everything and changes nothing.

use crate::dir::{DirVault, Inner};
use crate::tree::is_pack_folder;
use std::io::{Error, ErrorKind};
use std::path::Path;
use vow_base::disk::{Disk, DiskError};
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

impl Retrieve for DirVault {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        let Inner { disk, tree, .. } = &*self.inner;
        let mut keys = Vec::new();
        for name in disk.list(&tree.hosts())? {
            let host = name.parse::<HostId>().ok().filter(|host| host.to_string() == name);
            let host = host.ok_or_else(|| foreign(&tree.hosts(), &name))?;
            match self.inner.host_key(&host)? {
                Some(key) => keys.push(key),
                None => refuse_lost_key(&self.inner, &host)?,
            }
        }
        Ok(keys)
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        self.inner.ledger.of_host(host)
    }

    fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        self.inner.objects(host, kind)
    }

    fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.inner.get(host, kind, id)
    }

    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        let kind = Kind::Pack;
        let path = self.inner.tree.object(host, kind, id);
        self.inner.disk.read_range(&path, offset, length).map_err(|error| match error.source.kind() {
            ErrorKind::NotFound => VaultError::Absent { kind, id: *id },
            ErrorKind::UnexpectedEof => {
                let reason = format!("it ends before the {length} bytes at {offset}");
                VaultError::Damaged { kind, id: *id, reason }
            }
            _ => error.into(),
        })
    }
}

impl Inner {
    /// Every object of a kind, by name, with its length. Anything else there is an error: nothing is passed over in silence.
    pub(crate) fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        if kind == Kind::Pack {
            let parent = self.tree.kind(host, kind);
            if let Some(name) = self.disk.list(&parent)?.iter().find(|name| !is_pack_folder(name)) {
                return Err(foreign(&parent, name));
            }
        }
        let mut objects = Vec::new();
        for folder in self.tree.folders(host, kind) {
            for name in self.disk.list(&folder)? {
                let id = name.parse::<ObjectId>().ok().filter(|id| id.to_string() == name);
                let id = id.filter(|id| self.tree.folder_of(host, kind, id) == folder);
                let id = id.ok_or_else(|| foreign(&folder, &name))?;
                let length = self.disk.len(&folder.join(&name))?;
                objects.push((id, length.ok_or_else(|| foreign(&folder, &name))?));
            }
        }
        Ok(objects)
    }
}

/// A host folder without a key is a join that was cut short, unless something came into it later.
fn refuse_lost_key(vault: &Inner, host: &HostId) -> Result<(), VaultError> {
    let manifests = vault.tree.kind(host, Kind::Manifest);
    if vault.disk.is_dir(&manifests) && !vault.disk.list(&manifests)?.is_empty() {
        let path = vault.tree.host_key(host);
        return Err(VaultError::Refused(format!(
            "{} is missing, but the host has snapshots",
            path.display()
        )));
    }
    Ok(())
}

fn foreign(folder: &Path, name: &str) -> VaultError {
    let error = Error::new(ErrorKind::InvalidData, format!("{name:?} does not belong there"));
    DiskError::at("list", folder)(error).into()
}
