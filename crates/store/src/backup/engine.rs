//! What the threads of one backup share.

use super::packs::{LevelState, OpenPack, Outgoing, PackNo, PackTable};
use super::{BackupError, BackupOptions};
use crate::chunker::Chunker;
use crate::index::LocalIndex;
use crate::keys::IdKeys;
use crate::listing::Time;
use crate::monitor::Monitor;
use crate::session::SessionKey;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, PoisonError};
use vow_base::disk::DiskError;

/// What the threads of one backup share.
pub(super) struct Engine<'a> {
    pub(super) options: &'a BackupOptions,
    pub(super) monitor: &'a Monitor,
    pub(super) session: SessionKey,
    pub(super) blob: Vec<u8>,
    pub(super) ids: IdKeys,
    pub(super) chunker: Chunker,
    pub(super) index: LocalIndex,
    pub(super) packs: PackTable,
    /// Packs, by number, that must not be referred to again: lost, or mostly dead.
    pub(super) doomed: Vec<bool>,
    /// The number that stands for all packs in a dry run.
    pub(super) dry_pack: PackNo,
    /// One open pack for each worker, and one for the collector.
    pub(super) slots: Vec<Mutex<Option<OpenPack>>>,
    pub(super) outgoing: Mutex<Option<SyncSender<Outgoing>>>,
    pub(super) levels: Vec<LevelState>,
    /// Files changed at this time or later are read again next time.
    pub(super) trust_before: Time,
    pub(super) state: PathBuf,
    /// Problems and notes met, for the root record.
    pub(super) problems: Mutex<Problems>,
    pub(super) notes: Mutex<Vec<String>>,
    pub(super) permits: Permits,
    failure: Mutex<Option<BackupError>>,
    failed: AtomicBool,
}

/// Problems kept in the root record, and bytes of them; all are counted. A record has a limit, and paths may be long.
const PROBLEMS_MAX: usize = 10_000;
const PROBLEMS_BYTES_MAX: usize = 4 << 20;

/// The first problems met: path and text.
#[derive(Default)]
pub(super) struct Problems {
    pub(super) first: Vec<(Vec<u8>, String)>,
    bytes: usize,
}

impl Problems {
    fn add(&mut self, path: &[u8], text: &str) {
        let bytes = self.bytes + path.len() + text.len();
        if self.first.len() < PROBLEMS_MAX && bytes <= PROBLEMS_BYTES_MAX {
            self.first.push((path.to_vec(), text.to_owned()));
            self.bytes = bytes;
        }
    }
}

impl<'a> Engine<'a> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        options: &'a BackupOptions,
        monitor: &'a Monitor,
        (session, blob): (SessionKey, Vec<u8>),
        (ids, chunker): (IdKeys, Chunker),
        (index, packs, doomed): (LocalIndex, PackTable, Vec<bool>),
        slots: usize,
        outgoing: SyncSender<Outgoing>,
        levels: Vec<LevelState>,
        trust_before: Time,
        state: PathBuf,
    ) -> Self {
        let dry_pack = packs.number(&vow_base::ObjectId([0; 32]));
        Self {
            options,
            monitor,
            session,
            blob,
            ids,
            chunker,
            index,
            packs,
            doomed,
            dry_pack,
            slots: (0..slots).map(|_| Mutex::default()).collect(),
            outgoing: Mutex::new(Some(outgoing)),
            levels,
            trust_before,
            state,
            problems: Mutex::default(),
            notes: Mutex::default(),
            permits: Permits::default(),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Whether a chunk in this pack may be referred to.
    pub(super) fn is_usable(&self, pack: PackNo) -> bool {
        !self.doomed.get(pack as usize).copied().unwrap_or(false)
    }

    /// Ends the run; the first reason counts.
    pub(super) fn fail(&self, error: BackupError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.permits.wake();
    }

    /// Ends the run because no level is left; the levels know why.
    pub(super) fn fail_without_level(&self) {
        self.failed.store(true, Ordering::Release);
        self.permits.wake();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn take_failure(&self) -> Option<BackupError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn state_error(&self, action: &'static str, error: io::Error) -> BackupError {
        BackupError::State(DiskError::at(action, &self.state)(error))
    }

    /// Counts and records that something is missing from the snapshot.
    pub(super) fn problem(&self, path: &[u8], text: &str) {
        self.monitor.problem(&crate::listing::entry::display_path(path), text);
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).add(path, text);
    }
}

/// Bounds how many blocks of entries are under way.
#[derive(Default)]
pub(super) struct Permits {
    used: Mutex<usize>,
    freed: Condvar,
    starving: AtomicBool,
}

/// Blocks under way at most.
const BLOCKS_MAX: usize = 128;

impl Permits {
    /// Takes one if there is one.
    pub(super) fn try_take(&self) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let free = *used < BLOCKS_MAX;
        *used += usize::from(free);
        free
    }

    /// Waits for one, or until the run has failed. While it waits, the collector sees that entries must move on.
    pub(super) fn take(&self, failed: impl Fn() -> bool) {
        self.starving.store(true, Ordering::Release);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used >= BLOCKS_MAX && !failed() {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += 1;
        self.starving.store(false, Ordering::Release);
    }

    /// Gives one back.
    pub(super) fn free(&self) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(1);
        self.freed.notify_all();
    }

    /// Whether somebody waits.
    pub(super) fn is_starving(&self) -> bool {
        self.starving.load(Ordering::Acquire)
    }

    fn wake(&self) {
        let _used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_kept_as_far_as_a_record_has_room() {
        let mut problems = Problems::default();
        (0..PROBLEMS_MAX + 5).for_each(|_| problems.add(b"short", "x"));
        assert_eq!(problems.first.len(), PROBLEMS_MAX);
        let (mut problems, path) = (Problems::default(), vec![b'p'; 1 << 20]);
        (0..9).for_each(|_| problems.add(&path, ""));
        problems.add(b"short", "x");
        assert_eq!(problems.first.len(), 4);
    }
}
