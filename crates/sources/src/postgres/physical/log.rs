//! The log of a server, received all the time: `pg_receivewal` on a replication slot writes into a private spool, and what is finished
//! there becomes small snapshots of a source of its own.
//!
//! What is lost when: nothing that was received. The slot keeps on the server what did not arrive, the spool keeps what was not sent,
//! and a segment leaves the spool only when a vault, or the spool of the host, has it. Killed anywhere, the next start goes on.

use super::super::access::{Access, AccessOptions};
use super::super::error::PostgresError;
use super::super::server;
use super::super::session::{Session, Stop};
use super::super::sql::literal;
use super::facts::segment_bytes;
use super::segment::{Segment, gaps};
use super::stored::log_source;
use crate::adapter::{AdapterError, Begun, Capture, Discovered, Log, Memory, Received, Receiving, Run};
use crate::process::Running;
use crate::receiving::{LogSpool, Memo, ended, pause};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The type of snapshots that hold a log.
pub const LOG_KIND: &str = "postgres-wal";
/// How often the slot is looked at.
const SLOT_EVERY: Duration = Duration::from_secs(30);
/// Segments in one snapshot: a spool that filled while no vault was there is sent in several.
const SEGMENTS_AT_ONCE: usize = 64;

/// How a log is received.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// Name of the slot.
    pub slot: String,
    /// The spool, when it is not in the host's state.
    pub spool: Option<PathBuf>,
    /// A slot that holds back more than this is a problem.
    pub max_lag_bytes: u64,
}

impl Log for LogOptions {
    fn source(&self, of: &str) -> String {
        log_source(of)
    }

    fn kind(&self) -> &'static str {
        LOG_KIND
    }

    fn receive(&self, spool: &Path, stop: Stop<'_>) -> Result<Box<dyn Receiving>, AdapterError> {
        let spool = self.spool.clone().unwrap_or_else(|| spool.to_owned());
        Receiver::start(self.clone(), spool, stop)
            .map(|receiver| Box::new(receiver) as Box<dyn Receiving>)
            .map_err(super::super::adapter::stopped)
    }
}

/// A receiver that runs.
struct Receiver {
    options: LogOptions,
    access: Access,
    running: Option<Running>,
    spool: Arc<Spool>,
    slot_seen: Option<Instant>,
    /// What the slot held back before anything was received.
    at_start: Option<Slot>,
}

impl Receiver {
    fn start(options: LogOptions, spool: PathBuf, stop: Stop<'_>) -> Result<Self, PostgresError> {
        let access = Access::open(&options.access, stop)?;
        let mut session = access.home(stop)?;
        let facts = server::facts(&access, &mut session, stop)?;
        let bytes = segment_bytes(&mut session, stop)?;
        let log = Arc::new(LogSpool { folder: spool, identifier: facts.system_identifier });
        log.prepare(&access.launcher, "wal_spool")?;
        let spool = Spool { log, segment_bytes: bytes };
        make_slot(&mut session, &options.slot, stop)?;
        let at_start = Some(look_at_slot(&access, &options.slot, stop)?);
        let mut command = access.launcher.ending_with_us(&access.tools.program("pg_receivewal"));
        command.arg("-D").arg(&spool.log.folder).args([
            "-S",
            &options.slot,
            "--synchronous",
            "--no-loop",
            "-w",
        ]);
        command.arg("-d").arg(access.url.conninfo());
        let running = access.launcher.start(command)?;
        Ok(Self {
            options,
            access,
            running: Some(running),
            spool: Arc::new(spool),
            slot_seen: None,
            at_start,
        })
    }
}

impl Receiving for Receiver {
    fn look(&mut self, stop: Stop<'_>) -> Result<Received, AdapterError> {
        pause(stop);
        let failed = super::super::adapter::stopped;
        if let Some(said) = ended(&mut self.running) {
            return Err(failed(PostgresError::Log(format!("pg_receivewal ended: {said}"))));
        }
        let mut received =
            Received { waiting: self.spool.finished().map_err(failed)?.len() as u64, ..Received::default() };
        if let Some(slot) = self.at_start.take() {
            judge_slot(&slot, &self.options, &mut received);
        }
        if self.slot_seen.is_none_or(|seen| seen.elapsed() > SLOT_EVERY) {
            self.slot_seen = Some(Instant::now());
            let slot = look_at_slot(&self.access, &self.options.slot, stop).map_err(failed)?;
            judge_slot(&slot, &self.options, &mut received);
        }
        Ok(received)
    }

    fn capture(&self) -> Arc<dyn Capture> {
        Arc::new(Segments { spool: Arc::clone(&self.spool) })
    }

    fn forget(&mut self) -> Result<(), AdapterError> {
        self.spool.forget().map_err(super::super::adapter::stopped)
    }
}

/// What a slot holds back.
#[derive(Deserialize)]
struct Slot {
    lag: Option<i64>,
    state: Option<String>,
    limit_mb: i64,
}

/// Makes the slot unless it is there. It reserves the log at once: one that was only made keeps nothing before it is first used.
fn make_slot(session: &mut Session, name: &str, stop: Stop<'_>) -> Result<(), PostgresError> {
    let name = literal(name);
    let make = format!("SELECT pg_create_physical_replication_slot({name}, true)");
    let exists =
        format!("SELECT to_json(EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {name}))");
    if !session.document("looking for the slot", &exists, stop)? {
        session.query("making the slot", &make, stop)?;
    }
    Ok(())
}

fn look_at_slot(access: &Access, name: &str, stop: Stop<'_>) -> Result<Slot, PostgresError> {
    let statement = format!(
        "SELECT json_build_object('lag', pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
             ELSE pg_current_wal_lsn() END, restart_lsn)::bigint, 'state', to_jsonb(s) ->> 'wal_status', \
         'limit_mb', coalesce((SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), -1)) \
         FROM pg_replication_slots s WHERE slot_name = {}",
        literal(name)
    );
    access.home(stop)?.document("looking at the slot", &statement, stop)
}

fn judge_slot(slot: &Slot, options: &LogOptions, received: &mut Received) {
    let name = &options.slot;
    match slot.state.as_deref() {
        Some("lost") => received.problems.push(format!(
            "the slot {name:?} is lost: the server has removed log that had not been received; drop the slot, start again, and make a \
             base backup"
        )),
        Some("unreserved") => received.problems.push(format!(
            "the slot {name:?} is about to be lost: it holds back more than max_slot_wal_keep_size allows"
        )),
        _ => {}
    }
    if let Some(lag) = slot.lag.and_then(|lag| u64::try_from(lag).ok()) {
        received.lag_bytes = Some(lag);
        if lag > options.max_lag_bytes {
            received.problems.push(format!(
                "the slot {name:?} holds back {} MiB of log on the server, and {} MiB are allowed (wal_max_lag)",
                lag >> 20,
                options.max_lag_bytes >> 20
            ));
        }
    }
    if slot.limit_mb < 0 {
        received.notes.push(
            "max_slot_wal_keep_size is not set on the server: a receiver that stays away fills its disk; set it to what the disk can spare"
                .into(),
        );
    }
}

/// The spool of segments.
#[derive(Debug)]
struct Spool {
    log: Arc<LogSpool>,
    segment_bytes: u64,
}

impl Spool {
    /// Finished segments and histories that were not captured yet, by name.
    fn finished(&self) -> Result<Vec<String>, PostgresError> {
        let captured = self.log.captured();
        let mut names = self.log.names()?;
        names.retain(|name| {
            let is_segment = Segment::parse(name, self.segment_bytes).is_some();
            is_segment && captured.as_ref().is_none_or(|last| name > last) || name.ends_with(".history")
        });
        // Histories are small and few: they come with the segments after them.
        if names.iter().all(|name| name.ends_with(".history")) {
            names.clear();
        }
        names.sort();
        Ok(names)
    }

    /// Removes what was captured; the newest of it stays, so that the receiver knows where it was.
    fn forget(&self) -> Result<(), PostgresError> {
        let Some(captured) = self.log.captured() else { return Ok(()) };
        for name in self.log.names()? {
            if Segment::parse(&name, self.segment_bytes).is_some() && name < captured {
                self.log.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// Finished segments as a source.
#[derive(Debug)]
struct Segments {
    spool: Arc<Spool>,
}

impl Capture for Segments {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let mut names = self.spool.finished().map_err(|e| e.to_string())?;
        names.truncate(SEGMENTS_AT_ONCE);
        let before = Memo::of(run, "the log")?;
        let last =
            names.iter().rev().find(|name| Segment::parse(name, self.spool.segment_bytes).is_some()).cloned();
        let problem = missing(&self.spool, before.as_ref(), &names);
        Ok(self.spool.log.begin(names, last.map(|last| (last, None)), problem))
    }

    fn covers(&self, _found: &Discovered) -> bool {
        false
    }

    fn memory(&self) -> Memory {
        Memory::Helps("a gap in the log before this would not be noticed now, but at a restore")
    }
}

/// What is missing between the last capture and this one, as a sentence.
fn missing(spool: &Spool, before: Option<&Memo>, names: &[String]) -> Option<String> {
    let before = before?;
    let bytes = spool.segment_bytes;
    let there: Vec<_> = names.iter().filter_map(|name| Segment::parse(name, bytes)).collect();
    if let Some(other) = spool.log.other_server(before) {
        return Some(other);
    }
    let last = Segment::parse(&before.last, bytes)?;
    // On a new timeline the segment in which it began comes once more.
    let found = gaps(last.number + 1, &there);
    let gap = found.first()?;
    let (first, timeline) = (gap.first, there.first()?.timeline);
    let name = |number| Segment { timeline, number }.name(bytes);
    Some(format!(
        "the log has a gap of {gap}, {} to {}: no moment after it can be gone back to from an earlier base backup; make a new one",
        name(first),
        name(gap.last)
    ))
}
