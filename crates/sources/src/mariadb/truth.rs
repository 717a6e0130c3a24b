//! What a server said about itself while it was dumped, and what it is: the files `truth.json` and `server.json` of a snapshot.
//! `docs/sources.md` describes both. Fields are only ever added; a change of meaning gets a new version.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the documents call themselves.
pub const TRUTH_FORMAT: &str = "vow-mariadb-truth";
/// What the documents call themselves.
pub const SERVER_FORMAT: &str = "vow-mariadb-server";
/// The version of both.
pub const VERSION: u32 = 1;

/// `truth.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Identifies the server.
    pub system_identifier: String,
    /// As the server writes it.
    pub server_version: String,
    /// When the moment was, by the server's clock, in UTC.
    pub taken: String,
    /// Whether everything in the dump is of one moment.
    pub coherent: bool,
    /// The files with dumps, in the order in which they are loaded.
    pub dumps: Vec<String>,
    /// What was dumped.
    pub databases: Vec<String>,
    /// What was not.
    pub not_dumped: Vec<NotDumped>,
    /// How many objects of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Every object.
    pub objects: Vec<ObjectTruth>,
    /// Every table.
    pub tables: Vec<TableTruth>,
    /// Every sequence.
    pub sequences: Vec<SequenceTruth>,
    /// Users and roles.
    pub accounts: Vec<Account>,
    /// The longest statement of the dump in bytes: servers and clients must allow that as `max_allowed_packet`.
    pub longest_statement_bytes: u64,
    /// What is known of a copy of the server's files; nothing of dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical: Option<PhysicalTruth>,
}

/// What is known of a copy of the server's files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhysicalTruth {
    /// What `mariadb-backup --version` said.
    pub tool_version: String,
    /// Files in the stream.
    pub files: u64,
    /// How far the log of InnoDB goes in it.
    pub last_lsn: String,
    /// Whether rows were counted and summed up in a transaction of the very moment that the copy is of. If not, only tables without
    /// transactions were, that did not change meanwhile.
    pub exact: bool,
    /// Tables that were not counted, because they are too large or the moment was missed.
    pub not_measured: u64,
    /// Tables that come back empty: `database.table`.
    pub empty: Vec<String>,
    /// Tables without transactions that were written to while they were copied: `database.table`.
    pub restless: Vec<String>,
}

/// A database that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDumped {
    /// Its name.
    pub database: String,
    /// Why.
    pub reason: String,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectTruth {
    /// What it is.
    pub kind: String,
    /// The database it is in.
    pub database: String,
    /// Its name there; columns, indexes and the like with that of their table.
    pub name: String,
    /// MD5 of its definition; not a secret, and no protection against an attacker: the snapshot's signature is that. None when it was
    /// changed while the dump ran: then nobody knows which of the two the dump has.
    pub digest: Option<String>,
}

/// How a table's content was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every row is in the checksum.
    Exact,
    /// The first and last rows by primary key are.
    Sample,
    /// Rows were only counted.
    Count,
    /// Rows were only counted in the dump itself: the table has no transactions and nothing held it still.
    Dumped,
}

/// Engines of which a dump has the definition alone: the rows of the first two are those of other tables, those of the last lie elsewhere.
const DEFINITION_ONLY: &[&str] = &["MRG_MyISAM", "MRG_ISAM", ELSEWHERE];
const ELSEWHERE: &str = "FEDERATED";

/// Whether a dump has the definition of a table with this engine, and none of its rows.
pub(crate) fn is_definition_only(engine: &str) -> bool {
    DEFINITION_ONLY.iter().any(|one| engine.eq_ignore_ascii_case(one))
}

/// Whether the rows of a table with this engine are on another server, which is not asked for them.
pub(crate) fn lies_elsewhere(engine: &str) -> bool {
    engine.eq_ignore_ascii_case(ELSEWHERE)
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTruth {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Its storage engine.
    pub engine: String,
    /// Whether that has transactions.
    pub transactional: bool,
    /// Rows, with those of the history.
    pub rows: u64,
    /// How it was measured.
    pub method: Method,
    /// The sum over rows, in decimal.
    pub checksum: Option<String>,
    /// The primary key by which the sample was taken.
    pub sample_key: Option<String>,
    /// It is system-versioned, and its history is in the dump.
    pub history: bool,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceTruth {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// The next value that the dump sets.
    pub next: i64,
}

/// A user or role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// As SQL writes it.
    pub name: String,
    /// It is a role.
    pub role: bool,
    /// MD5 of how it is made and of what it is granted.
    pub digest: String,
}

/// A place in the binary log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file.
    pub file: String,
    /// The offset in it.
    pub offset: u64,
    /// The same as a GTID, where the server has them.
    pub gtid: Option<String>,
}

/// `server.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerFacts {
    /// [`SERVER_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Identifies the server.
    pub system_identifier: String,
    /// As the server writes it.
    pub server_version: String,
    /// Who built it.
    pub version_comment: String,
    /// What the dump program's `--version` said.
    pub tool_version: String,
    /// The host's name as the server knows it.
    pub hostname: String,
    /// Where its data lies.
    pub data: String,
    /// Where the dump is in the server's own binary log.
    pub position: Option<Position>,
    /// What it is a replica of, and where it stands there: by connection.
    pub replica_of: Vec<BTreeMap<String, String>>,
    /// Every database: name, character set, collation, bytes.
    pub databases: Vec<DatabaseFacts>,
    /// Plugins that were loaded from a library.
    pub plugins: Vec<String>,
    /// Settings that a restore may need to know.
    pub settings: BTreeMap<String, String>,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// Its name.
    pub name: String,
    /// Its default character set.
    pub character_set: String,
    /// Its default collation.
    pub collation: String,
    /// Bytes of data and indexes, as the server estimates them.
    pub bytes: u64,
}
