//! A snapshot to be restored from: its small documents, and its files as files or as the input of programs.

use crate::adapter::{Blame, Stop, blame_of};
use crate::process::{Ended, Launcher, ToolError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vow_base::id::hex;
use vow_store::archive::{ArchiveError, Snapshot};

/// A document is not read beyond this.
const DOCUMENT_LIMIT_BYTES: u64 = 1 << 30;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It does not hold what it should.
    #[error("{what} of the snapshot cannot be used: {reason}")]
    Content {
        /// Which file of it.
        what: String,
        /// Why.
        reason: String,
    },
    /// A program that reads it failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StoredError {
    /// Whether it only says that it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Tool(ToolError::Stopped))
    }

    /// Whose fault it is.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Archive(error) => blame_of(error),
            Self::Write { .. } => Blame::Machine,
            Self::Tool(error) => error.blame(),
            Self::Content { .. } => Blame::Snapshot,
        }
    }
}

/// A document of the snapshot, which must be of this format and version.
pub(crate) fn document<T: DeserializeOwned>(
    snapshot: &Snapshot,
    path: &str,
    format: &str,
    version: u32,
) -> Result<T, StoredError> {
    let not_it = |reason: String| StoredError::Content { what: path.to_owned(), reason };
    let bytes = content(snapshot, path)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| not_it(e.to_string()))?;
    let (its_format, its_version) = (&value["format"], &value["version"]);
    if *its_format != format || *its_version != version {
        let reason = format!(
            "it is {its_format} version {its_version}, and this program knows {format:?} version {version}"
        );
        return Err(not_it(reason));
    }
    serde_json::from_value(value).map_err(|e| not_it(e.to_string()))
}

/// A small file of the snapshot.
pub(crate) fn content(snapshot: &Snapshot, path: &str) -> Result<Vec<u8>, StoredError> {
    let not_it = |reason: &str| StoredError::Content { what: path.to_owned(), reason: reason.to_owned() };
    let entry = snapshot.entry(path.as_bytes()).map_err(|error| match error {
        ArchiveError::NoEntry { .. } => not_it("it is missing: this is no snapshot of its type"),
        error => error.into(),
    })?;
    if entry.size > DOCUMENT_LIMIT_BYTES {
        return Err(not_it("it is too long"));
    }
    let mut bytes = Vec::new();
    snapshot.content(&entry, &mut bytes)?;
    Ok(bytes)
}

/// The bytes that a document writes as hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
    (hex(&bytes) == digits).then_some(bytes)
}

/// A document as it is stored.
pub(crate) fn text_of<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| format!("a document cannot be written: {e}"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes a file of the snapshot to a new file of one's own; gives its bytes.
pub(crate) fn write_to(
    snapshot: &Snapshot,
    path: &[u8],
    to: &Path,
    stop: Stop<'_>,
) -> Result<u64, StoredError> {
    let failed = |source| StoredError::Write { path: to.to_owned(), source };
    let entry = snapshot.entry(path)?;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    match snapshot.content(&entry, &mut Gate { out: file, left: None, stop }) {
        Ok(_) => Ok(entry.size),
        Err(_) if stop() => Err(ToolError::Stopped.into()),
        Err(ArchiveError::Write(source)) => Err(failed(source)),
        Err(error) => Err(error.into()),
    }
}

/// Runs a program with a file of the snapshot as its input, straight from the vault. It must succeed.
pub(crate) fn feed(
    snapshot: &Snapshot,
    path: &[u8],
    launcher: &Launcher,
    command: Command,
    stop: Stop<'_>,
) -> Result<Ended, StoredError> {
    feed_cut(snapshot, path, (launcher, command), None, stop)
}

/// The same, of which only so many bytes arrive: damage that a proof must notice.
pub(crate) fn feed_cut(
    snapshot: &Snapshot,
    path: &[u8],
    (launcher, command): (&Launcher, Command),
    cut_at: Option<u64>,
    stop: Stop<'_>,
) -> Result<Ended, StoredError> {
    run(snapshot, path, (launcher, command), (&mut |_| Ok(()), cut_at), stop)
}

/// Somebody who looks at everything before a program gets it; says what is wrong with it.
type Look<'l> = &'l mut dyn FnMut(&[u8]) -> Result<(), String>;

/// The same, with somebody who looks at everything before the program gets it. Its error is a fault of the file.
pub(crate) fn feed_checked(
    snapshot: &Snapshot,
    path: &[u8],
    (launcher, command): (&Launcher, Command),
    check: Look<'_>,
    stop: Stop<'_>,
) -> Result<Ended, StoredError> {
    run(snapshot, path, (launcher, command), (check, None), stop)
}

fn run(
    snapshot: &Snapshot,
    path: &[u8],
    (launcher, mut command): (&Launcher, Command),
    (check, cut_at): (Look<'_>, Option<u64>),
    stop: Stop<'_>,
) -> Result<Ended, StoredError> {
    let entry = snapshot.entry(path)?;
    command.stdin(Stdio::piped());
    let mut running = launcher.start(command)?;
    let mut input =
        Checked { out: Gate { out: running.input(stop)?, left: cut_at, stop }, check, wrong: None };
    let written = snapshot.content(&entry, &mut input);
    if let Some(reason) = input.wrong {
        return Err(StoredError::Content { what: String::from_utf8_lossy(path).into_owned(), reason });
    }
    if let Err(error) = &written
        && (stop() || !matches!(error, ArchiveError::Write(_)))
    {
        // Killed before its input is closed: what could not be read from the vault must not look like the end of it.
        drop(running);
        return match written {
            Err(error) if !stop() => Err(error.into()),
            _ => Err(ToolError::Stopped.into()),
        };
    }
    drop(input);
    match written {
        // A program that ended knows better why than the broken pipe, unless it says that all went well.
        Err(ArchiveError::Write(error)) => {
            let program = running.wait(stop)?.expect_success()?.program;
            let source = io::Error::new(error.kind(), format!("it ended before it had read all: {error}"));
            Err(ToolError::Pipe { program, source }.into())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(running.wait(stop)?.expect_success()?),
    }
}

/// Runs a program with a file of the snapshot as its input, of which it reads as much as it likes; gives its output, which must be short.
pub(crate) fn output_of(
    snapshot: &Snapshot,
    path: &[u8],
    (launcher, mut command): (&Launcher, Command),
    limit_bytes: usize,
    stop: Stop<'_>,
) -> Result<Vec<u8>, StoredError> {
    let entry = snapshot.entry(path)?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = launcher.start(command)?;
    let mut input = running.input(stop)?;
    let out = running.stdout()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    match snapshot.content(&entry, &mut input) {
        Err(_) if stop() => return Err(ToolError::Stopped.into()),
        // It has read what it wanted.
        Ok(_) | Err(ArchiveError::Write(_)) => drop(input),
        Err(error) => {
            drop(running);
            return Err(error.into());
        }
    }
    let ended = running.wait(stop)?;
    let program = ended.program.clone();
    let read = reader.join().map_err(|_| ToolError::Lost { program: program.clone() })?;
    let bytes = read.map_err(|source| ToolError::Pipe { program: program.clone(), source })?;
    if bytes.len() > limit_bytes {
        return Err(ToolError::TooLong { program, limit_bytes }.into());
    }
    ended.expect_success()?;
    Ok(bytes)
}

/// Hands on what was looked at.
struct Checked<'c, W> {
    out: W,
    check: Look<'c>,
    wrong: Option<String>,
}

impl<W: Write> Write for Checked<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(reason) = (self.check)(bytes) {
            self.wrong = Some(reason);
            return Err(io::Error::other("refused"));
        }
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
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
