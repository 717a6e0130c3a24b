//! Several threads of which one goes on at a time: which one, a seed decides anew before every operation.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use vow_testkit::Dice;

#[derive(Clone)]
pub(crate) struct Scheduler {
    shared: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    dice: Dice,
    /// How many threads are not done.
    alive: usize,
    waiting: BTreeSet<usize>,
    turn: Option<usize>,
    passes: usize,
}

/// One thread's place.
#[derive(Clone)]
pub(crate) struct Turn {
    scheduler: Scheduler,
    number: usize,
}

/// More operations than any test needs: two that wait for each other for ever are found.
const PASSES_MAX: usize = 3_000_000;

impl Scheduler {
    /// For so many threads.
    pub(crate) fn new(seed: u64, threads: usize) -> Self {
        let state =
            State { dice: Dice::new(seed), alive: threads, waiting: BTreeSet::new(), turn: None, passes: 0 };
        Self { shared: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    pub(crate) fn turn(&self, number: usize) -> Turn {
        Turn { scheduler: self.clone(), number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Lets the seed decide who goes on.
    pub(crate) fn pass(&self) {
        let mut state = self.scheduler.state();
        state.waiting.insert(self.number);
        state.passes += 1;
        assert!(state.passes < PASSES_MAX, "nobody gets anywhere");
        state.choose(&self.scheduler.shared.1);
        while state.turn != Some(self.number) {
            state = self.scheduler.shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.turn = None;
        state.waiting.remove(&self.number);
    }
}

impl State {
    /// Chooses when all wait.
    fn choose(&mut self, bell: &Condvar) {
        if self.waiting.len() == self.alive && self.alive > 0 {
            let at = self.dice.below(self.alive);
            self.turn = self.waiting.iter().nth(at).copied();
            bell.notify_all();
        }
    }
}

/// The thread is done, in whatever way.
pub(crate) struct Done(pub(crate) Turn);

impl Drop for Done {
    fn drop(&mut self) {
        let scheduler = &self.0.scheduler;
        let mut state = scheduler.state();
        state.alive -= 1;
        state.choose(&scheduler.shared.1);
    }
}
