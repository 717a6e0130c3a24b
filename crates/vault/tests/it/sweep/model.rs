//! The ledger read once more, naively, beside every change: what a removal may take, and what a commit may rely on.

use super::store::{Change, Contents};
use std::collections::{HashMap, HashSet};
use vow_base::detail::{Detail, Mark};
use vow_base::id::{HostId, ObjectId};
use vow_base::manifest::Manifest;
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::Kind;

/// Watches a storage. It panics when something happens that must not.
#[derive(Default, Clone)]
pub(crate) struct Model {
    read: u64,
    kept: HashMap<ObjectId, HashSet<String>>,
    hosts_of: HashMap<ObjectId, HostId>,
    pinned: HashSet<ObjectId>,
    /// By name of the object: when it was condemned, and how many passes were complete by then.
    condemned: HashMap<String, (i64, usize)>,
    deleting: HashMap<String, ObjectId>,
    doubtful: bool,
    newest: Option<i64>,
    passes: usize,
    pub(crate) removed: usize,
    pub(crate) revived: usize,
    pub(crate) expired: usize,
    grace: i64,
}

impl Model {
    pub(crate) fn new(grace: i64) -> Self {
        Self { grace, ..Self::default() }
    }

    pub(crate) fn see(&mut self, contents: &Contents, name: &str, change: Change) {
        self.catch_up(contents);
        match change {
            Change::Created => {}
            Change::Removed => {
                self.removed += 1;
                assert!(self.deleting.contains_key(name), "{name} was removed and nobody had announced it");
                for (manifest, named) in &self.kept {
                    assert!(
                        !named.contains(name),
                        "{name} was removed and kept snapshot {manifest:?} needs it"
                    );
                }
            }
        }
    }

    /// The ids of kept snapshots, and everything they need.
    pub(crate) fn kept(&self) -> &HashMap<ObjectId, HashSet<String>> {
        &self.kept
    }

    fn catch_up(&mut self, contents: &Contents) {
        while let Some(stored) = contents.get(&format!("ledger/{:020}", self.read + 1)) {
            self.read += 1;
            let entry = Receipt::open(&stored.bytes).expect("an entry that verifies");
            self.take(&entry, contents);
        }
    }

    fn take(&mut self, entry: &Receipt, contents: &Contents) {
        let detail = contents.get(&format!("details/{}", entry.manifest));
        let detail = detail.map(|stored| Detail::from_stored(&stored.bytes).expect("a detail"));
        let objects = detail.as_ref().map(Detail::objects).unwrap_or_default();
        let names: Vec<String> = objects.iter().map(|(kind, id)| name_of(entry.host, *kind, id)).collect();
        let sweeps = matches!(entry.event, Event::Expired | Event::Condemned | Event::Deleting);
        assert!(!(sweeps && self.doubtful), "a sweep goes on although the clock is in doubt");
        match entry.event {
            Event::Committed => {
                let named = self.named_by(entry, contents);
                for name in &named {
                    assert!(contents.contains_key(name), "a commit relies on {name}, which is not there");
                    assert!(
                        !self.condemned.contains_key(name),
                        "a commit relies on {name}, which is condemned"
                    );
                    assert!(
                        !self.deleting.contains_key(name),
                        "a commit relies on {name}, which is being removed"
                    );
                }
                self.kept.insert(entry.manifest, named);
                self.hosts_of.insert(entry.manifest, entry.host_id());
            }
            Event::Expired => {
                for (_, id) in &objects {
                    assert!(!self.pinned.contains(id), "a pinned snapshot expired");
                    assert!(self.kept.remove(id).is_some(), "{id:?} expired and was not kept");
                    self.expired += 1;
                    let host = self.hosts_of[id];
                    assert!(
                        self.kept.keys().any(|other| self.hosts_of[other] == host),
                        "a host lost its last one"
                    );
                }
            }
            Event::Condemned => {
                for name in names {
                    assert!(
                        self.kept.values().all(|named| !named.contains(&name)),
                        "{name} is needed and condemned"
                    );
                    assert!(!self.deleting.contains_key(&name), "{name} is being removed and condemned");
                    assert!(self.condemned.insert(name, (entry.received, self.passes)).is_none());
                }
            }
            Event::Revived => {
                for name in names {
                    self.revived += 1;
                    assert!(self.condemned.remove(&name).is_some(), "{name} was revived and not condemned");
                }
            }
            Event::Deleting => {
                for name in names {
                    let (since, passes) =
                        self.condemned.remove(&name).expect("condemned before it is deleted");
                    assert!(
                        entry.received - since >= self.grace,
                        "{name} had only {} s",
                        (entry.received - since) / 1_000_000_000
                    );
                    assert!(self.passes > passes, "{name} was condemned and deleted by one pass");
                    self.deleting.insert(name, entry.manifest);
                }
            }
            Event::Deleted => self.deleting.retain(|_, deletion| *deletion != entry.manifest),
            Event::Pass => self.passes += 1,
            Event::Marked => match detail.and_then(|detail| detail.mark) {
                Some(Mark::Pinned | Mark::Held) => self.pinned.extend(objects.iter().map(|(_, id)| *id)),
                Some(Mark::Released) => objects.iter().for_each(|(_, id)| {
                    self.pinned.remove(id);
                }),
                _ => {}
            },
            Event::Clock | Event::Rules => {}
            other => panic!("nobody appends {other:?} here"),
        }
        let jump = self.newest.map_or(0, |before| entry.received - before);
        self.doubtful |= !(-3600 * 1_000_000_000..=36 * 3600 * 1_000_000_000).contains(&jump);
        self.doubtful &= entry.event != Event::Clock;
        self.newest = Some(entry.received);
    }

    fn named_by(&self, entry: &Receipt, contents: &Contents) -> HashSet<String> {
        let own = name_of(entry.host, Kind::Manifest, &entry.manifest);
        let stored = contents.get(&own).expect("the manifest of a receipt");
        let manifest = Manifest::open(&stored.bytes).expect("a manifest");
        let mut named = HashSet::from([own]);
        named.extend(manifest.index_ids().iter().map(|id| name_of(entry.host, Kind::Index, id)));
        let expanded = manifest.packs.expand(|id| {
            let list = contents.get(&name_of(entry.host, Kind::List, id)).ok_or(())?;
            Ok::<_, ()>(list.bytes.to_vec())
        });
        let expanded = expanded.expect("a list of packs");
        named.extend(expanded.packs.iter().map(|id| name_of(entry.host, Kind::Pack, id)));
        named.extend(expanded.lists.iter().map(|id| name_of(entry.host, Kind::List, id)));
        named
    }

    /// Everything kept is there, byte for byte; and, of what lies in hosts' folders, whether nothing else is.
    pub(crate) fn check(&mut self, contents: &Contents, nothing_else: bool) {
        self.catch_up(contents);
        let mut needed = HashSet::new();
        for named in self.kept.values() {
            for name in named {
                let object = contents.get(name).unwrap_or_else(|| panic!("{name} is gone"));
                assert!(name.ends_with(&ObjectId::of(&object.bytes).to_string()), "{name} is damaged");
                needed.insert(name.clone());
            }
        }
        if nothing_else {
            let there =
                contents.keys().filter(|name| name.starts_with("hosts/") && !name.ends_with("host.pub"));
            let over: Vec<_> = there.filter(|name| !needed.contains(*name)).collect();
            assert!(over.is_empty(), "{over:?} should have been swept");
            assert!(self.condemned.is_empty() && self.deleting.is_empty());
        }
    }
}

pub(crate) fn name_of(host: [u8; 32], kind: Kind, id: &ObjectId) -> String {
    let host = HostId(host);
    match kind {
        Kind::Pack => format!("hosts/{host}/packs/{:02x}/{id}", id.0[0]),
        other => format!("hosts/{host}/{}/{id}", other.folder()),
    }
}
