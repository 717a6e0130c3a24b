//! What a run learned of a server that the next one wants to know.

use std::sync::{Mutex, PoisonError};

/// The identifier of the server that was captured, once it was seen.
#[derive(Debug, Default)]
pub struct Learned(Mutex<Option<String>>);

impl Learned {
    /// The server was seen.
    pub(crate) fn set(&self, identifier: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(identifier.to_owned());
    }

    /// The server's system identifier.
    pub fn identifier(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
