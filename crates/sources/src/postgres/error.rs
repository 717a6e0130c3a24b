//! Why something with a PostgreSQL server was not done.

use super::tools::ToolsError;
use crate::adapter::Blame;
use crate::process::ToolError;
use crate::receiving::SpoolError;
use crate::secret::SecretError;
use crate::stored::StoredError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something with a PostgreSQL server was not done. Every message names the server, the database or the object.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The options make no sense.
    #[error("{0}")]
    Options(String),
    /// The programs are missing.
    #[error(transparent)]
    Tools(#[from] ToolsError),
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// There is no password.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The server does not let us in.
    #[error("cannot connect to database {database:?} at {place}: {said}")]
    Connect {
        /// Which server.
        place: String,
        /// Which database.
        database: String,
        /// What psql said.
        said: String,
    },
    /// The connection ended.
    #[error("database {database:?}: the connection was lost while {doing}: {said}")]
    Lost {
        /// Which database.
        database: String,
        /// What was being done.
        doing: String,
        /// What psql said.
        said: String,
    },
    /// The server refused a statement.
    #[error("database {database:?}: {doing} failed: {message} (SQLSTATE {state})")]
    Sql {
        /// Which database.
        database: String,
        /// What was being done.
        doing: String,
        /// SQLSTATE.
        state: String,
        /// What the server said.
        message: String,
    },
    /// The server answered what it cannot answer.
    #[error("database {database:?}: {doing} gave an answer that is not understood: {why}")]
    Answer {
        /// Which database.
        database: String,
        /// What was being done.
        doing: String,
        /// Why not.
        why: String,
    },
    /// A table is locked by somebody.
    #[error("database {database:?}: {what} stayed locked for {secs} s; {holder}")]
    Locked {
        /// Which database.
        database: String,
        /// Which tables.
        what: String,
        /// How long was waited.
        secs: u32,
        /// Who holds it.
        holder: String,
    },
    /// Others kept changing the schema.
    #[error(
        "database {database:?}: a dump could not begin because the schema was being changed again and again: {why}; back up when it is \
         left alone for a moment, as a superuser, or with a longer lock_wait_secs"
    )]
    Restless {
        /// Which database.
        database: String,
        /// What happened last.
        why: String,
    },
    /// It is not the server on record.
    #[error(
        "the server at {place} has the system identifier {found}, and the one on record for this source is {expected}: another \
         server answers there, or it was built anew"
    )]
    OtherServer {
        /// Where.
        place: String,
        /// What it says.
        found: String,
        /// What is on record.
        expected: String,
    },
    /// A dump is not what it should be.
    #[error("the dump of {what} is not whole: {reason}")]
    Dump {
        /// Of what.
        what: String,
        /// Why.
        reason: String,
    },
    /// A restore would overwrite something, or has nothing to restore.
    #[error("{0}")]
    Refused(String),
    /// This machine lacks what is needed for it.
    #[error("{0}")]
    Blocked(String),
    /// The log is not received.
    #[error("the log of the server is not received: {0}")]
    Log(String),
    /// The scratch server failed.
    #[error("the scratch server {0}")]
    Scratch(String),
    /// The snapshot cannot be used.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A file of ours failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl From<vow_store::archive::ArchiveError> for PostgresError {
    fn from(error: vow_store::archive::ArchiveError) -> Self {
        Self::Stored(error.into())
    }
}

impl From<SpoolError> for PostgresError {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Disk(error) => {
                Self::Io { action: error.action, path: error.path, source: error.source }
            }
            SpoolError::NoWay(why) => Self::Refused(why),
        }
    }
}

impl PostgresError {
    /// What a snapshot holds does not fit together.
    pub(crate) fn content(what: &str, reason: impl Into<String>) -> Self {
        Self::Stored(StoredError::Content { what: what.to_owned(), reason: reason.into() })
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Whether it only says that the run was asked to stop.
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Tool(error) => matches!(error, ToolError::Stopped),
            Self::Stored(error) => error.is_stopped(),
            _ => false,
        }
    }

    /// Whose fault it is that nothing was proven.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Tools(_) | Self::Scratch(_) | Self::Blocked(_) | Self::Io { .. } => Blame::Machine,
            Self::Tool(error) => error.blame(),
            Self::Stored(error) => error.blame(),
            _ => Blame::Snapshot,
        }
    }

    /// The SQLSTATE, when the server refused a statement.
    pub(crate) fn state(&self) -> Option<&str> {
        match self {
            Self::Sql { state, .. } => Some(state),
            _ => None,
        }
    }
}
