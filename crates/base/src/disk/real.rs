//! The machine's own file systems.

use super::{Disk, DiskError, DiskFile, DiskLock};
use crate::clock::Nanos;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The machine's own file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

struct RealFile {
    file: File,
    path: PathBuf,
}

impl Disk for RealDisk {
    fn create_new(&self, path: &Path, secret: bool) -> Result<Box<dyn DiskFile>, DiskError> {
        let mode = Mode::from_raw_mode(if secret { 0o600 } else { 0o640 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry(|| rustix::fs::openat(CWD, path, flags, mode));
        let file = fd.map_err(DiskError::at("create", path))?.into();
        Ok(Box::new(RealFile { file, path: path.to_owned() }))
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        let made = retry(|| rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o750)));
        made.map_err(DiskError::at("create the folder", path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let renamed = retry(|| rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE));
        match renamed {
            // File systems without RENAME_NOREPLACE (NFS, some FUSE): a hard link refuses to replace as well.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
                fs::hard_link(from, to).and_then(|()| fs::remove_file(from))
            }
            other => other,
        }
        .map_err(DiskError::at("rename into place", to))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path).map_err(DiskError::at("remove", path))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        let opened = File::open(path).map_err(DiskError::at("open the folder", path))?;
        opened.sync_all().map_err(DiskError::at("sync the folder", path))
    }

    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        let file = File::open(path).map_err(DiskError::at("open", path))?;
        let length = file.metadata().map_err(DiskError::at("look at", path))?.len();
        if length > limit_bytes {
            let error = io::Error::new(io::ErrorKind::InvalidData, "larger than the format allows");
            return Err(DiskError::at("read", path)(error));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(limit_bytes).read_to_end(&mut bytes).map_err(DiskError::at("read", path))?;
        Ok(bytes)
    }

    fn read_range(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let file = File::open(path).map_err(DiskError::at("open", path))?;
        let size = file.metadata().map_err(DiskError::at("look at", path))?.len();
        if offset.checked_add(length as u64).is_none_or(|end| end > size) {
            return Err(DiskError::at("read", path)(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).map_err(DiskError::at("read", path))?;
        Ok(bytes)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        let at = || DiskError::at("list", path);
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(at())? {
            let name = entry.map_err(at())?.file_name().into_string();
            names.push(name.map_err(|name| {
                at()(io::Error::new(io::ErrorKind::InvalidData, format!("foreign name {name:?}")))
            })?);
        }
        names.sort();
        Ok(names)
    }

    fn is_dir(&self, path: &Path) -> Result<bool, DiskError> {
        match fs::metadata(path) {
            Ok(meta) => Ok(meta.is_dir()),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(e) => Err(DiskError::at("look at", path)(e)),
        }
    }

    fn stat(&self, path: &Path) -> Result<Option<(u64, Nanos)>, DiskError> {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_file() => {
                let changed = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
                Ok(Some((meta.len(), changed)))
            }
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DiskError::at("look at", path)(e)),
        }
    }

    fn space(&self, path: &Path) -> Result<Option<(u64, u64)>, DiskError> {
        let space =
            rustix::fs::statvfs(path).map_err(io::Error::from).map_err(DiskError::at("look at", path))?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Some((bytes(space.f_bavail), bytes(space.f_blocks))))
    }

    fn try_lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError> {
        // For writing, although nothing is written: NFS locks exclusively only what is open for writing.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()));
        let fd = fd.map_err(DiskError::at("open", path))?;
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(DiskLock::new(fd))),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(e) => Err(DiskError::at("lock", path)(e.into())),
        }
    }
}

impl DiskFile for RealFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all(bytes).map_err(DiskError::at("write", &self.path))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(DiskError::at("sync", &self.path))
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    rustix::io::retry_on_intr(&mut call).map_err(io::Error::from)
}
