//! The thread that carries reports, so that a console that is away holds nothing up.

use crate::reporting::{Backoff, Reporter, deliver};
use crate::spool::Spool;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vow_protocol::report::{Alive, Report};

/// At the end of a single round, what waits gets this long to be sent.
const FAREWELL: Duration = Duration::from_secs(20);
/// Reports of runs by hand are found this soon.
const LOOK: Duration = Duration::from_secs(15);

/// The way to the console of a plan, which may change when the plan is read again.
pub trait Connect: Send + Sync {
    /// The console; `None` when the plan has none.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn connect(&self) -> Result<Option<Arc<dyn Post>>, String>;

    /// A report that says what this host is now.
    fn alive(&self, alive: Alive) -> Option<Report>;

    /// A number from 0 to 1.
    fn random(&self) -> f64;
}

/// A console that takes reports, usable from the courier's thread.
pub trait Post: Reporter + Send + Sync {}

impl<T: Reporter + Send + Sync> Post for T {}

/// What the courier and the daemon both see.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    alive: Option<Alive>,
    every: Duration,
    /// Something new is to be sent.
    news: bool,
    stop: bool,
    until: Option<Instant>,
    problem: Option<String>,
    waiting: u64,
}

/// The thread.
pub(super) struct Courier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Courier {
    pub(super) fn start(state: &Path, connect: Option<Arc<dyn Connect>>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let spool = Spool::new(state);
        let thread = match connect {
            None => None,
            Some(connect) => {
                let shared = shared.clone();
                let carry = move || carry(&shared, &spool, &*connect);
                Some(std::thread::Builder::new().name("courier".into()).spawn(carry)?)
            }
        };
        Ok(Self { shared, thread })
    }

    /// What the console should know when it next hears from here; also: look whether reports wait.
    pub(super) fn say(&self, alive: Alive, every: Duration) {
        let mut state = self.shared.lock();
        (state.alive, state.every, state.news) = (Some(alive), every, true);
        self.shared.changed.notify_all();
    }

    /// Why the console does not take what waits.
    pub(super) fn problem(&self) -> Option<String> {
        self.shared.lock().problem.clone()
    }

    /// Stops it; with `patient`, what waits gets a while to be sent.
    pub(super) fn stop(mut self, patient: bool) {
        {
            let mut state = self.shared.lock();
            state.stop = true;
            state.until = patient.then(|| Instant::now() + FAREWELL);
            self.shared.changed.notify_all();
        }
        // Else it ends with the process: what it was sending is sent again, and counts once.
        if let Some(thread) = self.thread.take().filter(|_| patient) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn carry(shared: &Shared, spool: &Spool, connect: &dyn Connect) {
    let mut backoff = Backoff::new();
    let mut said_at: Option<Instant> = None;
    let mut console: Option<Arc<dyn Post>> = None;
    loop {
        let stop = || {
            let state = shared.lock();
            state.stop && state.until.is_none_or(|until| Instant::now() >= until)
        };
        let is_last = shared.lock().stop;
        if stop() {
            return;
        }
        let told = round(shared, spool, connect, &mut console, &mut said_at, &stop);
        let mut pause = LOOK;
        match told {
            Ok(waiting) => {
                backoff.reset();
                let mut state = shared.lock();
                (state.problem, state.waiting) = (None, waiting);
            }
            Err(why) => {
                // A plan that was read again may name another one.
                console = None;
                pause = backoff.next(connect.random());
                let mut state = shared.lock();
                if state.problem.as_ref() != Some(&why) {
                    tracing::warn!("reports wait on this host: {why}");
                }
                state.problem = Some(why);
            }
        }
        if is_last {
            return;
        }
        let state = shared.lock();
        let failed = state.problem.is_some();
        let wait = |state: &mut State| !state.stop && (failed || !std::mem::take(&mut state.news));
        let _ = shared.changed.wait_timeout_while(state, pause, wait);
    }
}

/// Sends what waits and, when it is time, that this host lives; gives how many reports still wait.
fn round(
    shared: &Shared,
    spool: &Spool,
    connect: &dyn Connect,
    console: &mut Option<Arc<dyn Post>>,
    said_at: &mut Option<Instant>,
    stop: &dyn Fn() -> bool,
) -> Result<u64, String> {
    if console.is_none() {
        *console = connect.connect()?;
    }
    let Some(console) = console else { return Ok(0) };
    let delivery = deliver(spool, &**console, stop).map_err(|e| e.to_string())?;
    for refused in &delivery.refused {
        tracing::error!("a report was put aside: {refused}");
    }
    if delivery.sent > 0 {
        tracing::info!(reports = delivery.sent, waiting = delivery.waiting, "the console has them");
    }
    if let Some(error) = delivery.error {
        return Err(error);
    }
    let (alive, every) = {
        let state = shared.lock();
        (state.alive.clone(), state.every)
    };
    let due = said_at.is_none_or(|at| at.elapsed() >= every);
    if let Some(alive) = alive.filter(|_| due && !stop()) {
        let lost = spool.lost();
        let alive = Alive { waiting: delivery.waiting, ..alive };
        if let Some(report) = connect.alive(alive) {
            console.report(&report).map_err(|e| e.to_string())?;
            *said_at = Some(Instant::now());
            if lost > 0 {
                spool.told();
            }
        }
    }
    Ok(delivery.waiting)
}
