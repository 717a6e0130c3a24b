//! What is open: written before it is opened and removed after it is closed, so that a run that was killed leaves word of it.
//!
//! One file for each group in a folder of the host's state, with a lock beside it that goes with the process.

use super::CoherenceError;
use super::hook::Hooks;
use super::provider::Taken;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The version of the record.
const VERSION: u32 = 1;
const ENDING: &str = "json";

/// What is open for a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    pub(crate) group: String,
    pub(crate) sources: Vec<String>,
    pub(crate) run: String,
    /// The hooks that are to be run after it; `None` when they were.
    pub(crate) hooks: Option<Hooks>,
    /// Snapshots of file systems, also one that may not have been made yet.
    pub(crate) taken: Vec<Taken>,
}

impl Record {
    pub(crate) fn new(group: &str, sources: &[String], run: &str, hooks: Hooks) -> Self {
        Self {
            version: VERSION,
            group: group.to_owned(),
            sources: sources.to_vec(),
            run: run.to_owned(),
            hooks: Some(hooks),
            taken: Vec::new(),
        }
    }

    fn is_closed(&self) -> bool {
        self.hooks.is_none() && self.taken.is_empty()
    }
}

/// The file of a group, held by this process.
pub(crate) struct Held {
    file: PathBuf,
    _lock: File,
}

impl Held {
    /// Takes hold of a group; `None` when another process has it.
    pub(crate) fn take(folder: &Path, group: &str) -> Result<Option<Self>, CoherenceError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CoherenceError::Record { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
        let path = folder.join(format!("{group}.lock"));
        let options = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = options.map_err(at(&path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file: folder.join(format!("{group}.{ENDING}")), _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(at(&path)(error.into())),
        }
    }

    /// What stands in it.
    pub(crate) fn read(&self) -> Result<Option<Record>, CoherenceError> {
        let read = match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice::<Record>(&bytes).map_err(std::io::Error::from),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        };
        let read = read.and_then(|record| match record.version {
            VERSION => Ok(Some(record)),
            version => Err(std::io::Error::other(format!("version {version} is not known here"))),
        });
        read.map_err(|source| CoherenceError::Record { path: self.file.clone(), source })
    }

    /// Writes it durably, or removes it when nothing is open any more.
    pub(crate) fn write(&self, record: &Record) -> Result<(), CoherenceError> {
        let written = match record.is_closed() {
            true => match fs::remove_file(&self.file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            false => self.replace(record),
        };
        written.map_err(|source| CoherenceError::Record { path: self.file.clone(), source })
    }

    fn replace(&self, record: &Record) -> std::io::Result<()> {
        let unfinished = self.file.with_extension("new");
        let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        serde_json::to_writer(&file, record)?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.file)?;
        self.file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

/// Groups of which there is a record.
pub(crate) fn recorded(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_record = path.extension().is_some_and(|ending| ending == ENDING);
        found.extend(path.file_stem().filter(|_| is_record).map(|stem| stem.to_string_lossy().into_owned()));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_there_while_something_is_open() {
        let folder = tempfile::tempdir().expect("temporary");
        let held = Held::take(folder.path(), "shop").expect("a folder").expect("nobody has it");
        assert!(Held::take(folder.path(), "shop").expect("a folder").is_none(), "one at a time");
        let mut record = Record::new("shop", &["a".into()], "r", Hooks::default());
        held.write(&record).expect("written");
        assert_eq!(recorded(folder.path()).expect("read"), ["shop"]);
        assert_eq!(held.read().expect("read"), Some(record.clone()));
        record.hooks = None;
        held.write(&record).expect("removed");
        assert_eq!(held.read().expect("read"), None);
        assert!(recorded(folder.path()).expect("read").is_empty());
        fs::write(folder.path().join("shop.json"), "{").expect("written");
        assert!(held.read().is_err(), "what cannot be read is not taken for nothing");
    }
}
