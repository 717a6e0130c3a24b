//! A storage with a memory: what was read once and never changes is not fetched again. For a storage that is far away.
//!
//! What is kept: ledger entries, details, list segments and manifests. An hourly commit reads the list segments of a large host again and again;
//! with this it asks for those that are new. Whether an object is there is always asked of the storage itself. So a scrub, which is to find out what
//! the storage really holds, must not read through this: see [`CachedStorage::beneath`].

use super::{Item, Space, Stat, Storage, Upload};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_base::disk::{DiskError, DiskLock};
use vow_base::publish::PublishError;

mod folder;
use folder::Folder;

/// What an object costs in memory beside its bytes, roughly.
const OVERHEAD_BYTES: u64 = 200;
/// List segments and manifests have a few kilobytes.
const USUAL_BYTES: u64 = 8 * 1024;

/// A storage, and what was read of it.
pub struct CachedStorage {
    beneath: Arc<dyn Storage>,
    memory: Cache<String, Arc<[u8]>, ByLength>,
    folder: Option<Folder>,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<String, Arc<[u8]>> for ByLength {
    fn weight(&self, name: &String, bytes: &Arc<[u8]>) -> u64 {
        name.len() as u64 + bytes.len() as u64 + OVERHEAD_BYTES
    }
}

impl CachedStorage {
    /// Keeps so many bytes in memory.
    pub fn new(beneath: Arc<dyn Storage>, memory_bytes: u64) -> Self {
        let usual = usize::try_from(memory_bytes / USUAL_BYTES).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self { beneath, memory: Cache::with_weighter(usual, memory_bytes, ByLength), folder: None }
    }

    /// Keeps so many bytes in a folder of this machine as well, for the next start: only what is named by its hash, which proves itself.
    ///
    /// The folder belongs to one process. It can be deleted at any time.
    pub fn with_folder(mut self, folder: &Path, limit_bytes: u64) -> Result<Self, DiskError> {
        self.folder = Some(Folder::open(folder, limit_bytes)?);
        Ok(self)
    }

    /// The storage itself.
    pub fn beneath(&self) -> &Arc<dyn Storage> {
        &self.beneath
    }

    fn forget(&self, name: &str) {
        self.memory.remove(name);
        if let (Some(folder), Some(id)) = (&self.folder, hash_of(name)) {
            folder.forget(&id);
        }
    }

    /// What is known of a name, when it is something that is kept.
    fn recall(&self, name: &str) -> Option<Arc<[u8]>> {
        if let Some(bytes) = self.memory.get(name) {
            return Some(bytes);
        }
        let (folder, id) = (self.folder.as_ref()?, hash_of(name)?);
        let bytes: Arc<[u8]> = folder.read(&id)?.into();
        self.memory.insert(name.to_owned(), bytes.clone());
        Some(bytes)
    }

    fn keep(&self, name: &str, bytes: &[u8]) {
        let id = hash_of(name);
        // Damage is not worth keeping.
        if id.is_some_and(|id| ObjectId::of(bytes) != id) {
            return;
        }
        self.memory.insert(name.to_owned(), bytes.into());
        if let (Some(folder), Some(id)) = (&self.folder, id) {
            folder.keep(&id, bytes);
        }
    }
}

/// Whether something is kept under this name.
fn is_kept(name: &str) -> bool {
    match name.split('/').collect::<Vec<_>>()[..] {
        ["ledger", position] => position.len() == 20 && position.bytes().all(|digit| digit.is_ascii_digit()),
        ["details", id] => is_hash(id),
        ["hosts", host, "lists" | "manifests", id] => is_hash(host) && is_hash(id),
        _ => false,
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.parse::<ObjectId>().is_ok()
}

/// The hash that a name is, of something that is kept.
fn hash_of(name: &str) -> Option<ObjectId> {
    let last = name.rsplit('/').next().filter(|last| is_hash(last) && is_kept(name))?;
    last.parse().ok()
}

impl Storage for CachedStorage {
    fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        if !is_kept(name) {
            return self.beneath.read(name, limit_bytes);
        }
        match self.recall(name) {
            Some(bytes) if bytes.len() as u64 <= limit_bytes => Ok(bytes.to_vec()),
            _ => {
                let bytes = self.beneath.read(name, limit_bytes)?;
                self.keep(name, &bytes);
                Ok(bytes)
            }
        }
    }

    fn reads(&self, names: &[String], limit_bytes: u64) -> Result<Vec<Vec<u8>>, DiskError> {
        let known = |name: &String| self.recall(name).filter(|bytes| bytes.len() as u64 <= limit_bytes);
        let known: Vec<_> = names.iter().map(|name| known(name).filter(|_| is_kept(name))).collect();
        let unknown = names.iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<String> = unknown.map(|(name, _)| name.clone()).collect();
        let mut read = self.beneath.reads(&unknown, limit_bytes)?.into_iter();
        let all = names.iter().zip(known).filter_map(|(name, known)| match known {
            Some(bytes) => Some(bytes.to_vec()),
            // As many as were asked for: all or an error.
            None => read.next().inspect(|bytes| {
                if is_kept(name) {
                    self.keep(name, bytes);
                }
            }),
        });
        Ok(all.collect())
    }

    fn remove(&self, name: &str, seen: &Stat) -> Result<(), DiskError> {
        self.forget(name);
        self.beneath.remove(name, seen)
    }

    fn quarantine(&self, name: &str, to: &str) -> Result<(), DiskError> {
        self.forget(name);
        self.beneath.quarantine(name, to)
    }

    fn place(&self) -> String {
        self.beneath.place()
    }

    fn begin(
        &self,
        name: &str,
        expected: Option<&ObjectId>,
        secret: bool,
    ) -> Result<Box<dyn Upload>, PublishError> {
        self.beneath.begin(name, expected, secret)
    }

    fn read_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.beneath.read_range(name, offset, length)
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError> {
        self.beneath.stat(name)
    }

    fn stats(&self, names: &[String]) -> Result<Vec<Option<Stat>>, DiskError> {
        self.beneath.stats(names)
    }

    fn list(&self, folder: &str) -> Result<Vec<Item>, DiskError> {
        self.beneath.list(folder)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        self.beneath.names(folder)
    }

    fn names_after(&self, folder: &str, name: &str) -> Result<Vec<String>, DiskError> {
        self.beneath.names_after(folder, name)
    }

    fn list_below(
        &self,
        folder: &str,
        after: Option<&str>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        self.beneath.list_below(folder, after, sink)
    }

    fn has_folders(&self) -> bool {
        self.beneath.has_folders()
    }

    fn is_folder(&self, folder: &str) -> Result<bool, DiskError> {
        self.beneath.is_folder(folder)
    }

    fn make_folder(&self, folder: &str) -> Result<(), DiskError> {
        self.beneath.make_folder(folder)
    }

    fn settle(&self, folder: &str) -> Result<(), DiskError> {
        self.beneath.settle(folder)
    }

    fn locks(&self) -> bool {
        self.beneath.locks()
    }

    fn extend_lock(&self, name: &str, until: Nanos) -> Result<(), DiskError> {
        self.beneath.extend_lock(name, until)
    }

    fn extend_locks(&self, names: &[String], until: Nanos) -> Result<(), DiskError> {
        self.beneath.extend_locks(names, until)
    }

    fn lock(&self, wait: Duration) -> Result<Option<DiskLock>, DiskError> {
        self.beneath.lock(wait)
    }

    fn clear_unfinished(&self, older_than: Duration) -> Result<u64, DiskError> {
        self.beneath.clear_unfinished(older_than)
    }

    fn space(&self) -> Result<Option<Space>, DiskError> {
        self.beneath.space()
    }

    fn piece_bytes(&self) -> usize {
        self.beneath.piece_bytes()
    }

    fn buffers_uploads(&self) -> bool {
        self.beneath.buffers_uploads()
    }

    fn halted(&self) -> Option<String> {
        self.beneath.halted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_changes_is_kept() {
        let id = "ab".repeat(32);
        for kept in [
            format!("hosts/{id}/lists/{id}"),
            format!("hosts/{id}/manifests/{id}"),
            format!("details/{id}"),
            "ledger/00000000000000000001".into(),
        ] {
            assert!(is_kept(&kept), "{kept}");
        }
        for other in [
            "VOW".into(),
            "ledger/1".into(),
            format!("hosts/{id}/host.pub"),
            format!("hosts/{id}/packs/ab/{id}"),
            format!("hosts/{id}/index/{id}"),
            format!("cache/{id}"),
            format!("details/{id}/x"),
        ] {
            assert!(!is_kept(&other), "{other}");
        }
        assert!(hash_of(&format!("details/{id}")).is_some());
        assert!(hash_of("ledger/00000000000000000001").is_none());
    }
}
