//! What a server said about itself, and what was counted in its RDB.

use serde::{Deserialize, Serialize};

/// The format of `truth.json`.
pub const TRUTH_FORMAT: &str = "vow-redis-truth";
/// Its version.
pub const VERSION: u32 = 1;

/// The RDB in a snapshot.
pub(crate) const DUMP: &str = "dump.rdb";
/// What must come back.
pub(crate) const TRUTH: &str = "truth.json";
/// The users, one `ACL LIST` line each.
pub(crate) const USERS: &str = "users.acl";

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// `Redis 7.0.15`.
    pub server: String,
    /// `master` or `slave`.
    pub role: String,
    /// Its run at the time of the capture.
    pub run_id: String,
    /// Its replication id.
    pub replid: String,
    /// When the RDB began, by the server's clock, in seconds of the epoch.
    pub taken: u64,
    /// Length of the RDB.
    pub bytes: u64,
    /// Its CRC-64; none when the server is set up to write none.
    pub crc: Option<u64>,
    /// Keys counted in the RDB.
    pub keys: u64,
    /// Those of them with a time to live.
    pub expires: u64,
    /// Those whose time had come already when they were counted; no server loads them.
    pub expired: u64,
    /// Keys of each database, as the server counted them.
    pub databases: Vec<DatabaseTruth>,
    /// Libraries of functions.
    pub functions: Vec<String>,
    /// Names of the users, when they could be read.
    pub users: Option<Vec<String>>,
    /// Values that were the same before the dump and after it: of all keys when they are few, else of a sample.
    #[serde(default)]
    pub values: Vec<ValueTruth>,
}

/// The value of one key, as the server gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueTruth {
    /// The number of its database.
    pub database: u32,
    /// The key, in hexadecimal digits.
    pub key: String,
    /// `string`, `list`, `set`, `hash`, `zset` or `stream`.
    pub kind: String,
    /// When it goes, in milliseconds of the epoch; -1 for never, `None` when that is not known.
    pub expires_ms: Option<i64>,
    /// The first 16 bytes of the SHA-256 of its value, whose order counts only where it means something.
    pub digest: String,
}

/// The keys of one database, as the server counted them: the RDB is from a moment between the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseTruth {
    /// Its number.
    pub database: u32,
    /// Before the dump.
    pub before: Keys,
    /// After it.
    pub after: Keys,
}

/// Numbers of keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// All of them.
    pub keys: u64,
    /// Those with a time to live.
    pub expires: u64,
}
