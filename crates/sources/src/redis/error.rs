//! Why something with a Redis server was not done.

use crate::adapter::Blame;
use crate::process::ToolError;
use crate::secret::SecretError;
use crate::stored::StoredError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something with a Redis server was not done. Every message names the server or the file.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The options make no sense.
    #[error("{0}")]
    Options(String),
    /// There is no password.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A program is missing.
    #[error("{program} was not found{looked}; install it (on Debian: {package})")]
    Missing {
        /// The program.
        program: &'static str,
        /// Where it was looked for.
        looked: String,
        /// What brings it.
        package: &'static str,
    },
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The server is not reached, or went away.
    #[error("no connection to the server at {place} while {doing}: {source}")]
    Lost {
        /// Which server.
        place: String,
        /// What was being done.
        doing: String,
        /// Why.
        source: io::Error,
    },
    /// The server refused a command.
    #[error("the server at {place} refused {doing}: {said}")]
    Refused {
        /// Which server.
        place: String,
        /// What was being done.
        doing: String,
        /// What it said.
        said: String,
    },
    /// The server answered what it cannot answer.
    #[error("the server at {place} gave an answer to {doing} that is not understood")]
    Answer {
        /// Which server.
        place: String,
        /// What was being done.
        doing: String,
    },
    /// It must not be done.
    #[error("{0}")]
    Unfit(String),
    /// The snapshot cannot be used.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// There is no scratch server.
    #[error("the scratch server {0}")]
    Scratch(String),
    /// This machine lacks what the snapshot needs.
    #[error("{0}")]
    Lacking(String),
    /// A file or folder.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl RedisError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Whose fault it is that nothing was proven.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Missing { .. } | Self::Scratch(_) | Self::Lacking(_) | Self::Io { .. } => Blame::Machine,
            Self::Tool(error) => error.blame(),
            Self::Stored(error) => error.blame(),
            _ => Blame::Snapshot,
        }
    }

    /// Whether it only says that it was asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        match self {
            Self::Tool(ToolError::Stopped) => true,
            Self::Stored(error) => error.is_stopped(),
            _ => false,
        }
    }
}
