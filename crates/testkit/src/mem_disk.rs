//! A disk in memory, stricter than any real one: what was not synced can be lost in every combination.
//!
//! It keeps what programs see apart from what a power cut would leave: the content of a file is durable up to its last
//! successful sync, a name in a folder since the last sync of that folder. As on Linux, a sync that failed spoils the file: the
//! next one succeeds, and what was written before it is lost all the same.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vow_base::clock::Nanos;
use vow_base::disk::{Disk, DiskError, DiskFile, DiskLock};

mod state;
use state::State;

/// A disk in memory. Clones are handles of the same disk.
#[derive(Clone, Default)]
pub struct MemDisk {
    state: Arc<Mutex<State>>,
}

/// One operation, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What was asked.
    pub action: Action,
    /// Of which path.
    pub path: PathBuf,
}

/// What can be asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // They are the methods of `Disk` and `DiskFile`.
pub enum Action {
    CreateNew,
    CreateDir,
    Write,
    Sync,
    Rename,
    Remove,
    SyncDir,
    Read,
    ReadRange,
    List,
    Len,
    Lock,
}

impl Action {
    /// Whether it can change what a power cut leaves.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::ReadRange | Self::List | Self::Len | Self::Lock)
    }

    fn words(self) -> &'static str {
        match self {
            Self::CreateNew => "create",
            Self::CreateDir => "create the folder",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename into place",
            Self::Remove => "remove",
            Self::SyncDir => "sync the folder",
            Self::Read | Self::ReadRange => "read",
            Self::List => "list",
            Self::Len => "look at",
            Self::Lock => "lock",
        }
    }
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO.
    Broken,
    /// ENOSPC. A write leaves half of its bytes.
    Full,
}

impl Fault {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Broken => 5,
            Self::Full => 28,
        })
    }
}

/// Something that is not durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending<'p> {
    /// A name that was added to, or taken from, its folder.
    Name(&'p Path),
    /// The end of a file.
    Content(&'p Path),
}

/// What a power cut does to something pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is on the disk as if it had been synced.
    Kept,
    /// It never happened.
    Lost,
    /// Of content: the first half is there. Of a name: as lost.
    Halved,
    /// Of content: the length is there, the bytes are zeros. Of a name: as kept.
    Zeroed,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 4] = [Self::Kept, Self::Lost, Self::Halved, Self::Zeroed];
}

impl MemDisk {
    /// An empty disk with a root folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every operation so far, those that failed too.
    pub fn operations(&self) -> Vec<Operation> {
        self.state().log.clone()
    }

    /// The `n`-th operation from now, counted from 0, fails.
    pub fn fail_at(&self, n: usize, fault: Fault) {
        let mut state = self.state();
        let at = state.log.len() + n;
        state.faults.push((at, fault));
    }

    /// Every operation from the `n`-th on fails, counted from 0 from now: the program is as good as dead.
    pub fn stop_at(&self, n: usize) {
        let mut state = self.state();
        state.stop = Some(state.log.len() + n);
    }

    /// The time that files made from now on get, in nanoseconds since 1970; 0 at first.
    pub fn set_time(&self, time: Nanos) {
        self.state().time = time;
    }

    /// Forgets faults and stops; what happened to the files stays.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.stop = None;
    }

    /// The disk after a power cut now, when everything pending meets the fate that `choose` gives it. This disk is unchanged.
    pub fn crash(&self, choose: impl FnMut(Pending<'_>) -> Fate) -> Self {
        let state = self.state().crashed(choose);
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Whether only its owner may read this file.
    pub fn is_secret(&self, path: &Path) -> bool {
        self.state().is_secret(path)
    }

    /// Changes a file behind everybody's back, durably: damage.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        self.state().damage(path, change);
    }

    /// Takes a name away behind everybody's back, durably.
    pub fn lose(&self, path: &Path) {
        self.state().lose(path);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the operation, and either fails it or does it.
    fn ask<T>(
        &self,
        action: Action,
        path: &Path,
        perform: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let mut state = self.state();
        let outcome = match state.count(action, path) {
            Some(error) => Err(error),
            None => perform(&mut state),
        };
        outcome.map_err(DiskError::at(action.words(), path))
    }
}

impl Disk for MemDisk {
    fn create_new(&self, path: &Path, secret: bool) -> Result<Box<dyn DiskFile>, DiskError> {
        let node = self.ask(Action::CreateNew, path, |state| state.create_file(path, secret))?;
        Ok(Box::new(MemFile { disk: self.clone(), node, path: path.to_owned() }))
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.ask(Action::CreateDir, path, |state| state.create_folder(path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.ask(Action::Rename, to, |state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.ask(Action::Remove, path, |state| state.remove(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.ask(Action::SyncDir, path, |state| state.sync_folder(path))
    }

    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        self.ask(Action::Read, path, |state| {
            let bytes = state.bytes(path)?;
            if bytes.len() as u64 > limit_bytes {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(bytes.to_vec())
        })
    }

    fn read_range(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.ask(Action::ReadRange, path, |state| {
            let bytes = state.bytes(path)?;
            let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
            let end = start.checked_add(length).ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
        })
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        self.ask(Action::List, path, |state| state.names(path))
    }

    fn is_dir(&self, path: &Path) -> Result<bool, DiskError> {
        self.ask(Action::Len, path, |state| Ok(state.is_folder(path)))
    }

    fn stat(&self, path: &Path) -> Result<Option<(u64, Nanos)>, DiskError> {
        self.ask(Action::Len, path, |state| match state.bytes(path) {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                Ok(Some((length, state.stored(path)?)))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => Ok(None),
            Err(e) => Err(e),
        })
    }

    fn space(&self, _path: &Path) -> Result<Option<(u64, u64)>, DiskError> {
        Ok(None)
    }

    fn try_lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError> {
        let taken = self.ask(Action::Lock, path, |state| state.take_lock(path))?;
        Ok(taken.map(|node| DiskLock::new(MemLock { disk: self.clone(), node })))
    }
}

struct MemFile {
    disk: MemDisk,
    node: usize,
    path: PathBuf,
}

impl DiskFile for MemFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.disk.state();
        let failed = state.count(Action::Write, &self.path);
        let taken = if failed.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
        state.write(self.node, taken);
        failed.map_or(Ok(()), |error| Err(DiskError::at("write", &self.path)(error)))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        let mut state = self.disk.state();
        let failed = state.count(Action::Sync, &self.path);
        state.sync_file(self.node, failed.is_none());
        failed.map_or(Ok(()), |error| Err(DiskError::at("sync", &self.path)(error)))
    }
}

struct MemLock {
    disk: MemDisk,
    node: usize,
}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.node);
    }
}
