//! Drills: a snapshot is restored for real and compared with the truth, and what came of it is kept.
//!
//! Nothing here writes to a vault: a drill gets a [`Snapshot`](vow_store::archive::Snapshot), which can only be read. What has to be
//! written (a scratch server) goes into a folder of [`scratch`], which the next drill finds and removes if this one is killed.

pub mod content;
pub mod debt;
pub mod expect;
pub mod files;
pub mod proofs;
pub mod rotation;
pub mod sabotage;
pub mod scratch;
pub mod site;
pub mod source;
