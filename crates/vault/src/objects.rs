//! Single objects: whether they are there, reading them, putting them.

use crate::state::{HostState, Object};
use crate::storage::Upload;
use crate::tree;
use crate::vault::Inner;
use std::collections::HashSet;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use vow_base::disk::DiskError;
use vow_base::publish::{PublishError, Published};
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// No pack is shorter than its fixed header fields and its tail: section 3 of `docs/format.md`.
pub(crate) const PACK_MIN_BYTES: u64 = 76 + 32;
/// Objects that are looked at with one call of the storage.
const LOOK_AT_ONCE: usize = 10_000;

impl Inner {
    /// Those of `objects` under whose name no object of a plausible length stands.
    pub(crate) fn not_present(&self, host: &HostId, objects: &[Object]) -> Result<Vec<Object>, VaultError> {
        let mut absent = Vec::new();
        for part in objects.chunks(LOOK_AT_ONCE) {
            let names: Vec<_> = part.iter().map(|(kind, id)| tree::object(host, *kind, id)).collect();
            for (object, stat) in part.iter().zip(self.storage.stats(&names)?) {
                let least = if object.0 == Kind::Pack { PACK_MIN_BYTES } else { 1 };
                let plausible = least..=object.0.limit_bytes();
                if !stat.is_some_and(|stat| plausible.contains(&stat.length)) {
                    absent.push(*object);
                }
            }
        }
        Ok(absent)
    }

    /// Those of `ids` that a commit would not accept.
    pub(crate) fn missing(
        &self,
        host: &HostId,
        known: &HostState,
        kind: Kind,
        ids: &[ObjectId],
    ) -> Result<Vec<ObjectId>, VaultError> {
        let objects = || ids.iter().map(|id| (kind, *id));
        let accepted: Vec<_> = objects().filter(|object| known.accepts(object)).collect();
        let absent: HashSet<_> = self.not_present(host, &accepted)?.into_iter().collect();
        let missing = objects().filter(|object| !known.accepts(object) || absent.contains(object));
        Ok(missing.map(|(_, id)| id).collect())
    }

    /// A whole object, verified against its name.
    pub(crate) fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let name = tree::object(host, kind, id);
        let damaged = |reason| VaultError::Damaged { kind, id: *id, reason };
        let limit = kind.limit_bytes();
        // In a folder anything can stand under a name. In a bucket reading says all that a look says, which would cost as much.
        if self.storage.has_folders() {
            match self.storage.stat(&name)? {
                None => return Err(VaultError::Absent { kind, id: *id }),
                Some(stat) if stat.length > limit => return Err(damaged(too_long(stat.length))),
                Some(_) => {}
            }
        }
        let bytes = match self.storage.read(&name, limit) {
            Err(error) if error.is_absent() => return Err(VaultError::Absent { kind, id: *id }),
            Err(error) if error.source.kind() == ErrorKind::FileTooLarge => {
                return Err(damaged(error.source.to_string()));
            }
            other => other?,
        };
        let found = ObjectId::of(&bytes);
        if found == *id { Ok(bytes) } else { Err(damaged(format!("its bytes hash to {found}"))) }
    }

    /// [`Inner::get`] of many, in their order: from a bucket, several at once.
    pub(crate) fn gets(
        &self,
        host: &HostId,
        kind: Kind,
        ids: &[ObjectId],
    ) -> Result<Vec<Vec<u8>>, VaultError> {
        if !self.storage.has_folders() {
            let names: Vec<_> = ids.iter().map(|id| tree::object(host, kind, id)).collect();
            match self.storage.reads(&names, kind.limit_bytes()) {
                Ok(all) if all.iter().zip(ids).all(|(bytes, id)| ObjectId::of(bytes) == *id) => {
                    return Ok(all);
                }
                // One of them is not right: which one, and what is wrong with it?
                Ok(_) => {}
                Err(error) if error.is_absent() || error.source.kind() == ErrorKind::FileTooLarge => {}
                Err(error) => return Err(error.into()),
            }
        }
        ids.iter().map(|id| self.get(host, kind, id)).collect()
    }

    /// Publishes an object under its id. Where a damaged one stands already, it stays.
    pub(crate) fn put(
        self: &Arc<Self>,
        host: &HostId,
        kind: Kind,
        id: &ObjectId,
        bytes: &[u8],
    ) -> Result<Published, VaultError> {
        let mut put = Put::begin(self.clone(), *host, kind, *id, bytes.len() as u64)?;
        for piece in bytes.chunks(PIECE_BYTES) {
            put.write(piece)?;
        }
        put.publish()
    }
}

fn too_long(length: u64) -> String {
    format!("its {length} bytes are more than the format allows")
}

/// Small enough to stay in the processor's cache between hashing and writing.
const PIECE_BYTES: usize = 256 * 1024;

/// An object of a host that is being stored as its bytes arrive. Dropped before it is finished, nothing stays of it.
pub struct Put {
    vault: Arc<Inner>,
    host: HostId,
    kind: Kind,
    id: ObjectId,
    length: u64,
    written: u64,
    upload: Box<dyn Upload>,
}

impl Put {
    pub(crate) fn begin(
        vault: Arc<Inner>,
        host: HostId,
        kind: Kind,
        id: ObjectId,
        length: u64,
    ) -> Result<Self, VaultError> {
        if length == 0 || length > kind.limit_bytes() {
            let message = format!("{kind} {id}: {length} bytes are outside the limits of the format");
            return Err(VaultError::Refused(message));
        }
        let folder = tree::folder_of(&host, kind, &id);
        if !vault.storage.is_folder(&folder)? {
            // Made when the host joined. Without it the disk is not mounted, or lost a part: not a place to write to.
            let gone = Error::new(ErrorKind::NotFound, "the folder is gone");
            let place = format!("{}/{folder}", vault.storage.place());
            return Err(DiskError::at("write to", place.as_ref())(gone).into());
        }
        let name = tree::object(&host, kind, &id);
        let upload = vault.storage.begin(&name, Some(&id), false).map_err(|e| put_error(kind, id, e))?;
        Ok(Self { vault, host, kind, id, length, written: 0, upload })
    }

    /// Takes the next bytes, never more than were announced.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.written += bytes.len() as u64;
        if self.written > self.length {
            return Err(self.wrong_length());
        }
        Ok(self.upload.write(bytes)?)
    }

    /// Makes it durable. A host that sends again what was condemned revives it by that.
    pub fn finish(self) -> Result<Published, VaultError> {
        let (vault, host, object) = (self.vault.clone(), self.host, (self.kind, self.id));
        let published = self.publish()?;
        if published == Published::AlreadyThere {
            vault.revive(&host, object)?;
        }
        Ok(published)
    }

    fn publish(self) -> Result<Published, VaultError> {
        if self.written != self.length {
            return Err(self.wrong_length());
        }
        self.upload.finish().map_err(|e| put_error(self.kind, self.id, e))
    }

    fn wrong_length(&self) -> VaultError {
        let Self { kind, id, length, written, .. } = self;
        VaultError::Refused(format!("{kind} {id}: {written} bytes came instead of {length}"))
    }
}

fn put_error(kind: Kind, id: ObjectId, error: PublishError) -> VaultError {
    match error {
        PublishError::Disk(error) => error.into(),
        PublishError::WrongHash { found, .. } => VaultError::WrongHash { kind, id, found },
        PublishError::Occupied { reason, .. } => VaultError::Damaged { kind, id, reason },
    }
}
