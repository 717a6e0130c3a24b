//! One file per command: its arguments, whose documentation is the help, and what it does.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod binlog_receive;
pub(crate) mod cat;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod console;
pub(crate) mod diff;
pub(crate) mod discover;
pub(crate) mod drill;
pub(crate) mod export;
pub(crate) mod find;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod mount;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod snapshots;
pub(crate) mod sqlite_helper;
pub(crate) mod up;
pub(crate) mod vault;
pub(crate) mod wal_receive;
