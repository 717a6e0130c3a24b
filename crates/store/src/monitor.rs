//! What a long operation reports while it runs. The library never prints: the binary reads the counters and listens.

use crate::listing::Kind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Numbers that only grow while an operation runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Files dealt with.
    pub files: AtomicU64,
    /// Directories dealt with.
    pub dirs: AtomicU64,
    /// Bytes of file content dealt with (read, or known to be unchanged).
    pub bytes: AtomicU64,
    /// Bytes sent to, or read from, a vault.
    pub stored_bytes: AtomicU64,
    /// Packs dealt with.
    pub packs: AtomicU64,
    /// Problems met.
    pub errors: AtomicU64,
    /// Bytes expected in all; 0 when not known.
    pub total_bytes: AtomicU64,
    /// Files expected in all; 0 when not known.
    pub total_files: AtomicU64,
}

/// Something worth a line of its own.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Something could not be done for this path.
    Problem {
        /// The path, for people.
        path: &'a str,
        /// What happened.
        text: &'a str,
    },
    /// Something a person may want to know.
    Note(&'a str),
}

/// What became of an entry since the last snapshot of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing is known of a last snapshot.
    Unknown,
    /// It was not in the last snapshot.
    New,
    /// Its size or modification time is another one.
    Changed,
    /// Neither is.
    Same,
}

/// Looks at what a backup captures, while it is captured: nothing is read for it. Called from the threads that do the work, so each
/// call must be short.
pub trait Observer: Send + Sync {
    /// An entry that was found, in the order of the listing, called by one thread. Paths are those of the listing.
    fn entry(&self, path: &[u8], kind: Kind, size: u64, change: Change);
    /// An entry of the last snapshot that is not there any more, called by the same thread.
    fn gone(&self, path: &[u8], kind: Kind);
    /// Content that was read because it was not known: the name of the file, and its first bytes. Called by many threads.
    fn content(&self, name: &[u8], first: &[u8]);
}

/// Follows one operation.
pub struct Monitor {
    /// Its numbers.
    pub counters: Counters,
    listener: Box<dyn Fn(Event<'_>) + Send + Sync>,
    observer: Option<Arc<dyn Observer>>,
    cancelled: AtomicBool,
}

impl Monitor {
    /// A monitor whose events go to `listener`, from any thread.
    pub fn new(listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        Self {
            counters: Counters::default(),
            listener: Box::new(listener),
            observer: None,
            cancelled: AtomicBool::new(false),
        }
    }

    /// The same, with somebody who looks at what is captured.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Who looks at what is captured.
    pub(crate) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    /// A monitor that nobody listens to.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Counts and reports a problem.
    pub fn problem(&self, path: &str, text: &str) {
        self.counters.errors.fetch_add(1, Ordering::Relaxed);
        (self.listener)(Event::Problem { path, text });
    }

    /// Reports something that is no problem.
    pub fn note(&self, text: &str) {
        (self.listener)(Event::Note(text));
    }

    /// Asks the operation to stop at the next safe point.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the operation was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
