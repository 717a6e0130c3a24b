//! How much memory all uploads together may hold, dealt out in the order in which it was asked for.
//!
//! Uploads that each hold something and wait for more could wait for each other for ever. So a part is kept back that is enough to finish any one
//! of them, and given to whoever has waited longest: at every moment one of them can go on.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A limit that many share.
pub(super) struct Budget {
    state: Mutex<State>,
    changed: Condvar,
    /// Enough for the largest object.
    reserve: usize,
}

struct State {
    free: usize,
    /// Who has the reserve.
    owner: Option<u64>,
    /// Who waits, longest first.
    waiting: VecDeque<u64>,
    next: u64,
}

/// What one upload holds of it; given back when dropped.
pub(super) struct Share {
    budget: Arc<Budget>,
    id: u64,
    held: usize,
}

impl Budget {
    /// `total` bytes, of which `reserve` are enough to finish any one upload.
    pub(super) fn new(total: usize, reserve: usize) -> Arc<Self> {
        let free = total.saturating_sub(reserve);
        let state = State { free, owner: None, waiting: VecDeque::new(), next: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), reserve })
    }

    /// For an upload that holds nothing yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        Share { budget: self.clone(), id, held: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is changed only in steps that cannot panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes so much more, waiting at most this long; whether it was given.
    ///
    /// No upload may take more than the reserve in all.
    pub(super) fn grow(&mut self, bytes: usize, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.budget.state();
        if state.owner == Some(self.id) {
            return true;
        }
        if state.waiting.is_empty() && state.free >= bytes {
            state.free -= bytes;
            self.held += bytes;
            return true;
        }
        state.waiting.push_back(self.id);
        loop {
            if state.waiting.front() == Some(&self.id) {
                let given = if state.free >= bytes {
                    state.free -= bytes;
                    self.held += bytes;
                    true
                } else if state.owner.is_none() {
                    state.owner = Some(self.id);
                    true
                } else {
                    false
                };
                if given {
                    state.waiting.pop_front();
                    self.budget.changed.notify_all();
                    return true;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting.retain(|id| *id != self.id);
                self.budget.changed.notify_all();
                return false;
            }
            state = self.budget.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What no single upload may exceed.
    pub(super) fn limit(&self) -> usize {
        self.budget.reserve
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.free += self.held;
        if state.owner == Some(self.id) {
            state.owner = None;
        }
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn it_is_a_limit_and_what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(30, 10);
        let (mut a, mut b, mut c) = (budget.share(), budget.share(), budget.share());
        assert!(a.grow(10, SHORT) && b.grow(10, SHORT));
        assert!(c.grow(10, SHORT), "the reserve");
        assert!(!a.grow(1, SHORT) && !b.grow(1, SHORT));
        drop(c);
        assert!(a.grow(5, SHORT), "the reserve again");
        assert!(!b.grow(1, SHORT));
        drop(a);
        assert!(b.grow(10, SHORT));
    }

    #[test]
    fn uploads_that_all_need_more_than_there_is_come_to_an_end() {
        let budget = Budget::new(64, 16);
        let most = AtomicUsize::new(0);
        let held = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut share = budget.share();
                        for _ in 0..16 {
                            assert!(share.grow(1, LONG));
                            let now = held.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            std::thread::yield_now();
                        }
                        held.fetch_sub(16, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 64);
        let state = budget.state();
        assert!(state.free == 48 && state.owner.is_none() && state.waiting.is_empty());
    }

    #[test]
    fn whoever_asks_later_waits_longer() {
        let budget = Budget::new(1, 1);
        let mut first = budget.share();
        assert!(first.grow(1, SHORT));
        let (sender, order) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (mut share, sender) = (budget.share(), sender.clone());
                scope.spawn(move || {
                    assert!(share.grow(1, LONG));
                    sender.send(number).expect("listened to");
                });
                while budget.state().waiting.len() <= number {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        drop(sender);
        let order: Vec<usize> = order.iter().collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
