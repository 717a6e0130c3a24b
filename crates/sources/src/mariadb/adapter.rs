//! MariaDB in the contract of all adapters.

use super::access::AccessOptions;
use super::binlog::After;
use super::capture::{MariaDb, MariaDbOptions};
use super::discover;
use super::error::MariaDbError;
use super::live::restore_through;
use super::physical::{self, Physical, PhysicalOptions};
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

/// MariaDB, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "mariadb"
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
        let url = Url::parse(&request.into).map_err(MariaDbError::Options).map_err(stopped)?;
        let mut into = AccessOptions::of(url);
        into.run_as.clone_from(&request.run_as);
        into.password.file.clone_from(&request.password_file);
        let stored = Stored::open(snapshot).map_err(stopped)?;
        let through = stored.is_physical() || request.replay.log.is_some();
        let work = |stop: Stop<'_>| match through {
            true => restore_through(&stored, &into, request, stop),
            false => restore(&stored, &into, request, stop),
        };
        let restored = match through || request.table.is_some() {
            true => with_room(&request.scratch, stop, MariaDbError::Scratch, work),
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
        let work = |stop: Stop<'_>| prove(&Stored::open(snapshot)?, ground, questions, stop);
        with_room(ground.place, stop, MariaDbError::Scratch, work).map_err(stopped)
    }

    fn sabotage(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        stop: Stop<'_>,
    ) -> Result<Vec<Tried>, AdapterError> {
        sabotage(&mut Stored::open(snapshot).map_err(stopped)?, ground, stop).map_err(stopped)
    }

    fn log_after(&self, snapshot: &Snapshot) -> Result<Option<Box<dyn LogAfter>>, AdapterError> {
        let after = Stored::open(snapshot).and_then(|stored| After::of(&stored)).map_err(stopped)?;
        Ok(Some(Box::new(after)))
    }

    fn settle(
        &self,
        snapshot: &Snapshot,
        root: &Path,
        replay: &Replay,
    ) -> Result<Option<Vec<String>>, AdapterError> {
        let stored = Stored::open(snapshot).map_err(stopped)?;
        physical::settle(&stored, root, replay, &|| false).map_err(stopped)
    }
}

pub(super) fn stopped(error: MariaDbError) -> AdapterError {
    if error.is_stopped() { AdapterError::Stopped } else { AdapterError::blamed(error.blame(), error) }
}

impl Capture for MariaDbOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let known_identifier = run.known_server();
        let options =
            Self { known_identifier, dry_run: run.dry_run, hold_schema: run.again.is_last, ..self.clone() };
        let source = MariaDb::new(options, run.again.clone(), run.told.clone());
        let learned = source.learned();
        let remember = Box::new(move || learned.identifier());
        Ok(Begun { source: Box::new(source), warnings: Vec::new(), remember })
    }

    fn excludes(&self) -> Vec<String> {
        self.exclude.clone()
    }

    fn covers(&self, found: &Discovered) -> bool {
        found.kind == "mariadb" && discover::covers(&self.access.url, found)
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

impl Capture for PhysicalOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let known_identifier = run.known_server();
        let options = PhysicalOptions { known_identifier, dry_run: run.dry_run, ..self.clone() };
        let source = Physical::new(options, run.told.clone());
        let learned = source.learned();
        let remember = Box::new(move || learned.identifier());
        Ok(Begun { source: Box::new(source.source()), warnings: Vec::new(), remember })
    }

    fn covers(&self, found: &Discovered) -> bool {
        found.kind == "mariadb" && discover::covers(&self.access.url, found)
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
