//! An open directory that can be closed and opened again, so that what is found stays readable however much of it is kept.

use super::attributes;
use super::pool::Pool;
use super::sys::{self, Seen};
use super::views::Window;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use vow_store::listing::Kind;
use vow_store::source::{Attributes, Folder, Stat};

/// How often, and how far apart, a file is tried that somebody holds a lease on (Samba does for its clients): the first attempt
/// makes the kernel ask for it back.
const LEASE_TRIES: u32 = 40;
const LEASE_PAUSE: Duration = Duration::from_millis(50);

/// A directory of the walk.
pub(crate) struct Dir {
    myself: Weak<Dir>,
    parent: Option<Arc<Dir>>,
    name: Box<[u8]>,
    /// Device and inode: what is opened later must be the same.
    identity: (u64, u64),
    flags: OFlags,
    /// It is read elsewhere: opened by a path of its own.
    enters: bool,
    /// The view that it lies in.
    window: Option<Arc<Window>>,
    fd: Mutex<Option<Arc<OwnedFd>>>,
    pool: Arc<Pool>,
}

impl Dir {
    /// Opens a directory: `name` in `parent`, or the root of the file system; or else where a view has it. One that is not `readable`
    /// only serves to reach what is below it, which takes no permission to list it.
    pub(crate) fn open(
        parent: Option<Arc<Dir>>,
        name: Box<[u8]>,
        view: Option<&Arc<Window>>,
        readable: bool,
        pool: &Arc<Pool>,
    ) -> Result<(Arc<Self>, Arc<OwnedFd>), Errno> {
        let flags = OFlags::DIRECTORY | if readable { OFlags::RDONLY } else { OFlags::PATH };
        let attempt = || match (view, &parent) {
            (Some(window), _) => window.open(flags),
            (None, Some(parent)) => sys::open_at(&parent.fd()?, &name, flags),
            (None, None) => sys::open_top(flags),
        };
        let fd = with_room(pool, attempt)?;
        let Seen::Entry(stat) = sys::stat_at(&fd, b"")? else { return Err(Errno::NOTDIR) };
        let fd = Arc::new(fd);
        let above = || parent.as_ref().and_then(|parent| parent.window.as_ref());
        let window = view.or_else(above).cloned();
        let dir = Arc::new_cyclic(|myself| Self {
            myself: myself.clone(),
            parent,
            name,
            identity: (stat.device, stat.inode),
            flags,
            enters: view.is_some(),
            window,
            fd: Mutex::new(Some(Arc::clone(&fd))),
            pool: Arc::clone(pool),
        });
        pool.opened(&dir);
        Ok((dir, fd))
    }

    /// Its device, as it is shown.
    pub(crate) fn device(&self) -> u64 {
        self.window.as_ref().map_or(self.identity.0, |window| window.device(self.identity.0))
    }

    /// Whether nothing changes in it: it is read in a snapshot of its file system.
    pub(crate) fn is_held(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.held)
    }

    /// Whether it stands where a snapshot has nothing, because another subvolume lies there (`BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`).
    pub(crate) fn is_gap(&self, fd: &OwnedFd) -> bool {
        const GAP: u64 = 2;
        const BTRFS: u32 = 0x9123_683e;
        self.is_held() && !self.enters && self.identity.1 == GAP && sys::file_system_type(fd) == BTRFS
    }

    /// What was seen in it, as it is shown.
    pub(crate) fn show(&self, seen: Seen) -> Seen {
        self.window.as_ref().map_or(seen, |window| window.show(seen))
    }

    /// The directory it lies in.
    pub(crate) fn parent(&self) -> Option<&Arc<Dir>> {
        self.parent.as_ref()
    }

    /// Its path in the listing.
    pub(crate) fn path(&self) -> Vec<u8> {
        let names: Vec<&[u8]> =
            self.upwards().filter(|dir| dir.parent.is_some()).map(|dir| &*dir.name).collect();
        names.into_iter().rev().collect::<Vec<_>>().join(&b'/')
    }

    fn upwards(&self) -> impl Iterator<Item = &Dir> {
        std::iter::successors(Some(self), |dir| dir.parent.as_deref())
    }

    /// The open directory; it is opened again when it was closed meanwhile.
    pub(crate) fn fd(&self) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(fd) = &*self.lock() {
            return Ok(Arc::clone(fd));
        }
        // From the nearest one that is open, downwards: recursion could be thousands of levels deep.
        let mut chain = Vec::new();
        let mut above = None;
        for dir in self.upwards() {
            above = dir.lock().clone();
            if above.is_some() {
                break;
            }
            chain.push(dir);
        }
        while let Some(dir) = chain.pop() {
            let attempt = || match (&dir.window, &above) {
                (Some(window), _) if dir.enters => window.open(dir.flags),
                (_, Some(parent)) => sys::open_at(parent, &dir.name, dir.flags),
                (_, None) => sys::open_top(dir.flags),
            };
            let opened = with_room(&self.pool, attempt)?;
            dir.check(&opened)?;
            above = Some(Arc::new(opened));
        }
        above.map_or(Err(Errno::NOENT), |fd| Ok(self.keep(fd)))
    }

    fn check(&self, fd: &OwnedFd) -> Result<(), Errno> {
        match sys::stat_at(fd, b"")? {
            Seen::Entry(stat) if (stat.device, stat.inode) == self.identity => Ok(()),
            _ => Err(Errno::STALE),
        }
    }

    fn keep(&self, fd: Arc<OwnedFd>) -> Arc<OwnedFd> {
        let before = self.lock().replace(Arc::clone(&fd));
        if let (None, Some(myself)) = (before, self.myself.upgrade()) {
            self.pool.opened(&myself);
        }
        fd
    }

    /// Closes it until it is needed again.
    pub(crate) fn close(&self) {
        if self.lock().take().is_some() {
            self.pool.closed();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.fd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens; when too many files are open, closes directories and tries again.
fn with_room(pool: &Pool, attempt: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    match attempt() {
        Err(Errno::MFILE | Errno::NFILE) => {
            pool.shrink(2);
            attempt()
        }
        result => result,
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if self.fd.get_mut().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            self.pool.closed();
        }
        // One by one: thousands of levels dropped inside each other would overflow the stack.
        let mut parent = self.parent.take();
        while let Some(mut dir) = parent.and_then(Arc::into_inner) {
            parent = dir.parent.take();
        }
    }
}

impl Folder for Dir {
    fn open_file(&self, name: &[u8]) -> io::Result<File> {
        let folder = self.fd()?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut tries = 0;
        let file = loop {
            match with_room(&self.pool, || sys::open_at(&folder, name, flags)) {
                Err(Errno::AGAIN) if tries < LEASE_TRIES => {
                    tries += 1;
                    std::thread::sleep(LEASE_PAUSE);
                }
                result => break result?,
            }
        };
        match sys::stat_at(&file, b"")? {
            Seen::Entry(stat) if stat.kind == Kind::File => Ok(File::from(file)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no longer a regular file")),
        }
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(self.fd()?, name, Vec::new())?.into_bytes())
    }

    fn attributes(&self, name: &[u8]) -> io::Result<Attributes> {
        Ok(attributes::read(&*self.fd()?, name)?)
    }

    fn attributes_of(&self, file: &File) -> io::Result<Attributes> {
        Ok(attributes::read_file(file)?)
    }

    fn stat(&self, name: &[u8]) -> io::Result<Stat> {
        match self.show(sys::stat_at(self.fd()?, name)?) {
            Seen::Entry(stat) => Ok(stat),
            Seen::Socket => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a socket now")),
        }
    }
}
