//! Private folders with a password in a file, as programs want to read it.
//!
//! Such a folder goes away with its value; and, because a process can end while a thread of it still has one, all of them when it ends
//! ([`remove_all`]). One that a killed process has left is known by its lock, which nobody holds any more, and removed by the next.

use crate::process::Launcher;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const PREFIX: &str = "vow-private-";
/// One that is as young may not have its lock yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Those of this process.
static THERE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder that only the account of the programs can enter.
pub(crate) struct PrivateFolder {
    folder: TempDir,
    _lock: OwnedFd,
}

impl PrivateFolder {
    /// Makes one in the folder for temporary files.
    pub(crate) fn make(launcher: &Launcher) -> io::Result<Self> {
        let place = std::env::temp_dir();
        remove_left(&place);
        Self::make_in(&place, launcher)
    }

    fn make_in(place: &Path, launcher: &Launcher) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
        with_there(|there| there.push(folder.path().to_owned()));
        let made = Self { _lock: locked(folder.path())?, folder };
        fs::set_permissions(made.path(), fs::Permissions::from_mode(0o700))?;
        launcher.give(made.path())?;
        Ok(made)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        with_there(|there| there.retain(|path| path != self.folder.path()));
    }
}

/// Removes those that are still there: for a process that ends.
pub fn remove_all() {
    for path in with_there(std::mem::take) {
        // Nobody is there to be told.
        let _ = fs::remove_dir_all(path);
    }
}

fn with_there<T>(act: impl FnOnce(&mut Vec<PathBuf>) -> T) -> T {
    act(&mut THERE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn locked(path: &Path) -> rustix::io::Result<OwnedFd> {
    let folder =
        open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

/// Removes what killed processes have left. What cannot be removed is somebody else's.
fn remove_left(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let is_old = |meta: &fs::Metadata| {
            meta.modified().ok().and_then(|made| made.elapsed().ok()).is_some_and(|age| age > YOUNG)
        };
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let own = rustix::process::geteuid();
        let may = own.is_root() || meta.uid() == own.as_raw();
        if meta.is_dir() && may && is_old(&meta) && locked(&path).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_away_with_its_value_and_at_the_end_of_the_process() {
        let place = tempfile::tempdir().expect("a folder");
        let launcher = Launcher::default();
        let first = PrivateFolder::make_in(place.path(), &launcher).expect("made");
        let second = PrivateFolder::make_in(place.path(), &launcher).expect("made");
        fs::write(second.path().join("pgpass"), "secret").expect("written");
        let mode = fs::metadata(first.path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists() && second.path().exists());
        // Other tests of this process may have some as well.
        assert!(with_there(|there| there.contains(&second.path().to_owned())));
        std::mem::forget(second);
        let left: Vec<_> =
            fs::read_dir(place.path()).expect("read").flatten().map(|entry| entry.path()).collect();
        with_there(|there| there.retain(|path| !left.contains(path)));
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_is_not() {
        let place = tempfile::tempdir().expect("a folder");
        let old = std::time::SystemTime::now() - 10 * YOUNG;
        let aged = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir(&path).expect("made");
            fs::write(path.join("client.cnf"), "secret").expect("written");
            let times = fs::FileTimes::new().set_modified(old);
            fs::File::open(&path).and_then(|folder| folder.set_times(times)).expect("aged");
            path
        };
        let (left, used, other) = (aged("vow-private-a"), aged("vow-private-b"), aged("vow-else"));
        let young = place.path().join("vow-private-c");
        fs::create_dir(&young).expect("made");
        let held = locked(&used).expect("locked");
        remove_left(place.path());
        assert!(!left.exists() && used.exists() && other.exists() && young.exists());
        drop(held);
        remove_left(place.path());
        assert!(!used.exists());
    }
}
