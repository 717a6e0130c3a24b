//! The moment that a copy is of, caught while it passes: the truth is taken in a transaction that begins while `mariadb-backup` keeps
//! everybody from committing.
//!
//! The program tells what it does, line by line. When it blocks commits, a session that has waited for that begins its transaction; and
//! whether the program still blocked them when it had begun is seen by asking for the same lock. Nobody holds the program up: when we
//! come too late, the copy is as good, and rows are not counted. The copy's own position in the binary log says the same again.

use super::super::access::Access;
use super::super::begin::position;
use super::super::error::MariaDbError;
use super::super::measure::Table;
use super::super::session::Session;
use super::super::truth::{Position, TableTruth};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// What the program says when nobody can commit any more. Older versions say only the second, a little later.
const BLOCKED: &[(&str, &str)] = &[("Acquired", "BLOCK_COMMIT"), ("Executing", "ENGINE LOGS")];
/// Somebody else has the lock.
const BUSY: &[u32] = &[1205, 1213, 3572, 4135];

fn go_on() -> bool {
    false
}

/// What is known of the moment.
pub(super) struct Caught {
    /// By the server's clock, in UTC.
    pub(super) taken: String,
    /// Commits were still blocked when the transaction had begun.
    pub(super) held: bool,
    /// Where the transaction stands in the binary log, when it may ask.
    pub(super) position: Option<Position>,
    measuring: Option<JoinHandle<Result<Vec<TableTruth>, MariaDbError>>>,
    stop: Arc<AtomicBool>,
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Caught {
    /// Waits until everything was counted.
    pub(super) fn measured(&mut self, stop: &dyn Fn() -> bool) -> Result<Vec<TableTruth>, MariaDbError> {
        let Some(measuring) = self.measuring.take() else { return Ok(Vec::new()) };
        while !measuring.is_finished() {
            if stop() {
                return Err(crate::process::ToolError::Stopped.into());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let lost = |_| MariaDbError::Dump("counting rows ended by a fault in vow, please report it".into());
        measuring.join().map_err(lost)?
    }
}

/// Where the catch is put.
pub(super) type Catch = Arc<Mutex<Option<Caught>>>;

/// Waits for the moment.
pub(super) struct Watch {
    truth: Option<Session>,
    probe: Option<Session>,
    tables: Vec<Table>,
    exact_below_bytes: u64,
    history: bool,
    may_ask: bool,
    catch: Catch,
}

impl Watch {
    /// With sessions that are ready. `tables` are those to be counted.
    pub(super) fn new(
        access: &Access,
        tables: Vec<Table>,
        exact_below_bytes: u64,
        may_ask: bool,
        catch: Catch,
    ) -> Result<Self, MariaDbError> {
        let mut probe = access.session(&go_on)?;
        probe.query("setting up the session", "SET SESSION lock_wait_timeout = 0", &go_on)?;
        Ok(Self {
            truth: Some(access.session(&go_on)?),
            probe: Some(probe),
            tables,
            exact_below_bytes,
            history: access.tools.dumps_with("--dump-history"),
            may_ask,
            catch,
        })
    }

    /// A line of the program. What fails here makes the copy no worse.
    pub(super) fn look(&mut self, line: &str) {
        let is_it = BLOCKED.iter().any(|(word, what)| line.contains(word) && line.contains(what));
        if !is_it {
            return;
        }
        if let (Some(truth), Some(probe)) = (self.truth.take(), self.probe.take())
            && let Ok(caught) = self.take(truth, probe)
        {
            *self.catch.lock().unwrap_or_else(PoisonError::into_inner) = Some(caught);
        }
    }

    fn take(&mut self, mut truth: Session, mut probe: Session) -> Result<Caught, MariaDbError> {
        truth.query("beginning", "START TRANSACTION WITH CONSISTENT SNAPSHOT", &go_on)?;
        let held = match probe.query("looking whether commits are blocked", "BACKUP STAGE START", &go_on) {
            Ok(_) => {
                probe.query("letting go of the server", "BACKUP STAGE END", &go_on)?;
                false
            }
            Err(error) => error.code().is_some_and(|code| BUSY.contains(&code)),
        };
        let taken = truth.value("asking for the time", "SELECT UTC_TIMESTAMP(6)", &go_on)?;
        let position = if self.may_ask { position(&mut truth)? } else { None };
        let stop = Arc::new(AtomicBool::new(false));
        let (tables, limit, history) =
            (std::mem::take(&mut self.tables), self.exact_below_bytes, self.history);
        let stopped = Arc::clone(&stop);
        let measuring = std::thread::spawn(move || {
            let stop = || stopped.load(Ordering::Relaxed);
            let mut out = Vec::new();
            for table in &tables {
                // Locks of a table go with the savepoint: changes of the schema must not wait for all the others.
                truth.query("measuring", "SAVEPOINT vow", &stop)?;
                out.extend(table.measure_if_same(&mut truth, limit, history, &stop)?);
                truth.query("measuring", "ROLLBACK TO SAVEPOINT vow", &stop)?;
            }
            Ok(out)
        });
        Ok(Caught { taken, held, position, measuring: Some(measuring), stop })
    }
}
