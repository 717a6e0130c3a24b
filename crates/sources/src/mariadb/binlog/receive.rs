//! A binary log that is received: `mariadb-binlog` reads along at the server and writes into a private spool.
//!
//! What is lost when: nothing that was received. The server keeps its files for a while (`binlog_expire_logs_seconds`), the spool keeps
//! what was not sent, and a file leaves the spool only when a vault, or the spool of the host, has it. Killed anywhere, the next start
//! goes on. Only whole files are sent: the server is told to begin a new one every few minutes.

use super::super::access::{Access, AccessOptions};
use super::super::error::MariaDbError;
use super::super::server;
use super::super::session::{Session, Stop};
use super::super::tools::Flavour;
use super::names::LogName;
use super::spool::{Finished, Spool};
use crate::adapter::{AdapterError, Capture, Log, Received, Receiving};
use crate::process::Running;
use crate::receiving::{LogSpool, ended, pause};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The type of snapshots that hold a binary log.
pub const BINLOG_KIND: &str = "mariadb-binlog";
/// How often the server is told to begin a new file.
pub const DEFAULT_FLUSH_SECS: u32 = 300;
/// Where the numbers begin under which receivers of ours ask: servers and replicas have small ones.
const SERVER_ID_BASE: u32 = 0x7600_0000;

/// The source that the binary log of a source is captured as.
pub fn binlog_source(source: &str) -> String {
    format!("{source}.binlog")
}

/// How a binary log is received.
#[derive(Debug, Clone)]
pub struct BinlogOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// Name of the source: what distinguishes this receiver from others of the same server.
    pub name: String,
    /// The spool, when it is not in the host's state.
    pub spool: Option<PathBuf>,
    /// How often the server is told to begin a new file.
    pub flush_secs: u32,
}

impl Log for BinlogOptions {
    fn source(&self, of: &str) -> String {
        binlog_source(of)
    }

    fn kind(&self) -> &'static str {
        BINLOG_KIND
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
    options: BinlogOptions,
    access: Access,
    running: Option<Running>,
    spool: Arc<Spool>,
    /// The files of the server and their sizes, when it was last told to begin a new one.
    sizes: BTreeMap<String, u64>,
    /// What was there before we began: it is to arrive before everything is.
    awaited: Option<LogName>,
    flushed: Instant,
    /// What is missing already.
    problems: Vec<String>,
}

impl Receiver {
    fn start(options: BinlogOptions, spool: PathBuf, stop: Stop<'_>) -> Result<Self, MariaDbError> {
        let access = Access::open(&options.access, stop)?;
        let mut session = access.session(stop)?;
        let facts = server::ask(&access, &mut session, stop)?.facts;
        if facts.settings.get("log_bin").map(String::as_str) != Some("ON") {
            return Err(MariaDbError::Refused(format!(
                "the server at {} writes no binary log: set log_bin in its configuration",
                access.url
            )));
        }
        let log = LogSpool { folder: spool, identifier: facts.system_identifier };
        log.prepare(&access.launcher, "binlog_spool")?;
        let before = files(&mut session, stop)?;
        flush(&mut session, stop)?;
        let now = files(&mut session, stop)?;
        let spool = Spool::new(log, now.last().map(|(name, _)| name.base.clone()).unwrap_or_default());
        let (first, problems) = begin_with(&spool, &now)?;
        let program = access.tools.program("mariadb-binlog")?;
        let mut command = access.launcher.ending_with_us(&program);
        access.add_options(&mut command);
        command.args(["--read-from-remote-server", "--raw", "--stop-never"]);
        let id = SERVER_ID_BASE | (crc32fast::hash(options.name.as_bytes()) & 0x00ff_ffff);
        // The older one of two that ask under the same number is sent away: one that a killed receiver left behind.
        command.arg(match access.tools.flavour {
            Flavour::MariaDb => format!("--stop-never-slave-server-id={id}"),
            Flavour::MySql => format!("--connection-server-id={id}"),
        });
        command.arg(format!("--result-file={}/", spool.log.folder.display())).arg(first.to_string());
        command.stdout(std::process::Stdio::null());
        let running = access.launcher.start(command)?;
        Ok(Self {
            options,
            access,
            running: Some(running),
            spool: Arc::new(spool),
            sizes: closed(&now),
            awaited: before.into_iter().map(|(name, _)| name).max(),
            flushed: Instant::now(),
            problems,
        })
    }

    fn look_once(&mut self, stop: Stop<'_>) -> Result<Received, MariaDbError> {
        if let Some(said) = ended(&mut self.running) {
            return Err(MariaDbError::Refused(format!("mariadb-binlog ended: {said}")));
        }
        let mut received = Received { problems: std::mem::take(&mut self.problems), ..Received::default() };
        if self.flushed.elapsed() >= Duration::from_secs(self.options.flush_secs.into()) {
            let mut session = self.access.session(stop)?;
            flush(&mut session, stop)?;
            self.sizes = closed(&files(&mut session, stop)?);
            self.flushed = Instant::now();
        }
        let inside = self.spool.look(&self.sizes)?;
        let names = self.spool.names()?;
        let captured = self.spool.captured();
        let is_there = |awaited: &LogName| {
            let later = |name: &LogName| name.base == awaited.base && name.number > awaited.number;
            names.iter().any(later) || captured.as_ref().is_some_and(|last| last == awaited || later(last))
        };
        received.behind = self.awaited.as_ref().is_some_and(|awaited| !is_there(awaited));
        received.waiting = inside.finished.len() as u64;
        match inside.broken {
            // Begun again, it is received again.
            Some((name, why)) if inside.finished.is_empty() => {
                Err(MariaDbError::Refused(format!("{name} was not received whole: it {why}")))
            }
            _ => Ok(received),
        }
    }
}

impl Receiving for Receiver {
    fn look(&mut self, stop: Stop<'_>) -> Result<Received, AdapterError> {
        pause(stop);
        self.look_once(stop).map_err(super::super::adapter::stopped)
    }

    fn capture(&self) -> Arc<dyn Capture> {
        Arc::new(Finished { spool: Arc::clone(&self.spool), sizes: self.sizes.clone() })
    }

    fn forget(&mut self) -> Result<(), AdapterError> {
        self.spool.forget().map_err(super::super::adapter::stopped)
    }
}

/// The files that the server has, with their sizes, oldest first.
fn files(session: &mut Session, stop: Stop<'_>) -> Result<Vec<(LogName, u64)>, MariaDbError> {
    let doing = "listing the files of the binary log";
    let rows = session.query(doing, "SHOW BINARY LOGS", stop)?;
    let file = |row: &Vec<String>| Some((LogName::parse(row.first()?)?, row.get(1)?.parse().ok()?));
    let mut files: Vec<_> = rows.iter().filter_map(file).collect();
    files.sort();
    match files.is_empty() {
        true => Err(MariaDbError::Answer { doing: doing.into(), why: "there is none".into() }),
        false => Ok(files),
    }
}

/// Those that do not grow any more.
fn closed(files: &[(LogName, u64)]) -> BTreeMap<String, u64> {
    let all = files.iter().take(files.len().saturating_sub(1));
    all.map(|(name, size)| (name.to_string(), *size)).collect()
}

fn flush(session: &mut Session, stop: Stop<'_>) -> Result<(), MariaDbError> {
    session.query("beginning a new file of the binary log", "FLUSH BINARY LOGS", stop).map(drop)
}

/// The file to begin with, and what is missing before it. What is in the spool and not whole is received again.
fn begin_with(spool: &Spool, server: &[(LogName, u64)]) -> Result<(LogName, Vec<String>), MariaDbError> {
    let there: Vec<_> = server.iter().map(|(name, _)| name.clone()).collect();
    let (Some(oldest), Some(current)) = (there.first(), there.last()) else {
        return Err(MariaDbError::Refused("the server has no binary log".into()));
    };
    let ours = |name: &&LogName| name.base == oldest.base;
    let captured = spool.captured().filter(|last| ours(&last));
    if let Some(last) = captured.as_ref().filter(|last| last.number >= current.number) {
        spool.begin_anew()?;
        return Ok((
            oldest.clone(),
            vec![format!(
                "the server has begun its binary log anew: {last} was received before, and {current} is its newest file now; make a new snapshot"
            )],
        ));
    }
    while let Some((broken, _)) = spool.look(&closed(server))?.broken {
        // What comes after it can be had again, or is worth nothing.
        let after = |name: &&LogName| name.base == broken.base && name.number >= broken.number;
        for name in spool.names()?.iter().filter(after) {
            if name.number == broken.number || there.contains(name) {
                spool.remove(name)?;
            }
        }
    }
    let mut newest = spool.names()?.iter().filter(ours).max().cloned();
    if let Some(last) = newest.take_if(|last| !there.contains(last) && spool.is_closed(last)) {
        newest = Some(last.with(last.number + 1));
    } else if let Some(last) = &newest {
        // As a rule it was not received to its end.
        spool.remove(last)?;
    }
    let next = newest.or_else(|| captured.map(|last| last.with(last.number + 1)));
    Ok(match next {
        // All that the server still has: snapshots from before today go on from there.
        None => (oldest.clone(), Vec::new()),
        Some(next) if there.contains(&next) => (next, Vec::new()),
        Some(next) => {
            let problem = format!(
                "the server removed {next} before it was received, and begins with {oldest} now: no moment after that can be gone back \
                 to from an earlier snapshot; make a new one, and see that binlog_expire_logs_seconds is long enough"
            );
            (oldest.clone(), vec![problem])
        }
    })
}
