//! Why an adapter did not do what it was asked, and whose fault that is: nobody may take a machine that lacks something for a snapshot
//! that is bad.

use std::error::Error;
use vow_store::archive::ArchiveError;

/// Why an adapter did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// It cannot.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It was asked to stop.
    #[error("interrupted")]
    Stopped,
    /// The adapter's own reason.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
    /// The same, when it is known not to be the snapshot's fault.
    #[error("{source}")]
    Elsewhere {
        /// Whose it is.
        blame: Blame,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl AdapterError {
    /// An error of an adapter's own.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }

    /// An error of an adapter's own, and whose fault it is.
    pub fn blamed(blame: Blame, error: impl Error + Send + Sync + 'static) -> Self {
        match blame {
            Blame::Snapshot => Self::of(error),
            blame => Self::Elsewhere { blame, source: Box::new(error) },
        }
    }
}

/// Whom to ask about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The snapshot: it is not what it should be.
    Snapshot,
    /// This machine: something is missing here, and nothing is known about the snapshot.
    Machine,
    /// The identity: it does not open the snapshot.
    Identity,
    /// The vault could not be read any more, or somebody asked to stop.
    Gone,
}

impl AdapterError {
    /// Whose fault it is that nothing was proven. What is not known to be this machine's is the snapshot's.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unsupported(_) => Blame::Machine,
            Self::Stopped => Blame::Gone,
            Self::Elsewhere { blame, .. } => *blame,
            Self::Failed(error) => match error.downcast_ref::<ArchiveError>() {
                Some(error) => blame_of(error),
                None => Blame::Snapshot,
            },
        }
    }
}

/// Whose fault it is that a snapshot could not be read.
pub fn blame_of(error: &ArchiveError) -> Blame {
    match error {
        error if error.is_identity() => Blame::Identity,
        error if error.is_gone() => Blame::Gone,
        ArchiveError::Write(_) | ArchiveError::Memory => Blame::Machine,
        _ => Blame::Snapshot,
    }
}
