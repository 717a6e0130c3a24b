//! How much lies in a folder: a walk with an end, for a host that is busy with other things.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Files.
    pub files: u64,
    /// Bytes allocated.
    pub bytes: u64,
    /// When the newest of them was changed, in seconds since 1970.
    pub newest_secs: Option<i64>,
    /// There is more than was counted: there was no time for it, or it may not be read.
    pub at_least: bool,
    /// There was no time for all of it.
    pub cut_short: bool,
}

/// Counts until its time is over; what it is asked later is not counted at all.
#[derive(Debug)]
pub struct Sizer {
    until: Instant,
    /// One folder may take this long: the others come too.
    each: Duration,
}

/// Folders that wait to be looked into, at most: more only cost memory.
const WAITING_MAX: usize = 100_000;

impl Sizer {
    /// One that counts for this long altogether.
    pub fn new(all: Duration, each: Duration) -> Self {
        Self { until: Instant::now() + all, each }
    }

    /// What lies at a path, without other file systems and without following links.
    pub fn size(&self, path: &Path) -> Size {
        let until = self.until.min(Instant::now() + self.each);
        let mut size = Size::default();
        let Ok(meta) = fs::symlink_metadata(path) else { return size };
        size.add(&meta);
        let mut waiting: Vec<PathBuf> = Vec::new();
        if meta.is_dir() {
            waiting.push(path.to_owned());
        }
        while let Some(folder) = waiting.pop() {
            if Instant::now() >= until {
                size.cut_short();
                break;
            }
            let Ok(entries) = fs::read_dir(&folder) else {
                size.at_least = true;
                continue;
            };
            for entry in entries.flatten() {
                let Ok(found) = entry.metadata() else { continue };
                if found.dev() != meta.dev() {
                    continue;
                }
                size.add(&found);
                if found.is_dir() && waiting.len() < WAITING_MAX {
                    waiting.push(entry.path());
                } else if found.is_dir() {
                    size.cut_short();
                }
            }
        }
        size
    }
}

impl Size {
    fn cut_short(&mut self) {
        (self.at_least, self.cut_short) = (true, true);
    }

    fn add(&mut self, meta: &fs::Metadata) {
        self.bytes = self.bytes.saturating_add(meta.blocks().saturating_mul(512));
        if meta.is_file() {
            self.files += 1;
            self.newest_secs = self.newest_secs.max(Some(meta.mtime()));
        }
    }
}
