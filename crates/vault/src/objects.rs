//! Single objects: whether they are there, reading them, putting them.

use crate::dir::Inner;
use std::io::{Error, ErrorKind};
use vow_base::disk::{Disk, DiskError};
use vow_base::publish::{PublishError, publish};
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// No pack is shorter than its fixed header fields and its tail: section 3 of `docs/format.md`.
const PACK_MIN_BYTES: u64 = 76 + 32;

impl Inner {
    /// The length of an object; `None` when there is no regular file of a plausible length under its name.
    pub(crate) fn present(
        &self,
        host: &HostId,
        kind: Kind,
        id: &ObjectId,
    ) -> Result<Option<u64>, VaultError> {
        let length = self.disk.len(&self.tree.object(host, kind, id))?;
        let least = if kind == Kind::Pack { PACK_MIN_BYTES } else { 1 };
        Ok(length.filter(|length| (least..=kind.limit_bytes()).contains(length)))
    }

    /// Those of `ids` that are not there.
    pub(crate) fn missing(
        &self,
        host: &HostId,
        kind: Kind,
        ids: &[ObjectId],
    ) -> Result<Vec<ObjectId>, VaultError> {
        let mut missing = Vec::new();
        for id in ids {
            if self.present(host, kind, id)?.is_none() {
                missing.push(*id);
            }
        }
        Ok(missing)
    }

    /// A whole object, verified against its name.
    pub(crate) fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let path = self.tree.object(host, kind, id);
        let damaged = |reason| VaultError::Damaged { kind, id: *id, reason };
        match self.disk.len(&path)? {
            None => return Err(VaultError::Absent { kind, id: *id }),
            Some(length) if length > kind.limit_bytes() => {
                return Err(damaged(format!("its {length} bytes are more than the format allows")));
            }
            Some(_) => {}
        }
        let bytes = self.disk.read(&path, kind.limit_bytes())?;
        let found = ObjectId::of(&bytes);
        if found == *id { Ok(bytes) } else { Err(damaged(format!("its bytes hash to {found}"))) }
    }

    /// Publishes an object under its id. Where a damaged one stands already, it stays.
    pub(crate) fn put(
        &self,
        host: &HostId,
        kind: Kind,
        id: &ObjectId,
        bytes: &[u8],
    ) -> Result<(), VaultError> {
        if bytes.is_empty() || bytes.len() as u64 > kind.limit_bytes() {
            let length = bytes.len();
            let message = format!("{kind} {id}: {length} bytes are outside the limits of the format");
            return Err(VaultError::Refused(message));
        }
        let folder = self.tree.folder_of(host, kind, id);
        if !self.disk.is_dir(&folder) {
            // Made when the host joined. Without it the disk is not mounted, or lost a part: not a place to write to.
            let gone = Error::new(ErrorKind::NotFound, "the folder is gone");
            return Err(DiskError::at("write to", &folder)(gone).into());
        }
        let path = self.tree.object(host, kind, id);
        match publish(&self.disk, &self.tree.temporary(), &path, bytes, Some(id), false) {
            Ok(_) => Ok(()),
            Err(PublishError::Disk(error)) => Err(error.into()),
            Err(PublishError::WrongHash { found, .. }) => {
                Err(VaultError::Refused(format!("{kind} {id}: the bytes sent hash to {found}")))
            }
            Err(PublishError::Occupied { reason, .. }) => Err(VaultError::Damaged { kind, id: *id, reason }),
        }
    }
}
