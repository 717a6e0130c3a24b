//! Runs of consecutive entries, some ready at once, some waiting for their data. Blocks keep the listing in order while files are
//! read out of order.

use super::collect::Message;
use super::packs::PackNo;
use crate::listing::{Entry, Time};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// An entry that only waits for its packs.
#[derive(Debug)]
pub(super) struct Ready {
    /// The entry.
    pub(super) entry: Entry<PackNo>,
    /// What the cache needs to recognise it next time.
    pub(super) inode: u64,
    /// Likewise.
    pub(super) ctime: Time,
    /// For chunk lists: the packs their chunks lie in, with the stored bytes used of each.
    pub(super) inner: Vec<(PackNo, u64)>,
    /// Whose content it has.
    pub(super) link: LinkRole,
    /// Number of links, for files with several.
    pub(super) links: u32,
}

/// How an entry comes to its content when its file has several links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkRole {
    /// The first link in the listing, or the only one: it is read.
    First,
    /// A later link, which takes the content of the first.
    Further,
    /// A later link that has taken it.
    Given,
}

/// Consecutive entries.
pub(super) struct Block {
    slots: Mutex<Vec<Option<Box<Ready>>>>,
    /// Slots not yet decided, and one for the planner while it still adds.
    missing: AtomicUsize,
    done: Sender<Message>,
}

/// A slot that waits for its data.
pub(super) struct Place {
    block: Arc<Block>,
    slot: usize,
}

impl Block {
    pub(super) fn new(done: Sender<Message>) -> Arc<Self> {
        Arc::new(Self { slots: Mutex::default(), missing: AtomicUsize::new(1), done })
    }

    /// Adds an entry that is ready.
    pub(super) fn push(&self, ready: Ready) {
        self.lock().push(Some(Box::new(ready)));
    }

    /// Adds a slot to be filled later.
    pub(super) fn reserve(self: &Arc<Self>) -> Place {
        let mut slots = self.lock();
        slots.push(None);
        self.missing.fetch_add(1, Ordering::AcqRel);
        Place { block: Arc::clone(self), slot: slots.len() - 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The planner adds no more.
    pub(super) fn close(&self) {
        self.settle();
    }

    /// Whether every slot is decided.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// The entries, once complete. Slots that stayed empty are files that could not be read.
    pub(super) fn take(&self) -> Vec<Option<Box<Ready>>> {
        std::mem::take(&mut self.lock())
    }

    fn settle(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            // A collector that is gone has failed and said why.
            let _ = self.done.send(Message::BlockDone);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<Box<Ready>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Decides the slot: an entry, or nothing when it could not be read.
    pub(super) fn fill(self, ready: Option<Ready>) {
        self.block.lock()[self.slot] = ready.map(Box::new);
        self.block.settle();
    }
}
