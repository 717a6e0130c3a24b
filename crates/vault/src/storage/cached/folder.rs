//! A folder of this machine with objects under their hashes: what is not what its name says does not count. Nothing here is ever an error;
//! a cache that cannot be used is one that holds nothing.

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use vow_base::ObjectId;
use vow_base::disk::DiskError;

/// A file that is being written; whoever opens the folder deletes what an earlier process left of them.
const UNFINISHED: &str = "unfinished-";

pub(super) struct Folder {
    path: PathBuf,
    limit_bytes: u64,
    kept: Mutex<Kept>,
}

/// What is there, oldest first.
#[derive(Default)]
struct Kept {
    order: VecDeque<(ObjectId, u64)>,
    bytes: u64,
    written: u64,
}

impl Folder {
    /// Makes the folder when it is not there.
    pub(super) fn open(path: &Path, limit_bytes: u64) -> Result<Self, DiskError> {
        fs::create_dir_all(path).map_err(DiskError::at("create the folder", path))?;
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(DiskError::at("list", path))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match (name.parse::<ObjectId>(), entry.metadata()) {
                (Ok(id), Ok(meta)) if meta.is_file() => {
                    found.push((meta.modified().unwrap_or(std::time::UNIX_EPOCH), id, meta.len()));
                }
                _ if name.starts_with(UNFINISHED) => drop(fs::remove_file(entry.path())),
                _ => {}
            }
        }
        found.sort();
        let mut kept = Kept::default();
        for (_, id, length) in found {
            kept.order.push_back((id, length));
            kept.bytes = kept.bytes.saturating_add(length);
        }
        let folder = Self { path: path.to_owned(), limit_bytes, kept: Mutex::new(kept) };
        folder.make_room(&mut folder.kept());
        Ok(folder)
    }

    /// The object with this hash, verified.
    pub(super) fn read(&self, id: &ObjectId) -> Option<Vec<u8>> {
        let bytes = fs::read(self.file(id)).ok()?;
        if ObjectId::of(&bytes) == *id {
            return Some(bytes);
        }
        self.forget(id);
        None
    }

    /// Keeps an object. It becomes durable some time, or never.
    pub(super) fn keep(&self, id: &ObjectId, bytes: &[u8]) {
        let mut kept = self.kept();
        if bytes.len() as u64 > self.limit_bytes || fs::exists(self.file(id)).unwrap_or(true) {
            return;
        }
        kept.written += 1;
        let unfinished = self.path.join(format!("{UNFINISHED}{}", kept.written));
        let written =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
        let written = written.and_then(|mut file| file.write_all(bytes));
        if written.and_then(|()| fs::rename(&unfinished, self.file(id))).is_err() {
            let _ = fs::remove_file(&unfinished);
            return;
        }
        kept.order.push_back((*id, bytes.len() as u64));
        kept.bytes = kept.bytes.saturating_add(bytes.len() as u64);
        self.make_room(&mut kept);
    }

    pub(super) fn forget(&self, id: &ObjectId) {
        let mut kept = self.kept();
        let _ = fs::remove_file(self.file(id));
        if let Some(place) = kept.order.iter().position(|(of, _)| of == id)
            && let Some((_, length)) = kept.order.remove(place)
        {
            kept.bytes = kept.bytes.saturating_sub(length);
        }
    }

    /// What came first goes first.
    fn make_room(&self, kept: &mut Kept) {
        while kept.bytes > self.limit_bytes {
            let Some((id, length)) = kept.order.pop_front() else { return };
            let _ = fs::remove_file(self.file(&id));
            kept.bytes = kept.bytes.saturating_sub(length);
        }
    }

    fn file(&self, id: &ObjectId) -> PathBuf {
        self.path.join(id.to_string())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: u8) -> (ObjectId, Vec<u8>) {
        let bytes = vec![n; 100];
        (ObjectId::of(&bytes), bytes)
    }

    #[test]
    fn it_keeps_the_newest_across_starts_and_believes_nothing_damaged() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = scratch.path().join("cache");
        let folder = Folder::open(&path, 350).expect("opened");
        for n in 0..5 {
            let (id, bytes) = object(n);
            folder.keep(&id, &bytes);
            folder.keep(&id, &bytes);
        }
        let held =
            |folder: &Folder| (0..5).filter(|n| folder.read(&object(*n).0).is_some()).collect::<Vec<_>>();
        assert_eq!(held(&folder), [2, 3, 4]);
        fs::write(path.join(format!("{UNFINISHED}9")), b"x").expect("written");
        fs::write(path.join("something else"), b"x").expect("written");
        let folder = Folder::open(&path, 250).expect("opened");
        assert_eq!(held(&folder).len(), 2);
        assert!(!path.join(format!("{UNFINISHED}9")).exists() && path.join("something else").exists());
        let (id, _) = object(4);
        fs::write(path.join(id.to_string()), b"damaged").expect("written");
        assert_eq!(folder.read(&id), None);
        assert!(!path.join(id.to_string()).exists(), "and it is not asked again");
        folder.keep(&ObjectId::of(&[7; 1000]), &[7; 1000]);
        assert!(folder.read(&ObjectId::of(&[7; 1000])).is_none(), "larger than all of it");
    }
}
