//! Pings of single sources, as healthchecks wants them: sent by threads of their own, waited for at the end, and never a failure.

use crate::backing::{OnSource, SourceRun};
use crate::ui::Ui;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use vow_agent::ping::{Ping, PingError, PingUrl, ping};
use vow_agent::plan::{Config, PingFrom};
use vow_base::id::hex;
use vow_base::manifest::Status;

/// A file with an address is at most this long, in bytes.
const FILE_LIMIT_BYTES: u64 = 4096;

/// The pings of one run.
pub(crate) struct Pings {
    ui: Ui,
    run: String,
    urls: BTreeMap<String, PingUrl>,
    sending: Mutex<BTreeMap<String, JoinHandle<Result<(), PingError>>>>,
}

impl Pings {
    /// Those that the plan wants.
    pub(crate) fn new(ui: Ui, config: &Config, run: &[u8; 16]) -> Self {
        let mut urls = BTreeMap::new();
        for (source, timing) in &config.timings {
            let url = match &timing.ping {
                None => continue,
                Some(PingFrom::Plan(url, _)) => Ok(url.clone()),
                Some(PingFrom::File(file)) => {
                    vow_base::disk::Disk::read(&vow_base::disk::RealDisk, file, FILE_LIMIT_BYTES)
                        .map_err(|e| e.to_string())
                        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not text".to_owned()))
                        .and_then(|text| PingUrl::parse(&text).map_err(|e| e.to_string()))
                }
            };
            match url {
                Ok(url) => drop(urls.insert(source.clone(), url)),
                Err(why) => ui.warn(&format!("{source}: nobody can be pinged: {why}")),
            }
        }
        Self { ui, run: hex(run), urls, sending: Mutex::default() }
    }

    /// One after the other for a source: its end must not arrive before its start.
    fn send(&self, source: &str, which: Ping, body: String) {
        let Some(url) = self.urls.get(source).cloned() else { return };
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, run) = (sending.remove(source), self.run.clone());
        let send = move || {
            let before = before.and_then(|before| before.join().ok()).unwrap_or(Ok(()));
            ping(&url, which, &run, &body).and(before)
        };
        match std::thread::Builder::new().name("ping".into()).spawn(send) {
            Ok(thread) => drop(sending.insert(source.to_owned(), thread)),
            Err(error) => self.ui.warn(&format!("{source}: the ping could not be sent: {error}")),
        }
    }

    /// What failed before any source was begun failed for all of these.
    pub(crate) fn all_failed(&self, sources: &[&str], why: &str) {
        sources.iter().for_each(|source| self.send(source, Ping::Fail, why.to_owned()));
    }

    /// Waits for what is under way; each ping has its own limit of time.
    pub(crate) fn finish(self) {
        for (source, thread) in self.sending.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Ok(Err(error)) = thread.join() {
                self.ui.warn(&format!("{source}: {error}"));
            }
        }
    }
}

impl OnSource for Pings {
    fn begins(&self, source: &str) {
        self.send(source, Ping::Start, String::new());
    }

    fn ended(&self, source: &SourceRun) {
        let (which, body) = match &source.result {
            Err(failure) => (Ping::Fail, failure.line()),
            Ok(report) => {
                let (status, counts) = (report.status.word(), &report.counts);
                let line = format!(
                    "{status}: {} files, {} bytes, {} new, {} problems",
                    counts.files, counts.bytes, counts.added_bytes, counts.errors
                );
                let more = source.troubles.iter().cloned().chain(source.problems.lines(20));
                let lines: Vec<_> = std::iter::once(line).chain(more).collect();
                let no_level =
                    report.snapshot.is_some() && report.levels.iter().all(|level| level.outcome.is_err());
                let good =
                    report.status == Status::Ok && !no_level && !source.spooled && source.troubles.is_empty();
                (if good { Ping::Success } else { Ping::Fail }, lines.join("\n"))
            }
        };
        self.send(&source.source, which, body);
    }
}
