//! MariaDB servers (and MySQL): all databases in one transaction of `mariadb-dump`, with the truth that a restore must meet; or all of
//! the server as it lies on the disk (`physical`); and its binary log, all the time (`binlog`).
//!
//! A [`capture`] holds the server still for a moment (`moment`), in which the dump's transaction and our own begin; each
//! [`dump`] is read by `script` while it streams and judged at the end by `verdict` against what `measure` and `inventory` found.
//! `docs/sources.md` describes the files of a snapshot.

mod access;
mod adapter;
mod begin;
mod binlog;
mod capture;
mod discover;
mod dump;
mod dumping;
mod error;
mod extract;
mod fixed_point;
mod inventory;
mod live;
mod measure;
mod moment;
mod physical;
mod prove;
mod question;
mod reading;
mod restore;
mod sabotage;
mod scratch;
mod script;
mod server;
mod session;
mod shared;
mod sql;
mod stored;
mod system;
mod table;
mod tools;
mod truth;
mod url;
mod verdict;
mod versions;

pub use access::{Access, AccessOptions};
pub use adapter::Adapter;
pub use binlog::{BINLOG_KIND, BinlogOptions, DEFAULT_FLUSH_SECS, binlog_source};
pub use capture::{
    DATABASES, DEFAULT_EXACT_BELOW_BYTES, DEFAULT_LOCK_WAIT_SECS, DEFAULT_MAX_LAG_SECS, LOCKED, Lock,
    MariaDb, MariaDbOptions, SERVER, SYSTEM, TRUTH,
};
pub use discover::covers;
pub use error::MariaDbError;
pub use physical::{DEFAULT_PHYSICAL_EXACT_BELOW_BYTES, Physical, PhysicalOptions};
pub use restore::restore;
pub use scratch::Scratch;
pub use stored::Stored;
pub use tools::{Flavour, Tools, ToolsError};
pub use truth::{
    Account, Method, NotDumped, ObjectTruth, PhysicalTruth, Position, SERVER_FORMAT, SequenceTruth,
    ServerFacts, TRUTH_FORMAT, TableTruth, Truth, VERSION,
};
pub use url::Url;
