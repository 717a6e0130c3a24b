//! Databases as a source: found or named, copied one after the other, and streamed.

use super::SqliteError;
use super::copy::refuse_unfit;
use super::find;
use super::helper::{self, Copied};
use super::place;
use super::truth::{DatabaseTruth, FILES, TRUTH, TRUTH_FORMAT, Truth, VERSION};
use crate::adapter::{Begun, Capture, Discovered, Memory, Run, Told};
use crate::process::Ended;
use crate::program::{Judge, Program};
use crate::steps::{Next, Outcomes, Slot, Step, Steps};
use crate::stored::text_of;
use crate::synthetic;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use vow_base::id::hex;
use vow_store::listing::path;
use vow_store::source::Found;

/// Databases up to this size are summed up row by row.
pub const DEFAULT_EXACT_BELOW_BYTES: u64 = 256 << 20;

/// What to capture.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Databases, and folders that are searched for them: absolute paths.
    pub paths: Vec<PathBuf>,
    /// Patterns with the rules of `.gitignore`, anchored at the root of the file system.
    pub exclude: Vec<String>,
    /// Databases up to this size are summed up row by row, in larger ones rows are counted.
    pub exact_below_bytes: u64,
    /// Where copies are made; each goes as soon as it was streamed.
    pub scratch: PathBuf,
}

impl Capture for SqliteOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let (options, run) = (Arc::new(self.clone()), run.clone());
        let captured = Arc::new(Mutex::new(None));
        let learned = Arc::clone(&captured);
        let source = Steps::new(move || begin(&options, &run, &learned));
        let remember = move || captured.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Begun { source: Box::new(source), warnings: Vec::new(), remember: Box::new(remember) })
    }

    fn check(&self) -> Result<(), String> {
        find::excludes(&self.exclude).map(|_| ())
    }

    fn roots(&self) -> Vec<PathBuf> {
        self.paths.clone()
    }

    fn excludes(&self) -> Vec<String> {
        self.exclude.clone()
    }

    fn covers(&self, found: &Discovered) -> bool {
        let Some(data) = found.data.as_ref().filter(|_| found.kind == "sqlite") else { return false };
        let hidden = find::excludes(&self.exclude)
            .is_ok_and(|excludes| excludes.matched_path_or_any_parents(data, false).is_ignore());
        self.paths.iter().any(|path| data.starts_with(path)) && !hidden
    }

    fn memory(&self) -> Memory {
        Memory::Helps("databases that are gone would not be noticed in this run")
    }
}

type Learned = Arc<Mutex<Option<String>>>;

fn begin(options: &Arc<SqliteOptions>, run: &Run, learned: &Learned) -> Result<Next, String> {
    let mut found = Vec::new();
    let databases = databases(options, run, &mut found)?;
    // Those of the last run that are gone: once, for after that nobody remembers them.
    let before: Vec<PathBuf> =
        run.remembered.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    for gone in before.iter().filter(|path| !databases.contains(path)) {
        let text = "this database was in the last snapshot and is not there any more".to_owned();
        found.push(Found::Problem { path: listed(gone), text });
    }
    if databases.is_empty() {
        let places =
            options.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no SQLite database in {places}"));
    }
    if run.dry_run {
        found.extend(
            databases.iter().map(|path| Found::Note(format!("would copy the database {}", path.display()))),
        );
        return Ok(Next { found, then: Vec::new() });
    }
    found.push(Found::Item(synthetic::folder(b"")));
    Ok(Next { found, then: plan(options, databases, learned, run.told.clone()) })
}

/// What is named must be there; folders are searched.
fn databases(options: &SqliteOptions, run: &Run, found: &mut Vec<Found>) -> Result<Vec<PathBuf>, String> {
    let excludes = find::excludes(&options.exclude)?;
    let (mut folders, mut databases) = (Vec::new(), Vec::new());
    for path in &options.paths {
        let meta = std::fs::metadata(path).map_err(|e| format!("cannot look at {}: {e}", path.display()))?;
        if meta.is_dir() {
            folders.push(path.clone());
        } else {
            refuse_unfit(path).map_err(|error| error.to_string())?;
            databases
                .push(path.canonicalize().map_err(|e| format!("cannot look at {}: {e}", path.display()))?);
        }
    }
    let below = find::databases(&folders, &run.own_paths, &excludes, None);
    found.extend(below.problems.into_iter().map(|text| Found::Problem { path: FILES.into(), text }));
    databases.extend(below.databases);
    databases.sort();
    databases.dedup();
    Ok(databases)
}

/// Where a path is in a snapshot.
fn listed(path: &Path) -> Vec<u8> {
    [FILES.as_bytes(), path.as_os_str().as_bytes()].concat()
}

fn plan(options: &Arc<SqliteOptions>, databases: Vec<PathBuf>, learned: &Learned, told: Told) -> Vec<Step> {
    // Folders on the way, with what the file system says about them: a restore in place must not change them.
    let mut paths: BTreeSet<PathBuf> =
        databases.iter().flat_map(|path| path.ancestors()).map(Path::to_owned).collect();
    paths.insert("/".into());
    let mut paths: Vec<_> = paths.into_iter().map(|path| (listing_of(&path), path)).collect();
    paths.sort_by(|(a, _), (b, _)| path::compare(a, b));
    let outcomes = Outcomes::new();
    let handed_out = Arc::new(Mutex::new(0_usize));
    let mut steps: Vec<Step> = Vec::new();
    for (listed, path) in paths {
        let (options, outcomes, handed_out) =
            (Arc::clone(options), outcomes.clone(), Arc::clone(&handed_out));
        let is_database = databases.contains(&path);
        steps.push(Box::new(move || {
            let found = match is_database {
                false => match place::item(&path, &listed) {
                    Ok(item) => Found::Item(item),
                    // A folder that went away since it was searched, with its databases.
                    Err(error) => Found::Problem {
                        path: listed,
                        text: format!("cannot look at {}: {error}", path.display()),
                    },
                },
                true => {
                    let mut count = handed_out.lock().unwrap_or_else(PoisonError::into_inner);
                    // One copy at a time: each takes room on the disk.
                    outcomes.wait(*count)?;
                    match stream(&options, &path, &listed, outcomes.slot()) {
                        Ok(found) => {
                            *count += 1;
                            return Ok(Next { found, then: Vec::new() });
                        }
                        Err(error) => Found::Problem { path: listed, text: error.to_string() },
                    }
                }
            };
            Ok(Next { found: vec![found], then: Vec::new() })
        }));
    }
    let learned = Arc::clone(learned);
    steps.push(Box::new(move || conclude(&outcomes, &handed_out, &databases, &learned, &told)));
    steps
}

fn listing_of(path: &Path) -> Vec<u8> {
    let mut listed = listed(path);
    if listed.ends_with(b"/") {
        listed.pop();
    }
    listed
}

/// The stream of a database whose copy has been made.
fn stream(
    options: &SqliteOptions,
    path: &Path,
    listed: &[u8],
    slot: Slot<DatabaseTruth>,
) -> Result<Vec<Found>, SqliteError> {
    let copied = place::item(path, listed)
        .map_err(SqliteError::io("look at", path))
        .and_then(|item| Ok((item, helper::copied(path, options.exact_below_bytes, &options.scratch)?)));
    let (item, (mut truth, running, out)): (_, Copied) = match copied {
        Ok(copied) => copied,
        Err(error) => {
            slot.withdraw();
            return Err(error);
        }
    };
    truth.path = path.display().to_string();
    truth.path_hex = path.to_str().is_none().then(|| hex(path.as_os_str().as_bytes()));
    let mut found: Vec<_> = truth
        .damage
        .first()
        .map(|first| {
            let text =
                format!("the database is damaged ({} findings, the first: {first})", truth.damage.len());
            Found::Problem { path: listed.to_vec(), text }
        })
        .into_iter()
        .collect();
    let judge = Length { truth, bytes: 0, slot: Some(slot) };
    let program =
        Program::new(format!("the copy of {}", path.display()), Box::new(judge), move |_| Ok((running, out)));
    found.push(Found::Stream(item, Box::new(program)));
    Ok(found)
}

/// The copy must be as long as it was when it was looked at.
struct Length {
    truth: DatabaseTruth,
    bytes: u64,
    slot: Option<Slot<DatabaseTruth>>,
}

impl Judge for Length {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.bytes += bytes.len() as u64;
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn verdict(mut self: Box<Self>, _: &Ended, _: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        if self.bytes != self.truth.bytes {
            let why = format!("{} bytes came of {}", self.bytes, self.truth.bytes);
            self.failed(&why);
            return Err(why);
        }
        if let Some(slot) = self.slot.take() {
            slot.done(self.truth);
        }
        Ok(Vec::new())
    }

    fn failed(&mut self, reason: &str) {
        if let Some(slot) = self.slot.take() {
            slot.failed(reason);
        }
    }
}

fn conclude(
    outcomes: &Outcomes<DatabaseTruth>,
    handed_out: &Mutex<usize>,
    databases: &[PathBuf],
    learned: &Learned,
    told: &Told,
) -> Result<Next, String> {
    let count = *handed_out.lock().unwrap_or_else(PoisonError::into_inner);
    if count == 0 {
        return Err("none of the databases could be copied".into());
    }
    outcomes.wait(count)?;
    let mut databases_truth = outcomes.take();
    databases_truth.sort_by(|a, b| a.path.cmp(&b.path));
    // Paths that are no text are not remembered.
    *learned.lock().unwrap_or_else(PoisonError::into_inner) =
        serde_json::to_string(&databases.iter().filter_map(|path| path.to_str()).collect::<Vec<_>>()).ok();
    told.objects("database", databases_truth.len() as u64);
    for object in databases_truth.iter().flat_map(|database| &database.objects) {
        told.objects(&object.kind, 1);
    }
    let truth = Truth { format: TRUTH_FORMAT.into(), version: VERSION, databases: databases_truth };
    let file = Found::Stream(synthetic::file(TRUTH.as_bytes()), synthetic::bytes(text_of(&truth)?));
    Ok(Next { found: vec![file], then: Vec::new() })
}
