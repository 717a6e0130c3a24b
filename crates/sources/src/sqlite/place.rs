//! A file or folder as an entry of the snapshot, with everything the file system says about it.

use crate::files::attributes;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_store::listing::{Kind, path as listing_path};
use vow_store::source::{Attributes, Folder, Item, Stat};

/// The entry of what is at `path`, under the path `listed` in the snapshot.
pub(crate) fn item(path: &Path, listed: &[u8]) -> io::Result<Item> {
    let stat = Stat::from_raw(&rustix::fs::lstat(path)?);
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => (folder.to_owned(), name.as_bytes().to_vec()),
        _ => (PathBuf::from("/"), b".".to_vec()),
    };
    let name_bytes = listing_path::name(listed).len();
    // A folder is only on the way: a restore does not change one that is there.
    let ancestor = stat.kind == Kind::Dir;
    Ok(Item { path: listed.to_vec(), stat, folder: Arc::new(Place { folder, name }), name_bytes, ancestor })
}

/// The folder of one entry.
struct Place {
    folder: PathBuf,
    name: Vec<u8>,
}

impl Place {
    fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(CWD, &self.folder, flags, Mode::empty())?)
    }
}

impl Folder for Place {
    /// A database is never opened as a file.
    fn open_file(&self, _name: &[u8]) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_link(&self, _name: &[u8]) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The name in the snapshot is that of the file, but for the folder that stands for the root.
    fn attributes(&self, _name: &[u8]) -> io::Result<Attributes> {
        Ok(attributes::read(&self.open()?, &self.name)?)
    }

    fn attributes_of(&self, _file: &File) -> io::Result<Attributes> {
        Ok(Attributes::new())
    }

    fn stat(&self, _name: &[u8]) -> io::Result<Stat> {
        Ok(Stat::from_raw(&rustix::fs::lstat(self.folder.join(std::ffi::OsStr::from_bytes(&self.name)))?))
    }
}
