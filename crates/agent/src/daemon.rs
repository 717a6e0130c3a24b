//! The daemon: runs what is due as child processes of itself, tells the service manager how it is, and the console that it lives.
//!
//! One thread decides ([`Daemon::run`]); one carries reports ([`courier`]). A run is a process of its own ([`child`]): one that crashes
//! ends nothing but itself. What is remembered is written before a run begins and after it ended.

mod child;
mod courier;
mod lock;
mod manager;
mod status;

pub use child::Exited;
pub use courier::{Connect, Post};
pub use lock::AgentLock;
pub use status::{JobStatus, Running, Status, status_path};

use crate::schedule::{Ending, Memory, MemoryError, Plan, Start, What, Why, decide};
use child::Child;
use courier::Courier;
use manager::Manager;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vow_base::disk::DiskError;
use vow_protocol::report::{Body, Expected};

/// How often children, signals and the service manager are looked after.
const LOOK: Duration = Duration::from_millis(200);
/// A wall clock that moves this much more or less than time has passed was set, in seconds.
const JUMP_SECS: i64 = 2;
/// The status is written at least this often.
const STATUS_EVERY: Duration = Duration::from_secs(30);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another agent uses this state folder.
    #[error("another agent is running (lock {})", .0.display())]
    Busy(PathBuf),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What is to be remembered cannot be written: without it runs would be forgotten or repeated.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

/// What a plan says to the daemon.
#[derive(Debug, Clone)]
pub struct Orders {
    /// When what is due.
    pub plan: Plan,
    /// SHA-256 of the plan's text, 64 hexadecimal digits.
    pub hash: String,
    /// What the console may expect.
    pub expected: Vec<Expected>,
    /// Runs that were told to stop are killed after this.
    pub stop_within: Duration,
    /// How often the console is told that the agent lives.
    pub alive_every: Duration,
}

/// What the daemon asks of the program it is part of.
pub trait Machine: Send + Sync {
    /// Reads the plan again.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    fn orders(&self) -> Result<Orders, String>;

    /// The process of one run. Its output and errors are taken by the daemon.
    fn command(&self, start: &Start, what: What) -> Command;

    /// A run has ended. Here is where a report is made for one that could not make its own.
    fn ended(&self, start: &Start, what: What, exited: &Exited);

    /// Keeps a report until the console has it.
    fn keep(&self, body: Body);
}

/// Set from outside.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// End all runs and stop.
    pub stop: Arc<AtomicBool>,
    /// Read the plan again.
    pub reload: Arc<AtomicBool>,
}

/// How a daemon ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Runs that ended as they should.
    pub good: u64,
    /// Runs in which something was missing.
    pub partial: u64,
    /// Runs that failed.
    pub failed: u64,
}

/// The daemon.
pub struct Daemon<'m> {
    machine: &'m dyn Machine,
    state: PathBuf,
    orders: Orders,
    memory: Memory,
    children: Vec<Child>,
    problems: BTreeMap<&'static str, String>,
    next: BTreeMap<String, i64>,
    since_secs: i64,
    stopping: bool,
    done: Done,
    _lock: AgentLock,
}

impl<'m> Daemon<'m> {
    /// Takes the lock of the state folder and remembers what was.
    ///
    /// # Errors
    /// When another agent runs, or the state folder cannot be used.
    pub fn open(machine: &'m dyn Machine, state: PathBuf, orders: Orders) -> Result<Self, DaemonError> {
        let lock = AgentLock::take(&state)?;
        let mut problems = BTreeMap::new();
        let memory = match Memory::load(&memory_path(&state)) {
            Ok(memory) => memory,
            Err(error @ MemoryError::Damaged(_)) => {
                tracing::warn!("{error}");
                problems.insert("memory", error.to_string());
                Memory::default()
            }
            Err(error) => return Err(error.into()),
        };
        let since_secs = now_secs();
        let mut daemon = Self {
            machine,
            state,
            orders,
            memory,
            children: Vec::new(),
            problems,
            next: BTreeMap::new(),
            since_secs,
            stopping: false,
            done: Done::default(),
            _lock: lock,
        };
        for key in daemon.memory.cut_off() {
            tracing::warn!(job = key, "was cut off when the agent or the machine ended; it is run again");
            let retries = daemon.retries(&key);
            daemon.memory.ended(&key, Ending::CutOff, None, retries, since_secs);
        }
        daemon.memory.meet(&daemon.orders.plan, since_secs);
        daemon.save()?;
        Ok(daemon)
    }

    /// Runs until it is told to stop; with `once`, until nothing is due and nothing runs any more.
    ///
    /// # Errors
    /// When what must be remembered cannot be written. Runs that were under way have ended then.
    pub fn run(
        mut self,
        wishes: &Wishes,
        post: Option<Arc<dyn Connect>>,
        once: bool,
    ) -> Result<Done, DaemonError> {
        let courier = Courier::start(&self.state, post).map_err(DaemonError::Thread)?;
        let mut manager = Manager::new();
        let said = self.work(wishes, &courier, &mut manager, once);
        manager.stopping();
        self.end_all();
        let saved = self.save();
        self.write_status(&courier);
        courier.stop(once);
        said?;
        saved?;
        Ok(self.done)
    }

    fn work(
        &mut self,
        wishes: &Wishes,
        courier: &Courier,
        manager: &mut Manager,
        once: bool,
    ) -> Result<(), DaemonError> {
        let (mut wall, mut steady) = (now_secs(), Instant::now());
        let mut wake_secs = i64::MIN;
        let mut status_at: Option<Instant> = None;
        manager.ready(&self.line());
        while !wishes.stop.load(Ordering::SeqCst) {
            let mut changed = self.reap()?;
            if wishes.reload.swap(false, Ordering::SeqCst) {
                manager.reloading();
                self.reload();
                manager.ready(&self.line());
                changed = true;
            }
            let now = now_secs();
            let jumped = (now - wall) - i64::try_from(steady.elapsed().as_secs()).unwrap_or(0);
            if jumped.abs() >= JUMP_SECS {
                tracing::warn!(seconds = jumped, "the clock was set");
                changed = true;
            }
            (wall, steady) = (now, Instant::now());
            if changed || now >= wake_secs {
                wake_secs = self.decide(now)?;
                changed = true;
            }
            if changed || status_at.is_none_or(|at| at.elapsed() >= STATUS_EVERY) {
                self.write_status(courier);
                manager.status(&self.line());
                courier.say(self.alive(), self.orders.alive_every);
                status_at = Some(Instant::now());
            }
            manager.watchdog();
            if once && self.children.is_empty() && wake_secs > now {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Starts what is due; gives when to look again.
    fn decide(&mut self, now: i64) -> Result<i64, DaemonError> {
        let decision = decide(&self.orders.plan, &self.memory, now);
        for settled in &decision.settled {
            let (job, slot) = (&settled.key, settled.anchor_secs);
            match settled.why {
                Why::TooLate => tracing::warn!(
                    job,
                    slot,
                    "was missed, and is not caught up so late (catch_up in vow.toml)"
                ),
                Why::ClockWasWrong => {
                    tracing::warn!(job, "what is remembered lies in the future: the clock was wrong")
                }
            }
        }
        self.memory.settle(&decision);
        for start in &decision.start {
            self.memory.begun(start, now);
        }
        if !decision.start.is_empty() || !decision.settled.is_empty() {
            self.save()?;
        }
        self.next = decision.next;
        for start in decision.start {
            self.start(start)?;
        }
        // What could not even be started has ended by now and may have to be looked at at once.
        let ended = self.memory.jobs.values().filter_map(|job| job.retry_at_secs).min();
        Ok(decision.wake_secs.unwrap_or(i64::MAX).min(ended.unwrap_or(i64::MAX)).max(now + 1))
    }

    fn start(&mut self, start: Start) -> Result<(), DaemonError> {
        let Some(what) = self.orders.plan.jobs.iter().find(|job| job.key == start.key).map(|job| job.what)
        else {
            return Ok(());
        };
        tracing::info!(job = start.key, attempt = start.attempt, "begins");
        match Child::spawn(self.machine.command(&start, what), start.clone(), what) {
            Ok(child) => self.children.push(child),
            Err(error) => {
                let exited = Exited::never(&error);
                self.took(&start, what, &exited)?;
            }
        }
        Ok(())
    }

    /// Takes what has ended; whether anything has.
    fn reap(&mut self) -> Result<bool, DaemonError> {
        let (ended, running): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.children).into_iter().partition_map_ended();
        self.children = running;
        let any = !ended.is_empty();
        for (start, what, exited) in ended {
            self.took(&start, what, &exited)?;
        }
        Ok(any)
    }

    fn took(&mut self, start: &Start, what: What, exited: &Exited) -> Result<(), DaemonError> {
        let ending = match Ending::of_code(exited.code) {
            Ending::Done => Ending::Done,
            // Whatever it says at its end: it was told to go.
            _ if self.stopping => Ending::CutOff,
            other => other,
        };
        match (ending, exited.code) {
            (Ending::Done, Some(0)) => {
                self.done.good += 1;
                tracing::info!(job = start.key, seconds = exited.seconds, "done");
            }
            (Ending::Done, code) => {
                self.done.partial += 1;
                tracing::warn!(
                    job = start.key,
                    code,
                    seconds = exited.seconds,
                    "done, with something to look at"
                );
            }
            (_, code) => {
                self.done.failed += 1;
                tracing::error!(
                    job = start.key,
                    code,
                    seconds = exited.seconds,
                    "failed: {}",
                    exited.reason()
                );
            }
        }
        let retries = self.retries(&start.key);
        self.memory.ended(&start.key, ending, exited.code, retries, now_secs());
        self.machine.ended(start, what, exited);
        self.save()
    }

    /// Reads the plan again. One that cannot be used changes nothing but what the status says.
    fn reload(&mut self) {
        match self.machine.orders() {
            Ok(orders) => {
                self.problems.remove("plan");
                let changes = changes(&self.orders, &orders);
                tracing::info!(
                    "the plan was read again: {}",
                    if changes.is_empty() { "nothing changed" } else { &changes }
                );
                self.orders = orders;
                self.memory.meet(&self.orders.plan, now_secs());
            }
            Err(why) => {
                tracing::error!("the plan cannot be used, the old one stays: {why}");
                self.problems.insert("plan", format!("the plan cannot be used, the old one stays: {why}"));
            }
        }
    }

    /// Ends every run: politely, then not.
    fn end_all(&mut self) {
        self.stopping = true;
        self.children.iter_mut().for_each(Child::ask_to_end);
        let until = Instant::now() + self.orders.stop_within;
        while !self.children.is_empty() {
            // A memory that cannot be written now is written once more below.
            let _ = self.reap();
            if Instant::now() >= until {
                self.children.iter_mut().for_each(Child::kill);
            }
            std::thread::sleep(LOOK / 4);
        }
    }

    fn retries(&self, key: &str) -> u32 {
        self.orders.plan.jobs.iter().find(|job| job.key == *key).map_or(0, |job| job.retries)
    }

    fn save(&self) -> Result<(), DaemonError> {
        Ok(self.memory.save(&memory_path(&self.state))?)
    }
}

/// Splitting what has ended from what runs.
trait Ended {
    fn partition_map_ended(self) -> (Vec<(Start, What, Exited)>, Vec<Child>);
}

impl<I: Iterator<Item = Child>> Ended for I {
    fn partition_map_ended(self) -> (Vec<(Start, What, Exited)>, Vec<Child>) {
        let (mut ended, mut running) = (Vec::new(), Vec::new());
        for mut child in self {
            match child.poll() {
                Some(exited) => ended.push((child.start, child.what, exited)),
                None => running.push(child),
            }
        }
        (ended, running)
    }
}

/// What a new plan changes, in words.
fn changes(old: &Orders, new: &Orders) -> String {
    let shown = |orders: &Orders| -> BTreeMap<String, String> {
        orders.plan.jobs.iter().map(|job| (job.key.clone(), format!("{job:?}"))).collect()
    };
    let (before, after) = (shown(old), shown(new));
    let mut said = Vec::new();
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        said.push(format!("{key} is new"));
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        said.push(format!("{key} is gone"));
    }
    for (key, job) in &after {
        if before.get(key).is_some_and(|old| old != job) {
            said.push(format!("{key} is due at other times"));
        }
    }
    if said.is_empty() && old.hash != new.hash {
        said.push("no schedule, but something else".to_owned());
    }
    said.join(", ")
}

fn memory_path(state: &std::path::Path) -> PathBuf {
    lock::folder(state).join("schedule.json")
}

fn now_secs() -> i64 {
    crate::reporting::now_secs()
}
