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
    /// Threads at work: they may still offer stretches.
    busy: usize,
}

/// Work that waits, in bounded number.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    limit: usize,
}

/// Work that was taken; its thread is busy until this is dropped.
pub(super) struct Taken<'q> {
    queue: &'q Queue,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.queue.lock().busy -= 1;
        self.queue.changed.notify_all();
    }
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

    /// The next piece of work; `None` when all is done: no files will come, and nobody is at work who could offer stretches.
    pub(super) fn pop(&self) -> Option<(Job, Taken<'_>)> {
        let mut waiting = self.lock();
        loop {
            let next = waiting.stretches.pop_front().map(Job::Stretch).or_else(|| waiting.files.pop_front());
            if let Some(next) = next {
                waiting.busy += 1;
                self.changed.notify_all();
                return Some((next, Taken { queue: self }));
            }
            if waiting.closed && waiting.busy == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::assembly::Assembly;
    use crate::backup::group::Stretch;
    use crate::chunker::Grain;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    fn stretch() -> StretchJob {
        let (data, stretch) = (Vec::new(), Stretch::new(Grain::Fine));
        StretchJob { data, stretch, first: 0, assembly: Arc::new(Assembly::default()) }
    }

    /// One large file, and nothing after it: the others stay to help with it.
    #[test]
    fn the_last_file_is_shared() {
        let queue = Queue::new(2);
        let bundle = Bundle::default();
        queue.push(Job::Bundle(bundle));
        let (_, large) = queue.pop().expect("work");
        queue.close();
        std::thread::scope(|scope| {
            let (told, helped) = channel();
            let helper = scope.spawn({
                let queue = &queue;
                move || {
                    while let Some((job, _taken)) = queue.pop() {
                        told.send(matches!(job, Job::Stretch(_))).expect("sent");
                    }
                }
            });
            while !queue.offer(stretch) {
                std::thread::yield_now();
            }
            assert_eq!(helped.recv(), Ok(true));
            drop(large);
            helper.join().expect("ended");
        });
        assert!(queue.pop().is_none());
    }
}
