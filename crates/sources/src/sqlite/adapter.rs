//! SQLite in the contract of all adapters. A database is a file: restoring it is restoring that file.

use super::SqliteError;
use super::find;
use super::prove::{Unharmed, prove, truth_of};
use super::sabotage::sabotage;
use crate::adapter::{
    self, AdapterError, Discovered, Ground, Part, Proof, Request, Restored, Stop, Tried, Within,
};
use crate::process::ToolError;
use crate::question::Question;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vow_store::archive::Snapshot;

/// Where databases are looked for when no plan says where.
const PLACES: &[&str] =
    &["/etc", "/home", "/opt", "/root", "/srv", "/usr/local", "/var/lib", "/var/opt", "/var/www"];

/// SQLite, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn discover(&self, within: &Within) -> Vec<Discovered> {
        let roots = match within.roots.is_empty() {
            true => PLACES.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect(),
            false => within.roots.clone(),
        };
        let Ok(nothing) = find::excludes(&[]) else { return Vec::new() };
        let until = Instant::now().checked_add(within.time);
        let found = find::databases(&roots, &within.never, &nothing, until);
        // What there was no time for is no database, and has to be said all the same.
        let rest = found.ended.map(|why| Discovered { problems: vec![why], ..described("SQLite databases") });
        found.databases.into_iter().map(describe).chain(rest).collect()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "SQLite has no server: restore SNAPSHOT:/files into a folder with --target DIR, or in place with --target /",
        ))
    }

    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        questions: &[Question],
        stop: Stop<'_>,
    ) -> Result<Proof, AdapterError> {
        prove(snapshot, ground.place, &mut Unharmed, questions, stop).map_err(stopped)
    }

    fn sabotage(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        stop: Stop<'_>,
    ) -> Result<Vec<Tried>, AdapterError> {
        sabotage(snapshot, ground.place, stop).map_err(stopped)
    }

    fn check_place(
        &self,
        snapshot: &Snapshot,
        place: &dyn Fn(&[u8]) -> Option<PathBuf>,
    ) -> Result<(), AdapterError> {
        let truth = truth_of(snapshot).map_err(stopped)?;
        let places = truth.databases.iter().filter_map(|database| place(&database.stored_path()?));
        match places.flat_map(|path| with_content(&path)).next() {
            None => Ok(()),
            Some(path) => Err(stopped(SqliteError::InTheWay { path: path.display().to_string() })),
        }
    }

    fn instructions(&self) -> &'static [&'static str] {
        &[
            "the databases are below files/, with their whole paths. To put one back in place: stop the program that uses it, remove \
           NAME-wal, NAME-shm and NAME-journal beside it (they belong to the other content and would damage this one), and copy it; \
           `vow restore SNAPSHOT:/files --target /` does the copying",
        ]
    }
}

fn stopped(error: SqliteError) -> AdapterError {
    match error {
        SqliteError::Tool(ToolError::Stopped) => AdapterError::Stopped,
        SqliteError::Stored(error) if error.is_stopped() => AdapterError::Stopped,
        error => AdapterError::blamed(error.blame(), error),
    }
}

fn described(name: impl Into<String>) -> Discovered {
    Discovered {
        kind: "sqlite",
        name: name.into(),
        url: None,
        data: None,
        running: false,
        parts: Vec::new(),
        problems: Vec::new(),
    }
}

fn describe(path: PathBuf) -> Discovered {
    let bytes = std::fs::metadata(&path).ok().map(|meta| meta.len());
    let running = !with_content(&path).is_empty();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parts = vec![Part { name, bytes, problem: None }];
    Discovered {
        running,
        parts,
        data: Some(path.clone()),
        ..described(format!("SQLite database {}", path.display()))
    }
}

/// A log or a journal beside a database that has something which is not in the file.
fn with_content(path: &Path) -> Vec<PathBuf> {
    let beside = ["-wal", "-journal"].into_iter().map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    });
    beside.filter(|path| std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0)).collect()
}
