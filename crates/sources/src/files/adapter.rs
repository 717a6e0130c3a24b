//! Files in the contract of all adapters. Restoring them is the engine's own business, for every snapshot is made of files.

use super::{Files, FilesOptions, record};
use crate::adapter::{
    self, AdapterError, Begun, Capture, Discovered, Ground, Memory, Proof, Reads, Request, Restored, Run,
    Stop, Within,
};
use crate::question::Question;
use std::path::PathBuf;
use vow_store::archive::Snapshot;

/// Threads that read directories ahead of the engine; more only compete with it.
const READERS_MAX: usize = 8;

/// What it means not to know what was there before.
const NOT_NOTICED: &str = "an empty or unmounted path would not be noticed in this run";

/// Files, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "files"
    }

    /// Which folders matter is not found out here yet.
    fn discover(&self, _: &Within) -> Vec<Discovered> {
        Vec::new()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "files are restored into a folder, not into a server: use --target DIR",
        ))
    }

    fn prove(&self, _: &Snapshot, _: Ground<'_>, _: &[Question], _: Stop<'_>) -> Result<Proof, AdapterError> {
        Err(AdapterError::Unsupported(
            "files are proven by reading them back and comparing them with the listing, which the drill does itself",
        ))
    }
}

impl Capture for FilesOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let remembered = run.remembered.as_deref().map(record::parse).transpose();
        let warnings =
            remembered.as_ref().err().map(|why| format!("{why}: {NOT_NOTICED}")).into_iter().collect();
        let mut options = FilesOptions {
            allow_empty: run.allow_empty,
            remembered: remembered.ok().flatten().unwrap_or_default(),
            views: run.views.clone(),
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX),
            ..self.clone()
        };
        options.always_exclude.extend(run.own_paths.iter().cloned());
        let files = Files::new(options).map_err(|e| e.to_string())?;
        let counts = files.root_counts();
        let remember = Box::new(move || record::text(&counts.get()));
        Ok(Begun { source: Box::new(files), warnings, remember })
    }

    fn check(&self) -> Result<(), String> {
        Files::new(self.clone()).map(|_| ()).map_err(|e| e.to_string())
    }

    fn roots(&self) -> Vec<PathBuf> {
        self.paths.clone()
    }

    fn excludes(&self) -> Vec<String> {
        self.exclude.clone()
    }

    fn reads(&self) -> Option<Reads<'_>> {
        let Self { paths, exclude, one_file_system, .. } = self;
        Some(Reads { paths, exclude, one_file_system: *one_file_system })
    }

    /// What is found on a machine is found because copying its files is not enough.
    fn covers(&self, _: &Discovered) -> bool {
        false
    }

    fn memory(&self) -> Memory {
        Memory::Helps(NOT_NOTICED)
    }
}
