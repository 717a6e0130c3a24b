//! The private folder that `pg_basebackup` writes into, and its walk: what is in it becomes the entries of a snapshot under paths of
//! our own. It goes away with the last entry that can still be read.

use super::super::error::PostgresError;
use crate::process::Launcher;
use crate::spooled::place;
use rustix::fs::{AtFlags, CWD, statat};
use std::any::Any;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_store::source::{Found, Item, Stat};

/// Entries handed out at once.
const BATCH: usize = 256;
/// Room for the log that is written meanwhile, beside the databases themselves.
const SPACE_BASE_BYTES: u64 = 256 << 20;

/// The folder.
pub(super) struct Staging {
    path: PathBuf,
}

impl Staging {
    /// Makes it below `place`. What a run that was killed left there is removed.
    pub(super) fn create(
        place: &Path,
        name: &str,
        launcher: &Launcher,
        bytes: u64,
    ) -> Result<Self, PostgresError> {
        let path = place.join(format!("vow-staging-{name}"));
        let account = launcher.account();
        match fs::symlink_metadata(&path) {
            // Whoever else made it, it is not ours to remove.
            Ok(meta) if meta.is_dir() && meta.uid() == account.uid => {
                fs::remove_dir_all(&path).map_err(PostgresError::io("remove what was left in", &path))?;
            }
            Ok(_) => {
                let text = format!(
                    "{} is in the way: it is not a folder of the account {}; remove it, or name another place with staging",
                    path.display(),
                    account.name
                );
                return Err(PostgresError::Refused(text));
            }
            Err(_) => {}
        }
        check_space(place, bytes)?;
        let made = fs::DirBuilder::new().mode(0o700).create(&path).and_then(|()| launcher.give(&path));
        made.map_err(PostgresError::io("make the staging folder", &path))?;
        Ok(Self { path })
    }

    /// A path in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The next run tries again.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn check_space(place: &Path, bytes: u64) -> Result<(), PostgresError> {
    let stat = rustix::fs::statvfs(place).map_err(|e| PostgresError::io("look at", place)(e.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let wanted = bytes.saturating_add(SPACE_BASE_BYTES);
    if free >= wanted {
        return Ok(());
    }
    let (free, wanted, place) = (free >> 20, wanted >> 20, place.display());
    Err(PostgresError::Refused(format!(
        "a base backup needs about {wanted} MiB in {place}, where {free} MiB are free; name a roomier place with staging"
    )))
}

/// A walk over a part of it, in the order of a listing.
pub(super) struct Walk {
    staging: Arc<Staging>,
    /// Real paths and those in the listing, the next one last.
    waiting: Vec<(PathBuf, Vec<u8>)>,
}

impl Walk {
    /// Of the folder `name` and what is in it.
    pub(super) fn of(staging: Arc<Staging>, name: &str) -> Self {
        let waiting = vec![(staging.path(name), name.as_bytes().to_vec())];
        Self { staging, waiting }
    }

    /// The next entries; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Found>>, PostgresError> {
        let mut found = Vec::new();
        while found.len() < BATCH {
            let Some((real, path)) = self.waiting.pop() else { break };
            let (parent, name) = split(&real);
            let stat = statat(CWD, &real, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| PostgresError::io("look at", &real)(e.into()))?;
            if real.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                self.push_children(&real, &path)?;
            }
            let folder = place(parent, Some(Arc::clone(&self.staging) as Arc<dyn Any + Send + Sync>));
            let stat = Stat::from_raw(&stat);
            found.push(Found::Item(Item { path, stat, folder, name_bytes: name.len(), ancestor: false }));
        }
        Ok(if found.is_empty() { None } else { Some(found) })
    }

    fn push_children(&mut self, real: &Path, path: &[u8]) -> Result<(), PostgresError> {
        let read = || fs::read_dir(real)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
        let mut names = read().map_err(PostgresError::io("read", real))?;
        names.sort_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
        for name in names {
            self.waiting.push((real.join(&name), [path, b"/", name.as_bytes()].concat()));
        }
        Ok(())
    }
}

fn split(real: &Path) -> (PathBuf, Vec<u8>) {
    let parent = real.parent().unwrap_or(Path::new("/")).to_owned();
    (parent, real.file_name().unwrap_or_default().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_store::listing::path::compare;

    #[test]
    fn it_is_walked_in_the_order_of_a_listing_and_goes_away() {
        let place = tempfile::tempdir().expect("a folder");
        let staging = Staging::create(place.path(), "x", &Launcher::default(), 0).expect("it is made");
        for name in ["base", "base/a", "base/a/z", "base/a-b"] {
            fs::create_dir(staging.path(name)).expect("a folder");
        }
        for name in ["base/a.c", "base/a/y", "base/PG_VERSION"] {
            fs::write(staging.path(name), name).expect("a file");
        }
        let real = staging.path("base");
        let mut walk = Walk::of(Arc::new(staging), "base");
        let found = walk.next().expect("it is read").expect("there is something");
        let mut paths = Vec::new();
        for one in &found {
            if let Found::Item(item) = one {
                paths.push(item.path.clone());
            }
        }
        let mut sorted = paths.clone();
        sorted.sort_by(|a, b| compare(a, b));
        assert_eq!((paths.len(), &paths), (7, &sorted));
        assert!(walk.next().expect("it is read").is_none());
        drop(walk);
        assert!(real.exists(), "it can still be read");
        drop(found);
        assert!(!real.exists());
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_others_made_is_not() {
        let place = tempfile::tempdir().expect("a folder");
        let left = place.path().join("vow-staging-x");
        fs::create_dir(&left).expect("a folder");
        fs::write(left.join("old"), "x").expect("a file");
        let staging = Staging::create(place.path(), "x", &Launcher::default(), 0).expect("it is made");
        assert!(!staging.path("old").exists());
        drop(staging);
        fs::write(&left, "x").expect("a file");
        assert!(Staging::create(place.path(), "x", &Launcher::default(), 0).is_err());
        fs::remove_file(&left).expect("it goes");
        let why = Staging::create(place.path(), "x", &Launcher::default(), u64::MAX / 2).err();
        assert!(why.is_some_and(|why| why.to_string().contains("staging")));
    }
}
