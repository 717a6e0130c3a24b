//! What kept snapshots name: a compact sorted set of ids for one host. A list segment that snapshots share is read once.

use crate::state::Object;
use crate::vault::Inner;
use std::collections::HashSet;
use vow_base::manifest::Manifest;
use vow_base::pack_list::{ListError, Named};
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// Everything named by the snapshots that were marked.
#[derive(Default)]
pub(super) struct Marked {
    packs: IdSet,
    lists: IdSet,
    index: IdSet,
    manifests: HashSet<ObjectId>,
}

impl Marked {
    /// Whether this manifest was marked, and with it all it names.
    pub(super) fn has_snapshot(&self, manifest: &ObjectId) -> bool {
        self.manifests.contains(manifest)
    }

    /// Marks a snapshot. Any error leaves it unmarked, and the sweep ends.
    pub(super) fn add(
        &mut self,
        vault: &Inner,
        host: &HostId,
        id: ObjectId,
        manifest: &Manifest,
    ) -> Result<(), VaultError> {
        for index in manifest.index_ids() {
            self.index.add(index);
        }
        // The root's pack is in the list: a commit sees to that. This does not rely on it.
        self.packs.add(manifest.root.pack);
        let Self { packs, lists, .. } = self;
        let visit = |named: Named| match named {
            Named::Pack(id) => {
                packs.add(id);
                false
            }
            Named::List(id) => lists.add_new(id),
        };
        let walked = manifest.packs.walk(visit, |id| vault.get(host, Kind::List, id));
        walked.map_err(|error| match error {
            ListError::Fetch(error) => error,
            malformed @ ListError::Malformed { .. } => {
                VaultError::Refused(format!("snapshot {} of host {}: {malformed}", id.short(), host.short()))
            }
        })?;
        self.manifests.insert(id);
        Ok(())
    }

    /// Whether a marked snapshot names this object, or is it.
    pub(super) fn contains(&self, (kind, id): &Object) -> bool {
        match kind {
            Kind::Pack => self.packs.contains(id),
            Kind::List => self.lists.contains(id),
            Kind::Index => self.index.contains(id),
            Kind::Manifest => self.manifests.contains(id),
        }
    }

    /// How many different objects of this kind are named.
    pub(super) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Pack => self.packs.count(),
            Kind::List => self.lists.count(),
            Kind::Index => self.index.count(),
            Kind::Manifest => self.manifests.len(),
        }
    }

    /// One of those named that `there` does not hold.
    pub(super) fn lacking(&self, kind: Kind, there: impl Fn(&ObjectId) -> bool) -> Option<ObjectId> {
        match kind {
            Kind::Pack => self.packs.lacking(there),
            Kind::List => self.lists.lacking(there),
            Kind::Index => self.index.lacking(there),
            Kind::Manifest => self.manifests.iter().find(|id| !there(id)).copied(),
        }
    }
}

/// A set of ids that takes 32 bytes for each, and for a moment twice that.
#[derive(Default)]
struct IdSet {
    /// Sorted, each once.
    sorted: Vec<ObjectId>,
    /// What came since, in any order.
    recent: HashSet<ObjectId>,
}

/// When so many came, they are sorted in; more when the set is larger, so that sorting in costs little for each.
const RECENT_MIN: usize = 1 << 14;

impl IdSet {
    fn add(&mut self, id: ObjectId) {
        self.add_new(id);
    }

    /// Whether it was not there yet.
    fn add_new(&mut self, id: ObjectId) -> bool {
        if self.sorted.binary_search(&id).is_ok() || !self.recent.insert(id) {
            return false;
        }
        if self.recent.len() >= RECENT_MIN.max(self.sorted.len() / 8) {
            self.settle();
        }
        true
    }

    fn settle(&mut self) {
        self.sorted.extend(self.recent.drain());
        // The greater part is sorted already.
        self.sorted.sort();
    }

    fn contains(&self, id: &ObjectId) -> bool {
        self.recent.contains(id) || self.sorted.binary_search(id).is_ok()
    }

    fn count(&self) -> usize {
        self.sorted.len() + self.recent.len()
    }

    fn lacking(&self, there: impl Fn(&ObjectId) -> bool) -> Option<ObjectId> {
        self.sorted.iter().chain(&self.recent).find(|id| !there(id)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_added() {
        let id = |n: u64| ObjectId::of(&n.to_le_bytes());
        let mut set = IdSet::default();
        for n in 0..50_000 {
            assert!(set.add_new(id(n)));
            assert!(!set.add_new(id(n / 2)));
        }
        assert_eq!(set.count(), 50_000);
        assert!((0..50_000).all(|n| set.contains(&id(n))));
        assert!((50_000..51_000).all(|n| !set.contains(&id(n))));
        assert_eq!(set.lacking(|found| *found != id(7)), Some(id(7)));
        assert_eq!(set.lacking(|_| true), None);
    }
}
