//! What all threads of a restore share.

use super::dirs::Dirs;
use super::{RestoreError, RestoreReport};
use crate::archive::Snapshot;
use crate::listing::entry::display_path;
use crate::monitor::Monitor;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

pub(super) struct Context<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) monitor: &'a Monitor,
    pub(super) dirs: Dirs,
    pub(super) dry_run: bool,
    pub(super) threads: usize,
    /// We may give files away.
    pub(super) privileged: bool,
    pub(super) tally: Tally,
    /// Large files that are open, and how many may be.
    pub(super) open_files: AtomicUsize,
    pub(super) open_files_max: usize,
    owner_noted: AtomicBool,
    stopped: AtomicBool,
    why: Mutex<Option<RestoreError>>,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) files: AtomicU64,
    pub(super) dirs: AtomicU64,
    pub(super) others: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) unchanged_files: AtomicU64,
    pub(super) created: AtomicU64,
    pub(super) changed: AtomicU64,
    pub(super) errors: AtomicU64,
}

impl<'a> Context<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, monitor: &'a Monitor, dirs: Dirs, dry_run: bool) -> Self {
        Self {
            snapshot,
            monitor,
            dirs,
            dry_run,
            threads: 1,
            privileged: rustix::process::geteuid().is_root(),
            tally: Tally::default(),
            open_files: AtomicUsize::new(0),
            open_files_max: 64,
            owner_noted: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            why: Mutex::new(None),
        }
    }

    /// Counts and reports a problem with one entry.
    pub(super) fn problem(&self, path: &[u8], text: &str) {
        self.tally.errors.fetch_add(1, Relaxed);
        self.monitor.problem(&display_path(path), text);
    }

    /// Words for an I/O error. A full target stops the restore.
    pub(super) fn words(&self, path: &[u8], action: &str, error: &io::Error) -> String {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            self.stop(RestoreError::Full { path: display_path(path) });
        }
        format!("cannot {action}: {error}")
    }

    /// The owners cannot be set without privilege: said once, not for every entry.
    pub(super) fn note_owner(&self) {
        if !self.owner_noted.swap(true, Relaxed) {
            let text = "owners and groups that only root may set were left out, and with them set-user-id and set-group-id \
                        bits; restore as root to have them";
            self.monitor.note(text);
        }
    }

    /// Ends the restore at the next safe point; the first reason counts.
    pub(super) fn stop(&self, why: RestoreError) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.stopped.store(true, Relaxed);
    }

    /// Whether to end.
    pub(super) fn is_stopped(&self) -> bool {
        if self.monitor.is_cancelled() {
            self.stop(RestoreError::Cancelled);
        }
        self.stopped.load(Relaxed)
    }

    /// What came of it.
    pub(super) fn finish(self) -> Result<RestoreReport, RestoreError> {
        if let Some(why) = self.why.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(why);
        }
        let read = |counter: AtomicU64| counter.into_inner();
        let tally = self.tally;
        Ok(RestoreReport {
            files: read(tally.files),
            dirs: read(tally.dirs),
            others: read(tally.others),
            bytes: read(tally.bytes),
            written_bytes: read(tally.written_bytes),
            unchanged_files: read(tally.unchanged_files),
            created: read(tally.created),
            changed: read(tally.changed),
            errors: read(tally.errors),
        })
    }

    /// Counts how an entry came to be as it is.
    pub(super) fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Same => 0,
            Outcome::Created => self.tally.created.fetch_add(1, Relaxed),
            Outcome::Changed => self.tally.changed.fetch_add(1, Relaxed),
        };
    }
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was there, and right.
    Same,
    /// It was not there.
    Created,
    /// It was there, and something about it was not right.
    Changed,
}
