//! Files that lie flat in a folder of ours, as a source: pieces of a log that were received.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};
use std::any::Any;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use vow_store::listing::Kind;
use vow_store::source::{Attributes, Folder, Found, Item, Source, Stat};

use crate::synthetic;

/// The files of a folder with these names.
pub(crate) struct Files {
    folder: PathBuf,
    names: Option<Vec<String>>,
    problems: Vec<String>,
}

impl Files {
    /// In this order, which is that of a listing; with what is wrong with them.
    pub(crate) fn new(folder: PathBuf, names: Vec<String>, problems: Vec<String>) -> Self {
        Self { folder, names: Some(names), problems }
    }
}

impl Source for Files {
    fn next(&mut self) -> Result<Option<Vec<Found>>, String> {
        let Some(names) = self.names.take() else { return Ok(None) };
        let mut found = vec![Found::Item(synthetic::folder(b""))];
        found.extend(self.problems.drain(..).map(|text| Found::Problem { path: Vec::new(), text }));
        let folder = place(self.folder.clone(), None);
        for name in names {
            let path = self.folder.join(&name);
            let stat = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| format!("cannot look at {}: {e}", path.display()))?;
            let stat = Stat::from_raw(&stat);
            if stat.kind != Kind::File {
                return Err(format!("{} is not a file", path.display()));
            }
            let name_bytes = name.len();
            let folder = Arc::clone(&folder);
            found.push(Found::Item(Item {
                path: name.into_bytes(),
                stat,
                folder,
                name_bytes,
                ancestor: false,
            }));
        }
        Ok(Some(found))
    }
}

/// A folder of ours, for entries in it. What is given as `keeps` stays as long as they do.
pub(crate) fn place(path: PathBuf, keeps: Option<Arc<dyn Any + Send + Sync>>) -> Arc<dyn Folder> {
    Arc::new(Place { path, _keeps: keeps })
}

struct Place {
    path: PathBuf,
    _keeps: Option<Arc<dyn Any + Send + Sync>>,
}

impl Place {
    fn at(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }
}

impl Folder for Place {
    fn open_file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(openat(CWD, self.at(name), flags, Mode::empty())?))
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(readlinkat(CWD, self.at(name), Vec::new())?.into_bytes())
    }

    fn attributes(&self, _name: &[u8]) -> io::Result<Attributes> {
        Ok(Attributes::new())
    }

    fn attributes_of(&self, _file: &File) -> io::Result<Attributes> {
        Ok(Attributes::new())
    }

    fn stat(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(Stat::from_raw(&statat(CWD, self.at(name), AtFlags::SYMLINK_NOFOLLOW)?))
    }
}
