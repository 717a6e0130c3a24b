//! The role of a restorer: it reads everything and changes nothing.

use crate::storage::{Item, Stat};
use crate::tree::{self, is_pack_folder};
use crate::vault::{Inner, Vault};
use std::io::{Error, ErrorKind};
use std::ops::ControlFlow;
use vow_base::disk::DiskError;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

impl Retrieve for Vault {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        let vault = &*self.inner;
        let mut hosts = Vec::new();
        for name in vault.storage.names(tree::HOSTS)? {
            let host = name.parse::<HostId>().ok().filter(|host| host.to_string() == name);
            hosts.push(host.ok_or_else(|| vault.foreign(tree::HOSTS, &name))?);
        }
        let mut keys = Vec::new();
        for (host, key) in hosts.iter().zip(vault.host_keys(&hosts)?) {
            match key {
                Some(key) => keys.push(key),
                None => refuse_lost_key(vault, host)?,
            }
        }
        Ok(keys)
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        let state = self.inner.ledger.state()?;
        Ok(state.of_host(host).kept().map(|snapshot| snapshot.receipt.clone()).collect())
    }

    fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        let objects = self.inner.objects(host, kind)?;
        Ok(objects.into_iter().map(|(id, stat)| (id, stat.length)).collect())
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
        let name = tree::object(host, kind, id);
        self.inner.storage.read_range(&name, offset, length).map_err(|error| match error.source.kind() {
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
    /// Every object of a kind, by id, with what is known of it. Anything else there is an error: nothing is passed over in silence.
    pub(crate) fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, Stat)>, VaultError> {
        let mut objects = Vec::new();
        self.each_object(host, kind, None, &mut |id, stat| {
            objects.push((id, stat));
            ControlFlow::Continue(())
        })?;
        objects.sort_by_key(|(id, _)| *id);
        Ok(objects)
    }

    /// Hands over every object of a kind after an id until the sink has enough: by id, but for what is hidden in a bucket, which comes last.
    pub(crate) fn each_object(
        &self,
        host: &HostId,
        kind: Kind,
        after: Option<&ObjectId>,
        sink: &mut dyn FnMut(ObjectId, Stat) -> ControlFlow<()>,
    ) -> Result<(), VaultError> {
        let parent = tree::kind(host, kind);
        if self.storage.has_folders() {
            return self.each_in_folders(host, kind, after, sink);
        }
        let after = after.map(|id| tree::in_kind(kind, id));
        let mut odd = None;
        self.storage.list_below(&parent, after.as_deref(), &mut |Item { name, stat }| {
            let id = name.rsplit('/').next().and_then(|last| last.parse::<ObjectId>().ok());
            match (id.filter(|id| tree::in_kind(kind, id) == name), stat) {
                (Some(id), Some(stat)) => sink(id, stat),
                _ => {
                    odd = Some(name);
                    ControlFlow::Break(())
                }
            }
        })?;
        odd.map_or(Ok(()), |name| Err(self.foreign(&parent, &name)))
    }

    /// The same in a directory: each folder must be there, since one that is missing means that something is lost.
    fn each_in_folders(
        &self,
        host: &HostId,
        kind: Kind,
        after: Option<&ObjectId>,
        sink: &mut dyn FnMut(ObjectId, Stat) -> ControlFlow<()>,
    ) -> Result<(), VaultError> {
        if kind == Kind::Pack {
            let parent = tree::kind(host, kind);
            if let Some(name) = self.storage.names(&parent)?.iter().find(|name| !is_pack_folder(name)) {
                return Err(self.foreign(&parent, name));
            }
        }
        let first = after.map(|after| tree::folder_of(host, kind, after));
        for folder in tree::folders(host, kind) {
            if first.as_ref().is_some_and(|first| folder < *first) {
                continue;
            }
            for Item { name, stat } in self.storage.list(&folder)? {
                let id = name.parse::<ObjectId>().ok().filter(|id| id.to_string() == name);
                let id = id.filter(|id| tree::folder_of(host, kind, id) == folder);
                let id = id.ok_or_else(|| self.foreign(&folder, &name))?;
                let stat = stat.ok_or_else(|| self.foreign(&folder, &name))?;
                if after.is_none_or(|after| id > *after) && sink(id, stat).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// For something that stands where it has no business.
    pub(crate) fn foreign(&self, folder: &str, name: &str) -> VaultError {
        let error = Error::new(ErrorKind::InvalidData, format!("{name:?} does not belong there"));
        DiskError::at("list", format!("{}/{folder}", self.storage.place()).as_ref())(error).into()
    }
}

/// A host folder without a key is a join that was cut short, unless something came into it later.
fn refuse_lost_key(vault: &Inner, host: &HostId) -> Result<(), VaultError> {
    let manifests = tree::kind(host, Kind::Manifest);
    if vault.storage.is_folder(&manifests)? && !vault.storage.names(&manifests)?.is_empty() {
        let (place, key) = (vault.storage.place(), tree::host_key(host));
        return Err(VaultError::Refused(format!("{place}/{key} is missing, but the host has snapshots")));
    }
    Ok(())
}
