//! Restoring.
use crate::archive::{ArchiveError, Snapshot};
use crate::monitor::Monitor;
use std::io;
use std::path::PathBuf;

/// What to restore, and how.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// The folder to restore into; created when missing.
    pub target: PathBuf,
    /// Only this path of the snapshot, and what is below it.
    pub under: Option<Vec<u8>>,
    /// Place the contents of `under` directly in the target (a file: under its name), not under its full path.
    pub strip: bool,
    /// Report what would be done, and write nothing.
    pub dry_run: bool,
    /// Worker threads; 0 for one per processor.
    pub threads: usize,
}

/// What was restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Regular files that are now as the snapshot has them (or would be, after a dry run).
    pub files: u64,
    /// Directories, likewise.
    pub dirs: u64,
    /// Symbolic links, devices and FIFOs, likewise.
    pub others: u64,
    /// Bytes of content of these files.
    pub bytes: u64,
    /// Bytes of content that had to be written.
    pub written_bytes: u64,
    /// Files whose content was already right.
    pub unchanged_files: u64,
    /// Entries that were not there before.
    pub created: u64,
    /// Entries that were there and of which anything had to be changed.
    pub changed: u64,
    /// Problems: what could not be restored, or not fully.
    pub errors: u64,
}

/// Why a restore stopped. What was restored until then stays, and running again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The target cannot be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Target {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target's file system, or a quota on it, is full.
    #[error(
        "the target is full: {path} could not be written; make room and run the same command again, it goes on from here"
    )]
    Full {
        /// What was being written.
        path: String,
    },
    /// Somebody asked it to stop.
    #[error("stopped; run the same command again to go on")]
    Cancelled,
}

/// Restores a snapshot, or part of it, into a folder. In place, only what differs is written.
pub fn restore(
    snapshot: &Snapshot,
    options: &RestoreOptions,
    monitor: &Monitor,
) -> Result<RestoreReport, RestoreError> {
    let _ = (snapshot, options, monitor);
    Err(RestoreError::Cancelled)
}
