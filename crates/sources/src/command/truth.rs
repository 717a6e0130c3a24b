//! What was seen of the output.

use serde::{Deserialize, Serialize};

/// The format of `truth.json`.
pub const TRUTH_FORMAT: &str = "vow-command-truth";
/// Its version.
pub const VERSION: u32 = 1;

/// What must come back.
pub(crate) const TRUTH: &str = "truth.json";
/// The output, before its extension.
pub(crate) const OUTPUT: &str = "output";

/// What was seen of the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The file of the snapshot.
    pub file: String,
    /// The program and its arguments; for people, never run.
    pub command: Vec<String>,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: String,
    /// How it had to end.
    pub ends_with: Option<String>,
}
