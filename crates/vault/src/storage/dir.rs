//! A directory as a vault's storage.

use super::{Item, Space, Stat, Storage, Upload};
use crate::fuse::Fuse;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_base::disk::{Disk, DiskError, DiskLock};
use vow_base::publish::{Handle, PublishError, Published, Publishing, create_folders};

/// The file that is locked.
const LOCK: &str = "lock";
/// Where unfinished writes lie.
const TEMPORARY: &str = "tmp";
/// Threads that look at many objects together: a disk that is asked several things at once answers sooner, too.
const LOOKERS: usize = 4;
/// Fewer objects than this one thread looks at alone.
const LOOK_ALONE: usize = 2_000;
/// How long to pause before asking for the lock again.
const PAUSE: Duration = Duration::from_millis(20);

/// A directory of some disk.
#[derive(Clone)]
pub struct DirStorage {
    disk: Fuse,
    root: PathBuf,
}

impl DirStorage {
    /// The directory at `root`. Nothing is read or written.
    pub fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self { disk: Fuse::new(disk), root: root.to_owned() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn disk(&self) -> &Fuse {
        &self.disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl fmt::Debug for DirStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirStorage({})", self.root.display())
    }
}

impl Storage for DirStorage {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn begin(
        &self,
        name: &str,
        expected: Option<&ObjectId>,
        secret: bool,
    ) -> Result<Box<dyn Upload>, PublishError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let temporary = self.path(TEMPORARY);
        Ok(Box::new(Publishing::begin(Handle::Shared(disk), &temporary, &self.path(name), expected, secret)?))
    }

    fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        self.disk.read(&self.path(name), limit_bytes)
    }

    fn read_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.disk.read_range(&self.path(name), offset, length)
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError> {
        let stat = self.disk.stat(&self.path(name))?;
        Ok(stat.map(|(length, stored)| Stat { length, stored, version: None }))
    }

    fn stats(&self, names: &[String]) -> Result<Vec<Option<Stat>>, DiskError> {
        let look = |names: &[String]| names.iter().map(|name| self.stat(name)).collect::<Result<Vec<_>, _>>();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(LOOKERS);
        if threads < 2 || names.len() < LOOK_ALONE {
            return look(names);
        }
        std::thread::scope(|scope| {
            let parts = names.chunks(names.len().div_ceil(threads));
            let parts: Vec<_> = parts.map(|part| scope.spawn(move || look(part))).collect();
            let mut all = Vec::with_capacity(names.len());
            for part in parts {
                all.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(all)
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Item>, DiskError> {
        let folder = self.path(folder);
        let mut items = Vec::new();
        for name in self.disk.list(&folder)? {
            let stat = self.disk.stat(&folder.join(&name))?;
            let stat = stat.map(|(length, stored)| Stat { length, stored, version: None });
            items.push(Item { name, stat });
        }
        Ok(items)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(&self.path(folder))
    }

    fn has_folders(&self) -> bool {
        true
    }

    fn is_folder(&self, folder: &str) -> Result<bool, DiskError> {
        self.disk.is_dir(&self.path(folder))
    }

    fn make_folder(&self, folder: &str) -> Result<(), DiskError> {
        create_folders(&self.disk, &self.path(folder))
    }

    fn settle(&self, folder: &str) -> Result<(), DiskError> {
        self.disk.sync_dir(&self.path(folder))
    }

    fn remove(&self, name: &str, seen: &Stat) -> Result<(), DiskError> {
        if self.stat(name)?.as_ref() != Some(seen) {
            // It is gone, or it was sent again after it had been removed. Nobody but the holder of the lock removes, and a name that
            // is there is never replaced: so it cannot change between this look and the removal.
            return Ok(());
        }
        match self.disk.remove(&self.path(name)) {
            Err(error) if error.is_absent() => Ok(()),
            other => other,
        }
    }

    fn quarantine(&self, name: &str, to: &str) -> Result<(), DiskError> {
        let (from, to) = (self.path(name), self.path(to));
        let folder = vow_base::publish::parent(&to);
        create_folders(&self.disk, folder)?;
        match self.disk.rename_new(&from, &to) {
            Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => {
                self.disk.remove(&from)?
            }
            other => other?,
        }
        self.disk.sync_dir(folder)?;
        self.disk.sync_dir(vow_base::publish::parent(&from))
    }

    fn extend_lock(&self, _name: &str, _until: Nanos) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, wait: Duration) -> Result<Option<DiskLock>, DiskError> {
        let until = Instant::now() + wait;
        loop {
            if let Some(lock) = self.disk.try_lock(&self.path(LOCK))? {
                return Ok(Some(lock));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn clear_unfinished(&self, older_than: Duration) -> Result<u64, DiskError> {
        let now = vow_base::clock::Clock::now(&vow_base::clock::SystemClock);
        let mut removed = 0;
        for item in self.list(TEMPORARY)? {
            let old = item.stat.as_ref().is_some_and(|stat| {
                // A file from the future was left before the clock was set back: nobody is writing it either, but nobody knows.
                Duration::from_nanos(u64::try_from(now.saturating_sub(stat.stored)).unwrap_or(0)) > older_than
            });
            if old {
                self.disk.remove(&self.path(TEMPORARY).join(&item.name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn halted(&self) -> Option<String> {
        self.disk.blown()
    }

    fn space(&self) -> Result<Option<Space>, DiskError> {
        let space = self.disk.space(&self.root)?;
        Ok(space.map(|(free_bytes, total_bytes)| Space { free_bytes, total_bytes }))
    }
}

impl Upload for Publishing<'static> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        Self::write(self, bytes)
    }

    fn finish(self: Box<Self>) -> Result<Published, PublishError> {
        Self::finish(*self)
    }
}
