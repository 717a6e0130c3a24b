//! Finding databases by how they begin, below folders. Files are only looked at, never opened by SQLite here.

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// A database is a number of pages, and this is the smallest page.
const PAGE_BYTES: u64 = 512;
/// The time is looked at after so many files.
const EACH: u64 = 64;
/// What is no place for data.
const NEVER: &[&str] = &["/proc", "/sys", "/dev", "/run"];

/// Patterns with the rules of `.gitignore`, anchored at the root of the file system.
pub(crate) fn excludes(patterns: &[String]) -> Result<Gitignore, String> {
    let mut builder = GitignoreBuilder::new("/");
    for pattern in patterns {
        builder
            .add_line(None, pattern)
            .map_err(|e| format!("the exclude pattern {pattern:?} cannot be used: {e}"))?;
    }
    builder.build().map_err(|e| e.to_string())
}

/// What looking has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Databases, sorted.
    pub(crate) databases: Vec<PathBuf>,
    /// What could not be looked at.
    pub(crate) problems: Vec<String>,
    /// How far it came when its time was over.
    pub(crate) ended: Option<String>,
}

/// Looks for databases below these folders, until then at the latest.
pub(crate) fn databases(
    roots: &[PathBuf],
    never: &[PathBuf],
    excludes: &Gitignore,
    until: Option<Instant>,
) -> Found {
    let mut out = Found::default();
    let mut looked = 0_u64;
    'all: for root in roots {
        let never: Vec<_> = never
            .iter()
            .cloned()
            .chain(NEVER.iter().map(PathBuf::from))
            .filter(|path| path != root)
            .collect();
        let excludes = excludes.clone();
        let mut walk = WalkBuilder::new(root);
        walk.standard_filters(false).follow_links(false).filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            !never.iter().any(|path| path == entry.path())
                && !excludes.matched(entry.path(), is_folder).is_ignore()
        });
        for entry in walk.build() {
            looked += 1;
            if until.is_some_and(|until| looked.is_multiple_of(EACH) && Instant::now() >= until) {
                out.ended = Some(format!(
                    "there was time for {looked} files and folders only, up to those below {}",
                    root.display()
                ));
                break 'all;
            }
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    if is_database(entry.path()) {
                        out.databases.push(entry.into_path());
                    }
                }
                Ok(_) => {}
                Err(error) => out.problems.push(error.to_string()),
            }
        }
    }
    out.databases.sort();
    out.databases.dedup();
    out
}

/// Whether a file begins like a database.
pub(crate) fn is_database(path: &Path) -> bool {
    let sized = fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.len() > 0 && meta.len() % PAGE_BYTES == 0);
    if !sized {
        return false;
    }
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let mut begin = [0; MAGIC.len()];
    let open = fs::OpenOptions::new().read(true).custom_flags(flags as i32).open(path);
    open.and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == *MAGIC
}
