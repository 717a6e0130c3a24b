//! Why something with a MariaDB server was not done.

use super::tools::ToolsError;
use crate::adapter::Blame;
use crate::process::ToolError;
use crate::receiving::SpoolError;
use crate::secret::SecretError;
use crate::stored::StoredError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something with a MariaDB server was not done. Every message names the server, the database or the object.
#[derive(Debug, thiserror::Error)]
pub enum MariaDbError {
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
    #[error("cannot connect to {place}: {said}")]
    Connect {
        /// Which server.
        place: String,
        /// What the client said.
        said: String,
    },
    /// The connection ended.
    #[error("the connection to {place} was lost while {doing}: {said}")]
    Lost {
        /// Which server.
        place: String,
        /// What was being done.
        doing: String,
        /// What the client said.
        said: String,
    },
    /// The server refused a statement.
    #[error("{doing} failed: {message} (error {code})")]
    Sql {
        /// What was being done.
        doing: String,
        /// The server's number of the error.
        code: u32,
        /// What the server said.
        message: String,
    },
    /// The server answered what it cannot answer.
    #[error("{doing} gave an answer that is not understood: {why}")]
    Answer {
        /// What was being done.
        doing: String,
        /// Why not.
        why: String,
    },
    /// Something is locked by somebody.
    #[error("{what} stayed locked for {secs} s; {holder}")]
    Locked {
        /// What.
        what: String,
        /// How long was waited.
        secs: u64,
        /// Who may hold it.
        holder: String,
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
    #[error("the dump is not whole: {0}")]
    Dump(String),
    /// The schema was changed under the dump.
    #[error("somebody changed a table while it was dumped: {0}")]
    Changed(String),
    /// A restore would overwrite something, or has nothing to restore.
    #[error("{0}")]
    Refused(String),
    /// The scratch server failed.
    #[error("the scratch server {0}")]
    Scratch(String),
    /// This machine lacks what the snapshot needs.
    #[error("{0}")]
    Blocked(String),
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

impl From<vow_store::archive::ArchiveError> for MariaDbError {
    fn from(error: vow_store::archive::ArchiveError) -> Self {
        Self::Stored(error.into())
    }
}

impl From<SpoolError> for MariaDbError {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Disk(error) => {
                Self::Io { action: error.action, path: error.path, source: error.source }
            }
            SpoolError::NoWay(why) => Self::Refused(why),
        }
    }
}

impl MariaDbError {
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

    /// Whose fault it is that a snapshot was not restored.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Tools(_) | Self::Scratch(_) | Self::Blocked(_) | Self::Io { .. } => Blame::Machine,
            Self::Tool(error) => error.blame(),
            Self::Stored(error) => error.blame(),
            _ => Blame::Snapshot,
        }
    }

    /// The server's number, when it refused a statement.
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            Self::Sql { code, .. } => Some(*code),
            _ => None,
        }
    }
}
