//! The one table of exit codes. Scripts rely on it.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done,
    /// It failed.
    Failed,
    /// The command line or the configuration makes no sense.
    Usage,
    /// Done, but something is missing from it.
    Partial,
    /// A check found problems.
    Problems,
    /// There is no such vault or snapshot.
    NotFound,
    /// Somebody else holds a lock.
    Busy,
    /// The identity is missing, or opens nothing here.
    Identity,
    /// Stopped by this signal.
    Signal(i32),
}

impl Exit {
    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Problems => 4,
            Self::NotFound => 10,
            Self::Busy => 11,
            Self::Identity => 12,
            Self::Signal(number) => 128 + u8::try_from(number.clamp(0, 127)).unwrap_or(0),
        }
    }

    /// The table, for `--help`.
    pub(crate) const HELP: &str = "Exit codes: 0 done; 1 failed; 2 usage; 3 done but partial; 4 a check found problems; \
        10 no such vault or snapshot; 11 locked or busy; 12 wrong or missing identity; 128+N stopped by signal N.";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
