//! btrfs: a read-only subvolume in the subvolume itself, named `.vow-…`.
//!
//! A snapshot has nothing of subvolumes inside it: each of those gets one of its own, moments later.

use super::{Provider, Taken, is_ours, tool, unexpected};
use crate::coherence::CoherenceError;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) const KIND: &str = "btrfs";
const PROGRAM: &str = "btrfs";
/// The inode of the root of every subvolume (`BTRFS_FIRST_FREE_OBJECTID`).
const SUBVOLUME: u64 = 256;

pub(super) struct Btrfs;

impl Provider for Btrfs {
    fn take(&self, taken: &mut [Taken]) -> Result<(), CoherenceError> {
        for one in taken {
            let words = ["subvolume", "snapshot", "-r", "--"].map(OsStr::new);
            tool(PROGRAM, words.into_iter().chain([one.at.as_os_str(), one.from.as_os_str()]))?;
        }
        Ok(())
    }

    fn remove(&self, taken: &Taken) -> Result<(), CoherenceError> {
        let name = taken.from.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_prefix('.'));
        if !name.is_some_and(is_ours) || !is_subvolume(&taken.from) {
            return Ok(());
        }
        let words = ["subvolume", "delete", "--"].map(OsStr::new);
        tool(PROGRAM, words.into_iter().chain([taken.from.as_os_str()])).map(drop)
    }

    fn left_over(&self, of: &Taken, prefix: &str) -> Result<Vec<Taken>, CoherenceError> {
        let read = |source| CoherenceError::Record { path: of.at.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&of.at).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix('.')) else { continue };
            let from = of.at.join(format!(".{name}"));
            if name.starts_with(prefix) && is_ours(name) && is_subvolume(&from) {
                found.push(Taken { name: name.to_owned(), from, ..of.clone() });
            }
        }
        Ok(found)
    }
}

fn is_subvolume(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.ino() == SUBVOLUME)
}

/// The subvolume that a path lies in, not above where its file system is mounted.
pub(crate) fn subvolume_of(path: &Path, mount: &Path) -> Option<PathBuf> {
    let above = path.ancestors().take_while(|above| above.starts_with(mount));
    above.into_iter().find(|above| is_subvolume(above)).map(Path::to_owned)
}

/// Subvolumes inside one, at any depth; each with whether nothing can change in it.
pub(crate) fn nested(at: &Path) -> Result<Vec<(PathBuf, bool)>, CoherenceError> {
    let show =
        tool(PROGRAM, ["subvolume", "show", "--"].map(OsStr::new).into_iter().chain([at.as_os_str()]))?;
    let own = show.lines().next().map(str::trim).filter(|line| !line.is_empty());
    let own = own.ok_or_else(|| unexpected(PROGRAM, &show))?.trim_matches('/').to_owned();
    let words = ["subvolume", "list", "-o", "--"].map(OsStr::new);
    let list = tool(PROGRAM, words.into_iter().chain([at.as_os_str()]))?;
    let mut found = Vec::new();
    for path in parse(&list, &own) {
        let path = at.join(OsString::from_vec(path));
        if !is_subvolume(&path) || path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".vow-"))
        {
            continue;
        }
        let words = ["property", "get", "-t", "subvol"].map(OsStr::new);
        let property = tool(PROGRAM, words.into_iter().chain([path.as_os_str(), OsStr::new("ro")]))?;
        let deeper = nested(&path)?;
        found.push((path, property.trim() == "ro=true"));
        found.extend(deeper);
    }
    Ok(found)
}

/// Paths inside the subvolume `own`, of what `btrfs subvolume list -o` says.
fn parse(list: &str, own: &str) -> Vec<Vec<u8>> {
    let inside = |line: &str| {
        let (_, path) = line.split_once(" path ")?;
        let path = path.strip_prefix("<FS_TREE>/").unwrap_or(path);
        let path = if own.is_empty() { path } else { path.strip_prefix(own)?.strip_prefix('/')? };
        (!path.is_empty()).then(|| path.as_bytes().to_vec())
    };
    list.lines().filter_map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_nested_subvolumes_are_taken_from_the_list() {
        let list = "ID 257 gen 10 top level 5 path @home/ann\nID 258 gen 11 top level 256 path @home/a path b\n\
                    ID 259 gen 11 top level 256 path @homestead\nnonsense\n";
        assert_eq!(parse(list, "@home"), [b"ann".to_vec(), b"a path b".to_vec()]);
        assert_eq!(parse("ID 256 gen 7 top level 5 path data\n", ""), [b"data".to_vec()]);
    }
}
