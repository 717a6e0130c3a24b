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
use crate::process::{Launcher, Running, one_line};
use crate::spooled::Files;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The type of snapshots that hold a log.
pub const LOG_KIND: &str = "postgres-wal";
/// How long a look lasts.
const LOOK: Duration = Duration::from_millis(500);
/// How long a program may take to end.
const END: Duration = Duration::from_secs(5);
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
        let spool = Spool { folder: spool, segment_bytes: bytes, identifier: facts.system_identifier };
        spool.prepare(&access.launcher)?;
        make_slot(&mut session, &options.slot, stop)?;
        let at_start = Some(look_at_slot(&access, &options.slot, stop)?);
        let mut command = access.launcher.ending_with_us(&access.tools.program("pg_receivewal"));
        command.arg("-D").arg(&spool.folder).args(["-S", &options.slot, "--synchronous", "--no-loop", "-w"]);
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

    /// Why the receiver is not there any more.
    fn ended(&mut self) -> Option<PostgresError> {
        if self.running.as_mut().is_some_and(|running| !running.has_ended()) {
            return None;
        }
        let ended = self.running.take().map(|running| running.wait_at_most(END));
        let said = match ended {
            Some(Ok(ended)) if !ended.said.is_empty() => one_line(&ended.said),
            _ => "it said nothing".to_owned(),
        };
        Some(PostgresError::Log(format!("pg_receivewal ended: {said}")))
    }
}

impl Receiving for Receiver {
    fn look(&mut self, stop: Stop<'_>) -> Result<Received, AdapterError> {
        let began = Instant::now();
        while began.elapsed() < LOOK && !stop() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let failed = super::super::adapter::stopped;
        if let Some(error) = self.ended() {
            return Err(failed(error));
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

/// The private folder that segments are received into.
#[derive(Debug)]
struct Spool {
    folder: PathBuf,
    segment_bytes: u64,
    identifier: String,
}

/// What was captured last, as the next capture wants to know it.
#[derive(Debug, Serialize, Deserialize)]
struct Memo {
    identifier: String,
    last: String,
}

/// Where the spool says what of it was captured.
const CAPTURED: &str = "captured";

impl Spool {
    fn prepare(&self, launcher: &Launcher) -> Result<(), PostgresError> {
        let folder = &self.folder;
        if !folder.exists() {
            let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
            made.and_then(|()| launcher.give(folder)).map_err(PostgresError::io("make the spool", folder))?;
        }
        let account = launcher.account();
        match account.cannot_enter(folder) {
            None => Ok(()),
            Some(above) => Err(PostgresError::Refused(format!(
                "the account {} cannot get into {}, where the log would be received; name another place with wal_spool",
                account.name,
                above.display()
            ))),
        }
    }

    /// Finished segments and histories that were not captured yet, by name.
    fn finished(&self) -> Result<Vec<String>, PostgresError> {
        let captured = self.captured();
        let mut names = self.names()?;
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

    fn names(&self) -> Result<Vec<String>, PostgresError> {
        let list = || {
            let names = fs::read_dir(&self.folder)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect::<std::io::Result<Vec<_>>>()
        };
        list().map_err(PostgresError::io("read", &self.folder))
    }

    /// The last segment that was captured, as far as the spool knows.
    fn captured(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(CAPTURED)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn set_captured(&self, last: &str) -> Result<(), PostgresError> {
        let (path, temporary) = (self.folder.join(CAPTURED), self.folder.join("captured.new"));
        let write = || {
            fs::write(&temporary, last)?;
            fs::File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(PostgresError::io("write", &path))
    }

    /// Removes what was captured; the newest of it stays, so that the receiver knows where it was.
    fn forget(&self) -> Result<(), PostgresError> {
        let Some(captured) = self.captured() else { return Ok(()) };
        for name in self.names()? {
            if Segment::parse(&name, self.segment_bytes).is_some() && name < captured {
                let path = self.folder.join(&name);
                fs::remove_file(&path).map_err(PostgresError::io("remove", &path))?;
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
        let before: Option<Memo> = run
            .remembered
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|e| format!("the record of the log: {e}"))?;
        let last =
            names.iter().rev().find(|name| Segment::parse(name, self.spool.segment_bytes).is_some()).cloned();
        let problem = missing(&self.spool, before.as_ref(), &names);
        let memo = last.clone().map(|last| Memo { identifier: self.spool.identifier.clone(), last });
        let spool = Arc::clone(&self.spool);
        let remember = Box::new(move || {
            let memo = memo.as_ref()?;
            // Said here first: captured twice is no harm, removed without having been captured would be.
            spool.set_captured(&memo.last).ok()?;
            serde_json::to_string(memo).ok()
        });
        let problems = problem.into_iter().collect();
        let source = Box::new(Files::new(self.spool.folder.clone(), names, problems));
        Ok(Begun { source, warnings: Vec::new(), remember })
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
    if before.identifier != spool.identifier {
        return Some(format!(
            "another server answers: its system identifier is {}, and the log before was of {}",
            spool.identifier, before.identifier
        ));
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
