//! The moment of a dump: while the server is held still, the transaction of the truth and the dumps begin, and what is measured is
//! measured in the background.

use super::access::Access;
use super::capture::{DATABASES, LOCKED, Lock, MariaDbOptions};
use super::dump::{Dump, Held, Part, options as dump_options};
use super::error::MariaDbError;
use super::measure::Table;
use super::moment::{Hold, ReadLock};
use super::server::Server;
use super::session::Session;
use super::shared::Shared;
use super::truth::{Position, lies_elsewhere};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn go_on() -> bool {
    false
}

/// What is needed to begin.
pub(super) struct Begin<'b> {
    pub(super) access: &'b Arc<Access>,
    pub(super) shared: &'b Arc<Shared>,
    pub(super) options: &'b MariaDbOptions,
    pub(super) server: &'b Server,
    pub(super) tables: &'b [Table],
    pub(super) sequences: Vec<(String, String)>,
    pub(super) views: Vec<(String, String)>,
}

/// What has begun.
pub(super) struct Began {
    pub(super) dumps: Vec<(&'static str, Dump)>,
    pub(super) taken: String,
    pub(super) position: Option<Position>,
    pub(super) stop_measuring: Arc<AtomicBool>,
}

impl Begin<'_> {
    /// Begins all of it while the server is held still, and lets go of that as soon as may be.
    pub(super) fn begin(
        &self,
        mut hold: Hold,
        reading: Option<ReadLock>,
        keep_schema: bool,
        databases: &[String],
        without: &[(String, String)],
    ) -> Result<Began, MariaDbError> {
        let split = self.options.lock == Lock::Auto && !without.is_empty();
        let mut truth = self.access.session(&go_on)?;
        truth.query("beginning", "START TRANSACTION WITH CONSISTENT SNAPSHOT", &go_on)?;
        let taken = truth.value("asking for the time", "SELECT UTC_TIMESTAMP(6)", &go_on)?;
        let position = if self.server.can.position { position(&mut truth)? } else { None };
        let mut dumps = Vec::new();
        if !databases.is_empty() {
            if split {
                dumps.push((LOCKED, self.dump(LOCKED, Part::Locked, databases, &self.not_locked())?));
            }
            let ignored = if split { [without, &self.sequences].concat() } else { Vec::new() };
            dumps.push((DATABASES, self.dump(DATABASES, Part::Everything, databases, &ignored)?));
        }
        for (_, dump) in &mut dumps {
            dump.begun(hold.session(), &go_on)?;
        }
        reading.map_or(Ok(()), |reading| reading.end(&go_on))?;
        let held = match split || keep_schema || self.options.lock == Lock::All {
            true => Some(Arc::new(Held::new(hold))),
            false => {
                hold.end(&go_on)?;
                None
            }
        };
        if let (Some(held), Some((_, first))) = (&held, dumps.first_mut()) {
            first.holding(Arc::clone(held));
        }
        let stop_measuring = self.measure(truth, held)?;
        Ok(Began { dumps, taken, position, stop_measuring })
    }

    /// What is not dumped while writing waits. This dump is loaded first: a view in it would select from tables that come with the other,
    /// and its tables may take values from sequences, which it has therefore.
    fn not_locked(&self) -> Vec<(String, String)> {
        let with = self.tables.iter().filter(|table| table.transactional);
        let mut ignored: Vec<_> = with.map(|table| (table.database.clone(), table.name.clone())).collect();
        ignored.extend(self.views.iter().cloned());
        ignored
    }

    fn dump(
        &self,
        file: &'static str,
        part: Part,
        databases: &[String],
        ignored: &[(String, String)],
    ) -> Result<Dump, MariaDbError> {
        let mut command = self.access.dump_command(&format!("{file}.cnf"), ignored)?;
        command.args(dump_options(&self.access.tools, part, self.server.can.position));
        command.arg("--databases").arg("--").args(databases);
        Dump::start(self.access, self.shared, file, command, self.options.lock_wait_secs)
    }

    /// Measures in the background: first what is only still while it is held.
    fn measure(&self, mut truth: Session, held: Option<Arc<Held>>) -> Result<Arc<AtomicBool>, MariaDbError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stop, tables) = (Arc::clone(self.shared), Arc::clone(&stopped), self.tables.to_vec());
        let limit = self.options.exact_below_bytes;
        let history = self.access.tools.dumps_with("--dump-history");
        let still = self.options.lock != Lock::None;
        let mut plain = self.access.session(&go_on)?;
        std::thread::spawn(move || {
            let stop = || stop.load(Ordering::Relaxed);
            let measured = (|| {
                let mut out = Vec::new();
                let tables: Vec<_> = tables.iter().filter(|table| !lies_elsewhere(&table.engine)).collect();
                for table in tables.iter().filter(|table| !table.transactional && still) {
                    out.push(table.measure(&mut plain, limit, history, &stop)?);
                }
                drop(held);
                for table in tables.iter().filter(|table| table.transactional) {
                    // Locks of a table go with the savepoint: changes of the schema must not wait for all the others.
                    truth.query("measuring", "SAVEPOINT vow", &stop)?;
                    out.push(table.measure(&mut truth, limit, history, &stop)?);
                    truth.query("measuring", "ROLLBACK TO SAVEPOINT vow", &stop)?;
                }
                Ok(out)
            })();
            match measured {
                Ok(measured) => shared.measured(measured),
                Err(error) => shared.failed(&as_change(error)),
            }
        });
        Ok(stopped)
    }
}

/// 1412: the definition has changed; 1146: the table is gone; 1054: a column is; 1049: the database is.
fn as_change(error: MariaDbError) -> MariaDbError {
    match error.code() {
        Some(1412 | 1146 | 1054 | 1049) => MariaDbError::Changed(error.to_string()),
        _ => error,
    }
}

/// Where the transaction of a session stands in the binary log.
pub(crate) fn position(session: &mut Session) -> Result<Option<Position>, MariaDbError> {
    let rows = session.query("asking for the position", "SHOW STATUS LIKE 'binlog_snapshot_%'", &go_on)?;
    let value = |name: &str| {
        rows.iter()
            .find(|row| row.first().is_some_and(|first| first.eq_ignore_ascii_case(name)))
            .and_then(|row| row.get(1))
    };
    let file = value("binlog_snapshot_file").filter(|file| !file.is_empty()).cloned();
    let offset = value("binlog_snapshot_position").and_then(|offset| offset.parse().ok());
    Ok(file.zip(offset).map(|(file, offset)| Position { file, offset, gtid: None }))
}
