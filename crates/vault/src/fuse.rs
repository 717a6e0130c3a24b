//! A disk that takes no more writes once a sync has failed.
//!
//! After a failed sync nobody knows what is on the disk: the next sync of the same file would succeed without having kept what
//! the first one lost. So the fuse blows: reading goes on, writing needs a new start, after a person has looked at the disk.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use vow_base::clock::Nanos;
use vow_base::disk::{Disk, DiskError, DiskFile, DiskLock};

#[derive(Clone)]
pub(crate) struct Fuse {
    disk: Arc<dyn Disk>,
    blown: Blown,
}

/// Which sync failed, and how.
#[derive(Clone, Default)]
struct Blown(Arc<OnceLock<String>>);

struct FusedFile {
    file: Box<dyn DiskFile>,
    blown: Blown,
    path: std::path::PathBuf,
}

impl Fuse {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, blown: Blown::default() }
    }

    /// Which sync failed, and how, if one did.
    pub(crate) fn blown(&self) -> Option<String> {
        self.blown.0.get().cloned()
    }
}

impl Blown {
    fn check(&self, action: &'static str, path: &Path) -> Result<(), DiskError> {
        let Some(why) = self.0.get() else { return Ok(()) };
        let message =
            format!("nothing is written any more since a sync failed ({why}); look at the disk first");
        Err(DiskError::at(action, path)(Error::new(ErrorKind::ReadOnlyFilesystem, message)))
    }

    fn blow(&self, error: &DiskError) {
        // Only the first one matters.
        let _ = self.0.set(error.to_string());
    }
}

impl Disk for Fuse {
    fn create_new(&self, path: &Path, secret: bool) -> Result<Box<dyn DiskFile>, DiskError> {
        self.blown.check("create", path)?;
        let file = self.disk.create_new(path, secret)?;
        Ok(Box::new(FusedFile { file, blown: self.blown.clone(), path: path.to_owned() }))
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.blown.check("create the folder", path)?;
        self.disk.create_dir(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.blown.check("rename into place", to)?;
        self.disk.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.blown.check("remove", path)?;
        self.disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.blown.check("sync the folder", path)?;
        let synced = self.disk.sync_dir(path);
        if let Err(error) = &synced
            // These come from opening the folder: nothing was tried yet.
            && !matches!(error.source.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
        {
            self.blown.blow(error);
        }
        synced
    }

    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        self.disk.read(path, limit_bytes)
    }

    fn read_range(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.disk.read_range(path, offset, length)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        self.disk.list(path)
    }

    fn is_dir(&self, path: &Path) -> Result<bool, DiskError> {
        self.disk.is_dir(path)
    }

    fn len(&self, path: &Path) -> Result<Option<u64>, DiskError> {
        self.disk.len(path)
    }

    fn stat(&self, path: &Path) -> Result<Option<(u64, Nanos)>, DiskError> {
        self.disk.stat(path)
    }

    fn space(&self, path: &Path) -> Result<Option<(u64, u64)>, DiskError> {
        self.disk.space(path)
    }

    fn try_lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError> {
        self.disk.try_lock(path)
    }
}

impl DiskFile for FusedFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.blown.check("write", &self.path)?;
        self.file.write(bytes)
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.blown.check("sync", &self.path)?;
        let synced = self.file.sync();
        if let Err(error) = &synced
            // A full disk may say so only now. The file is given up, and that is all there is to it.
            && !error.is_full()
        {
            self.blown.blow(error);
        }
        synced
    }
}
