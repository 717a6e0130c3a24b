//! A source that is made of a few steps, and what later steps wait for: the outcomes of streams that were handed out before.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use vow_store::source::{Found, Source};

/// One step of a source.
pub(crate) type Step = Box<dyn FnOnce() -> Result<Next, String> + Send>;

/// What a step found, and what comes before everything else that is left to do.
#[derive(Default)]
pub(crate) struct Next {
    pub(crate) found: Vec<Found>,
    pub(crate) then: Vec<Step>,
}

/// A source of steps.
pub(crate) struct Steps {
    left: VecDeque<Step>,
    /// With which error it ended: asked again, it must not look like a good end.
    failed: Option<String>,
}

impl Steps {
    /// A source that begins with this step.
    pub(crate) fn new(first: impl FnOnce() -> Result<Next, String> + Send + 'static) -> Self {
        Self { left: VecDeque::from([Box::new(first) as Step]), failed: None }
    }
}

impl Source for Steps {
    fn next(&mut self) -> Result<Option<Vec<Found>>, String> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let Some(step) = self.left.pop_front() else { return Ok(None) };
        match step() {
            Ok(Next { found, then }) => {
                then.into_iter().rev().for_each(|step| self.left.push_front(step));
                Ok(Some(found))
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }
}

/// What came of streams.
pub(crate) struct Outcomes<T>(Arc<(Mutex<State<T>>, Condvar)>);

struct State<T> {
    results: Vec<T>,
    failure: Option<String>,
}

impl<T> Clone for Outcomes<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Outcomes<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new((Mutex::new(State { results: Vec::new(), failure: None }), Condvar::new())))
    }

    /// The place for one outcome. Dropped without one, it counts as a failure.
    pub(crate) fn slot(&self) -> Slot<T> {
        Slot { outcomes: self.clone(), settled: false }
    }

    /// Waits until so many are there, or one failed.
    pub(crate) fn wait(&self, wanted: usize) -> Result<(), String> {
        let mut state = self.lock();
        loop {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.results.len() >= wanted {
                return Ok(());
            }
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes what is there.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock().results)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place for one outcome.
pub(crate) struct Slot<T> {
    outcomes: Outcomes<T>,
    settled: bool,
}

impl<T> Slot<T> {
    pub(crate) fn done(mut self, result: T) {
        self.settled = true;
        self.outcomes.lock().results.push(result);
        self.outcomes.0.1.notify_all();
    }

    /// The first reason counts.
    pub(crate) fn failed(mut self, reason: &str) {
        self.settle(reason);
    }

    /// There will be no outcome, and that is no failure.
    pub(crate) fn withdraw(mut self) {
        self.settled = true;
    }

    fn settle(&mut self, reason: &str) {
        self.settled = true;
        self.outcomes.lock().failure.get_or_insert_with(|| reason.to_owned());
        self.outcomes.0.1.notify_all();
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        if !self.settled {
            self.settle("a stream was left before its end");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_order_and_a_failure_stays_one() {
        let note = |text: &str| Next { found: vec![Found::Note(text.into())], then: Vec::new() };
        let mut source = Steps::new(move || {
            let then: Vec<Step> = vec![Box::new(move || Ok(note("b"))), Box::new(|| Err("no".into()))];
            Ok(Next { then, ..note("a") })
        });
        for expected in ["a", "b"] {
            let found = source.next().expect("a step").expect("found");
            assert!(matches!(&found[..], [Found::Note(text)] if text == expected));
        }
        for _ in 0..2 {
            assert_eq!(source.next().map(|_| ()), Err("no".into()));
        }
    }

    #[test]
    fn a_stream_that_was_left_is_a_failure() {
        let outcomes = Outcomes::new();
        outcomes.slot().done(1);
        assert_eq!(outcomes.wait(1), Ok(()));
        drop(outcomes.slot());
        assert!(outcomes.wait(2).is_err());
        assert_eq!(outcomes.take(), [1]);
    }
}
