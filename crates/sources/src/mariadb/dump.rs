//! A dump as a stream: `mariadb-dump`, begun within the moment, read statement by statement while it flows.

use super::access::Access;
use super::error::MariaDbError;
use super::moment::{self, Hold};
use super::reading::{Contents, Reading};
use super::session::{Session, Stop};
use super::shared::Shared;
use super::tools::{Flavour, Tools};
use crate::process::{Ended, Running, ToolError, one_line};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vow_store::source::Stream;

/// How often a stream that waits looks whether it was asked to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// While a dump begins nobody can commit: it is given up after this.
const BEGIN: Duration = Duration::from_secs(15);
/// What a dump prints only when its transaction has begun.
const BEGUN: &[u8] = b"\n-- Current Database:";
/// More than that is printed before it never.
const HEADER_LIMIT_BYTES: usize = 1 << 20;

/// What a dump is to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything, in one transaction.
    Everything,
    /// The tables without transactions, while they are held still.
    Locked,
}

/// The options that a dump gets, by what the program has. Each of them is there for a reason: see `docs/sources.md`.
pub(crate) fn options(tools: &Tools, part: Part, position: bool) -> Vec<&'static str> {
    let mut options = vec![
        "--quick",
        "--hex-blob",
        "--triggers",
        "--max-allowed-packet=1G",
        "--default-character-set=utf8mb4",
        "--skip-dump-date",
        // A table whose default is a sequence's next value cannot be filled while only the table is locked: error 1100.
        "--skip-add-locks",
        // Where rows are split into statements depends on all rows before: with statements of a megabyte the next dump would differ in
        // every megabyte. All servers take these.
        "--net-buffer-length=4M",
    ];
    let has = |option: &str| tools.dumps_with(option);
    if has("--dump-history") {
        options.push("--dump-history");
    }
    if has("--column-statistics") {
        options.push("--column-statistics=0");
    }
    if has("--no-tablespaces") {
        options.push("--no-tablespaces");
    }
    match part {
        Part::Locked => options.extend(["--skip-lock-tables", "--skip-routines", "--skip-events"]),
        Part::Everything => {
            options.extend(["--single-transaction", "--routines", "--events"]);
            if position {
                options.push(if has("--source-data") { "--source-data=2" } else { "--master-data=2" });
                if tools.flavour == Flavour::MariaDb && has("--gtid") {
                    options.push("--gtid");
                }
            }
            if has("--set-gtid-purged") {
                options.push(if tools.version.contains("8.0") || tools.version.contains("8.4") {
                    "--set-gtid-purged=COMMENTED"
                } else {
                    "--set-gtid-purged=OFF"
                });
            }
        }
    }
    options
}

/// A dump that runs.
pub(crate) struct Dump {
    running: Option<Running>,
    out: ChildStdout,
    /// What was read while it began, to be handed out first.
    ahead: Vec<u8>,
    at: usize,
    reading: Reading,
    access: Arc<Access>,
    shared: Arc<Shared>,
    file: &'static str,
    lock_wait: Duration,
    quiet_since: Instant,
    ended: bool,
    settled: bool,
    hold: Option<Arc<Held>>,
}

/// Holds the server still for as long as somebody has it.
pub(crate) struct Held(Mutex<Option<Hold>>);

impl Held {
    pub(crate) fn new(hold: Hold) -> Self {
        Self(Mutex::new(Some(hold)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let hold = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hold) = hold {
            // The end of its connection lets go as well.
            let _ = hold.end(&|| false);
        }
    }
}

impl Dump {
    /// Starts it.
    pub(crate) fn start(
        access: &Arc<Access>,
        shared: &Arc<Shared>,
        file: &'static str,
        mut command: Command,
        lock_wait_secs: u32,
    ) -> Result<Self, MariaDbError> {
        command.stdout(Stdio::piped());
        let mut running = access.launcher.start(command)?;
        let out = running.stdout()?;
        Ok(Self {
            running: Some(running),
            out,
            ahead: Vec::new(),
            at: 0,
            reading: Reading::default(),
            access: Arc::clone(access),
            shared: Arc::clone(shared),
            file,
            lock_wait: Duration::from_secs(u64::from(lock_wait_secs)),
            quiet_since: Instant::now(),
            ended: false,
            settled: false,
            hold: None,
        })
    }

    /// Keeps the server still until the dump has ended.
    pub(crate) fn holding(&mut self, hold: Arc<Held>) {
        self.hold = Some(hold);
    }

    /// Waits until its transaction has begun. `watcher` looks whether it waits for a table's lock: then it has as well.
    pub(crate) fn begun(&mut self, watcher: &mut Session, stop: Stop<'_>) -> Result<(), MariaDbError> {
        let began = Instant::now();
        let mut buffer = vec![0; 64 << 10];
        loop {
            if is_ready(&self.out)? {
                let read = self.out.read(&mut buffer);
                let read = read.map_err(|source| ToolError::Pipe { program: "the dump".into(), source })?;
                self.ahead.extend_from_slice(&buffer[..read]);
                // At its end it is judged, by its own words.
                if read == 0 || self.ahead.windows(BEGUN.len()).any(|part| part == BEGUN) {
                    return Ok(());
                }
                if self.ahead.len() > HEADER_LIMIT_BYTES {
                    return Err(MariaDbError::Dump("it does not say when it begins".into()));
                }
            } else if moment::waiting(watcher, true, stop)?.is_some() {
                return Ok(());
            } else if began.elapsed() > BEGIN {
                let secs = BEGIN.as_secs();
                return Err(MariaDbError::Dump(format!(
                    "it did not begin within {secs} s, and nobody could commit"
                )));
            }
            if stop() {
                return Err(ToolError::Stopped.into());
            }
        }
    }

    fn next(&mut self, buffer: &mut [u8], stop: Stop<'_>) -> Result<usize, MariaDbError> {
        if self.at < self.ahead.len() {
            let count = buffer.len().min(self.ahead.len() - self.at);
            buffer[..count].copy_from_slice(&self.ahead[self.at..self.at + count]);
            self.at += count;
            return Ok(count);
        }
        self.ahead = Vec::new();
        self.at = 0;
        self.quiet_since = Instant::now();
        loop {
            let ready = is_ready(&self.out)?;
            if stop() {
                return Err(ToolError::Stopped.into());
            }
            if !ready {
                self.look_for_locks(stop)?;
                continue;
            }
            match self.out.read(buffer) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ToolError::Pipe { program: "the dump".into(), source }.into()),
            }
        }
    }

    /// The dump programs wait for a table's lock for a day, and nothing can be set about that.
    fn look_for_locks(&mut self, stop: Stop<'_>) -> Result<(), MariaDbError> {
        if self.quiet_since.elapsed() < self.lock_wait {
            return Ok(());
        }
        let mut session = self.access.session(stop)?;
        let Some(database) = moment::waiting(&mut session, false, stop)? else {
            self.quiet_since = Instant::now();
            return Ok(());
        };
        let what = format!("a table of database {database:?}");
        Err(moment::locked(&self.access, &what, self.lock_wait.as_secs(), stop))
    }

    fn judge(&mut self, stop: Stop<'_>) -> Result<Contents, MariaDbError> {
        let not_whole = |reason: String| MariaDbError::Dump(reason);
        let Some(running) = self.running.take() else { return Err(not_whole("it was not run".into())) };
        let ended = running.wait(stop)?;
        self.hold = None;
        if let Some(error) = changed(&ended) {
            return Err(error);
        }
        let said = ended.said.clone();
        ended.expect_success().map_err(|error| not_whole(error.to_string()))?;
        let contents = std::mem::take(&mut self.reading).finish();
        let contents = contents.map_err(|reason| not_whole(format!("{}: {reason}", self.file)))?;
        match said.trim().is_empty() {
            true => Ok(contents),
            false => Err(not_whole(format!("it ended well, but said: {}", one_line(&said)))),
        }
    }

    fn settle<T>(&mut self, result: Result<T, MariaDbError>) -> Result<T, String> {
        result.map_err(|error| {
            self.settled = true;
            self.hold = None;
            self.running = None;
            self.shared.failed(&error);
            error.to_string()
        })
    }
}

/// What a dump fails with when others change what it has listed: a table's definition has changed; a table, a column, a database, a
/// routine, a trigger, an event is gone.
const CHANGED: &[u32] = &[1412, 1146, 1054, 1049, 1305, 1360, 1539];

/// Whether it failed because of that. 1356 may be a view on what is gone, which is no passing matter.
fn changed(ended: &Ended) -> Option<MariaDbError> {
    let said =
        |code: &u32| [format!("({code})"), format!("{code}:")].iter().any(|text| ended.said.contains(text));
    let passing = CHANGED.iter().any(said);
    let is_view = ended.said.contains("1356");
    (!ended.status.success() && passing && !is_view).then(|| MariaDbError::Changed(one_line(&ended.said)))
}

impl Stream for Dump {
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String> {
        if self.ended {
            return Ok(0);
        }
        let read = self.next(buffer, stop);
        let read = self.settle(read)?;
        self.reading.feed(&buffer[..read]);
        self.ended = read == 0;
        Ok(read)
    }

    fn finish(mut self: Box<Self>, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let contents = self.judge(stop);
        let contents = self.settle(contents)?;
        self.settled = true;
        self.shared.dumped(contents);
        Ok(Vec::new())
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        if !self.settled {
            self.shared.interrupted();
        }
    }
}

/// Whether there is something to read, or the end; waits for a moment.
fn is_ready(out: &ChildStdout) -> Result<bool, MariaDbError> {
    match poll(&mut [PollFd::new(out, PollFlags::IN)], Some(&LOOK)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(errno) => Err(ToolError::Pipe { program: "the dump".into(), source: errno.into() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let is_passing = |said: &str| {
            let status = std::process::ExitStatus::from_raw(2 << 8);
            changed(&Ended { program: "mariadb-dump".into(), status, said: said.into() }).is_some()
        };
        for said in [
            "mariadb-dump: Error 1412: Table definition has changed, please retry transaction when dumping table `t` at row: 0",
            "mariadb-dump: Couldn't execute 'show create table `t`': Table 'd.t' doesn't exist (1146)",
            "mariadb-dump: Got error: 1049: \"Unknown database 'd'\" when selecting the database",
            "mariadb-dump: Couldn't execute 'SHOW CREATE PROCEDURE `p`': PROCEDURE p does not exist (1305)",
        ] {
            assert!(is_passing(said), "{said}");
        }
        for said in [
            "mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'd.v' references invalid table(s) or column(s) (1356)",
            "mariadb-dump: Got error: 1045: \"Access denied\" when trying to connect",
        ] {
            assert!(!is_passing(said), "{said}");
        }
    }
}
