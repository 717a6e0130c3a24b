//! Beginning a dump: a moment, what there was in it, and a `pg_dump` that has all its locks.
//!
//! Until the first byte of a dump nothing is lost by beginning again, and everything that somebody else may do to the schema shows
//! before: the inventory is taken and `pg_dump` has read all definitions by then. So it is begun again for as long as a lock may be
//! waited for, politely at first; when that does not help, those who queued up are passed where the role may do that.

use super::dump::DumpPlan;
use super::error::PostgresError;
use super::measure::{self, Object};
use super::moment::{self, NoMoment};
use super::patience::Patience;
use super::session::{Session, Stop};
use super::sql::Name;
use crate::process::{Running, ToolError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::process::{ChildStdout, Command, Stdio};

/// How often a stream that waits looks whether it was asked to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Looks before it is asked whether the dump is stuck.
const LOOKS: u32 = 2;
/// Attempts in which those who queued up go first.
const POLITE: u32 = 3;
/// A program that keeps failing does not fail because of others.
const FAILURES_MAX: u32 = 10;
/// What `pg_dump` says when somebody came in between.
const OVERTAKEN: &[&str] =
    &["timeout", "deadlock detected", "does not exist", "cache lookup failed", "could not open relation"];
/// SQLSTATEs of the same: something undefined, an internal error, a deadlock.
const OVERTAKEN_STATES: &[&str] = &["42P01", "3F000", "42704", "42883", "42703", "XX000", "40P01"];

/// A dump that has begun.
pub(crate) struct Begun {
    /// In the transaction of the moment.
    pub(crate) session: Session,
    pub(crate) dump: Running,
    pub(crate) out: ChildStdout,
    pub(crate) objects: Vec<Object>,
    pub(crate) sequences: Vec<Name>,
}

struct Beginning<'b> {
    plan: &'b DumpPlan,
    database: &'b str,
    patience: &'b Patience,
    stop: Stop<'b>,
}

/// Begins a dump of this database, which the session is in.
pub(crate) fn begin(
    plan: &DumpPlan,
    mut session: Session,
    database: &str,
    stop: Stop<'_>,
) -> Result<Begun, PostgresError> {
    let mut patience = Patience::of_secs(plan.lock_wait_secs);
    let mut failures = 0;
    loop {
        let attempt = Beginning { plan, database, patience: &patience, stop };
        match attempt.run(&mut session) {
            Ok((dump, out, objects, sequences)) => {
                return Ok(Begun { session, dump, out, objects, sequences });
            }
            Err(NoMoment::Overtaken(why)) => {
                failures += u32::from(matches!(why, PostgresError::Dump { .. }));
                if failures > FAILURES_MAX {
                    return Err(why);
                }
                session.query("beginning again", "ROLLBACK", stop)?;
                patience.again(why, stop)?;
            }
            Err(NoMoment::Failed(why)) => return Err(why),
        }
    }
}

impl Beginning<'_> {
    fn run(&self, session: &mut Session) -> Result<(Running, ChildStdout, Vec<Object>, Vec<Name>), NoMoment> {
        let (plan, stop) = (self.plan, self.stop);
        let snapshot = moment::begin(session, self.patience.left(), plan.lock_wait_secs, stop)?;
        let name = format!("vow dump {} {}", std::process::id(), self.patience.attempts);
        let mut command = self.command(&snapshot);
        command.env("PGAPPNAME", &name).stdout(Stdio::piped());
        let mut dump = plan.access.launcher.start(command).map_err(PostgresError::from)?;
        let out = dump.stdout().map_err(PostgresError::from)?;
        // While it starts: what is asked of the server about functions and views is not answered out of the moment.
        let taken = measure::inventory(session, plan.server_version, stop)
            .and_then(|objects| Ok((objects, measure::sequence_names(session, stop)?)));
        let (objects, sequences) = taken.map_err(overtaken)?;
        let mut looks = 0;
        loop {
            // The first byte comes after the last lock.
            match look(&out)? {
                Look::Data => return Ok((dump, out, objects, sequences)),
                Look::Nothing => {}
                Look::End => return Err(self.judge(dump)),
            }
            if stop() {
                return Err(NoMoment::Failed(ToolError::Stopped.into()));
            }
            looks += 1;
            if looks < LOOKS {
                continue;
            }
            let Some(who) = moment::stuck(session, &name, stop)? else { continue };
            if self.patience.attempts < POLITE || !moment::give_way(session, stop)? {
                let why = format!("{who} waited to change a table when the dump came");
                let database = self.database.to_owned();
                return Err(NoMoment::Overtaken(PostgresError::Restless { database, why }));
            }
        }
    }

    fn command(&self, snapshot: &str) -> Command {
        let access = &self.plan.access;
        let mut command = access.command("pg_dump");
        command.args(["-Fc", "-Z0", "-C", "--no-password"]);
        command.arg(format!("--lock-wait-timeout={}ms", self.patience.left().as_millis()));
        command.arg(format!("--snapshot={snapshot}"));
        command.arg("-d").arg(access.url.with_database(self.database).conninfo());
        command
    }

    /// A dump that ended without a byte.
    fn judge(&self, dump: Running) -> NoMoment {
        let what = format!("database {:?}", self.database);
        let ended = dump.wait(self.stop).and_then(crate::process::Ended::expect_success);
        let reason = match ended {
            Err(ToolError::Stopped) => return NoMoment::Failed(ToolError::Stopped.into()),
            Ok(_) => "it cannot be read back: pg_dump wrote nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        let by_others = OVERTAKEN.iter().any(|words| reason.contains(words));
        let error = PostgresError::Dump { what, reason };
        if by_others { NoMoment::Overtaken(error) } else { NoMoment::Failed(error) }
    }
}

/// Definitions that vanish while they are read.
fn overtaken(error: PostgresError) -> NoMoment {
    match error.state() {
        Some(state) if OVERTAKEN_STATES.contains(&state) => NoMoment::Overtaken(error),
        _ => NoMoment::Failed(error),
    }
}

/// What a program's output has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something to read.
    Data,
    /// Nothing yet.
    Nothing,
    /// Nothing more.
    End,
}

/// Waits for a moment whether there is something to read.
pub(crate) fn look(out: &ChildStdout) -> Result<Look, PostgresError> {
    let mut polled = [PollFd::new(out, PollFlags::IN)];
    match poll(&mut polled, Some(&LOOK)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(Look::Nothing),
        Ok(_) if polled[0].revents().contains(PollFlags::IN) => Ok(Look::Data),
        Ok(_) => Ok(Look::End),
        Err(errno) => Err(ToolError::Pipe { program: "pg_dump".into(), source: errno.into() }.into()),
    }
}
