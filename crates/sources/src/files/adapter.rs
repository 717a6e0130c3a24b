//! Files in the contract of all adapters. Restoring them is the engine's own business, for every snapshot is made of files.

use crate::adapter::{self, AdapterError, Discovered, Proof, Request, Restored, Stop};
use std::path::Path;
use vow_store::archive::Snapshot;

/// Files, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "files"
    }

    /// Which folders matter is not found out here yet.
    fn discover(&self) -> Vec<Discovered> {
        Vec::new()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "files are restored into a folder, not into a server: use --target DIR",
        ))
    }

    fn prove(&self, _: &Snapshot, _: &Path, _: Stop<'_>) -> Result<Proof, AdapterError> {
        Err(AdapterError::Unsupported(
            "files are proven by restoring a sample and comparing it with the live ones",
        ))
    }
}
