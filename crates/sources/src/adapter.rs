//! The contract: what every type of source can be asked for. `docs/sources.md` shows how to add one.
//!
//! Four verbs: *discover* what is on this machine, *capture* a source of the plan, *restore* a snapshot, *prove* one. Capturing is
//! the business of a [`Capture`], made from what the plan says; the other three need no plan, for a bare machine has none.

mod error;
mod log;

pub use error::{AdapterError, Blame, blame_of};
pub use log::{Log, LogAfter, Received, Receiving, Replay};

use crate::files::View;
use crate::question::Question;
use crate::{command, etcd, files, ldap, mariadb, postgres, redis, sqlite};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vow_store::archive::Snapshot;
use vow_store::source::Source;

/// Looks whether to stop; asked at least every second by whatever takes long.
pub type Stop<'s> = &'s dyn Fn() -> bool;

/// A type of source.
pub trait Adapter: Sync {
    /// Its name in the plan.
    fn kind(&self) -> &'static str;

    /// What of its kind is on this machine, covered or not. Files of its kind are looked for where `within` says.
    fn discover(&self, within: &Within) -> Vec<Discovered>;

    /// Restores into a running server.
    ///
    /// # Errors
    /// Why nothing was restored. What there was before is then as it was.
    fn restore(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        stop: Stop<'_>,
    ) -> Result<Restored, AdapterError>;

    /// Restores into a scratch instance on `ground`, compares with the truth, and asks what came back what the plan wants to know of
    /// it. Plans ask only where there is something to ask.
    ///
    /// # Errors
    /// Why it could not be tried. That the snapshot is not what it should be is a [`Proof`] with problems.
    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        questions: &[Question],
        stop: Stop<'_>,
    ) -> Result<Proof, AdapterError>;

    /// What a person has to do with the files of a snapshot that were restored into a folder.
    fn instructions(&self) -> &'static [&'static str] {
        &[]
    }

    /// The log that goes on from a snapshot; `None` when there can be none.
    ///
    /// # Errors
    /// The snapshot cannot be read.
    fn log_after(&self, _snapshot: &Snapshot) -> Result<Option<Box<dyn LogAfter>>, AdapterError> {
        Ok(None)
    }

    /// Looks, before files of a snapshot are written, for what must not lie beside them. `place` says where a path of the snapshot would
    /// be written, when it would be.
    ///
    /// # Errors
    /// What is in the way.
    fn check_place(
        &self,
        _snapshot: &Snapshot,
        _place: &dyn Fn(&[u8]) -> Option<PathBuf>,
    ) -> Result<(), AdapterError> {
        Ok(())
    }

    /// Makes a whole snapshot whose files were restored into `root` ready for its program; gives what a person must know, or `None`
    /// when its files are all there is to it.
    ///
    /// # Errors
    /// Why it is not ready.
    fn settle(
        &self,
        _snapshot: &Snapshot,
        _root: &Path,
        _replay: &Replay,
    ) -> Result<Option<Vec<String>>, AdapterError> {
        Ok(None)
    }

    /// Restores as [`Self::prove`] does, damages what came back (a table dropped, a row changed, the dump cut off), and
    /// says what the proof made of each. A type that has nothing of the kind is tested with damage to its files only.
    ///
    /// # Errors
    /// Why it could not be tried.
    fn sabotage(&self, _: &Snapshot, _: Ground<'_>, _: Stop<'_>) -> Result<Vec<Tried>, AdapterError> {
        Ok(Vec::new())
    }
}

/// Where a scratch instance may be.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'g> {
    /// A folder that goes when the instance is not needed any more.
    pub place: &'g Path,
    /// A folder of our own that stays: empty servers that were initialised before may be taken from there.
    pub templates: Option<&'g Path>,
}

impl<'g> Ground<'g> {
    /// A place, and nothing that was made before.
    pub fn at(place: &'g Path) -> Self {
        Self { place, templates: None }
    }
}

/// One kind of damage, and what a proof said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What was done: `dropped table`.
    pub name: &'static str,
    /// To what.
    pub object: String,
    /// Whether a problem of the proof named it, for the right reason.
    pub noticed: bool,
    /// That problem, or else the first one there was.
    pub said: Option<String>,
}

impl Tried {
    /// Looks for the problem that names the object and says these words.
    pub fn new(name: &'static str, object: String, words: &str, proof: &Proof) -> Self {
        let right = proof.differences().find(|text| text.contains(&object) && text.contains(words));
        let said = right.or(proof.differences().next()).cloned();
        Self { name, object, noticed: right.is_some(), said }
    }
}

/// Where files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// Folders; absolute paths.
    pub roots: Vec<PathBuf>,
    /// What is not entered: Vow's own folders, other machines.
    pub never: Vec<PathBuf>,
    /// How long looking at files may take.
    pub time: Duration,
}

/// A source of the plan.
pub trait Capture: Debug + Send + Sync {
    /// Begins a run. Nothing is read or connected before the engine asks for the first entries.
    ///
    /// # Errors
    /// Options that make no sense, as a sentence.
    fn begin(&self, run: &Run) -> Result<Begun, String>;

    /// Whether the options make sense; looks at nothing.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Paths of this machine that are captured, to be written into the snapshot.
    fn roots(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What is left out on purpose, to be written into the snapshot: patterns, names of databases.
    fn excludes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it captures what was found.
    fn covers(&self, found: &Discovered) -> bool;

    /// Whether it leaves out this part, on purpose, of something that it captures.
    fn leaves_out(&self, part: &Part) -> bool {
        self.excludes().contains(&part.name)
    }

    /// What it reads file by file, and so could as well read from a snapshot of a file system ([`Run::views`]).
    fn reads(&self) -> Option<Reads<'_>> {
        None
    }

    /// What it means that what was remembered is lost.
    fn memory(&self) -> Memory;

    /// The log of the server, when the plan has it received.
    fn log(&self) -> Option<Arc<dyn Log>> {
        None
    }

    /// Restores a snapshot of its own into whatever the plan names; `None` when the adapter needs no plan for that.
    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Option<Result<Restored, AdapterError>> {
        None
    }

    /// Proves a snapshot of its own with what the plan names; `None` when the adapter needs no plan for that.
    fn prove(&self, _: &Snapshot, _: Ground<'_>, _: Stop<'_>) -> Option<Result<Proof, AdapterError>> {
        None
    }
}

/// What is read file by file.
#[derive(Debug, Clone, Copy)]
pub struct Reads<'r> {
    /// The roots: absolute paths.
    pub paths: &'r [PathBuf],
    /// Patterns of what is left out.
    pub exclude: &'r [String],
    /// Other file systems below the roots are left out.
    pub one_file_system: bool,
}

/// What a source has its memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It remembers nothing.
    None,
    /// It can do without, with less protection: what would not be noticed, as a sentence.
    Helps(&'static str),
    /// Nothing is captured without it: what a person must make sure of before removing the record.
    Needed(&'static str),
}

/// What holds for one run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Only say what would be captured.
    pub dry_run: bool,
    /// Accept a source that used to have content and has none now.
    pub allow_empty: bool,
    /// Accept that another server answers than the one on record.
    pub accept_server: bool,
    /// Vow's own folders, which are never captured: absolute paths.
    pub own_paths: Vec<PathBuf>,
    /// What the last accepted run wanted to be remembered.
    pub remembered: Option<String>,
    /// Where a source tells what its truth holds.
    pub told: Told,
    /// For a run that fails because of something that passes.
    pub again: Again,
    /// Folders that are read in snapshots of their file systems.
    pub views: Vec<View>,
}

impl Run {
    /// The identifier of the server that this source is of, unless another one is to be accepted now.
    pub(crate) fn known_server(&self) -> Option<String> {
        self.remembered.clone().filter(|_| !self.accept_server)
    }
}

/// What a source tells of its truth while it is captured, without any content: for whoever judges runs without seeing data.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<BTreeMap<String, u64>>>);

impl Told {
    /// Adds objects of a kind, in plain words: `table`, `view`, `routine`, `user`, …
    pub fn objects(&self, kind: &str, count: u64) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *objects.entry(kind.to_owned()).or_default() += count;
    }

    /// Nothing was told: the source is captured once more.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Objects by kind; nothing for a source that has none, or whose truth is not there yet.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Asks for a run to be begun again after it failed because of something that passes: a table that was changed while it was dumped.
#[derive(Debug, Clone, Default)]
pub struct Again {
    /// It will not be begun again after this time.
    pub is_last: bool,
    asked: Arc<AtomicBool>,
}

impl Again {
    /// For another run.
    pub fn next(is_last: bool) -> Self {
        Self { is_last, ..Self::default() }
    }

    /// Asks for it. Counts only when the run fails.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A run that has begun.
pub struct Begun {
    /// The entries, for the engine.
    pub source: Box<dyn Source>,
    /// What a person should know before it goes on.
    pub warnings: Vec<String>,
    /// What the next run wants to know; asked when the snapshot was accepted.
    pub remember: Box<dyn Fn() -> Option<String>>,
}

/// Something on this machine that can be captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The type of source for it.
    pub kind: &'static str,
    /// What it is, for people.
    pub name: String,
    /// The URL that a plan would use.
    pub url: Option<String>,
    /// Where its data lies. Copied while it runs, that is worth nothing.
    pub data: Option<PathBuf>,
    /// Whether it runs.
    pub running: bool,
    /// What is in it.
    pub parts: Vec<Part>,
    /// What could not be looked at.
    pub problems: Vec<String>,
}

/// A part of something discovered: a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its size, when that may be known.
    pub bytes: Option<u64>,
    /// Why it cannot be captured.
    pub problem: Option<String>,
}

/// What to restore, and where.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The URL of the server.
    pub into: String,
    /// The account of the operating system that the tools run as.
    pub run_as: Option<String>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// Only this database of the snapshot.
    pub database: Option<String>,
    /// Only this table of it: `name` or `schema.name`, quoted as in SQL.
    pub table: Option<String>,
    /// The schema that the table goes into.
    pub schema_as: Option<String>,
    /// What is there already is replaced.
    pub replace: bool,
    /// Roles and tablespaces that are missing are made, also for one database or table.
    pub with_roles: bool,
    /// Where a scratch server may be.
    pub scratch: PathBuf,
    /// The log to be replayed before, and how far.
    pub replay: Replay,
}

/// What was restored.
#[derive(Debug, Default)]
pub struct Restored {
    /// Databases, and the names they have now.
    pub databases: Vec<(String, String)>,
    /// The table as it is called now, quoted.
    pub table: Option<String>,
    /// Rows that were compared with the truth.
    pub rows: u64,
    /// What could not be brought back.
    pub problems: Vec<String>,
    /// What a person may want to know.
    pub notes: Vec<String>,
}

/// What a proof found.
#[derive(Debug, Default)]
pub struct Proof {
    /// Objects, tables, sequences and checksums that were compared and are the same.
    pub compared: u64,
    /// Bytes that the source had.
    pub bytes: u64,
    /// How long restoring took, apart from comparing; 0 when it was not measured.
    pub restore_secs: f64,
    /// What is not as it was: the snapshot is not proven.
    pub problems: Vec<String>,
    /// Why nothing could be proven here, though nothing is known to be wrong: software that this machine lacks.
    pub blocked: Vec<String>,
    /// What a person may want to know.
    pub notes: Vec<String>,
}

impl Proof {
    /// Whether everything was compared and nothing was wrong.
    pub fn holds(&self) -> bool {
        self.problems.is_empty() && self.blocked.is_empty() && self.compared > 0
    }

    /// Everything that is not as it was; also what is among the notes because something of this machine, which blocks the proof, may be
    /// why: it was noticed.
    pub fn differences(&self) -> impl Iterator<Item = &String> {
        let excused = (!self.blocked.is_empty()).then_some(&self.notes);
        self.problems.iter().chain(excused.into_iter().flatten())
    }
}

/// Every adapter.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &files::Adapter,
    &mariadb::Adapter,
    &postgres::Adapter,
    &redis::Adapter,
    &sqlite::Adapter,
    &command::Adapter,
    &etcd::Adapter,
    &ldap::Adapter,
];

/// The adapter of a type of source.
pub fn adapter(kind: &str) -> Option<&'static dyn Adapter> {
    ADAPTERS.iter().copied().find(|adapter| adapter.kind() == kind)
}
