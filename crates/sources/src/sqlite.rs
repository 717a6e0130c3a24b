//! SQLite databases: files, each copied at one instant by SQLite's own backup in a process of its own, and streamed from there.
//!
//! A process that has a database open through SQLite must never open and close its file otherwise: closing any descriptor drops the
//! locks. So vow itself only looks at files, and a [`helper`], the same program with a hidden command, works with SQLite.

mod adapter;
mod ask;
mod capture;
mod copy;
mod find;
pub mod helper;
mod inspect;
mod place;
mod prove;
mod sabotage;
mod truth;

pub use adapter::Adapter;
pub use capture::{DEFAULT_EXACT_BELOW_BYTES, SqliteOptions};
pub use truth::{DatabaseTruth, ObjectTruth, TRUTH_FORMAT, TableTruth, Truth, VERSION};

use crate::adapter::Blame;

/// Why something with a database was not done.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// SQLite says no.
    #[error("{path}: {doing} failed: {source}")]
    Sqlite {
        /// The database.
        path: String,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is not a database.
    #[error("{path} {why}")]
    Unfit {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file or folder.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The helper failed.
    #[error(transparent)]
    Tool(#[from] crate::process::ToolError),
    /// The snapshot cannot be used.
    #[error(transparent)]
    Stored(#[from] crate::stored::StoredError),
    /// What is there belongs to another content.
    #[error(
        "{path} belongs to the database that is there now, and would damage the one that is restored: stop the program that uses it, and \
         remove that file, or restore into another folder"
    )]
    InTheWay {
        /// A log or a journal.
        path: String,
    },
    /// The helper said what it cannot say.
    #[error("the helper's answer about {path} is not understood: {why}")]
    Answer {
        /// The database.
        path: String,
        /// Why not.
        why: String,
    },
}

impl SqliteError {
    /// Whose fault it is that nothing was proven.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Io { .. } | Self::InTheWay { .. } => Blame::Machine,
            Self::Tool(error) => error.blame(),
            Self::Stored(error) => error.blame(),
            Self::Sqlite { .. } | Self::Unfit { .. } | Self::Answer { .. } => Blame::Snapshot,
        }
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn unfit(path: &std::path::Path, why: impl Into<String>) -> Self {
        Self::Unfit { path: path.display().to_string(), why: why.into() }
    }

    pub(crate) fn sqlite(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Sqlite { path, doing, source }
    }
}
