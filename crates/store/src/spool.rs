//! The spool: where snapshots wait on the host itself for vaults that are away. It holds only what those vaults lack, so it can be sent but
//! not restored from.

use std::collections::HashSet;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use vow_base::copy::expand;
use vow_base::disk::{Disk, DiskError, RealDisk};
use vow_base::manifest::{Manifest, VERSION};
use vow_base::publish::{PublishError, create_folders, publish};
use vow_base::receipt::{Event, Receipt};
use vow_base::sign::PublicKey;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// What is left free on the spool's file system: this share of it, and at least [`RESERVE_BYTES`].
const RESERVE_SHARE: u64 = 20;
/// See [`RESERVE_SHARE`].
const RESERVE_BYTES: u64 = 64 << 20;

/// What every vault that is away is known to hold.
#[derive(Debug, Default)]
pub struct Base {
    /// Objects that need not wait here.
    pub objects: HashSet<(Kind, ObjectId)>,
    /// Receipts that continue the host's chain.
    pub receipts: Vec<Receipt>,
}

/// A snapshot that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its id.
    pub id: ObjectId,
    /// Its manifest.
    pub manifest: Manifest,
    /// The levels it waits for.
    pub levels: Vec<String>,
}

/// A folder where snapshots wait.
pub struct Spool {
    folder: PathBuf,
    host: PublicKey,
    base: Base,
    levels: Vec<String>,
    /// Shows only what waits for this level.
    only: Option<String>,
}

impl Spool {
    /// The spool of a host in this folder. Nothing is read or made.
    pub fn new(folder: &Path, host: PublicKey) -> Self {
        Self { folder: folder.to_owned(), host, base: Base::default(), levels: Vec::new(), only: None }
    }

    /// The same, taking snapshots for these levels, which hold at least `base`.
    #[must_use]
    pub fn taking(self, levels: Vec<String>, base: Base) -> Self {
        Self { levels, base, ..self }
    }

    /// The same, read as if nothing waited for any other level than this one.
    #[must_use]
    pub fn waiting_for(self, level: &str) -> Self {
        Self { only: Some(level.to_owned()), ..self }
    }

    /// Every snapshot that waits, oldest first.
    pub fn waiting(&self) -> Result<Vec<Waiting>, VaultError> {
        let mut waiting = Vec::new();
        for name in self.names(MANIFESTS)? {
            let id = name.split_once('-').and_then(|(_, id)| id.parse().ok());
            let Some(id) = id else { return Err(self.foreign(MANIFESTS, &name)) };
            let path = self.folder.join(MANIFESTS).join(&name);
            let stored = RealDisk.read(&path, Kind::Manifest.limit_bytes())?;
            let manifest = open(&id, &stored)?;
            let levels = RealDisk.read(&self.folder.join(LEVELS).join(id.to_string()), LEVELS_LIMIT_BYTES)?;
            let levels = String::from_utf8_lossy(&levels).lines().map(str::to_owned).collect();
            waiting.push(Waiting { id, manifest, levels });
        }
        Ok(waiting)
    }

    /// Bytes of everything in it.
    pub fn bytes(&self) -> Result<u64, VaultError> {
        let mut bytes = 0;
        for kind in KINDS {
            for (_, length) in self.objects(&self.host.host_id(), kind)? {
                bytes += length;
            }
        }
        Ok(bytes)
    }

    /// Lets go of snapshots that wait for nothing any more, and of what no other one needs.
    ///
    /// # Errors
    /// Anything that cannot be read: then no object is removed.
    pub fn let_go(&self, done: &[ObjectId]) -> Result<(), VaultError> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.waiting()?.into_iter().partition(|one| done.contains(&one.id));
        for one in gone {
            RealDisk.remove(&self.folder.join(MANIFESTS).join(manifest_name(&one.manifest, &one.id)))?;
        }
        let mut needed = HashSet::new();
        for one in &kept {
            needed.extend(self.named(&one.manifest)?);
        }
        for kind in KINDS {
            for (id, _) in self.objects(&self.host.host_id(), kind)? {
                if !needed.contains(&(kind, id)) {
                    RealDisk.remove(&self.object(kind, &id))?;
                }
            }
        }
        let levels: HashSet<_> = kept.iter().map(|one| one.id.to_string()).collect();
        for name in self.names(LEVELS)?.iter().filter(|name| !levels.contains(*name)) {
            RealDisk.remove(&self.folder.join(LEVELS).join(name))?;
        }
        Ok(())
    }

    /// Every object that a manifest names.
    fn named(&self, manifest: &Manifest) -> Result<HashSet<(Kind, ObjectId)>, VaultError> {
        let expanded = expand(self, &self.host.host_id(), manifest)?;
        let mut named: HashSet<_> = expanded.packs.into_iter().map(|id| (Kind::Pack, id)).collect();
        named.extend(expanded.lists.into_iter().map(|id| (Kind::List, id)));
        named.extend(manifest.index_ids().into_iter().map(|id| (Kind::Index, id)));
        Ok(named)
    }

    fn is_here(&self, kind: Kind, id: &ObjectId) -> Result<bool, VaultError> {
        Ok(RealDisk.len(&self.object(kind, id))?.is_some())
    }

    fn object(&self, kind: Kind, id: &ObjectId) -> PathBuf {
        self.folder.join(kind.folder()).join(id.to_string())
    }

    /// Names in a folder; none when there is no spool yet.
    fn names(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        match RealDisk.list(&self.folder.join(folder)) {
            Err(error) if error.is_absent() => Ok(Vec::new()),
            other => other,
        }
    }

    fn foreign(&self, folder: &str, name: &str) -> VaultError {
        let error = Error::new(ErrorKind::InvalidData, format!("{name:?} does not belong there"));
        DiskError::at("list", &self.folder.join(folder))(error).into()
    }

    fn publish(&self, path: &Path, bytes: &[u8], expected: Option<&ObjectId>) -> Result<(), VaultError> {
        let temporary = self.folder.join(TEMPORARY);
        create_folders(&RealDisk, &temporary)?;
        create_folders(&RealDisk, vow_base::publish::parent(path))?;
        self.keep_free(bytes.len() as u64)?;
        let published = publish(&RealDisk, &temporary, path, bytes, expected, true);
        published.map(|_| ()).map_err(|error| match error {
            PublishError::Disk(error) => error.into(),
            other => VaultError::Refused(other.to_string()),
        })
    }

    /// The host needs its disk for other things than backups.
    fn keep_free(&self, bytes: u64) -> Result<(), VaultError> {
        let Some((free, total)) = RealDisk.space(&self.folder)? else { return Ok(()) };
        let reserve = RESERVE_BYTES.max(total / RESERVE_SHARE);
        if free >= reserve.saturating_add(bytes) {
            return Ok(());
        }
        let text = format!(
            "the spool leaves {} MiB of its disk free, and only {} MiB are",
            reserve >> 20,
            free >> 20
        );
        Err(DiskError::at("write to the spool", &self.folder)(Error::new(ErrorKind::StorageFull, text))
            .into())
    }

    /// Stands for a receipt where one is asked for. No vault signed it: the position is 0.
    fn stand_in(&self, id: ObjectId, manifest: &Manifest) -> Receipt {
        Receipt {
            version: VERSION,
            vault_key: [0; 32],
            position: 0,
            previous: None,
            host: self.host.host_id().0,
            manifest: id,
            sequence: manifest.sequence,
            received: manifest.finished,
            event: Event::Committed,
        }
    }
}

const MANIFESTS: &str = "manifests";
/// By id of a manifest: the names of the levels that it waits for, one a line.
const LEVELS: &str = "levels";
const LEVELS_LIMIT_BYTES: u64 = 64 << 10;
const TEMPORARY: &str = "tmp";
const KINDS: [Kind; 3] = [Kind::Pack, Kind::List, Kind::Index];

/// By name they are in the order in which they were made.
fn manifest_name(manifest: &Manifest, id: &ObjectId) -> String {
    format!("{:020}-{id}", manifest.sequence)
}

fn open(id: &ObjectId, stored: &[u8]) -> Result<Manifest, VaultError> {
    let kind = Kind::Manifest;
    if ObjectId::of(stored) != *id {
        return Err(VaultError::Damaged {
            kind,
            id: *id,
            reason: "its bytes do not hash to its name".into(),
        });
    }
    Manifest::open(stored)
        .map_err(|source| VaultError::Signed { what: format!("manifest {}", id.short()), source })
}

impl Deposit for Spool {
    fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<(), VaultError> {
        self.publish(&self.object(kind, id), bytes, Some(id))
    }

    fn missing(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VaultError> {
        let mut missing = Vec::new();
        for id in ids {
            // Segments of pack lists all wait here: without them nobody could say what a manifest names.
            let held = kind != Kind::List && self.base.objects.contains(&(kind, *id));
            if !held && !self.is_here(kind, id)? {
                missing.push(*id);
            }
        }
        Ok(missing)
    }

    fn commit(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError> {
        let manifest = open(id, stored)?;
        let mut missing = Vec::new();
        for (kind, id) in self.named(&manifest)? {
            missing.extend(self.missing(kind, &[id])?.into_iter().map(|id| (kind, id)));
        }
        if !missing.is_empty() {
            return Err(VaultError::Missing(missing));
        }
        let levels: String = self.levels.iter().map(|name| format!("{name}\n")).collect();
        self.publish(&self.folder.join(LEVELS).join(id.to_string()), levels.as_bytes(), None)?;
        self.publish(&self.folder.join(MANIFESTS).join(manifest_name(&manifest, id)), stored, Some(id))?;
        Ok(self.stand_in(*id, &manifest))
    }

    /// With those of the base: a host that talks to its spool alone continues its chain.
    fn receipts(&self) -> Result<Vec<Receipt>, VaultError> {
        let mut receipts = self.base.receipts.clone();
        receipts.extend(self.committed(&self.host.host_id())?);
        Ok(receipts)
    }

    fn index_segments(&self) -> Result<Vec<ObjectId>, VaultError> {
        let segments = self.objects(&self.host.host_id(), Kind::Index)?;
        Ok(segments.into_iter().map(|(id, _)| id).collect())
    }

    fn index_segment(&self, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.get(&self.host.host_id(), Kind::Index, id)
    }
}

impl Retrieve for Spool {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        Ok(vec![self.host])
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        if *host != self.host.host_id() {
            return Ok(Vec::new());
        }
        let mut waiting = self.waiting()?;
        waiting.retain(|one| self.only.as_ref().is_none_or(|level| one.levels.contains(level)));
        Ok(waiting.iter().map(|one| self.stand_in(one.id, &one.manifest)).collect())
    }

    fn objects(&self, _host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        let mut objects = Vec::new();
        for name in self.names(kind.folder())? {
            let id = name.parse::<ObjectId>().map_err(|_| self.foreign(kind.folder(), &name))?;
            let length = RealDisk.len(&self.object(kind, &id))?;
            objects.push((id, length.ok_or_else(|| self.foreign(kind.folder(), &name))?));
        }
        Ok(objects)
    }

    fn get(&self, _host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let path = if kind == Kind::Manifest {
            let ends = format!("-{id}");
            let name = self.names(MANIFESTS)?.into_iter().find(|name| name.ends_with(&ends));
            self.folder.join(MANIFESTS).join(name.ok_or(VaultError::Absent { kind, id: *id })?)
        } else {
            self.object(kind, id)
        };
        let bytes = match RealDisk.read(&path, kind.limit_bytes()) {
            Err(error) if error.is_absent() => return Err(VaultError::Absent { kind, id: *id }),
            other => other?,
        };
        if ObjectId::of(&bytes) == *id {
            return Ok(bytes);
        }
        Err(VaultError::Damaged { kind, id: *id, reason: "its bytes do not hash to its name".into() })
    }

    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        let bytes = self.get(host, Kind::Pack, id)?;
        let start = usize::try_from(offset).ok().filter(|start| *start <= bytes.len());
        let range = start.and_then(|start| bytes.get(start..start.checked_add(length)?));
        range.map(<[u8]>::to_vec).ok_or_else(|| {
            let reason = format!("it ends before the {length} bytes at {offset}");
            VaultError::Damaged { kind: Kind::Pack, id: *id, reason }
        })
    }
}

#[cfg(test)]
mod tests;
