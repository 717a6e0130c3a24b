//! One run, as a process.

use crate::schedule::{Start, What};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

/// Lines of errors kept of a run.
const LINES_KEPT: usize = 30;
/// A line is read up to this, in bytes: what is longer is cut.
const LINE_MAX_BYTES: u64 = 64 << 10;

/// A run that goes on.
pub(super) struct Child {
    pub(super) start: Start,
    pub(super) what: What,
    process: std::process::Child,
    began: Instant,
    began_secs: i64,
    output: Option<JoinHandle<Vec<String>>>,
    errors: Option<JoinHandle<Vec<String>>>,
}

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct Exited {
    /// Its exit code; `None` when a signal killed it, or it was never started.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// When it began, in seconds since 1970.
    pub began_secs: i64,
    /// How long it took.
    pub seconds: f64,
    /// The last line that it printed.
    pub last_line: Option<String>,
    /// The last lines of what it complained about.
    pub errors: Vec<String>,
}

impl Exited {
    /// It could not be started.
    pub(super) fn never(error: &io::Error) -> Self {
        let errors = vec![format!("the run could not be started: {error}")];
        let began_secs = crate::reporting::now_secs();
        Self { code: None, signal: None, began_secs, seconds: 0.0, last_line: None, errors }
    }

    /// Why, in one line.
    pub fn reason(&self) -> String {
        let said = self.errors.iter().find(|line| line.starts_with("error:")).or(self.errors.last());
        let said = said.map(|line| line.trim_start_matches("error:").trim().to_owned());
        match (self.signal, said) {
            (Some(signal), _) => format!("killed by signal {signal}"),
            (None, Some(said)) => said,
            (None, None) => format!("exit code {}", self.code.unwrap_or(-1)),
        }
    }
}

impl Child {
    pub(super) fn spawn(mut command: Command, start: Start, what: What) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let job = start.key.clone();
        let output = process.stdout.take().map(|out| read(out, 1, None));
        let errors = process.stderr.take().map(|err| read(err, LINES_KEPT, Some(job)));
        let began_secs = crate::reporting::now_secs();
        Ok(Self { start, what, process, began: Instant::now(), began_secs, output, errors })
    }

    /// How it ended, when it has.
    pub(super) fn poll(&mut self) -> Option<Exited> {
        use std::os::unix::process::ExitStatusExt;
        let status = match self.process.try_wait() {
            Ok(status) => status?,
            Err(error) => return Some(Exited::never(&error)),
        };
        let lines = |reader: Option<JoinHandle<Vec<String>>>| {
            reader.and_then(|it| it.join().ok()).unwrap_or_default()
        };
        Some(Exited {
            code: status.code(),
            signal: status.signal(),
            began_secs: self.began_secs,
            seconds: self.began.elapsed().as_secs_f64(),
            last_line: lines(self.output.take()).pop(),
            errors: lines(self.errors.take()),
        })
    }

    pub(super) fn began_secs(&self) -> i64 {
        self.began_secs
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn ask_to_end(&mut self) {
        // It was not waited for yet, so the number is still its own.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
    }

    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
    }
}

/// Reads lines to the end and gives the last ones; those of errors go into the log as well.
fn read(from: impl Read + Send + 'static, most: usize, log: Option<String>) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut kept = VecDeque::new();
        loop {
            let mut line = Vec::new();
            match reader.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if text.is_empty() {
                continue;
            }
            if let Some(job) = &log {
                tracing::info!(job, "{text}");
            }
            if kept.len() == most {
                kept.pop_front();
            }
            kept.push_back(text);
        }
        kept.into()
    })
}
