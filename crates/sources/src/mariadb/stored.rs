//! A snapshot of a MariaDB server, to be restored from or proven.

use super::capture::{SERVER, SYSTEM, TRUTH};
use super::error::MariaDbError;
use super::session::{Stop, parsed};
use super::truth::{SERVER_FORMAT, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use crate::process::{Launcher, ToolError};
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::process::{ChildStdin, Command, Stdio};
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
    /// Of each dump only so many bytes are loaded: damage to be noticed.
    pub(super) cut_dumps_at: Option<u64>,
}

/// Changes a dump on its way.
pub(crate) trait Filter {
    /// Hands on what of these bytes is wanted.
    fn pass(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()>;
    /// Hands on what was kept back.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// Changes nothing.
pub(crate) struct Everything;

impl Filter for Everything {
    fn pass(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        out.write_all(bytes)
    }

    fn finish(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl<'s> Stored<'s> {
    /// Reads the small files of the snapshot.
    pub fn open(snapshot: &'s Snapshot) -> Result<Self, MariaDbError> {
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
                return Err(MariaDbError::Snapshot { what: what.into(), reason });
            }
        }
        Ok(Self { snapshot, truth, facts, cut_dumps_at: None })
    }

    /// The first characters of the snapshot's id.
    pub(crate) fn short_id(&self) -> String {
        self.snapshot.info().id.short()
    }

    /// The name of a database that the snapshot has.
    pub(crate) fn database(&self, name: &str) -> Result<&str, MariaDbError> {
        let found = self.truth.databases.iter().find(|database| *database == name);
        found.map(String::as_str).ok_or_else(|| {
            let names = self.truth.databases.join(", ");
            MariaDbError::Refused(format!("the snapshot has no database {name:?}; it has {names}"))
        })
    }

    /// The size that databases had, in bytes; of all of them without a name.
    pub(crate) fn bytes(&self, database: Option<&str>) -> u64 {
        let wanted = self.facts.databases.iter().filter(|row| database.is_none_or(|name| row.name == name));
        wanted.map(|row| row.bytes).sum()
    }

    /// The length of the longest dump in bytes; none when nothing was dumped.
    pub(super) fn dump_bytes(&self) -> Result<Option<u64>, MariaDbError> {
        let size = |file: &String| self.snapshot.entry(file.as_bytes()).map(|entry| entry.size);
        Ok(self.truth.dumps.iter().map(size).collect::<Result<Vec<_>, _>>()?.into_iter().max())
    }

    /// Users and roles, as SQL.
    pub(crate) fn system(&self) -> Result<String, MariaDbError> {
        // Comments in it can be of any character set.
        Ok(String::from_utf8_lossy(&read(self.snapshot, SYSTEM)?).into_owned())
    }

    /// Runs a loader with the dumps of the snapshot as its input, straight from the vault and through a filter, until the first error.
    pub(crate) fn feed(
        &self,
        launcher: &Launcher,
        command: Command,
        filter: &mut dyn Filter,
        stop: Stop<'_>,
    ) -> Result<(), MariaDbError> {
        feed(launcher, command, stop, |out| {
            for file in &self.truth.dumps {
                let entry = self.snapshot.entry(file.as_bytes())?;
                let mut through = Through { filter, out, left: self.cut_dumps_at, stop };
                self.snapshot.content(&entry, &mut through)?;
            }
            filter.finish(out).map_err(ArchiveError::Write)
        })
    }
}

/// Runs a loader whose input `write` writes.
pub(crate) fn feed(
    launcher: &Launcher,
    mut command: Command,
    stop: Stop<'_>,
    write: impl FnOnce(&mut ChildStdin) -> Result<(), ArchiveError>,
) -> Result<(), MariaDbError> {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut running = launcher.start(command)?;
    let mut input = running.stdin()?;
    let written = write(&mut input);
    if stop() {
        return Err(ToolError::Stopped.into());
    }
    match written {
        // What could not be read from the vault must not look like the end of the dump.
        Err(error) if !matches!(error, ArchiveError::Write(_)) => return Err(error.into()),
        // A program that ended knows better why than the broken pipe.
        other => {
            drop(input);
            refused(running.wait(stop)?)?;
            other?;
        }
    }
    Ok(())
}

/// Insists that a loader succeeded. It repeats the whole statement that failed, which is a customer's data: only the server's own words
/// are handed on.
pub(crate) fn refused(ended: crate::process::Ended) -> Result<(), MariaDbError> {
    if ended.status.success() {
        return Ok(());
    }
    match parsed(&ended.said) {
        Some((code, message)) => Err(MariaDbError::Sql { doing: "loading the dump".into(), code, message }),
        None => {
            let (program, how) = (ended.program, ended.status.to_string());
            Err(ToolError::Failed { program, how, said: "it did not say which statement failed".into() }
                .into())
        }
    }
}

/// A filter in front of a writer; stops when asked to.
struct Through<'t> {
    filter: &'t mut dyn Filter,
    out: &'t mut ChildStdin,
    left: Option<u64>,
    stop: Stop<'t>,
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("interrupted"));
        }
        let wanted = self
            .left
            .map_or(bytes.len(), |left| bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        self.left = self.left.map(|left| left - wanted as u64);
        self.filter.pass(&bytes[..wanted], self.out).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn document<T: DeserializeOwned>(snapshot: &Snapshot, path: &str) -> Result<T, MariaDbError> {
    let bytes = read(snapshot, path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| MariaDbError::Snapshot { what: path.to_owned(), reason: error.to_string() })
}

fn read(snapshot: &Snapshot, path: &str) -> Result<Vec<u8>, MariaDbError> {
    let entry = snapshot.entry(path.as_bytes()).map_err(|error| match error {
        ArchiveError::NoEntry { .. } => MariaDbError::Snapshot {
            what: path.to_owned(),
            reason: "it is missing: this is no snapshot of a MariaDB server".into(),
        },
        error => error.into(),
    })?;
    if entry.size > DOCUMENT_LIMIT_BYTES {
        return Err(MariaDbError::Snapshot { what: path.to_owned(), reason: "it is too long".into() });
    }
    let mut bytes = Vec::new();
    snapshot.content(&entry, &mut bytes)?;
    Ok(bytes)
}
