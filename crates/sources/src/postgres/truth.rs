//! What a server said about itself while it was dumped, and what it is: the files `truth.json` and `server.json` of a snapshot.
//! `docs/sources.md` describes both. Fields are only ever added; a change of meaning gets a new version.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the documents call themselves.
pub const TRUTH_FORMAT: &str = "vow-postgres-truth";
/// What the documents call themselves.
pub const SERVER_FORMAT: &str = "vow-postgres-server";
/// The version of both.
pub const VERSION: u32 = 1;

/// `truth.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Identifies the cluster for as long as it lives.
    pub system_identifier: String,
    /// As a number: 150018 is 15.18.
    pub server_version_num: u32,
    /// Names of all roles.
    pub roles: Vec<String>,
    /// What was dumped.
    pub databases: Vec<DatabaseTruth>,
    /// What was not.
    pub not_dumped: Vec<NotDumped>,
}

/// A database that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDumped {
    /// Its name.
    pub database: String,
    /// Why.
    pub reason: String,
}

/// One database, in the very snapshot that was dumped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatabaseTruth {
    /// Its name.
    pub name: String,
    /// The file of the snapshot that holds its dump.
    pub dump: String,
    /// When its snapshot was taken, by the server's clock.
    pub taken: String,
    /// How many objects of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Every object.
    pub objects: Vec<ObjectTruth>,
    /// Every table that holds rows of its own, partitions included.
    pub tables: Vec<TableTruth>,
    /// Every sequence.
    pub sequences: Vec<SequenceTruth>,
    /// Large objects.
    pub large_objects: LargeObjectsTruth,
    /// Installed extensions and their versions.
    pub extensions: BTreeMap<String, String>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectTruth {
    /// What it is, in PostgreSQL's words.
    pub kind: String,
    /// Its name, quoted and qualified as PostgreSQL does.
    pub name: String,
    /// MD5 of its definition, owner, privileges and comment; not a secret, and no protection against an attacker: the snapshot's
    /// own seal is that.
    pub digest: String,
    /// The same without casts and brackets, of what has expressions in it: a server that reads one may write it with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTruth {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `r` for a table, `m` for a materialized view.
    pub relkind: String,
    /// How many rows.
    pub rows: u64,
    /// How the checksum was made.
    pub method: Method,
    /// Sum of a 64-bit hash of each row as text: independent of their order, and duplicates count. None when only counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Columns of the key whose first and last rows were hashed, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_key: Option<String>,
}

/// How a table's checksum was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Over all rows.
    Exact,
    /// Over the first and the last rows by the primary key.
    Sample,
    /// There is none: rows were only counted.
    Count,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceTruth {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Where it stood when the snapshot was taken. Sequences do not keep to snapshots: see `dumped`.
    pub last_value: i64,
    /// Whether that value was given out.
    pub is_called: bool,
    /// What the dump sets it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dumped: Option<(i64, bool)>,
}

/// All large objects together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjectsTruth {
    /// How many.
    pub count: u64,
    /// As for tables; none when they are too many to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// `server.json`: what is needed to build the server again. Settings that may hold a secret stand without their value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerFacts {
    /// [`SERVER_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Identifies the cluster for as long as it lives.
    pub system_identifier: String,
    /// As a number: 150018 is 15.18.
    pub server_version_num: u32,
    /// As text.
    pub server_version: String,
    /// What dumped it.
    pub tool_version: String,
    /// It is a standby.
    pub in_recovery: bool,
    /// Seconds since the last transaction a standby has replayed.
    #[serde(default)]
    pub replay_lag_secs: Option<f64>,
    /// The superuser that `initdb` made.
    pub bootstrap_superuser: Option<String>,
    /// Every database, with all columns of `pg_database` and its size.
    pub databases: Vec<Value>,
    /// Settings of databases and roles.
    pub database_settings: Vec<Value>,
    /// Every tablespace with its place.
    pub tablespaces: Vec<Value>,
    /// Every role without its password.
    pub roles: Vec<Value>,
    /// Settings that differ from the default.
    pub settings: Vec<Value>,
}
