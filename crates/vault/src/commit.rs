//! Committing a manifest: from then on its snapshot can be restored, whatever the host does later.

use crate::deposit::HostDeposit;
use crate::state::{HostState, Object};
use crate::tree;
use std::collections::{BTreeSet, HashMap, HashSet};
use vow_base::ObjectId;
use vow_base::id::split_ids;
use vow_base::manifest::Manifest;
use vow_base::pack_list::ListError;
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::{Kind, VaultError};

impl HostDeposit {
    pub(crate) fn commit_manifest(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError> {
        let vault = &*self.vault;
        let manifest = self.open_own(id, stored)?;
        let key = vault.signing_key()?;
        let _lock = vault.lock(self.lock_wait)?;
        loop {
            let state = vault.ledger.state()?;
            let known = state.of_host(&self.host);
            if let Some(snapshot) = known.snapshot(id) {
                if snapshot.expired.is_none() {
                    self.vault.put(&self.host, Kind::Manifest, id, stored)?;
                }
                vault.ledger.settle()?;
                return Ok(snapshot.receipt.clone());
            }
            refuse_fork(&known, &manifest, id)?;
            let own = (Kind::Manifest, *id);
            if !known.accepts(&own) {
                // An attempt that was cut short left it, and it was condemned since. One that is being removed has to be waited for.
                vault.revive(&self.host, own)?;
                continue;
            }
            let before = known.kept().next_back().map(|snapshot| self.named_by(&snapshot.receipt.manifest));
            let before = before.unwrap_or_default();
            let objects = self.require(&manifest, &known, &before)?;
            self.make_names_durable(&objects, &before)?;
            self.vault.put(&self.host, Kind::Manifest, id, stored)?;
            vault.extend_locks(&self.host, &state, objects.iter().copied().chain([own]))?;
            let appended = vault.ledger.append(&key, state.position, |position, previous| Receipt {
                version: 1,
                vault_key: vault.key.0,
                position,
                previous,
                host: self.host.0,
                manifest: *id,
                sequence: manifest.sequence,
                received: vault.clock.now(),
                event: Event::Committed,
            })?;
            // Somebody else's entry came first. It may have condemned what this manifest names: everything is looked at again.
            if let Some(receipt) = appended {
                return Ok(receipt);
            }
        }
    }

    /// The manifest, if it is what its name says and signed by this deposit's host.
    fn open_own(&self, id: &ObjectId, stored: &[u8]) -> Result<Manifest, VaultError> {
        let refuse = |why: String| Err(VaultError::Refused(format!("manifest {id}: {why}")));
        let found = ObjectId::of(stored);
        if found != *id {
            return Err(VaultError::WrongHash { kind: Kind::Manifest, id: *id, found });
        }
        let manifest = Manifest::open(stored)
            .map_err(|source| VaultError::Signed { what: format!("manifest {id}"), source })?;
        if manifest.host_id() != self.host {
            return refuse("it is signed by another host".into());
        }
        if manifest.sequence == 0 {
            return refuse("sequence numbers count from 1".into());
        }
        Ok(manifest)
    }

    /// Every object that the manifest needs; all of them are there.
    fn require(
        &self,
        manifest: &Manifest,
        known: &HostState,
        before: &BTreeSet<Object>,
    ) -> Result<BTreeSet<Object>, VaultError> {
        let mut objects = BTreeSet::from([(Kind::Pack, manifest.root.pack)]);
        objects.extend(manifest.index_ids().into_iter().map(|id| (Kind::Index, id)));
        if manifest.packs.depth > 0 {
            let top = split_ids(&manifest.packs.ids).unwrap_or_default();
            objects.extend(top.into_iter().map(|id| (Kind::List, id)));
        }
        let mut missing = self.absent(&objects, known, before)?;
        // What a list segment names can be known only when it is there; the host sends it, and asks again.
        if !missing.iter().any(|(kind, _)| *kind == Kind::List) {
            match self.listed(manifest) {
                Ok(listed) => {
                    if !listed.contains(&(Kind::Pack, manifest.root.pack)) {
                        let message = "the manifest's root lies in a pack that its pack list does not name";
                        return Err(VaultError::Refused(message.into()));
                    }
                    let others = listed.difference(&objects).copied().collect();
                    missing.extend(self.absent(&others, known, before)?);
                    objects.extend(others);
                }
                Err(VaultError::Absent { kind, id }) => missing.push((kind, id)),
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() {
            return Ok(objects);
        }
        missing.sort_unstable();
        Err(VaultError::Missing(missing))
    }

    /// The packs and the list segments that a manifest names.
    fn listed(&self, manifest: &Manifest) -> Result<BTreeSet<Object>, VaultError> {
        let expanded = manifest.packs.expand(|id| self.vault.get(&self.host, Kind::List, id));
        let expanded = expanded.map_err(|error| match error {
            ListError::Fetch(error) => error,
            malformed @ ListError::Malformed { .. } => VaultError::Refused(malformed.to_string()),
        })?;
        let packs = expanded.packs.into_iter().map(|id| (Kind::Pack, id));
        Ok(packs.chain(expanded.lists.into_iter().map(|id| (Kind::List, id))).collect())
    }

    /// Those that a commit does not accept. What a kept snapshot names needs no look: as long as it is kept, nothing removes it.
    fn absent(
        &self,
        objects: &BTreeSet<Object>,
        known: &HostState,
        before: &BTreeSet<Object>,
    ) -> Result<Vec<Object>, VaultError> {
        let (accepted, mut absent): (Vec<Object>, Vec<Object>) =
            objects.difference(before).partition(|object| known.accepts(object));
        absent.extend(self.vault.not_present(&self.host, &accepted)?);
        Ok(absent)
    }

    /// An object that is there may have been put by a process that died before its name was durable. What the host's last
    /// committed manifest names went through here already; the rest is little, unless it is all new.
    fn make_names_durable(
        &self,
        objects: &BTreeSet<Object>,
        before: &BTreeSet<Object>,
    ) -> Result<(), VaultError> {
        let new = objects.difference(before);
        // One object of each folder: it depends on nothing but the kind and the first byte.
        let folders: HashMap<_, _> = new.map(|(kind, id)| ((*kind, id.0[0]), id)).collect();
        let folders: HashSet<_> =
            folders.into_iter().map(|((kind, _), id)| tree::folder_of(&self.host, kind, id)).collect();
        for folder in folders {
            self.vault.storage.settle(&folder)?;
        }
        Ok(())
    }

    /// What a committed manifest names; nothing when that cannot be read, which only costs another look at everything.
    fn named_by(&self, id: &ObjectId) -> BTreeSet<Object> {
        let stored = self.vault.get(&self.host, Kind::Manifest, id);
        let Some(manifest) = stored.ok().and_then(|stored| Manifest::open(&stored).ok()) else {
            return BTreeSet::new();
        };
        let mut named = self.listed(&manifest).unwrap_or_default();
        named.extend(manifest.index_ids().into_iter().map(|id| (Kind::Index, id)));
        named
    }
}

/// Older sequence numbers may come later, when another level is ahead of this one; the same one twice may not.
fn refuse_fork(known: &HostState, manifest: &Manifest, id: &ObjectId) -> Result<(), VaultError> {
    let mut receipts = known.snapshots.iter().map(|snapshot| &snapshot.receipt);
    let Some(taken) = receipts.find(|receipt| receipt.sequence == manifest.sequence) else {
        return Ok(());
    };
    Err(VaultError::Refused(format!(
        "another machine uses this host's key, or the host or this vault was restored: \
         snapshot number {} of this host is {} here, not {}",
        manifest.sequence,
        taken.manifest.short(),
        id.short()
    )))
}

#[cfg(test)]
mod tests;
