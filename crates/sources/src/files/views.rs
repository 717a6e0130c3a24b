//! Where a folder of this machine is really read: in a snapshot of its file system, while its paths stay what they are.
//!
//! Devices are shown as those of the live file system too: a snapshot has another one each time, and hard links are known by theirs.

use super::roots::{Names, names_of};
use super::sys::{self, Seen};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder that is read elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The folder as it is called: an absolute path without symbolic links.
    pub at: PathBuf,
    /// Where it is read; the same for a file system below a snapshot that has none of its own.
    pub from: PathBuf,
    /// Nothing changes there.
    pub held: bool,
}

/// A view that is in use.
#[derive(Debug)]
pub(crate) struct Window {
    names: Names,
    from: PathBuf,
    pub(crate) held: bool,
    /// The device that calls see there.
    seen: u64,
    /// The device of the live folder.
    shown: u64,
}

impl Window {
    fn new(view: &View) -> Result<Self, String> {
        let device = |path: &Path| match open(path, OFlags::PATH | OFlags::DIRECTORY).and_then(stat) {
            Ok(stat) => Ok(stat.device),
            Err(errno) => Err(format!("{} cannot be read: {}", path.display(), sys::reason(errno))),
        };
        let Some(names) = names_of(&view.at) else {
            return Err(format!("{} is not absolute", view.at.display()));
        };
        let (seen, shown) = (device(&view.from)?, device(&view.at)?);
        Ok(Self { names, from: view.from.clone(), held: view.held, seen, shown })
    }

    /// The place it stands for.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Opens its folder.
    pub(crate) fn open(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        open(&self.from, flags)
    }

    /// What is there, as it is shown.
    pub(crate) fn stat(&self) -> Result<Seen, Errno> {
        Ok(self.show(sys::stat_at(self.open(OFlags::PATH | OFlags::DIRECTORY)?, b"")?))
    }

    /// What was seen in it, as it is shown.
    pub(crate) fn show(&self, seen: Seen) -> Seen {
        match seen {
            Seen::Entry(mut stat) => {
                stat.device = self.device(stat.device);
                Seen::Entry(stat)
            }
            Seen::Socket => Seen::Socket,
        }
    }

    /// A device seen in it, as it is shown.
    pub(crate) fn device(&self, seen: u64) -> u64 {
        if seen == self.seen { self.shown } else { seen }
    }
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    sys::open_at(CWD, path.as_os_str().as_bytes(), flags)
}

fn stat(folder: OwnedFd) -> Result<vow_store::source::Stat, Errno> {
    match sys::stat_at(folder, b"")? {
        Seen::Entry(stat) => Ok(stat),
        Seen::Socket => Err(Errno::NOTDIR),
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Views(Vec<Arc<Window>>);

impl Views {
    /// Looks at where they lead.
    pub(crate) fn new(views: &[View]) -> Result<Self, String> {
        views.iter().map(|view| Window::new(view).map(Arc::new)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Window>> {
        self.0.iter()
    }

    /// The one that stands for this very place.
    pub(crate) fn exactly(&self, names: &[Vec<u8>]) -> Option<&Arc<Window>> {
        self.0.iter().find(|window| window.names == names)
    }

    /// The innermost one that this place lies in.
    pub(crate) fn around(&self, names: &[Vec<u8>]) -> Option<&Arc<Window>> {
        let around = self.0.iter().filter(|window| names.starts_with(&window.names));
        around.max_by_key(|window| window.names.len())
    }

    /// Opens the folder with these names; the last one with these flags. Gives where it could not go on.
    pub(crate) fn open(&self, names: &Names, flags: OFlags) -> Result<OwnedFd, (Names, Errno)> {
        let way = OFlags::PATH | OFlags::DIRECTORY;
        let flags_at = |depth: usize| if depth == names.len() { flags } else { way };
        let (mut depth, mut folder) = match self.around(names) {
            Some(window) => (window.names.len(), window.open(flags_at(window.names.len()))),
            None => (0, sys::open_top(flags_at(0))),
        };
        loop {
            let here = folder.map_err(|errno| (names.clone(), errno))?;
            let Some(name) = names.get(depth) else { return Ok(here) };
            depth += 1;
            folder = sys::open_at(&here, name, flags_at(depth));
        }
    }
}
