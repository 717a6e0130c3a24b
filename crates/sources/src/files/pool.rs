//! A bound on the directories that are open at once, whoever holds on to them.

use super::folder::Dir;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// More open directories than this bring nothing.
const MOST_DIRS: u64 = 4096;
/// Fewer make the walk reopen the same directories again and again.
const FEWEST_DIRS: u64 = 8;
/// Assumed where there is no limit.
const UNLIMITED: u64 = 1 << 16;

/// Raises the limit of open files as far as an ordinary process may, and returns it.
pub(crate) fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        raised.current
    } else {
        limit.current
    };
    now.unwrap_or(UNLIMITED)
}

/// Closes the directories that were opened first when there are too many; each can open itself again.
pub(crate) struct Pool {
    budget: usize,
    open: AtomicUsize,
    queue: Mutex<VecDeque<Weak<Dir>>>,
}

impl Pool {
    /// A pool that takes a quarter of `file_limit`: the rest is the files', the vault's and the databases'.
    pub(crate) fn new(file_limit: u64) -> Self {
        let budget = (file_limit / 4).clamp(FEWEST_DIRS, MOST_DIRS);
        Self {
            budget: usize::try_from(budget).unwrap_or(usize::MAX),
            open: AtomicUsize::new(0),
            queue: Mutex::new(VecDeque::new()),
        }
    }

    /// How many directories may be open.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// Counts a directory that was just opened, and closes others when they are too many.
    pub(crate) fn opened(&self, dir: &Arc<Dir>) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.lock();
        queue.push_back(Arc::downgrade(dir));
        if queue.len() > 2 * self.budget {
            // Most of them are gone: a directory that is dropped leaves only its place in this queue.
            queue.retain(|dir| dir.strong_count() > 0);
        }
        drop(queue);
        self.shrink(self.budget);
    }

    /// Counts a directory that was closed.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes directories until at most `keep` are open. Those in use at this moment stay open until they are not.
    pub(crate) fn shrink(&self, keep: usize) {
        while self.open.load(Ordering::Relaxed) > keep {
            // Not held while closing: dropping the last reference comes back here.
            let Some(oldest) = self.lock().pop_front() else { return };
            if let Some(dir) = oldest.upgrade() {
                dir.close();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Weak<Dir>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
