//! The copy of a database at one instant: SQLite's backup in a single step. Runs in the helper.
//!
//! In steps it is begun anew whenever somebody writes, and may never end. Copying the file as it is would lose what stands in the
//! write-ahead log, or tear it.

use super::SqliteError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Copies the database `from` into the new file `to`.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), SqliteError> {
    refuse_unfit(from)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).or_else(|_| {
        Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
    });
    let source = source.map_err(SqliteError::sqlite("opening", from))?;
    let prepare = || {
        source.busy_timeout(PATIENCE)?;
        // When we are the last to close it, its log stays as it is.
        source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
    };
    prepare().map_err(SqliteError::sqlite("opening", from))?;
    // Says whether it is a database at all, and keys that are wrong.
    let objects = source.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    objects.map_err(SqliteError::sqlite("reading its schema", from))?;
    let mut target = Connection::open(to).map_err(SqliteError::sqlite("making the copy", to))?;
    let backup = Backup::new(&source, &mut target).map_err(SqliteError::sqlite("copying", from))?;
    let began = Instant::now();
    loop {
        match backup.step(-1).map_err(SqliteError::sqlite("copying", from))? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if began.elapsed() > PATIENCE => {
                return Err(SqliteError::unfit(from, format!("stayed locked for {} s", PATIENCE.as_secs())));
            }
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// SQLite would take an empty file for an empty database, and make one that is not there.
pub(crate) fn refuse_unfit(path: &Path) -> Result<(), SqliteError> {
    let meta = fs::metadata(path).map_err(SqliteError::io("look at", path))?;
    if !meta.is_file() {
        return Err(SqliteError::unfit(path, "is not a file"));
    }
    match meta.len() {
        0 => Err(SqliteError::unfit(path, "has 0 bytes: it is no database")),
        _ => Ok(()),
    }
}
