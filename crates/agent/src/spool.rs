//! Reports that wait for the console, one file each, in the state folder. A report that was put here survives anything that happens
//! to this program, until the console has said that it stored it.
//!
//! The number is bounded: when it is full, the oldest are kept, for they say when trouble began, and what comes later is counted.

use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use vow_base::disk::{DiskError, RealDisk};
use vow_base::publish::{PublishError, publish};
use vow_protocol::report::{Body, REPORT_LIMIT_BYTES, Report};

/// Reports kept at most.
pub const REPORTS_MAX: usize = 10_000;
/// Their bytes at most.
pub const REPORTS_MAX_BYTES: u64 = 256 << 20;
/// Reports that the console refused, kept at most: somebody should look at them.
const REFUSED_MAX: usize = 100;
/// Unfinished files older than this were left behind by something that was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Why a report is not kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There are too many already.
    #[error("{waiting} reports wait for the console in {folder}: no more are kept", folder = folder.display())]
    Full {
        /// How many.
        waiting: usize,
        /// Where.
        folder: PathBuf,
    },
    /// It cannot stand as JSON.
    #[error("a report cannot be written down: {0}")]
    Unwritable(String),
    /// No console takes one so long.
    #[error("a report of {0} bytes is longer than a console takes")]
    TooLong(usize),
}

/// The reports of one host.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// A report that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The file's name: names are in the order in which reports were made.
    name: String,
    bytes: u64,
}

/// Whoever holds it is the only one who sends.
#[derive(Debug)]
pub struct SendLock(#[allow(dead_code, reason = "it is held, not used")] File);

impl Spool {
    /// The reports of the host with this state folder.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("reports") }
    }

    /// Keeps a report, durably.
    ///
    /// An inventory or audit takes the place of one that waits: only the newest says how the host is now.
    ///
    /// # Errors
    /// When it could not be kept. It is then counted as lost.
    pub fn put(&self, report: &Report) -> Result<(), SpoolError> {
        let kept = self.keep(report);
        if kept.is_err() {
            let count = (self.lost() + 1).to_string();
            // Best effort: the error that is returned says more.
            let _ = fs::write(self.folder.join("lost"), count);
        }
        kept
    }

    fn keep(&self, report: &Report) -> Result<(), SpoolError> {
        self.make(&self.folder)?;
        let unfinished = self.folder.join("unfinished");
        self.make(&unfinished)?;
        let text = serde_json::to_vec(report).map_err(|e| SpoolError::Unwritable(e.to_string()))?;
        if text.len() > REPORT_LIMIT_BYTES {
            return Err(SpoolError::TooLong(text.len()));
        }
        let waiting = self.waiting()?;
        let (kind, replaces) = match report.body {
            Body::Run(_) => ("run", false),
            Body::Alive(_) => ("alive", true),
            Body::Proof(_) => ("proof", false),
            Body::Inventory(_) => ("inventory", true),
            Body::Audit(_) => ("audit", true),
            Body::KeyProof(_) => ("keyproof", false),
        };
        let bytes: u64 = waiting.iter().map(|waiting| waiting.bytes).sum();
        if waiting.len() >= REPORTS_MAX || bytes + text.len() as u64 > REPORTS_MAX_BYTES {
            return Err(SpoolError::Full { waiting: waiting.len(), folder: self.folder.clone() });
        }
        let id: String = report.id.chars().filter(char::is_ascii_hexdigit).take(32).collect();
        let ending = format!("-{kind}-{id}.json");
        if waiting.iter().any(|known| known.name.ends_with(&ending)) {
            return Ok(());
        }
        // By the time of writing: two reports of one second are sent in the order in which they came to be.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{:020}{ending}", now.as_nanos());
        publish(&RealDisk, &unfinished, &self.folder.join(&name), &text, None, true)?;
        if replaces {
            let mark = format!("-{kind}-");
            waiting
                .iter()
                .filter(|old| old.name.contains(&mark) && old.name < name)
                .for_each(|old| self.taken(old));
        }
        Ok(())
    }

    /// What waits, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read; that it is not there means that nothing waits.
    pub fn waiting(&self) -> Result<Vec<Waiting>, SpoolError> {
        let at = |action| DiskError::at(action, &self.folder);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(at("list")(e).into()),
        };
        let mut waiting = Vec::new();
        for entry in entries {
            let entry = entry.map_err(at("list"))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.ends_with(".json") {
                continue;
            }
            // It may have been taken meanwhile.
            if let Ok(meta) = entry.metadata() {
                waiting.push(Waiting { name, bytes: meta.len() });
            }
        }
        waiting.sort();
        Ok(waiting)
    }

    /// Reads one; `None` when it was taken meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(&self, waiting: &Waiting) -> Result<Option<Stored>, SpoolError> {
        let path = self.folder.join(&waiting.name);
        match fs::read(&path) {
            Ok(text) => Ok(Some(
                serde_json::from_slice(&text)
                    .map_or(Stored::Damaged, |report| Stored::Whole(Box::new(report))),
            )),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DiskError::at("read", &path)(e).into()),
        }
    }

    /// The console has stored it. What is not removed is sent once more, which does no harm.
    pub fn taken(&self, waiting: &Waiting) {
        let _ = fs::remove_file(self.folder.join(&waiting.name));
    }

    /// The console will never take it, or it cannot be read: it is put aside, where a person may look at it.
    pub fn refused(&self, waiting: &Waiting) {
        let aside = self.folder.join("refused");
        let _ = self.make(&aside);
        let mut known: Vec<_> =
            fs::read_dir(&aside).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        known.sort();
        let spare = (known.len() + 1).saturating_sub(REFUSED_MAX);
        known.iter().take(spare).for_each(|path| drop(fs::remove_file(path)));
        if fs::rename(self.folder.join(&waiting.name), aside.join(&waiting.name)).is_err() {
            self.taken(waiting);
        }
    }

    /// Reports that could not be kept since the console was last reached.
    pub fn lost(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("lost")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// The console was told of those.
    pub fn told(&self) {
        let _ = fs::remove_file(self.folder.join("lost"));
    }

    /// The right to send; `None` when somebody else sends now. Also tidies up what killed programs left behind.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn lock(&self) -> Result<Option<SendLock>, SpoolError> {
        self.make(&self.folder)?;
        let path = self.folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(DiskError::at("open", &path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                self.tidy();
                Ok(Some(SendLock(file)))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(DiskError::at("lock", &path)(error.into()).into()),
        }
    }

    fn tidy(&self) {
        let now = SystemTime::now();
        for entry in fs::read_dir(self.folder.join("unfinished")).into_iter().flatten().flatten() {
            let age = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .ok()
                .and_then(|at| now.duration_since(at).ok());
            if age.is_some_and(|age| age > LEFT_BEHIND) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn make(&self, folder: &Path) -> Result<(), DiskError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(DiskError::at("create", folder))
    }
}

/// What stands in a file of the spool.
#[derive(Debug)]
pub enum Stored {
    /// A report.
    Whole(Box<Report>),
    /// Something else.
    Damaged,
}

#[cfg(test)]
mod tests;
