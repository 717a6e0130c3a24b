//! What signals do: the first SIGINT or SIGTERM cancels what runs, the second ends the process; SIGUSR1 prints progress.

use crate::exit::Exit;
use crate::ui;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use vow_store::monitor::Monitor;

static RECEIVED: AtomicI32 = AtomicI32::new(0);
/// Set by the first signal: for whoever waits and cannot be told otherwise.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// How many parts of the program are running hooks.
static PAIRED: AtomicUsize = AtomicUsize::new(0);
/// What is done before this process ends in the midst of something.
static AT_EXIT: Mutex<Vec<Weak<AtExit>>> = Mutex::new(Vec::new());
static RUNNING: Mutex<Vec<Weak<Monitor>>> = Mutex::new(Vec::new());

/// Starts to listen. Called once, before anything is done.
pub(crate) fn install() {
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGUSR1]) else {
        return;
    };
    let listen = move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                ui::diagnose(&match running().last() {
                    Some(monitor) => format!("progress: {}", ui::progress_line(monitor)),
                    None => "progress: nothing to report yet".to_owned(),
                });
                continue;
            }
            stop_flag().store(true, Ordering::SeqCst);
            let again = RECEIVED.swap(signal, Ordering::SeqCst) != 0;
            if again && PAIRED.load(Ordering::SeqCst) > 0 {
                ui::diagnose("interrupted: hooks are being run, each for as long as the plan lets it");
                continue;
            }
            let monitors = running();
            if again || monitors.is_empty() {
                exit(i32::from(Exit::Signal(signal).code()));
            }
            ui::diagnose("interrupted: stopping at the next safe point; once more stops at once");
            monitors.iter().for_each(|monitor| monitor.cancel());
        }
    };
    // Without this thread signals keep their default actions, which end the process: safe, only less polite.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(listen);
}

/// The signal that asked this process to stop.
pub(crate) fn received() -> Option<i32> {
    Some(RECEIVED.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// True from the first signal on.
pub(crate) fn stop_flag() -> Arc<AtomicBool> {
    STOP.get_or_init(Arc::default).clone()
}

/// Makes signals cancel this monitor for as long as it lives.
pub(crate) fn watch(monitor: &Arc<Monitor>) {
    if let Ok(mut running) = RUNNING.lock() {
        running.retain(|monitor| monitor.strong_count() > 0);
        running.push(Arc::downgrade(monitor));
    }
    if received().is_some() {
        monitor.cancel();
    }
}

/// A monitor for work that must be undone or tidied up when a signal comes.
pub(crate) fn hold() -> Arc<Monitor> {
    let monitor = Arc::new(Monitor::silent());
    watch(&monitor);
    monitor
}

/// While this is held not even a second signal ends the process: hooks are being run, and the ones after must follow those before.
pub(crate) struct Paired(());

/// Holds it.
pub(crate) fn paired() -> Paired {
    PAIRED.fetch_add(1, Ordering::SeqCst);
    Paired(())
}

impl Drop for Paired {
    fn drop(&mut self) {
        PAIRED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What must not be left open, whatever ends this process.
pub(crate) struct AtExit(Box<dyn Fn() + Send + Sync>);

/// Does this before the process ends in the midst of something; not any more when the value is gone.
pub(crate) fn at_exit(act: impl Fn() + Send + Sync + 'static) -> Arc<AtExit> {
    let act = Arc::new(AtExit(Box::new(act)));
    if let Ok(mut all) = AT_EXIT.lock() {
        all.retain(|act| act.strong_count() > 0);
        all.push(Arc::downgrade(&act));
    }
    act
}

/// Ends the process in the midst of something.
pub(crate) fn exit(code: i32) -> ! {
    let all: Vec<_> = AT_EXIT.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
    all.iter().filter_map(Weak::upgrade).for_each(|act| (act.0)());
    vow_sources::secret::remove_all();
    std::process::exit(code)
}

fn running() -> Vec<Arc<Monitor>> {
    RUNNING.lock().map(|running| running.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
}

/// Asks this process to stop, as it would be asked from outside.
pub(crate) fn ask_to_stop() {
    // A process can always signal itself.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}
