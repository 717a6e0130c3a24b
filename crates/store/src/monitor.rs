//! What a long operation reports while it runs. The library never prints: the binary reads the counters and listens.

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

/// Follows one operation.
pub struct Monitor {
    /// Its numbers.
    pub counters: Counters,
    listener: Box<dyn Fn(Event<'_>) + Send + Sync>,
    cancelled: AtomicBool,
}

impl Monitor {
    /// A monitor whose events go to `listener`, from any thread.
    pub fn new(listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        Self {
            counters: Counters::default(),
            listener: Box::new(listener),
            cancelled: AtomicBool::new(false),
        }
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
