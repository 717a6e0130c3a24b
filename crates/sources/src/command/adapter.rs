//! Any program's output, in the contract of all adapters.

use super::try_out;
use crate::adapter::{self, AdapterError, Discovered, Ground, Proof, Request, Restored, Stop, Within};
use crate::question::Question;
use vow_store::archive::Snapshot;

/// A program's output, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "command"
    }

    /// What programs could capture is not known.
    fn discover(&self, _: &Within) -> Vec<Discovered> {
        Vec::new()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "which program restores this stands in the plan of its host (restore_command), never in a snapshot: run this with that \
             plan, or restore the output with --target DIR",
        ))
    }

    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        _: &[Question],
        stop: Stop<'_>,
    ) -> Result<Proof, AdapterError> {
        try_out::prove(None, snapshot, ground.place, stop)
    }

    fn instructions(&self) -> &'static [&'static str] {
        &["the output is as the program wrote it; truth.json says which program that was"]
    }
}
