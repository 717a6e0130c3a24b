//! Work for the reading threads: stretches of a large file first, so that one large file keeps all threads busy, then files.

use super::block::Place;
use super::group::StretchJob;
use super::read::Bundle;
use crate::source::{Item, Stream};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A piece of work.
pub(super) enum Job {
    /// Small files that travel together.
    Bundle(Bundle),
    /// One larger file.
    File(Item, Place),
    /// One dump.
    Stream(Item, Box<dyn Stream>, Place),
    /// Some chunks of a large file that somebody else reads.
    Stretch(StretchJob),
}

#[derive(Default)]
struct Waiting {
    stretches: VecDeque<StretchJob>,
    files: VecDeque<Job>,
    closed: bool,
    idle: usize,
}

/// Work that waits, in bounded number.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    limit: usize,
}

impl Queue {
    pub(super) fn new(workers: usize) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), limit: workers * 2 }
    }

    /// Adds a file or bundle; waits while too many are waiting.
    pub(super) fn push(&self, job: Job) {
        let mut waiting = self.lock();
        while waiting.files.len() >= self.limit && !waiting.closed {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.files.push_back(job);
        self.changed.notify_all();
    }

    /// Adds a stretch if somebody is free to take it soon; else gives it back.
    pub(super) fn offer(&self, job: impl FnOnce() -> StretchJob) -> bool {
        let mut waiting = self.lock();
        if waiting.idle == 0 || waiting.stretches.len() >= self.limit {
            return false;
        }
        waiting.stretches.push_back(job());
        self.changed.notify_all();
        true
    }

    /// The next piece of work; `None` when all is done.
    pub(super) fn pop(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            let next = waiting.stretches.pop_front().map(Job::Stretch).or_else(|| waiting.files.pop_front());
            if next.is_some() {
                self.changed.notify_all();
                return next;
            }
            if waiting.closed {
                return None;
            }
            waiting.idle += 1;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }

    /// No more files will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
