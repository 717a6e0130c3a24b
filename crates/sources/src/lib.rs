//! What can be captured: one folder per adapter, each of them a [`vow_store::source::Source`].
//!
//! An adapter finds what belongs to a snapshot and hands it over in listing order; chunking, sealing and sending are the
//! engine's. Removing an adapter is removing its folder. `docs/sources.md` says how to add one.

pub mod adapter;
pub mod files;
pub mod postgres;
pub mod process;
pub mod secret;
pub mod synthetic;
