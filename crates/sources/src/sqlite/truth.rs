//! What databases said about themselves.

use crate::stored::unhex;
use serde::{Deserialize, Serialize};

/// The format of `truth.json`.
pub const TRUTH_FORMAT: &str = "vow-sqlite-truth";
/// Its version.
pub const VERSION: u32 = 1;

/// What must come back.
pub(crate) const TRUTH: &str = "truth.json";
/// The folder of the databases in a snapshot, below which they keep their whole paths.
pub(crate) const FILES: &str = "files";

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Every database, in the order of the snapshot.
    pub databases: Vec<DatabaseTruth>,
}

/// One database, as it was in the copy that was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseTruth {
    /// Where it was; what is not UTF-8 is replaced.
    pub path: String,
    /// The same in hexadecimal digits, when it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// `PRAGMA page_size`.
    pub page_size: u64,
    /// `PRAGMA page_count`.
    pub page_count: u64,
    /// `PRAGMA user_version`.
    pub user_version: i64,
    /// `PRAGMA application_id`.
    pub application_id: i64,
    /// `PRAGMA encoding`.
    pub encoding: String,
    /// Everything in the schema.
    pub objects: Vec<ObjectTruth>,
    /// Tables that have rows of their own.
    pub tables: Vec<TableTruth>,
    /// Rows that violate a foreign key, up to a limit.
    pub foreign_key_violations: u64,
    /// What a check of the copy found.
    pub damage: Vec<String>,
}

/// An object of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectTruth {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// SHA-256 of its definition, the first 16 digits.
    pub digest: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTruth {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// The sum over all rows of the first 8 bytes of the SHA-256 of a row, in hexadecimal digits; none in large databases.
    pub checksum: Option<String>,
}

impl DatabaseTruth {
    /// Its path in the snapshot; none when the truth writes it in a way that cannot be.
    pub(crate) fn stored_path(&self) -> Option<Vec<u8>> {
        let path = match &self.path_hex {
            Some(digits) => unhex(digits)?,
            None => self.path.as_bytes().to_vec(),
        };
        Some([FILES.as_bytes(), &path].concat())
    }
}
