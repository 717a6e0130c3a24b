//! One moment of a database: a transaction whose snapshot is exported to `pg_dump`, and in which the truth is taken.
//!
//! The tables are locked before the snapshot is taken, as readers lock them. After that nobody can drop, rewrite or truncate a
//! table until the dump has ended, so that dump and truth cannot differ because somebody changed the schema in between; what
//! changes before simply happens before. Rows are read and written by others all the time.

use super::error::PostgresError;
use super::session::{Session, Stop};
use std::collections::BTreeSet;

/// How often it is begun again because tables came or went.
const ATTEMPTS: usize = 5;
/// Tables in one statement.
const LOCKED_AT_ONCE: usize = 500;
/// SQLSTATE: a lock was not got in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATEs: a table or schema is gone.
const GONE: &[&str] = &["42P01", "3F000"];

const TABLES: &str = "SELECT to_json(format('%I.%I', nspname, relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE relkind IN ('r', 'p') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY c.oid";

const HOLDERS: &str = "SELECT to_json(string_agg(DISTINCT format('%s by process %s (%s, %s)', relation::regclass, l.pid, \
    coalesce(usename, '?'), coalesce(nullif(application_name, ''), 'unnamed')), ', ')) \
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.pid <> pg_backend_pid() \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Whether a dump of this name waits for somebody who waits for us: somebody wants to change a table, and `pg_dump` came just behind.
/// Nobody but us can see that: for the server each of them merely waits.
pub(crate) fn is_stuck(session: &mut Session, name: &str, stop: Stop<'_>) -> Result<bool, PostgresError> {
    let doing = "looking at the locks";
    // What other sessions do is remembered within a transaction otherwise.
    session.query(doing, "SELECT pg_stat_clear_snapshot()", stop)?;
    let statement = format!(
        "SELECT to_json(EXISTS (SELECT FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b \
         WHERE a.application_name = {} AND pg_backend_pid() = ANY (pg_blocking_pids(b))))",
        super::sql::literal(name)
    );
    session.document(doing, &statement, stop)
}

/// Begins it; gives the name under which others take part. The session stays in the transaction.
pub(crate) fn begin(
    session: &mut Session,
    lock_wait_secs: u32,
    stop: Stop<'_>,
) -> Result<String, PostgresError> {
    for attempt in 1.. {
        let tables = tables(session, stop)?;
        session.query("beginning", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", stop)?;
        let timeout = format!("SET LOCAL lock_timeout = '{lock_wait_secs}s'");
        session.query("beginning", &timeout, stop)?;
        match lock(session, &tables, stop) {
            Ok(()) => {
                let name = session.document(
                    "exporting the snapshot",
                    "SELECT to_json(pg_export_snapshot())",
                    stop,
                )?;
                let now = self::tables(session, stop)?;
                if now.is_subset(&tables) || attempt == ATTEMPTS {
                    return Ok(name);
                }
            }
            Err(error) if error.state() == Some(LOCK_NOT_AVAILABLE) => {
                session.query("giving up", "ROLLBACK", stop)?;
                let holder: Option<String> = session.document("asking who holds the lock", HOLDERS, stop)?;
                return Err(locked(session, holder, lock_wait_secs));
            }
            Err(error) if error.state().is_some_and(|state| GONE.contains(&state)) && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
        session.query("beginning again", "ROLLBACK", stop)?;
    }
    unreachable!("the last attempt returns")
}

fn locked(session: &Session, holder: Option<String>, secs: u32) -> PostgresError {
    let database = session.database.clone();
    let (what, holder) = match holder {
        Some(holder) => {
            (holder.split(" by ").next().unwrap_or("a table").to_owned(), format!("held: {holder}"))
        }
        None => ("a table".to_owned(), "who held it is gone by now".to_owned()),
    };
    PostgresError::Locked { database, what, secs, holder }
}

fn tables(session: &mut Session, stop: Stop<'_>) -> Result<BTreeSet<String>, PostgresError> {
    Ok(session.documents("listing the tables", TABLES, stop)?.into_iter().collect())
}

fn lock(session: &mut Session, tables: &BTreeSet<String>, stop: Stop<'_>) -> Result<(), PostgresError> {
    let tables: Vec<_> = tables.iter().map(|table| format!("ONLY {table}")).collect();
    for part in tables.chunks(LOCKED_AT_ONCE) {
        let statement = format!("LOCK TABLE {} IN ACCESS SHARE MODE", part.join(", "));
        session.query("locking the tables against changes of the schema", &statement, stop)?;
    }
    Ok(())
}
