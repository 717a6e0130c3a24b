//! What signals do: the first SIGINT or SIGTERM cancels what runs, the second ends the process; SIGUSR1 prints progress.

use crate::exit::Exit;
use crate::ui;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use vow_store::monitor::Monitor;

static RECEIVED: AtomicI32 = AtomicI32::new(0);
/// Set by the first signal: for whoever waits and cannot be told otherwise.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
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
            let monitors = running();
            if again || monitors.is_empty() {
                std::process::exit(i32::from(Exit::Signal(signal).code()));
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

fn running() -> Vec<Arc<Monitor>> {
    RUNNING.lock().map(|running| running.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
}

/// Asks this process to stop, as it would be asked from outside.
pub(crate) fn ask_to_stop() {
    // A process can always signal itself.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}
