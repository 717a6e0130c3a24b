//! The format and the engine: chunk, seal, pack, listing; backup, restore, check.
//!
//! `docs/format.md` describes every byte that this crate writes. Data flows downwards through the modules:
//! a source's entries → [`backup`] → chunks → [`pack`] → a vault; a vault → `archive` → `restore`, `check`.

pub mod archive;
pub mod backup;
pub mod check;
pub mod chunker;
pub mod compress;
pub mod export;
pub mod index;
pub mod keys;
pub mod levels;
pub mod listing;
pub mod monitor;
pub mod pack;
pub mod record;
pub mod restore;
pub mod seal;
pub mod session;
pub mod source;
pub mod spool;
