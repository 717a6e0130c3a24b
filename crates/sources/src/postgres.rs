//! PostgreSQL servers, 12 and newer: every database by `pg_dump`, with the truth that a restore must meet.
//!
//! [`capture`] is the source; each database is a [`dump`] in a `moment` of its own, judged by a `readback` against what `measure`
//! found. `docs/sources.md` describes the files of a snapshot.

mod access;
mod adapter;
mod belongings;
mod blocks;
mod capture;
mod discover;
mod dump;
mod error;
mod fixed_point;
mod globals;
mod measure;
mod moment;
mod patience;
mod physical;
mod prove;
mod question;
mod readback;
mod restore;
mod sabotage;
mod scratch;
mod server;
mod session;
mod sql;
mod start;
mod stored;
mod table;
mod tools;
mod truth;
mod url;
mod words;

pub use access::{Access, AccessOptions};
pub use adapter::{Adapter, PhysicalPlan};
pub use capture::{
    DEFAULT_EXACT_BELOW_BYTES, DEFAULT_LOCK_WAIT_SECS, DEFAULT_MAX_LAG_SECS, DEFAULT_PARALLEL, DUMPS,
    GLOBALS, Postgres, PostgresOptions, SERVER, TRUTH, dump_path,
};
pub use error::PostgresError;
pub use physical::{
    BACKUP, Backup, Gap, LOG_KIND, LogOptions, Physical, PhysicalDatabase, PhysicalOptions, Segment,
    StoredBackup, Tablespace, WalRange, gaps, is_physical, log_source,
};
pub use restore::restore;
pub use scratch::Scratch;
pub use stored::Stored;
pub use tools::{Tools, ToolsError};
pub use truth::{
    DatabaseTruth, LargeObjectsTruth, Method, NotDumped, ObjectTruth, SERVER_FORMAT, SequenceTruth,
    ServerFacts, TRUTH_FORMAT, TableTruth, Truth, VERSION,
};
pub use url::Url;
