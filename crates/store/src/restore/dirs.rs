//! Folders below the target, opened so that no path can lead out of it: never through a symbolic link, never upwards.

use crate::listing::path::{is_clean, join, name, parent};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Longer paths are opened in several steps: the kernel takes 4,095 bytes.
const STEP_BYTES: usize = 4000;
const OPEN_DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// The folders below the target, by path; some stay open for the next use.
pub(super) struct Dirs {
    /// The target itself; none in a dry run into a target that does not exist.
    root: Option<Arc<OwnedFd>>,
    /// The kernel has openat2.
    openat2: AtomicBool,
    open: Mutex<Generations>,
}

/// Two generations of open folders: when the young one is full it becomes the old one, and the old one is closed.
struct Generations {
    young: HashMap<Vec<u8>, Arc<OwnedFd>>,
    old: HashMap<Vec<u8>, Arc<OwnedFd>>,
    capacity: usize,
}

impl Dirs {
    pub(super) fn new(root: Option<OwnedFd>, capacity: usize) -> Self {
        let open = Generations { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(2) };
        Self { root: root.map(Arc::new), openat2: AtomicBool::new(true), open: Mutex::new(open) }
    }

    /// Opens a folder by its path below the target.
    pub(super) fn open(&self, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        let root = self.root.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if path.is_empty() {
            return Ok(root.clone());
        }
        if let Some(fd) = self.generations().get(path) {
            return Ok(fd);
        }
        let fd = Arc::new(self.walk(root.as_fd(), path)?);
        self.keep(path, fd.clone());
        Ok(fd)
    }

    /// Opens the folder `path` by its name in its parent, and keeps it for the next use.
    pub(super) fn open_child(&self, dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        let fd = Arc::new(rustix::fs::openat(dir, name(path), OPEN_DIR, Mode::empty())?);
        self.keep(path, fd.clone());
        Ok(fd)
    }

    /// The parent of a path, open, and the name in it.
    pub(super) fn place<'p>(&self, path: &'p [u8]) -> io::Result<(Arc<OwnedFd>, &'p [u8])> {
        Ok((self.open(parent(path).unwrap_or_default())?, name(path)))
    }

    fn keep(&self, path: &[u8], fd: Arc<OwnedFd>) {
        self.generations().insert(path.to_vec(), fd);
    }

    fn generations(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn walk(&self, root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
        if !is_clean(path) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut at: Option<OwnedFd> = None;
        let mut rest = path;
        while !rest.is_empty() {
            let (step, after) = split(rest);
            let from = at.as_ref().map_or(root, |fd| fd.as_fd());
            at = Some(self.step(from, step)?);
            rest = after;
        }
        at.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn step(&self, from: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
        if self.openat2.load(Ordering::Relaxed) {
            match rustix::fs::openat2(from, path, OPEN_DIR, Mode::empty(), BENEATH) {
                Err(Errno::NOSYS) => self.openat2.store(false, Ordering::Relaxed),
                // A sandbox may forbid the call; what is forbidden otherwise fails again below.
                Err(Errno::PERM) => (),
                result => return Ok(result?),
            }
        }
        one_by_one(from, path)
    }
}

/// Opens component by component, following nothing: what openat2 does in one call.
fn one_by_one(from: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    for part in path.split(|byte| *byte == b'/') {
        let from = at.as_ref().map_or(from, |fd| fd.as_fd());
        at = Some(rustix::fs::openat(from, part, OPEN_DIR, Mode::empty())?);
    }
    at.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// The longest start of a path that one call takes, and the rest.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= STEP_BYTES {
        return (path, &[]);
    }
    match path[..STEP_BYTES].iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        // No name is that long: the kernel will say so.
        None => (path, &[]),
    }
}

impl Generations {
    fn get(&mut self, path: &[u8]) -> Option<Arc<OwnedFd>> {
        if let Some(fd) = self.young.get(path) {
            return Some(fd.clone());
        }
        let fd = self.old.remove(path)?;
        self.insert(path.to_vec(), fd.clone());
        Some(fd)
    }

    fn insert(&mut self, path: Vec<u8>, fd: Arc<OwnedFd>) {
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(path, fd);
    }
}

/// What is at `name` in a folder, itself and not what it links to; none when there is nothing.
pub(super) fn look(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What kind of thing a stat is of.
pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Removes what is not a directory.
pub(super) fn unlink(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
}

/// The proper ancestors of a path below `base` (itself left out), topmost first.
pub(super) fn steps_between(base: &[u8], path: &[u8]) -> Vec<Vec<u8>> {
    let rest = path.strip_prefix(base).unwrap_or(path);
    let mut steps: Vec<Vec<u8>> = Vec::new();
    for part in rest.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        let before = steps.last().map_or(base, |step| step);
        steps.push(join(before, part));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn without_openat2_folders_are_found_and_links_are_not_followed_either() {
        let temp = tempfile::tempdir().expect("tempdir");
        let deep = temp.path().join("a/b/c");
        std::fs::create_dir_all(&deep).expect("mkdir");
        std::os::unix::fs::symlink("b", temp.path().join("a/link")).expect("symlink");
        for openat2 in [true, false] {
            let root = rustix::fs::open(temp.path(), OPEN_DIR, Mode::empty()).expect("open");
            let dirs = Dirs::new(Some(root), 2);
            dirs.openat2.store(openat2, Ordering::Relaxed);
            let found = rustix::fs::fstat(&*dirs.open(b"a/b/c").expect("open")).expect("stat");
            assert_eq!(found.st_ino, deep.metadata().expect("stat").ino());
            for refused in [&b"a/link"[..], b"a/link/c", b"a/../a", b"..", b"a/nothing"] {
                assert!(dirs.open(refused).is_err(), "{}", refused.escape_ascii());
            }
        }
    }

    #[test]
    fn long_paths_are_opened_in_steps() {
        let path = [&[b'x'; 250][..]; 60].join(&b'/');
        let (mut rest, mut steps) = (&path[..], Vec::new());
        while !rest.is_empty() {
            let (step, after) = split(rest);
            assert!(step.len() <= STEP_BYTES && !step.is_empty());
            steps.push(step);
            rest = after;
        }
        assert_eq!(steps.join(&b'/'), path);
    }
}
