//! Sources that are captured at one moment: hooks that make programs stand still, and snapshots of the file systems below.
//!
//! One after the other, for a [`Group`] of one or more sources ([`Gathering`]):
//!
//! 1. The hooks `before` run. One that fails ends it, unless it may.
//! 2. Snapshots are taken of the file systems that the sources of files lie on ([`provider`]).
//! 3. Sources that are dumped are captured by the caller, while everything stands still.
//! 4. The hooks `after` run: always, whatever happened, and once.
//! 5. Sources of files are read in the snapshots ([`View`]), which are then removed.
//!
//! What is open stands in a [`record`] first, so that after a crash the next run closes it before anything else.

mod gathering;
mod hook;
mod provider;
mod record;
mod volumes;

pub use gathering::{Begin, Gathering, Left, settle};
pub use hook::{Heard, Hook, Hooks, Result as Went};
pub use provider::{How, Size};

use crate::adapter::Reads;
use crate::process::ToolError;
use std::path::{Path, PathBuf};

#[cfg(doc)]
use crate::files::View;

/// Looks whether what these sources read can be held like this; gives what of it cannot.
///
/// # Errors
/// Why nothing of a path can be held.
pub fn look(how: &How, reads: &[(&str, Reads<'_>)]) -> Result<Vec<String>, CoherenceError> {
    let found = volumes::look(how, reads, &volumes::mountinfo()?)?;
    Ok(found.problems.into_iter().map(|(_, text)| text).collect())
}

/// Where records of what is open are kept, in the state of a host.
pub fn folder(state: &Path) -> PathBuf {
    state.join("coherence")
}

/// What is captured at one moment, and how that is brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name; that of the source when it is only one.
    pub name: String,
    /// Names of its sources.
    pub sources: Vec<String>,
    /// What is run around it.
    pub hooks: Hooks,
    /// How file systems are held; `None`: they are not.
    pub snapshot: Option<How>,
}

/// Why a moment could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CoherenceError {
    /// A hook failed; the words name it.
    #[error("{0}")]
    Hook(String),
    /// It was asked to stop.
    #[error("interrupted")]
    Stopped,
    /// A path cannot be read in a snapshot.
    #[error("{} cannot be held still: {why}", path.display())]
    NotHeld {
        /// The path.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A program that makes or removes snapshots failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// What it said is not understood.
    #[error("{program} said something unexpected: {said}")]
    Answer {
        /// The program.
        program: String,
        /// What it said, shortened.
        said: String,
    },
    /// The record of what is open could not be kept: without it nothing is begun.
    #[error("{}: {source}", path.display())]
    Record {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another run has it open.
    #[error("the group {0} is being captured by another run")]
    Busy(String),
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Random(String),
}
