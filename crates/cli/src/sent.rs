//! The manifests and pack lists that this host has sent, as far as it remembers: what it may say of a vault that cannot be asked. Only ever a
//! hint; what is lost here costs sending again, or knowing less.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use vow_base::ObjectId;
use vow_base::id::sha256;
use vow_base::manifest::Manifest;
use vow_base::pack_list::Expanded;
use vow_base::receipt::Receipt;
use vow_base::vault::Kind;

/// Manifests beyond these are forgotten, oldest first.
const MANIFESTS_MAX: usize = 10_000;

/// What was sent.
pub(crate) struct Sent {
    manifests: PathBuf,
    lists: PathBuf,
}

/// Objects of one host.
pub(crate) type Objects = HashSet<(Kind, ObjectId)>;

impl Sent {
    /// What is remembered in this state folder.
    pub(crate) fn new(state: &Path) -> Self {
        let folder = state.join("sent");
        Self { manifests: folder.join("manifests"), lists: folder.join("lists") }
    }

    /// Remembers a manifest.
    pub(crate) fn keep_manifest(&self, id: &ObjectId, stored: &[u8]) {
        if let Ok(manifest) = Manifest::open(stored) {
            keep(&self.manifests, &manifest_name(manifest.sequence, id), stored);
        }
    }

    /// Remembers a segment of a pack list.
    pub(crate) fn keep_list(&self, id: &ObjectId, stored: &[u8]) {
        keep(&self.lists, &id.to_string(), stored);
    }

    /// Whether a segment of a pack list is remembered.
    pub(crate) fn has_list(&self, id: &ObjectId) -> bool {
        self.lists.join(id.to_string()).is_file()
    }

    /// The stored bytes of a manifest.
    pub(crate) fn manifest(&self, sequence: u64, id: &ObjectId) -> Option<Vec<u8>> {
        read(&self.manifests.join(manifest_name(sequence, id)), id)
    }

    /// What the newest snapshot of each source names, of those that these receipts are for. A vault never lets go of the newest of a source.
    pub(crate) fn named_by_newest(&self, receipts: &[Receipt]) -> Objects {
        let known: HashMap<_, _> =
            receipts.iter().map(|receipt| (receipt.manifest, receipt.sequence)).collect();
        let newest = self.newest(|id| known.contains_key(id));
        newest.iter().flat_map(|manifest| self.named_by(manifest)).collect()
    }

    /// Forgets what is of no use any more.
    pub(crate) fn tidy(&self) {
        let names = names(&self.manifests);
        for (_, _, name) in names.iter().rev().skip(MANIFESTS_MAX) {
            let _ = fs::remove_file(self.manifests.join(name));
        }
        let newest = self.newest(|_| true);
        let named: HashSet<_> = newest.iter().flat_map(|manifest| self.expanded(manifest).lists).collect();
        for entry in fs::read_dir(&self.lists).into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<ObjectId>().ok());
            if id.is_none_or(|id| !named.contains(&id)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The newest manifest of each source, of those with such an id.
    fn newest(&self, fits: impl Fn(&ObjectId) -> bool) -> Vec<Manifest> {
        let mut newest: BTreeMap<String, Manifest> = BTreeMap::new();
        for (sequence, id, _) in names(&self.manifests).into_iter().filter(|(_, id, _)| fits(id)) {
            let manifest = self.manifest(sequence, &id).and_then(|stored| Manifest::open(&stored).ok());
            if let Some(manifest) = manifest {
                // Names are in the order of sequence numbers.
                newest.insert(manifest.source.clone(), manifest);
            }
        }
        newest.into_values().collect()
    }

    /// The newest manifest of each source that is remembered.
    pub(crate) fn newest_of_all(&self) -> Vec<Manifest> {
        self.newest(|_| true)
    }

    /// The newest manifest that one of these receipts is for, with its stored bytes.
    pub(crate) fn example(&self, receipts: &[Receipt]) -> Option<(ObjectId, Vec<u8>)> {
        let newest = receipts.iter().max_by_key(|receipt| receipt.sequence)?;
        Some((newest.manifest, self.manifest(newest.sequence, &newest.manifest)?))
    }

    fn named_by(&self, manifest: &Manifest) -> Objects {
        let Expanded { packs, lists } = self.expanded(manifest);
        let packs = packs.into_iter().map(|id| (Kind::Pack, id));
        let lists = lists.into_iter().map(|id| (Kind::List, id));
        let index = manifest.index_ids().into_iter().map(|id| (Kind::Index, id));
        packs.chain(lists).chain(index).collect()
    }

    /// Nothing, when a part of its pack list is not remembered.
    fn expanded(&self, manifest: &Manifest) -> Expanded {
        let list = |id: &ObjectId| read(&self.lists.join(id.to_string()), id).ok_or(());
        manifest.packs.expand(list).unwrap_or_default()
    }
}

fn manifest_name(sequence: u64, id: &ObjectId) -> String {
    format!("{sequence:020}-{id}")
}

/// Manifests by sequence number.
fn names(folder: &Path) -> Vec<(u64, ObjectId, String)> {
    let one = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let (sequence, id) = name.split_once('-')?;
        Some((sequence.parse().ok()?, id.parse().ok()?, name))
    };
    let mut names: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(one).collect();
    names.sort();
    names
}

/// Best effort: what cannot be remembered is not.
fn keep(folder: &Path, name: &str, stored: &[u8]) {
    let unfinished = folder.join(format!("{name}.new"));
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let _ = made
        .and_then(|()| fs::write(&unfinished, stored))
        .and_then(|()| fs::rename(&unfinished, folder.join(name)));
}

fn read(path: &Path, id: &ObjectId) -> Option<Vec<u8>> {
    fs::read(path).ok().filter(|stored| sha256(stored) == id.0)
}
