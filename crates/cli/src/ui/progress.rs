//! Following a long operation: a bar on a terminal, lines for programs, and the problems it met.

use super::{Ui, bytes, count, plain};
use crate::signals;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use vow_store::monitor::{Counters, Event, Monitor, Observer};

const BAR_INTERVAL: Duration = Duration::from_millis(150);
const JSON_INTERVAL: Duration = Duration::from_secs(1);
/// Problems kept for the report at the end; the others are only counted.
const PROBLEMS_KEPT: usize = 1000;

static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Something that could not be done.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// For which path.
    pub(crate) path: String,
    /// What happened.
    pub(crate) text: String,
}

/// What an operation reported besides its numbers.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// The first ones.
    pub(crate) first: Vec<Problem>,
    /// How many there were.
    pub(crate) count: u64,
    /// What is no problem, but worth knowing.
    pub(crate) notes: Vec<String>,
}

impl Problems {
    /// The first few and the number of the others, for people.
    pub(crate) fn lines(&self, most: usize) -> Vec<String> {
        let shown = self.first.iter().take(most);
        let mut lines: Vec<_> = shown.map(|p| format!("{}: {}", plain(&p.path), plain(&p.text))).collect();
        let more = self.count.saturating_sub(lines.len() as u64);
        if more > 0 {
            lines.push(format!("… and {} more", count(more)));
        }
        lines
    }
}

/// A long operation that can be watched and cancelled.
pub(crate) struct Task {
    /// To be given to the library.
    pub(crate) monitor: Arc<Monitor>,
    problems: Arc<Mutex<Problems>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    ticker: Option<JoinHandle<()>>,
}

impl Task {
    /// Starts to follow what is called `label`.
    pub(crate) fn new(ui: Ui, label: &str) -> Self {
        Self::observed(ui, label, None)
    }

    /// The same, with somebody who looks at what is captured.
    pub(crate) fn observed(ui: Ui, label: &str, observer: Option<Arc<dyn Observer>>) -> Self {
        let problems = Arc::new(Mutex::new(Problems::default()));
        let kept = problems.clone();
        let monitor = Monitor::new(move |event| listen(ui, &kept, event));
        let monitor = Arc::new(match observer {
            Some(observer) => monitor.observed_by(observer),
            None => monitor,
        });
        signals::watch(&monitor);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let ticker = start_ticker(ui, label, monitor.clone(), stop.clone());
        Self { monitor, problems, stop, ticker }
    }

    /// Ends it: the bar goes, nothing more is reported.
    pub(crate) fn finish(mut self) -> Problems {
        self.end();
        std::mem::take(&mut *self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn end(&mut self) {
        if let Ok(mut stopped) = self.stop.0.lock() {
            *stopped = true;
        }
        self.stop.1.notify_all();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(ui: Ui, kept: &Mutex<Problems>, event: Event<'_>) {
    let Ok(mut kept) = kept.lock() else { return };
    match event {
        Event::Problem { path, text } => {
            kept.count += 1;
            if kept.first.len() < PROBLEMS_KEPT {
                kept.first.push(Problem { path: path.to_owned(), text: text.to_owned() });
            }
            ui.json(&json!({"message_type": "problem", "path": path, "text": text}));
        }
        Event::Note(text) => {
            if kept.notes.len() < PROBLEMS_KEPT {
                kept.notes.push(text.to_owned());
            }
        }
    }
}

fn start_ticker(
    ui: Ui,
    label: &str,
    monitor: Arc<Monitor>,
    stop: Arc<(Mutex<bool>, Condvar)>,
) -> Option<JoinHandle<()>> {
    let drawn = !ui.json && !ui.quiet && std::io::stderr().is_terminal();
    if !drawn && (!ui.json || ui.quiet) {
        return None;
    }
    let label = label.to_owned();
    let interval = if drawn { BAR_INTERVAL } else { JSON_INTERVAL };
    let tick = move || {
        let bar = drawn.then(|| new_bar(&label));
        let Ok(mut stopped) = stop.0.lock() else { return };
        loop {
            let Ok((guard, _)) = stop.1.wait_timeout(stopped, interval) else { break };
            stopped = guard;
            if *stopped {
                break;
            }
            match &bar {
                Some(bar) => draw(bar, &monitor),
                None => ui.json(&progress_value(&label, &monitor.counters)),
            }
        }
        if let Some(bar) = bar {
            if let Ok(mut shown) = BAR.lock() {
                *shown = None;
            }
            bar.finish_and_clear();
        }
    };
    std::thread::Builder::new().name("progress".into()).spawn(tick).ok()
}

fn new_bar(label: &str) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(label.to_owned());
    if let Ok(mut shown) = BAR.lock() {
        *shown = Some(bar.clone());
    }
    bar
}

fn draw(bar: &ProgressBar, monitor: &Monitor) {
    bar.set_message(progress_line(monitor));
    bar.tick();
}

/// Prints while no bar is drawn over it.
pub(super) fn around_bar<T>(print: impl FnOnce() -> T) -> T {
    let bar = BAR.lock().ok().and_then(|bar| bar.clone());
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// How far an operation is, in one line.
pub(crate) fn progress_line(monitor: &Monitor) -> String {
    let counters = &monitor.counters;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let of = |done: String, total: u64, text: String| match total {
        0 => done,
        _ => format!("{done} of {text}"),
    };
    let (files, total_files) = (read(&counters.files), read(&counters.total_files));
    let (done, total, stored) =
        (read(&counters.bytes), read(&counters.total_bytes), read(&counters.stored_bytes));
    let mut parts = Vec::new();
    if done == 0 && total > 0 && files == 0 {
        // What only looks at stored objects counts nothing else.
        parts.push(format!("{} read", of(bytes(stored), total, bytes(total))));
    } else {
        parts.push(format!("{} files", of(count(files), total_files, count(total_files))));
        parts.push(of(bytes(done), total, bytes(total)));
        if stored > 0 {
            parts.push(format!("{} stored", bytes(stored)));
        }
    }
    for (number, word) in [(read(&counters.packs), "packs"), (read(&counters.errors), "problems")] {
        if number > 0 {
            parts.push(format!("{} {word}", count(number)));
        }
    }
    parts.join(", ")
}

fn progress_value(label: &str, counters: &Counters) -> Value {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "message_type": "progress",
        "what": label,
        "files": read(&counters.files),
        "dirs": read(&counters.dirs),
        "bytes": read(&counters.bytes),
        "stored_bytes": read(&counters.stored_bytes),
        "packs": read(&counters.packs),
        "errors": read(&counters.errors),
        "total_files": read(&counters.total_files),
        "total_bytes": read(&counters.total_bytes),
    })
}
