//! The audit of one host: what is on it, held against what its plan covers. Rules are pure: facts in, findings out.
//!
//! Everything that may hold data is *covered* by a source, *waived* by name with a reason and a last day, *spare* (it comes back by
//! itself: packages, caches, what is in memory), or *unknown*, which is a finding. `docs/audit.md` has the rules for people.

mod coverage;
mod devices;
mod offers;
mod places;
mod services;
mod sizes;
mod waivers;

pub use coverage::{Coverage, FOLDERS_MAX, FilesSource, Host, Server, ledger};
pub use offers::{Offer, settle};
pub use sizes::{Size, Sizer};
pub use waivers::{Waived, apply, nest};

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Something may be missing on the day of need.
    High,
    /// A promise is broken.
    Critical,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name: the same for the same problem, and what a waiver names.
    pub finding: String,
    /// Which check found it: `coverage`, `keys`, `write-only`, `levels`.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
    /// The next step.
    pub hint: String,
    /// Lines for `vow.toml` that would close it.
    pub offer: Option<Offer>,
    /// By whom it was accepted.
    pub waived: Option<Waived>,
}

/// Something on the host, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What a finding about it is called.
    pub finding: String,
    /// What it is, for people.
    pub what: String,
    /// Where its data lies.
    pub path: Option<String>,
    /// Bytes allocated, as far as they were counted.
    pub bytes: Option<u64>,
    /// There is more than was counted.
    pub at_least: bool,
    /// What becomes of it.
    #[serde(flatten)]
    pub state: State,
}

/// What becomes of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// A source captures it.
    Covered {
        /// Its name.
        by: String,
    },
    /// It comes back without a backup.
    Spare {
        /// Why.
        why: String,
    },
    /// The plan leaves it out by a pattern.
    Excluded {
        /// By which source.
        by: String,
        /// By which pattern.
        pattern: String,
    },
    /// Nobody captures it.
    Unknown {
        /// What would.
        offer: Option<Offer>,
        /// The type of source that does, where that is known and the lines are not.
        #[serde(skip)]
        kind: Option<&'static str>,
    },
}

#[cfg(test)]
mod tests;
