//! The moment that a dump is of.
//!
//! MariaDB cannot hand a transaction's snapshot to another session. Instead the server is held still while the transactions of the
//! dump and of the truth begin: no commit lies between them. With nothing but transactional tables that takes some hundredths of a
//! second: `BACKUP STAGE` blocks changes of the schema while the inventory is taken, then commits. Tables without transactions have
//! no snapshot at all: while they are dumped, all writing waits (`FLUSH TABLES WITH READ LOCK`), and only for so long.

use super::access::Access;
use super::error::MariaDbError;
use super::session::{Session, Stop};
use crate::process::ToolError;
use std::time::{Duration, Instant};

/// Whoever wants to write queues up behind a lock that is waited for. So it is not waited for longer than this at a time.
const TRY_SECS: u64 = 5;
/// Between two tries others go ahead.
const PAUSE: Duration = Duration::from_millis(500);
/// Lock wait timeout.
const TIMEOUT: u32 = 1205;
/// Somebody else's backup stage, or a deadlock.
const BUSY: &[u32] = &[TIMEOUT, 1213, 3572, 4135];

/// A session that holds the server still. Dropping it lets go.
pub(crate) struct Hold {
    session: Session,
    stages: bool,
}

impl Hold {
    /// Blocks changes of the schema; with `all`, every change.
    pub(crate) fn begin(
        access: &Access,
        all: bool,
        stages: bool,
        wait_secs: u32,
        stop: Stop<'_>,
    ) -> Result<Self, MariaDbError> {
        let began = Instant::now();
        let stages = stages && !all;
        let statements: &[&str] = match stages {
            true => &["BACKUP STAGE START", "BACKUP STAGE BLOCK_DDL"],
            false => &["FLUSH TABLES WITH READ LOCK"],
        };
        loop {
            let mut session = access.session(stop)?;
            let secs = TRY_SECS.min(u64::from(wait_secs));
            session.query(
                "setting up the session",
                &format!("SET SESSION lock_wait_timeout = {secs}"),
                stop,
            )?;
            let held = statements
                .iter()
                .try_for_each(|sql| session.query("holding the server still", sql, stop).map(drop));
            match held {
                Ok(()) => return Ok(Self { session, stages }),
                Err(error) if error.code().is_some_and(|code| BUSY.contains(&code)) => {
                    if began.elapsed() >= Duration::from_secs(u64::from(wait_secs)) {
                        let what = match stages {
                            true => "the schema",
                            false => "a table",
                        };
                        return Err(locked(access, what, began.elapsed().as_secs(), stop));
                    }
                }
                Err(error) => return Err(needs_reload(error)),
            }
            if stop() {
                return Err(ToolError::Stopped.into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// From here on nothing is committed.
    pub(crate) fn block_commits(&mut self, stop: Stop<'_>) -> Result<(), MariaDbError> {
        if self.stages {
            self.session.query("holding commits", "BACKUP STAGE BLOCK_COMMIT", stop)?;
        }
        Ok(())
    }

    /// The session, which may ask what it likes meanwhile.
    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Lets go.
    pub(crate) fn end(mut self, stop: Stop<'_>) -> Result<(), MariaDbError> {
        let sql = if self.stages { "BACKUP STAGE END" } else { "UNLOCK TABLES" };
        self.session.query("letting go of the server", sql, stop).map(drop)
    }
}

/// A session that keeps everybody from writing to some tables, while a [`Hold`] holds the schema. Dropping it lets go.
pub(crate) struct ReadLock(Session);

impl ReadLock {
    /// Locks them, when transactions that wrote to them have ended.
    pub(crate) fn begin(
        access: &Access,
        tables: &[String],
        wait_secs: u32,
        stop: Stop<'_>,
    ) -> Result<Option<Self>, MariaDbError> {
        let began = Instant::now();
        let locked: Vec<_> = tables.iter().map(|table| format!("{table} READ")).collect();
        while !locked.is_empty() {
            let mut session = access.session(stop)?;
            let secs = TRY_SECS.min(u64::from(wait_secs));
            session.query(
                "setting up the session",
                &format!("SET SESSION lock_wait_timeout = {secs}"),
                stop,
            )?;
            match session.query("holding tables still", &format!("LOCK TABLES {}", locked.join(", ")), stop) {
                Ok(_) => return Ok(Some(Self(session))),
                Err(error) if !error.code().is_some_and(|code| BUSY.contains(&code)) => return Err(error),
                Err(_) if began.elapsed() >= Duration::from_secs(u64::from(wait_secs)) => {
                    return Err(self::locked(access, "a table", began.elapsed().as_secs(), stop));
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
        Ok(None)
    }

    /// Lets go.
    pub(crate) fn end(mut self, stop: Stop<'_>) -> Result<(), MariaDbError> {
        self.0.query("letting go of the tables", "UNLOCK TABLES", stop).map(drop)
    }
}

fn needs_reload(error: MariaDbError) -> MariaDbError {
    match error.code() {
        Some(1044 | 1045 | 1227) => MariaDbError::Refused(format!(
            "the account may not hold the server still for a moment, without which no dump is coherent: {error}; grant it RELOAD"
        )),
        _ => error,
    }
}

const SESSIONS: &str = "SELECT id, user, host, COALESCE(db, ''), command, time, COALESCE(state, '') FROM information_schema.processlist \
    WHERE id <> CONNECTION_ID() AND command NOT IN ('Daemon', 'Binlog Dump') AND user NOT IN ('system user', 'event_scheduler') \
    ORDER BY time DESC, id LIMIT 4";

/// Something is locked: the sessions that have been there longest are named. Who of them holds the lock the server does not tell.
pub(crate) fn locked(access: &Access, what: &str, secs: u64, stop: Stop<'_>) -> MariaDbError {
    let asked =
        access.session(stop).and_then(|mut session| session.query("asking who is there", SESSIONS, stop));
    let one = |row: Vec<String>| match <[String; 7]>::try_from(row) {
        Ok([id, user, host, database, command, time, state]) => {
            let state = if state.is_empty() { command } else { state };
            Some(format!("{id} ({user} from {host} in {database:?}, for {time} s: {state})"))
        }
        Err(_) => None,
    };
    let sessions: Vec<_> = asked.unwrap_or_default().into_iter().filter_map(one).collect();
    let holder = match sessions.is_empty() {
        true => "nobody else is connected now".to_owned(),
        false => format!("connected are the sessions {}", sessions.join(", ")),
    };
    MariaDbError::Locked { what: what.to_owned(), secs, holder }
}

const WAITING: &str = "SELECT COALESCE(db, ''), COALESCE(state, '') FROM information_schema.processlist \
    WHERE id <> CONNECTION_ID() AND state LIKE 'Waiting for %lock%' AND (info LIKE 'SELECT /*!40001 SQL_NO_CACHE%' \
    OR info LIKE 'show create table%' OR info LIKE 'show fields%' OR info LIKE 'LOCK TABLES%READ%')";

/// In which database a dump waits for a lock, when one does; with `younger` only one that connected after this session did.
pub(crate) fn waiting(
    session: &mut Session,
    younger: bool,
    stop: Stop<'_>,
) -> Result<Option<String>, MariaDbError> {
    let more = if younger { " AND id > CONNECTION_ID()" } else { "" };
    let mut rows = session.query("looking whether the dump waits", &format!("{WAITING}{more}"), stop)?;
    Ok(rows.pop().and_then(|row| row.into_iter().next()))
}

/// Whether somebody has waited for so long to hold the server still for a copy of its files.
pub(crate) fn waiting_for_stage(
    session: &mut Session,
    secs: u64,
    stop: Stop<'_>,
) -> Result<bool, MariaDbError> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'BACKUP %' AND state LIKE 'Waiting for %' AND time >= {secs}"
    );
    Ok(session.value("looking whether the copy waits", &sql, stop)? != "0")
}
