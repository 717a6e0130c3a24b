//! The binary log of a server: received all the time, and replayed over a snapshot up to a moment.
//!
//! `receive` runs `mariadb-binlog` against the server, into a private `spool`; finished files become small snapshots of a source of their
//! own. `after` says which of them go on from a snapshot, `replay` lets a scratch server run through them. `names` and `events` are pure.

mod after;
mod events;
mod names;
mod receive;
mod replay;
mod spool;

pub(crate) use after::After;
pub use receive::{BINLOG_KIND, BinlogOptions, DEFAULT_FLUSH_SECS, binlog_source};
pub(crate) use replay::replay;
