//! The few operations on a disk that durability is made of, so that tests can fail each of them and cut the power between any two.

use crate::clock::Nanos;
use std::io;
use std::path::{Path, PathBuf};

mod real;
pub use real::RealDisk;

/// An I/O error that says what was tried on which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}", path = path.display())]
pub struct DiskError {
    /// What was tried: "read", "write", "sync", …
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl DiskError {
    /// For `map_err`: adds what was tried, and where.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }

    /// Whether the object simply is not there.
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether the disk or a quota is full.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded)
    }
}

/// What durable storing needs of a file system.
///
/// Contract, as POSIX gives it and the tests' twin enforces it: what was written is durable only after [`DiskFile::sync`]; a
/// name is durable only after [`Disk::sync_dir`] of its folder.
pub trait Disk: Send + Sync {
    /// Creates a file that must not exist yet, readable by its owner only when `secret`.
    fn create_new(&self, path: &Path, secret: bool) -> Result<Box<dyn DiskFile>, DiskError>;
    /// Creates a folder that must not exist yet; its parent must exist.
    fn create_dir(&self, path: &Path) -> Result<(), DiskError>;
    /// Renames, without replacing: [`io::ErrorKind::AlreadyExists`] when `to` exists.
    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), DiskError>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<(), DiskError>;
    /// Reads a file of at most `limit_bytes`.
    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, DiskError>;
    /// Reads exactly `length` bytes from `offset`.
    fn read_range(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, DiskError>;
    /// Names in a folder, sorted. An error anywhere is an error, never a shorter list.
    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError>;
    /// Whether this is a folder. What cannot be looked at is an error, not an absence.
    fn is_dir(&self, path: &Path) -> Result<bool, DiskError>;
    /// Length of a regular file; `None` when there is none.
    fn len(&self, path: &Path) -> Result<Option<u64>, DiskError> {
        Ok(self.stat(path)?.map(|(length, _)| length))
    }
    /// Length in bytes and time of the last change, nanoseconds since 1970, of a regular file; `None` when there is none.
    fn stat(&self, path: &Path) -> Result<Option<(u64, Nanos)>, DiskError>;
    /// Free bytes and bytes in all, of the file system that a folder lies on; `None` where nobody can say.
    fn space(&self, path: &Path) -> Result<Option<(u64, u64)>, DiskError>;
    /// Takes the exclusive lock of an existing file, against other processes and other threads; `None` when somebody holds it.
    /// It is held until the guard is dropped, or the process ends.
    fn try_lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError>;
}

/// A lock that is held until this is dropped.
#[must_use = "the lock is released when this is dropped"]
pub struct DiskLock {
    _guard: Box<dyn Send>,
}

impl DiskLock {
    /// A lock whose release is the drop of `guard`.
    pub fn new(guard: impl Send + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

/// A file being written.
pub trait DiskFile: Send {
    /// Appends all of it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError>;
    /// Makes what was written durable. After an error the file is given up: a second sync could succeed without having kept
    /// what the first one lost.
    fn sync(&mut self) -> Result<(), DiskError>;
}
