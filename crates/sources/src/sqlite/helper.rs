//! The helper: what works with SQLite, in a process of its own. Vow starts itself with a hidden command for that.

use super::SqliteError;
use super::ask::{Asked, Said, ask};
use super::copy::copy;
use super::inspect::inspect;
use super::truth::DatabaseTruth;
use crate::adapter::Stop;
use crate::isolation;
use crate::process::{Account, Launcher, Running};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// The hidden command of the program.
pub const COMMAND: &str = "sqlite-helper";
/// What is said about a database is not longer.
const ANSWER_LIMIT_BYTES: u64 = 256 << 20;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program that has the hidden command, when it is not the one that runs: in tests.
pub fn set_program(path: PathBuf) {
    let _ = PROGRAM.set(path);
}

/// What the helper is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Copies the database into a private folder below `scratch`, and writes what it says about itself, then the copy.
    Copy,
    /// Writes what the database says about itself, after a whole check.
    Check,
    /// Does and asks what the file `scratch` says, on a copy that is thrown away.
    Ask,
}

/// Does the task, in the helper. The answer is its length in 8 bytes and JSON: of [`Task::Ask`] what each query gave. Otherwise it is its length in 8 bytes, little-endian, a [`DatabaseTruth`] as JSON, and the copy.
///
/// # Errors
/// Why there is no answer, or no whole one.
pub fn run(
    task: Task,
    path: &Path,
    exact_below_bytes: u64,
    scratch: &Path,
    out: &mut dyn Write,
) -> Result<(), SqliteError> {
    let pipe = |source| SqliteError::Io { action: "write", path: "the answer".into(), source };
    if task == Task::Ask {
        let text = fs::read(scratch).map_err(SqliteError::io("read", scratch))?;
        let asked: Asked =
            serde_json::from_slice(&text).map_err(|e| SqliteError::unfit(scratch, e.to_string()))?;
        let said = ask(path, &asked)?;
        return out.write_all(&answer(path, &said)?).and_then(|()| out.flush()).map_err(pipe);
    }
    if task == Task::Check {
        let truth = inspect(path, path, exact_below_bytes, true)?;
        return out.write_all(&answer(path, &truth)?).and_then(|()| out.flush()).map_err(pipe);
    }
    let folder = tempfile::Builder::new().prefix("vow-sqlite-").tempdir_in(scratch);
    let folder = folder.map_err(SqliteError::io("make a private folder in", scratch))?;
    let file = folder.path().join("copy");
    copy(path, &file)?;
    let truth = inspect(&file, path, exact_below_bytes, false)?;
    let mut copy = fs::File::open(&file).map_err(SqliteError::io("read", &file))?;
    // Nothing is left of it when we are killed from now on.
    folder.close().map_err(SqliteError::io("remove", &file))?;
    out.write_all(&answer(path, &truth)?).map_err(pipe)?;
    io::copy(&mut copy, out).and_then(|_| out.flush()).map_err(pipe)
}

/// A document with its length before it.
fn answer(path: &Path, document: &impl Serialize) -> Result<Vec<u8>, SqliteError> {
    let text = serde_json::to_vec(document).map_err(|e| SqliteError::unfit(path, e.to_string()))?;
    let length = (text.len() as u64).to_le_bytes();
    Ok([&length[..], &text].concat())
}

fn program() -> Result<PathBuf, SqliteError> {
    let own = PROGRAM.get().cloned().map_or_else(std::env::current_exe, Ok);
    own.map_err(SqliteError::io("find", Path::new("the running program")))
}

/// How helpers are started that look at what came out of a snapshot: by root as nobody, who can do no harm, where nobody gets to the
/// program. What they look at must be theirs.
pub(crate) fn limited() -> Result<Launcher, SqliteError> {
    let program = program()?;
    let is_everybodys = fs::metadata(&program).is_ok_and(|meta| meta.mode() & 0o005 == 0o005);
    let gets_there = |account: &Account| is_everybodys && account.cannot_enter(&program).is_none();
    Ok(Launcher::new(isolation::least(&[]).filter(gets_there)))
}

/// Starts a helper.
fn start(
    launcher: &Launcher,
    task: &str,
    path: &Path,
    exact_below_bytes: u64,
    scratch: &Path,
) -> Result<(Running, ChildStdout), SqliteError> {
    let program = program()?;
    let mut command: Command = launcher.command(&program);
    let exact = exact_below_bytes.to_string();
    command.args([OsStr::new(COMMAND), OsStr::new(task), OsStr::new(&exact)]).arg(scratch).arg(path);
    command.stdout(Stdio::piped());
    let mut running = launcher.start(command)?;
    let out = running.stdout()?;
    Ok((running, out))
}

/// What it says about the database.
fn read<T: DeserializeOwned>(path: &Path, from: &mut impl Read) -> io::Result<Result<T, SqliteError>> {
    let not_it = |why: String| SqliteError::Answer { path: path.display().to_string(), why };
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > ANSWER_LIMIT_BYTES {
        return Ok(Err(not_it("it is too long".into())));
    }
    let mut text = Vec::new();
    from.take(length).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).map_err(|e| not_it(e.to_string())))
}

/// A copy that was made: what the database says about itself, and the copy, yet to be read.
pub(crate) type Copied = (DatabaseTruth, Running, ChildStdout);

/// Has a copy made.
pub(crate) fn copied(path: &Path, exact_below_bytes: u64, scratch: &Path) -> Result<Copied, SqliteError> {
    let (running, mut out) = start(&Launcher::default(), "copy", path, exact_below_bytes, scratch)?;
    match read(path, &mut out) {
        Ok(truth) => Ok((truth?, running, out)),
        Err(source) => {
            // It ended, and says why.
            running.wait(&|| false)?.expect_success()?;
            Err(SqliteError::Io { action: "read", path: "the helper's answer".into(), source })
        }
    }
}

/// Has a database checked that came out of a snapshot.
pub(crate) fn checked(
    path: &Path,
    exact_below_bytes: u64,
    stop: Stop<'_>,
) -> Result<DatabaseTruth, SqliteError> {
    let started = start(&limited()?, "check", path, exact_below_bytes, Path::new("/"))?;
    answered(path, started, stop)
}

/// Has a copy asked, and damaged before if that is wanted. The file of what is asked is made beside it.
pub(crate) fn asked(path: &Path, asked: &Asked, stop: Stop<'_>) -> Result<Vec<Said>, SqliteError> {
    let (file, launcher) = (path.with_extension("asked"), limited()?);
    let text = serde_json::to_vec(asked).map_err(|e| SqliteError::unfit(path, e.to_string()))?;
    let written = isolation::write_new(&file, &text).and_then(|()| launcher.give(&file));
    written.map_err(SqliteError::io("write", &file))?;
    let said = answered(path, start(&launcher, "ask", path, 0, &file)?, stop);
    fs::remove_file(&file).map_err(SqliteError::io("remove", &file))?;
    said
}

fn answered<T: DeserializeOwned + Send + 'static>(
    path: &Path,
    (running, mut out): (Running, ChildStdout),
    stop: Stop<'_>,
) -> Result<T, SqliteError> {
    let owned = path.to_owned();
    let reader = std::thread::spawn(move || read(&owned, &mut out));
    let ended = running.wait(stop)?;
    let answer =
        reader.join().map_err(|_| crate::process::ToolError::Lost { program: "the helper".into() })?;
    ended.expect_success()?;
    answer.map_err(|source| SqliteError::Io { action: "read", path: "the helper's answer".into(), source })?
}
