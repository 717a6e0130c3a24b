//! What the streams of a capture tell its source: dumps that have ended, what was measured, and the first failure.

use super::error::MariaDbError;
use super::reading::Contents;
use super::truth::TableTruth;
use crate::adapter::{Again, Told};
use std::sync::{Condvar, Mutex, PoisonError};

/// What the streams tell the source.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    again: Again,
    pub(super) told: Told,
}

#[derive(Default)]
struct State {
    contents: Vec<Contents>,
    measured: Option<Vec<TableTruth>>,
    failure: Option<String>,
}

impl Shared {
    pub(super) fn new(again: Again, told: Told) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), again, told }
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// A dump came to its end.
    pub(crate) fn dumped(&self, contents: Contents) {
        self.with(|state| state.contents.push(contents));
    }

    /// The tables were measured.
    pub(super) fn measured(&self, measured: Vec<TableTruth>) {
        self.with(|state| state.measured = Some(measured));
    }

    /// Something failed; the first reason counts.
    pub(crate) fn failed(&self, error: &MariaDbError) {
        self.with(|state| {
            if state.failure.is_none() && matches!(error, MariaDbError::Changed(_)) {
                self.again.ask();
            }
            state.failure.get_or_insert_with(|| error.to_string());
        });
    }

    /// A stream was let go of before its end.
    pub(crate) fn interrupted(&self) {
        self.with(|state| {
            state.failure.get_or_insert_with(|| "interrupted".into());
        });
    }

    /// Waits until so many dumps and the measuring are done, or one failed.
    pub(super) fn wait(&self, dumps: usize) -> Result<(Contents, Vec<TableTruth>), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.contents.len() == dumps && state.measured.is_some() {
                let mut contents = Contents::default();
                std::mem::take(&mut state.contents).into_iter().for_each(|other| contents.join(other));
                return Ok((contents, state.measured.take().unwrap_or_default()));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
