//! PostgreSQL in the contract of all adapters.

use super::access::AccessOptions;
use super::capture::{Postgres, PostgresOptions};
use super::discover;
use super::error::PostgresError;
use super::physical::{self, After, LogOptions, Physical, PhysicalOptions, StoredBackup, is_physical};
use super::prove::prove;
use super::restore::restore;
use super::sabotage::sabotage;
use super::stored::Stored;
use super::url::Url;
use crate::adapter::{
    self, AdapterError, Begun, Capture, Discovered, Ground, Log, LogAfter, Memory, Proof, Replay, Request,
    Restored, Run, Stop, Tried, Within,
};
use crate::isolation::with_room;
use crate::question::Question;
use std::path::Path;
use std::sync::Arc;
use vow_store::archive::Snapshot;

/// PostgreSQL, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn discover(&self, _: &Within) -> Vec<Discovered> {
        discover::servers()
    }

    fn restore(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        stop: Stop<'_>,
    ) -> Result<Restored, AdapterError> {
        let mut into =
            AccessOptions::of(Url::parse(&request.into).map_err(PostgresError::Options).map_err(stopped)?);
        into.run_as.clone_from(&request.run_as);
        into.password.file.clone_from(&request.password_file);
        let is_physical = is_physical(snapshot).map_err(stopped)?;
        let work = |stop: Stop<'_>| match is_physical {
            true => physical::restore(&StoredBackup::open(snapshot)?, &into, request, stop),
            false => restore(&Stored::open(snapshot)?, &into, request, stop),
        };
        let by_scratch = is_physical || request.table.is_some();
        let restored = match by_scratch {
            true => with_room(&request.scratch, stop, PostgresError::Scratch, work),
            false => work(stop),
        };
        restored.map_err(stopped)
    }

    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        questions: &[Question],
        stop: Stop<'_>,
    ) -> Result<Proof, AdapterError> {
        let work = |stop: Stop<'_>| match is_physical(snapshot)? {
            true => physical::prove(&StoredBackup::open(snapshot)?, ground.place, questions, stop),
            false => prove(&Stored::open(snapshot)?, ground, questions, stop),
        };
        with_room(ground.place, stop, PostgresError::Scratch, work).map_err(stopped)
    }

    fn log_after(&self, snapshot: &Snapshot) -> Result<Option<Box<dyn LogAfter>>, AdapterError> {
        if !is_physical(snapshot).map_err(stopped)? {
            return Ok(None);
        }
        let after = StoredBackup::open(snapshot).and_then(|stored| After::of(&stored)).map_err(stopped)?;
        Ok(Some(Box::new(after)))
    }

    fn settle(
        &self,
        snapshot: &Snapshot,
        root: &Path,
        replay: &Replay,
    ) -> Result<Option<Vec<String>>, AdapterError> {
        if !is_physical(snapshot).map_err(stopped)? {
            return Ok(None);
        }
        let stored = StoredBackup::open(snapshot).map_err(stopped)?;
        physical::settle(&stored, root, replay).map(Some).map_err(stopped)
    }

    fn sabotage(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        stop: Stop<'_>,
    ) -> Result<Vec<Tried>, AdapterError> {
        if is_physical(snapshot).map_err(stopped)? {
            // What is in the files of a base backup is guarded by its manifest: damage to them is what tests that.
            return Ok(Vec::new());
        }
        sabotage(&mut Stored::open(snapshot).map_err(stopped)?, ground, stop).map_err(stopped)
    }
}

pub(crate) fn stopped(error: PostgresError) -> AdapterError {
    if error.is_stopped() { AdapterError::Stopped } else { AdapterError::blamed(error.blame(), error) }
}

impl Capture for PostgresOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let known_identifier = run.known_server();
        let options = Self { known_identifier, dry_run: run.dry_run, ..self.clone() };
        let source = Postgres::new(options, run.told.clone());
        let learned = source.learned();
        let remember = Box::new(move || learned.identifier());
        Ok(Begun { source: Box::new(source.source()), warnings: Vec::new(), remember })
    }

    fn excludes(&self) -> Vec<String> {
        self.exclude.clone()
    }

    fn covers(&self, found: &Discovered) -> bool {
        found.kind == "postgres" && discover::covers(&self.access.url, found)
    }

    /// Without it another server would not be noticed.
    fn memory(&self) -> Memory {
        Memory::Needed("the server that the source names is the right one")
    }
}

/// A base backup, and the log that goes on from it.
#[derive(Debug, Clone)]
pub struct PhysicalPlan {
    /// The base backup.
    pub options: PhysicalOptions,
    /// The log, when it is received.
    pub log: Option<LogOptions>,
}

impl Capture for PhysicalPlan {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let known_identifier = run.known_server();
        let source =
            Physical::new(PhysicalOptions { known_identifier, dry_run: run.dry_run, ..self.options.clone() });
        let learned = source.learned();
        let remember = Box::new(move || learned.identifier());
        Ok(Begun { source: Box::new(source.source()), warnings: Vec::new(), remember })
    }

    fn covers(&self, found: &Discovered) -> bool {
        found.kind == "postgres" && discover::covers(&self.options.access.url, found)
    }

    /// Without it another server would not be noticed.
    fn memory(&self) -> Memory {
        Memory::Needed("the server that the source names is the right one")
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        let log = self.log.clone()?;
        Some(Arc::new(log))
    }
}
