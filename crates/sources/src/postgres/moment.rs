//! One moment of a database: a transaction whose snapshot is exported to `pg_dump`, and in which the truth is taken.
//!
//! The tables are locked before the snapshot is taken, as readers lock them. After that nobody can drop, rewrite or truncate a
//! table until the dump has ended, so that dump and truth cannot differ because somebody changed the schema in between; what
//! changes before simply happens before. Rows are read and written by others all the time.
//!
//! `pg_dump` locks the tables as well. Whoever wants to change one and queues up between our lock and that of `pg_dump` is in its way:
//! it stands behind them, they behind us, and nobody moves ([`stuck`]). Either we let go and begin again, or the server is made to see
//! the circle ([`give_way`]).

use super::error::PostgresError;
use super::session::{Session, Stop};
use super::sql::literal;
use std::collections::BTreeSet;
use std::time::Duration;

/// Tables in one statement.
const LOCKED_AT_ONCE: usize = 500;
/// SQLSTATE: a lock was not got in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATEs: a table or schema is gone; the server ended a circle of locks at our expense.
const OVERTAKEN: &[&str] = &["42P01", "3F000", "40P01"];

const TABLES: &str = "SELECT to_json(format('%I.%I', nspname, relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE relkind IN ('r', 'p') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY c.oid";

const HOLDERS: &str = "SELECT to_json(string_agg(DISTINCT format('%s by process %s (%s, %s)', relation::regclass, l.pid, \
    coalesce(usename, '?'), coalesce(nullif(application_name, ''), 'unnamed')), ', ')) \
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.pid <> pg_backend_pid() \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Why a moment did not come to be.
pub(crate) enum NoMoment {
    /// Somebody came first: begin again.
    Overtaken(PostgresError),
    /// It cannot be.
    Failed(PostgresError),
}

impl From<PostgresError> for NoMoment {
    fn from(error: PostgresError) -> Self {
        match error.state() {
            Some(state) if OVERTAKEN.contains(&state) => Self::Overtaken(error),
            _ => Self::Failed(error),
        }
    }
}

/// Begins it, waiting for a lock for `wait` at most; gives the name under which others take part. The session stays in the
/// transaction, also when this fails.
pub(crate) fn begin(
    session: &mut Session,
    wait: Duration,
    lock_wait_secs: u32,
    stop: Stop<'_>,
) -> Result<String, NoMoment> {
    let before = tables(session, stop)?;
    session.query("beginning", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", stop)?;
    session.query("beginning", &format!("SET LOCAL lock_timeout = {}", wait.as_millis().max(1)), stop)?;
    if let Err(error) = lock(session, &before, stop) {
        if error.state() != Some(LOCK_NOT_AVAILABLE) {
            return Err(error.into());
        }
        session.query("giving up", "ROLLBACK", stop)?;
        let holder: Option<String> = session.document("asking who holds the lock", HOLDERS, stop)?;
        return Err(NoMoment::Failed(locked(session, holder, lock_wait_secs)));
    }
    let export = "SELECT to_json(pg_export_snapshot())";
    let name = session.document("exporting the snapshot", export, stop)?;
    let now = tables(session, stop)?;
    if let Some(new) = now.difference(&before).next() {
        let why = format!("table {new} came to be while the others were being locked");
        return Err(NoMoment::Overtaken(PostgresError::Restless { database: session.database.clone(), why }));
    }
    Ok(name)
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

/// Who stands between us and the dump of this name, when somebody does: they wait for us, and it waits for them. Nobody but us can
/// see that: for the server each of them merely waits.
pub(crate) fn stuck(
    session: &mut Session,
    name: &str,
    stop: Stop<'_>,
) -> Result<Option<String>, PostgresError> {
    let doing = "looking at the locks";
    // What other sessions do is remembered within a transaction otherwise.
    session.query(doing, "SELECT pg_stat_clear_snapshot()", stop)?;
    let statement = format!(
        "SELECT to_json((SELECT string_agg(DISTINCT format('process %s (%s, %s)', w.pid, coalesce(w.usename, '?'), \
             coalesce(nullif(w.application_name, ''), 'unnamed')), ', ') \
         FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b JOIN pg_stat_activity w ON w.pid = b \
         WHERE a.application_name = {} AND pg_backend_pid() = ANY (pg_blocking_pids(b))))",
        literal(name)
    );
    session.document(doing, &statement, stop)
}

/// More than the server's own time for looking for circles.
const AFTER_DEADLOCK_CHECK: Duration = Duration::from_millis(300);

/// Makes the server see who waits for whom, so that it lets the dump pass those who queued up before it.
///
/// It looks for circles of waiting sessions after `deadlock_timeout`, and ends one by changing the order of a queue where that is
/// enough. The circle is not closed as long as we do not wait for the dump; so we do, for as long as that takes: for a lock on a
/// catalog that every `pg_dump` has read by then, and that nearly nobody else reads. Only a superuser may have it; whether it could be
/// asked for is the answer.
pub(crate) fn give_way(session: &mut Session, stop: Stop<'_>) -> Result<bool, PostgresError> {
    let doing = "letting the dump pass";
    let asked = "SELECT setting::bigint FROM pg_settings WHERE name = 'deadlock_timeout'";
    let check: u64 = session.document(doing, asked, stop)?;
    let wait = Duration::from_millis(check) + AFTER_DEADLOCK_CHECK;
    session.query(doing, "SAVEPOINT vow_turn", stop)?;
    session.query(doing, &format!("SET LOCAL lock_timeout = {}", wait.as_millis()), stop)?;
    let waited =
        session.query(doing, "LOCK TABLE ONLY pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE", stop);
    let could = match waited {
        Ok(_) => true,
        Err(error) if error.state() == Some(LOCK_NOT_AVAILABLE) => true,
        Err(error) if error.state().is_some() => false,
        Err(error) => return Err(error),
    };
    session.query(doing, "ROLLBACK TO SAVEPOINT vow_turn", stop)?;
    Ok(could)
}
