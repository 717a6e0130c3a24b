//! One file per command: its arguments, whose documentation is the help, and what it does.

pub mod backup;
pub mod cat;
pub mod check;
pub mod config;
pub mod diff;
pub mod export;
pub mod find;
pub mod init;
pub mod key;
pub mod ls;
pub mod restore;
pub mod snapshots;
pub mod up;
pub mod vault;
