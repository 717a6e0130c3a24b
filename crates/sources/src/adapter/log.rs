//! The log of a server: received all the time, and replayed over a snapshot up to a moment.

use super::{AdapterError, Capture, Stop};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far the log is to be replayed over a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// The folder with its files.
    pub log: Option<PathBuf>,
    /// As far as that, in UTC: `2026-11-20 10:00:00+00`. Without one: to its end.
    pub until: Option<String>,
}

/// The log that goes on from one snapshot.
pub trait LogAfter {
    /// The source that it is captured as.
    fn source(&self) -> &str;

    /// By the server's clock, as RFC 3339: no moment before this can be gone back to.
    fn earliest(&self) -> &str;

    /// Whether a file of the log is wanted.
    fn wants(&self, name: &str) -> bool;

    /// What is missing among these files, as a sentence.
    fn missing(&self, names: &[String]) -> Option<String>;

    /// What the folder for its files is called in a restored snapshot.
    fn folder(&self) -> &'static str {
        "wal"
    }

    /// Up to when these files tell everything, in microseconds since 1970 by the server's clock; `None` when that cannot be told here.
    ///
    /// # Errors
    /// They cannot be read.
    fn reaches(&self, _folder: &Path) -> Result<Option<i64>, AdapterError> {
        Ok(None)
    }
}

/// The log of a server, received all the time and captured piece by piece as a source of its own.
pub trait Log: Send + Sync {
    /// The source that the log of this source is captured as.
    fn source(&self, of: &str) -> String;

    /// The type of its snapshots.
    fn kind(&self) -> &'static str;

    /// Begins to receive, into a folder of the host's state unless the plan names another.
    ///
    /// # Errors
    /// Why it cannot be received.
    fn receive(&self, spool: &Path, stop: Stop<'_>) -> Result<Box<dyn Receiving>, AdapterError>;
}

/// A log that is being received; it ends with the value.
pub trait Receiving {
    /// Waits for a moment, and says what there is.
    ///
    /// # Errors
    /// Why nothing is received any more. It is to be begun again.
    fn look(&mut self, stop: Stop<'_>) -> Result<Received, AdapterError>;

    /// What was received and not captured yet, as a source.
    fn capture(&self) -> Arc<dyn Capture>;

    /// Removes what was captured.
    ///
    /// # Errors
    /// It could not be removed.
    fn forget(&mut self) -> Result<(), AdapterError>;
}

/// What a receiver knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Files that wait to be captured.
    pub waiting: u64,
    /// What the server had when we began has not all arrived yet.
    pub behind: bool,
    /// Bytes that the server holds back for the receiver, when it was asked.
    pub lag_bytes: Option<u64>,
    /// What somebody must look at.
    pub problems: Vec<String>,
    /// What a person may want to know.
    pub notes: Vec<String>,
}
