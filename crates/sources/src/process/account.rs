//! Accounts of the operating system, as passwd(5) has them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

/// An account of the operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Home folder: where the tools look for `.pgpass` and the like.
    pub home: PathBuf,
}

impl Account {
    /// The account with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::find(|account| account.name == name)
    }

    /// The account with this user id.
    pub fn of_uid(uid: u32) -> Option<Self> {
        Self::find(|account| account.uid == uid)
    }

    /// The account this process runs as.
    pub fn own() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let unknown = Self { name: uid.to_string(), uid, gid: rustix::process::getegid().as_raw(), home };
        Self::of_uid(uid).unwrap_or(unknown)
    }

    /// The first of the folders above this one that it may not enter.
    pub fn cannot_enter(&self, folder: &Path) -> Option<PathBuf> {
        let may = |path: &Path| {
            let meta = fs::metadata(path)?;
            Ok::<_, io::Error>(meta.uid() == self.uid || meta.mode() & 0o001 != 0 || self.uid == 0)
        };
        folder.ancestors().skip(1).find(|above| !may(above).unwrap_or(false)).map(Path::to_owned)
    }

    /// Makes everything at and below a path its own: what was restored comes with the owners of another machine. Only root can, and
    /// for others everything is theirs already.
    pub(crate) fn take_tree(&self, path: &Path) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.take_tree(&entry?.path())?;
            }
        }
        Ok(())
    }

    fn find(wanted: impl Fn(&Self) -> bool) -> Option<Self> {
        let text = fs::read_to_string("/etc/passwd").ok()?;
        text.lines().filter_map(Self::parse).find(wanted)
    }

    /// A line of passwd(5).
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { name, uid, gid, home: fields.nth(1)?.into() })
    }
}
