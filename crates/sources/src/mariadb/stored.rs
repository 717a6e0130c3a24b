//! A snapshot of a MariaDB server, to be restored from or proven.

use super::access::Access;
use super::capture::{SERVER, SYSTEM, TRUTH};
use super::dump::{Part, options as dump_options};
use super::error::MariaDbError;
use super::reading::Reading;
use super::scratch::SCRATCH_ACCOUNT;
use super::session::{Stop, parsed};
use super::system;
use super::truth::{SERVER_FORMAT, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use crate::process::{Input, Launcher, ToolError};
use crate::stored::{content, document};
use std::io::{self, Read, Write};
use std::process::{ChildStdout, Command, Stdio};
use vow_store::archive::{ArchiveError, Snapshot};

/// A snapshot and what it says about itself.
pub struct Stored<'s> {
    snapshot: &'s Snapshot,
    server: Option<&'s Access>,
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
        let truth = document(snapshot, TRUTH, TRUTH_FORMAT, VERSION)?;
        let facts = document(snapshot, SERVER, SERVER_FORMAT, VERSION)?;
        Ok(Self { snapshot, server: None, truth, facts, cut_dumps_at: None })
    }

    /// The same snapshot as it lies in a server, from where it is dumped; `truth` is what that server says about itself.
    pub(crate) fn in_server<'a>(&'a self, server: &'a Access, truth: Truth) -> Stored<'a> {
        Stored {
            snapshot: self.snapshot,
            server: Some(server),
            truth,
            facts: self.facts.clone(),
            cut_dumps_at: None,
        }
    }

    /// The server that it lies in.
    pub(crate) fn server(&self) -> Option<&'s Access> {
        self.server
    }

    /// The snapshot itself.
    pub(crate) fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Whether it holds the files of the server rather than dumps.
    pub fn is_physical(&self) -> bool {
        self.truth.physical.is_some()
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

    /// The size of all its files, in bytes.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.snapshot.info().manifest.counts.bytes
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
    pub(crate) fn system(&self, stop: Stop<'_>) -> Result<String, MariaDbError> {
        let sql = match self.server {
            Some(server) => system::dump(server, &mut server.session(stop)?, stop)?.0,
            None => content(self.snapshot, SYSTEM)?,
        };
        // Comments in it can be of any character set.
        let sql = String::from_utf8_lossy(&sql).into_owned();
        Ok(if self.server.is_some() { without_ours(&sql) } else { sql })
    }

    /// Runs a loader with the dumps of the snapshot as its input, straight from the vault or from the server that it lies in, and
    /// through a filter, until the first error.
    pub(crate) fn feed(
        &self,
        launcher: &Launcher,
        command: Command,
        filter: &mut dyn Filter,
        stop: Stop<'_>,
    ) -> Result<(), MariaDbError> {
        if let Some(server) = self.server {
            return from_server(server, &self.truth.databases, (launcher, command), filter, stop);
        }
        feed(launcher, command, stop, |out| {
            for file in &self.truth.dumps {
                let entry = self.snapshot.entry(file.as_bytes())?;
                let mut through = Through { filter, out, left: self.cut_dumps_at };
                self.snapshot.content(&entry, &mut through)?;
            }
            filter.finish(out).map_err(ArchiveError::Write)
        })
    }
}

/// Without the account that a scratch server has for us: each statement about it is a line.
fn without_ours(sql: &str) -> String {
    let is_ours = |line: &&str| line.replace('`', "'").contains(SCRATCH_ACCOUNT);
    sql.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect()
}

/// Runs a loader with the dump of these databases of a server as its input.
fn from_server(
    server: &Access,
    databases: &[String],
    (launcher, loader): (&Launcher, Command),
    filter: &mut dyn Filter,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    if databases.is_empty() {
        return Ok(());
    }
    let mut command = server.dump_command("all.cnf", &[])?;
    command.args(dump_options(&server.tools, Part::Everything, false));
    command.args(["--databases", "--"]).args(databases).stdout(Stdio::piped());
    let mut dump = server.launcher.start(command)?;
    let mut from = dump.stdout()?;
    let mut reading = Reading::default();
    feed(launcher, loader, stop, |out| {
        pump(&mut from, &mut reading, filter, out, stop)?;
        filter.finish(out).map_err(ArchiveError::Write)
    })?;
    drop(from);
    dump.wait(stop)?.expect_success()?;
    let whole = reading.finish().map(drop);
    whole.map_err(|reason| MariaDbError::Dump(format!("that of the scratch server: {reason}")))
}

/// Hands a dump on. What cannot be read of it is no dump any more: its program fails as well.
fn pump(
    from: &mut ChildStdout,
    reading: &mut Reading,
    filter: &mut dyn Filter,
    out: &mut Input<'_>,
    stop: Stop<'_>,
) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 256 << 10];
    while !stop() {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) | Ok(0) => return Ok(()),
            Ok(read) => read,
        };
        reading.feed(&buffer[..read]);
        filter.pass(&buffer[..read], out).map_err(ArchiveError::Write)?;
    }
    Ok(())
}

/// Runs a loader whose input `write` writes.
pub(crate) fn feed(
    launcher: &Launcher,
    mut command: Command,
    stop: Stop<'_>,
    write: impl FnOnce(&mut Input<'_>) -> Result<(), ArchiveError>,
) -> Result<(), MariaDbError> {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut running = launcher.start(command)?;
    let mut input = running.input(stop)?;
    let written = write(&mut input);
    if stop() {
        drop(running);
        return Err(ToolError::Stopped.into());
    }
    match written {
        // Killed before its input is closed: what could not be read from the vault must not look like the end of the dump.
        Err(error) if !matches!(error, ArchiveError::Write(_)) => {
            drop(running);
            return Err(error.into());
        }
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

/// A filter in front of a writer.
struct Through<'t> {
    filter: &'t mut dyn Filter,
    out: &'t mut dyn Write,
    left: Option<u64>,
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
