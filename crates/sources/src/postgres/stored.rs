//! A snapshot of a PostgreSQL server, to be restored from or proven.

use super::capture::{GLOBALS, SERVER, TRUTH};
use super::error::PostgresError;
use super::session::Stop;
use super::truth::{DatabaseTruth, SERVER_FORMAT, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use crate::process::{Launcher, ToolError};
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use vow_store::archive::{ArchiveError, Snapshot};

/// The documents are not read beyond this.
const DOCUMENT_LIMIT_BYTES: u64 = 1 << 30;

/// A snapshot and what it says about itself.
pub struct Stored<'s> {
    snapshot: &'s Snapshot,
    /// What must come back.
    pub truth: Truth,
    /// What the server was.
    pub facts: ServerFacts,
    /// Dumps end after so many bytes: damage that a proof must notice.
    pub(super) cut_dumps_at: Option<u64>,
}

impl<'s> Stored<'s> {
    /// Reads the small files of the snapshot.
    pub fn open(snapshot: &'s Snapshot) -> Result<Self, PostgresError> {
        let truth: Truth = document(snapshot, TRUTH)?;
        let facts: ServerFacts = document(snapshot, SERVER)?;
        let known = [
            (TRUTH, &truth.format, truth.version, TRUTH_FORMAT),
            (SERVER, &facts.format, facts.version, SERVER_FORMAT),
        ];
        for (what, format, version, expected) in known {
            if format != expected || version != VERSION {
                let reason =
                    format!("it is {format:?} version {version}, and this program knows version {VERSION}");
                return Err(PostgresError::Snapshot { what: what.into(), reason });
            }
        }
        Ok(Self { snapshot, truth, facts, cut_dumps_at: None })
    }

    /// The first characters of the snapshot's id.
    pub(crate) fn short_id(&self) -> String {
        self.snapshot.info().id.short()
    }

    /// What is known of a database.
    pub(crate) fn database(&self, name: &str) -> Result<&DatabaseTruth, PostgresError> {
        self.truth.databases.iter().find(|database| database.name == name).ok_or_else(|| {
            let names = self
                .truth
                .databases
                .iter()
                .map(|database| database.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            PostgresError::Refused(format!("the snapshot has no database {name:?}; it has {names}"))
        })
    }

    /// The length of a database's dump in bytes.
    pub(super) fn dump_bytes(&self, database: &DatabaseTruth) -> Result<u64, PostgresError> {
        Ok(self.snapshot.entry(database.dump.as_bytes())?.size)
    }

    /// The size that databases had, in bytes; of all of them without a name.
    pub(crate) fn bytes(&self, database: Option<&str>) -> u64 {
        let wanted =
            self.facts.databases.iter().filter(|row| database.is_none_or(|name| row["datname"] == name));
        wanted.filter_map(|row| row["bytes"].as_u64()).sum()
    }

    /// Roles and tablespaces, as SQL.
    pub(crate) fn globals(&self) -> Result<String, PostgresError> {
        read_text(self.snapshot, GLOBALS)
    }

    /// Runs a program with a file of the snapshot as its input, straight from the vault. Gives what the program warned of.
    pub(crate) fn feed(
        &self,
        path: &str,
        launcher: &Launcher,
        mut command: Command,
        stop: Stop<'_>,
    ) -> Result<String, PostgresError> {
        let entry = self.snapshot.entry(path.as_bytes())?;
        command.stdin(Stdio::piped());
        let mut running = launcher.start(command)?;
        let mut input = Gate { out: running.stdin()?, left: self.cut_dumps_at, stop };
        let written = self.snapshot.content(&entry, &mut input);
        if stop() {
            return Err(ToolError::Stopped.into());
        }
        if let Err(error) = written {
            // A program that ended knows better why than the broken pipe; but what could not be read from the vault must not look
            // like the end of the dump to it.
            if matches!(error, ArchiveError::Write(_)) {
                drop(input);
                running.wait(stop)?.expect_success()?;
            }
            return Err(error.into());
        }
        drop(input);
        Ok(running.wait(stop)?.expect_success()?.said)
    }
}

/// Stops what is written when asked to.
struct Gate<'g, W> {
    out: W,
    /// Bytes that still pass; the others are lost without a word.
    left: Option<u64>,
    stop: Stop<'g>,
}

impl<W: Write> Write for Gate<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("interrupted"));
        }
        let Some(left) = &mut self.left else { return self.out.write(bytes) };
        let passes = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        if passes == 0 {
            return Ok(bytes.len());
        }
        let written = self.out.write(&bytes[..passes])?;
        *left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A document of a snapshot.
pub(crate) fn document<T: DeserializeOwned>(snapshot: &Snapshot, path: &str) -> Result<T, PostgresError> {
    let bytes = read(snapshot, path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| PostgresError::Snapshot { what: path.to_owned(), reason: error.to_string() })
}

/// A text of a snapshot.
pub(crate) fn read_text(snapshot: &Snapshot, path: &str) -> Result<String, PostgresError> {
    let not_text = |_| PostgresError::Snapshot { what: path.into(), reason: "it is not UTF-8".into() };
    String::from_utf8(read(snapshot, path)?).map_err(not_text)
}

fn read(snapshot: &Snapshot, path: &str) -> Result<Vec<u8>, PostgresError> {
    let entry = snapshot.entry(path.as_bytes()).map_err(|error| match error {
        ArchiveError::NoEntry { .. } => PostgresError::Snapshot {
            what: path.to_owned(),
            reason: "it is missing: this is no snapshot of a PostgreSQL server".into(),
        },
        error => error.into(),
    })?;
    if entry.size > DOCUMENT_LIMIT_BYTES {
        return Err(PostgresError::Snapshot { what: path.to_owned(), reason: "it is too long".into() });
    }
    let mut bytes = Vec::new();
    snapshot.content(&entry, &mut bytes)?;
    Ok(bytes)
}
