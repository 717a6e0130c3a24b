//! What a database says about itself. Runs in the helper, on a file that nobody else uses.

use super::SqliteError;
use super::truth::{DatabaseTruth, ObjectTruth, TableTruth};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use vow_base::id::{Sha256Stream, hex, sha256};

/// Findings that are kept of one check.
const FINDINGS: usize = 20;
const VIOLATIONS_LIMIT: u64 = 1000;

/// Looks at a database, called `name` in messages. Rows are summed up when it is at most so large, and otherwise only counted. A
/// whole check compares indexes with tables as well.
pub(crate) fn inspect(
    path: &Path,
    name: &Path,
    exact_below_bytes: u64,
    whole: bool,
) -> Result<DatabaseTruth, SqliteError> {
    let bytes = std::fs::metadata(path).map_err(SqliteError::io("look at", path))?.len();
    // Not read-only: one that was in WAL mode needs a shared-memory file beside it even to be read.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(SqliteError::sqlite("opening", name))?;
    let mut truth = DatabaseTruth { bytes, ..DatabaseTruth::default() };
    let names =
        header(&database, &mut truth).map_err(SqliteError::sqlite("reading its header and schema", name))?;
    // A copy of what is damaged is better than none; it is said to be damaged.
    if let Err(error) = content(&database, &mut truth, names, bytes <= exact_below_bytes, whole) {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                truth.damage.push(error.to_string())
            }
            _ => return Err(SqliteError::sqlite("counting its rows", name)(error)),
        }
    }
    Ok(truth)
}

/// What stands at its beginning; gives the tables that have rows of their own.
fn header(database: &Connection, truth: &mut DatabaseTruth) -> rusqlite::Result<Vec<String>> {
    // A schema must not be able to call what changes things.
    database.pragma_update(None, "trusted_schema", false)?;
    let number = |name: &str| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    truth.page_size = number("page_size")?.unsigned_abs();
    truth.page_count = number("page_count")?.unsigned_abs();
    truth.user_version = number("user_version")?;
    truth.application_id = number("application_id")?;
    truth.encoding = database.pragma_query_value(None, "encoding", |row| row.get(0))?;
    schema(database, truth)
}

fn content(
    database: &Connection,
    truth: &mut DatabaseTruth,
    names: Vec<String>,
    exact: bool,
    whole: bool,
) -> rusqlite::Result<()> {
    truth.damage = findings(database, if whole { "integrity_check" } else { "quick_check" })?;
    if !truth.damage.is_empty() {
        // What is damaged cannot be counted.
        return Ok(());
    }
    for name in names {
        truth.tables.push(table(database, name, exact)?);
    }
    truth.foreign_key_violations = violations(database)?;
    Ok(())
}

/// Notes the objects; gives the tables that have rows of their own.
fn schema(database: &Connection, truth: &mut DatabaseTruth) -> rusqlite::Result<Vec<String>> {
    let mut tables = Vec::new();
    let mut statement = database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, sql): (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sql = sql.unwrap_or_default();
        let is_virtual =
            sql.trim_start().get(..14).is_some_and(|start| start.eq_ignore_ascii_case("create virtual"));
        if kind == "table" && !is_virtual {
            tables.push(name.clone());
        }
        let digest = hex(&sha256(sql.as_bytes())[..8]);
        truth.objects.push(ObjectTruth { kind, name, digest });
    }
    Ok(tables)
}

fn findings(database: &Connection, check: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare(&format!("PRAGMA {check}({FINDINGS})"))?;
    let lines =
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn violations(database: &Connection) -> rusqlite::Result<u64> {
    let mut statement = database.prepare("PRAGMA foreign_key_check")?;
    let (mut rows, mut count) = (statement.query([])?, 0);
    while count < VIOLATIONS_LIMIT && rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn table(database: &Connection, name: String, exact: bool) -> rusqlite::Result<TableTruth> {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    if !exact {
        let rows =
            database.query_row(&format!("SELECT count(*) FROM {quoted}"), [], |row| row.get::<_, i64>(0))?;
        return Ok(TableTruth { name, rows: rows.unsigned_abs(), checksum: None });
    }
    let mut statement = database.prepare(&format!("SELECT * FROM {quoted}"))?;
    let columns = statement.column_count();
    let (mut found, mut rows, mut sum) = (statement.query([])?, 0, 0_u64);
    while let Some(row) = found.next()? {
        let mut digest = Sha256Stream::default();
        for column in 0..columns {
            add(&mut digest, row.get_ref(column)?);
        }
        let digest = digest.finish();
        rows += 1;
        sum = sum.wrapping_add(u64::from_le_bytes(digest[..8].try_into().unwrap_or_default()));
    }
    Ok(TableTruth { name, rows, checksum: Some(format!("{sum:016x}")) })
}

/// A value with its type and length, so that no two rows look alike.
fn add(digest: &mut Sha256Stream, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => (1, &number.to_le_bytes()),
        ValueRef::Real(number) => (2, &number.to_bits().to_le_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(bytes) => (4, bytes),
    };
    digest.update(&[kind]);
    digest.update(&(bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}
