//! The work of the walk in the order in which its results are needed, done ahead by several threads.
//!
//! Pieces that are not done yet are a linked list in listing order. A piece that is done puts what follows from it in its own
//! place, so the first piece that nobody has begun is always the one needed soonest. The one that needs a result takes the
//! piece itself when nobody has begun it, so it only ever waits for a thread that is at work.

use super::read::{Outcome, Work};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Entries done but not yet asked for; about 10 MB.
const MOST_ENTRIES: usize = 1 << 16;
/// The place of both ends of the list.
const ENDS: u32 = 0;

enum Task {
    Free,
    Pending(Work),
    Running,
    /// Boxed: most slots hold work, which is much smaller.
    Done(Box<Outcome>),
}

struct Slot {
    task: Task,
    before: u32,
    after: u32,
}

struct State {
    slots: Vec<Slot>,
    free: Vec<u32>,
    entries: usize,
    outcomes: usize,
    /// Threads that wait for work, and whether somebody waits for a result: to wake nobody costs a system call.
    idle: usize,
    wanted: bool,
    closed: bool,
}

/// The work, in order.
pub(crate) struct Queue {
    state: Mutex<State>,
    has_work: Condvar,
    has_result: Condvar,
    most_outcomes: usize,
}

impl Queue {
    /// A queue with one piece, whose number is also returned. At most about `most_outcomes` directories are done ahead.
    pub(crate) fn new(first: Work, most_outcomes: usize) -> (Self, u32) {
        let ends = Slot { task: Task::Free, before: ENDS, after: ENDS };
        let mut state = State {
            slots: vec![ends],
            free: Vec::new(),
            entries: 0,
            outcomes: 0,
            idle: 0,
            wanted: false,
            closed: false,
        };
        let number = state.insert_after(ENDS, first);
        let (has_work, has_result) = (Condvar::new(), Condvar::new());
        (Self { state: Mutex::new(state), has_work, has_result, most_outcomes }, number)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does work ahead until the queue is closed.
    pub(crate) fn serve(&self, mut perform: impl FnMut(Work) -> Outcome) {
        let mut state = self.lock();
        while !state.closed {
            if let Some((number, work)) = state.begin_ahead(self.most_outcomes) {
                drop(state);
                let outcome = perform(work);
                state = self.lock();
                self.finish(&mut state, number, outcome);
            } else {
                state.idle += 1;
                state = self.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    /// The result of a piece. Only one thread may ask, and only once for each number.
    pub(crate) fn obtain(&self, number: u32, mut perform: impl FnMut(Work) -> Outcome) -> Outcome {
        let mut state = self.lock();
        loop {
            let mine = match std::mem::replace(&mut state.slot(number).task, Task::Running) {
                Task::Done(outcome) => return self.release(&mut state, number, *outcome),
                Task::Pending(work) => Some((number, work)),
                // Somebody is at it: do something else meanwhile.
                Task::Running | Task::Free => state.begin_ahead(self.most_outcomes),
            };
            if let Some((number, work)) = mine {
                drop(state);
                let outcome = perform(work);
                state = self.lock();
                self.finish(&mut state, number, outcome);
            } else {
                state.wanted = true;
                state = self.has_result.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Sends the threads home.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.has_work.notify_all();
    }

    fn finish(&self, state: &mut State, number: u32, mut outcome: Outcome) {
        let mut place = number;
        outcome.numbers.reserve(outcome.work.len());
        for work in std::mem::take(&mut outcome.work) {
            place = state.insert_after(place, work);
            outcome.numbers.push(place);
        }
        state.unlink(number);
        state.entries += outcome.entries.len();
        state.outcomes += 1;
        state.slot(number).task = Task::Done(Box::new(outcome));
        if state.idle > 0 && state.has_room(self.most_outcomes) {
            self.has_work.notify_all();
        }
        if std::mem::take(&mut state.wanted) {
            self.has_result.notify_one();
        }
    }

    fn release(&self, state: &mut State, number: u32, outcome: Outcome) -> Outcome {
        state.slot(number).task = Task::Free;
        state.free.push(number);
        state.entries -= outcome.entries.len();
        state.outcomes -= 1;
        // Not for every little room: a thread that is woken should find work for a while.
        let low = MOST_ENTRIES - MOST_ENTRIES / 4;
        if state.idle > 0
            && state.entries < low
            && state.outcomes < self.most_outcomes - self.most_outcomes / 4
        {
            self.has_work.notify_all();
        }
        outcome
    }
}

impl State {
    fn slot(&mut self, number: u32) -> &mut Slot {
        &mut self.slots[number as usize]
    }

    fn has_room(&self, most_outcomes: usize) -> bool {
        self.entries < MOST_ENTRIES && self.outcomes < most_outcomes
    }

    /// Takes the first piece that nobody has begun, when there is room for its result. Before it there are at most as many as
    /// there are threads.
    fn begin_ahead(&mut self, most_outcomes: usize) -> Option<(u32, Work)> {
        if !self.has_room(most_outcomes) {
            return None;
        }
        let mut number = self.slot(ENDS).after;
        while number != ENDS {
            let slot = self.slot(number);
            if let Task::Pending(_) = slot.task {
                let Task::Pending(work) = std::mem::replace(&mut slot.task, Task::Running) else {
                    return None;
                };
                return Some((number, work));
            }
            number = slot.after;
        }
        None
    }

    fn insert_after(&mut self, before: u32, work: Work) -> u32 {
        let after = self.slot(before).after;
        let slot = Slot { task: Task::Pending(work), before, after };
        let number = match self.free.pop() {
            Some(number) => {
                *self.slot(number) = slot;
                number
            }
            None => {
                self.slots.push(slot);
                // More than 2³² pieces would need a hundred gigabytes.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.slot(before).after = number;
        self.slot(after).before = number;
        number
    }

    fn unlink(&mut self, number: u32) {
        let Slot { before, after, .. } = *self.slot(number);
        self.slot(before).after = after;
        self.slot(after).before = before;
    }
}
