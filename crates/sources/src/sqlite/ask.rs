//! Questions of the plan, and damage done on purpose: statements on a copy that came back. Runs in the helper.

use super::SqliteError;
use crate::question::{ANSWER_WITHIN, Answer};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};

/// A question has one answer; more rows than this are not read.
const ROWS_MAX: usize = 3;

/// What is asked of the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Each gives rows.
    pub(crate) queries: Vec<String>,
    /// Statements that damage the copy, before anything is asked. Only for a copy that is thrown away.
    pub(crate) damage: Vec<String>,
}

/// What came of one query.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// Rows.
    Rows(Vec<Vec<Option<String>>>),
    /// SQLite refused it.
    Refused(String),
    /// It was cut off.
    Late,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Rows(rows) => Self::Rows(rows),
            Said::Refused(why) => Self::Refused(why),
            Said::Late => Self::Late,
        }
    }
}

/// Damages, then asks.
pub(crate) fn ask(path: &Path, asked: &Asked) -> Result<Vec<Said>, SqliteError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(SqliteError::sqlite("opening", path))?;
    let set = |name, value: bool| {
        database.pragma_update(None, name, value).map_err(SqliteError::sqlite("setting up", path))
    };
    // A schema must not be able to call what changes things.
    set("trusted_schema", false)?;
    for statement in &asked.damage {
        database.execute_batch(statement).map_err(SqliteError::sqlite("damaging", path))?;
    }
    set("query_only", true)?;
    Ok(asked.queries.iter().map(|sql| one(&database, sql)).collect())
}

fn one(database: &Connection, sql: &str) -> Said {
    let handle = database.get_interrupt_handle();
    let (done, ended) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(ANSWER_WITHIN) == Err(RecvTimeoutError::Timeout) {
            handle.interrupt();
        }
    });
    let said = match rows(database, sql) {
        Ok(rows) => Said::Rows(rows),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Said::Late,
        Err(error) => Said::Refused(error.to_string()),
    };
    drop(done);
    let _ = watch.join();
    said
}

fn rows(database: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Option<String>>>> {
    let mut statement = database.prepare(sql)?;
    let columns = statement.column_count();
    let (mut found, mut rows) = (statement.query([])?, Vec::new());
    while let Some(row) = found.next()? {
        rows.push((0..columns).map(|column| row.get_ref(column).map(text)).collect::<rusqlite::Result<_>>()?);
        if rows.len() == ROWS_MAX {
            break;
        }
    }
    Ok(rows)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
    }
}
