//! The only place that prints. Results go to stdout, everything about how they came to be to stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod format;
mod progress;
mod table;

pub(crate) use format::{bytes, count, duration, local_time, midnight, path_value, plain, plural, rfc3339};
pub(crate) use progress::{Problems, Task, progress_line};
pub(crate) use table::Table;

use crate::exit::Exit;
use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// How this process talks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// For programs: JSON on stdout.
    pub(crate) json: bool,
    /// Only results and errors.
    pub(crate) quiet: bool,
    colour: bool,
}

impl Ui {
    /// As the user asked.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { json, quiet, colour: !plain && io::stderr().is_terminal() }
    }

    /// A line of the result, for people.
    pub(crate) fn line(&self, text: &str) {
        if !self.json {
            to_stdout(text);
        }
    }

    /// A line that tells how it went; left out when quiet.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// A line of the result, for programs.
    pub(crate) fn json(&self, value: &Value) {
        if self.json {
            to_stdout(&value.to_string());
        }
    }

    /// Something a person should know that is no failure.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            diagnose(&format!("note: {text}"));
        }
    }

    /// Something that went wrong, though the command goes on.
    pub(crate) fn warn(&self, text: &str) {
        diagnose(&format!("{} {text}", self.label("warning:", "33")));
    }

    /// Why the command failed.
    pub(crate) fn fail(&self, failure: &Failure) {
        if self.json {
            let value = json!({
                "message_type": "error",
                "message": failure.line(),
                "hint": failure.hint,
                "code": failure.exit.code(),
            });
            if STDOUT_IS_CONTENT.load(Ordering::Relaxed) {
                diagnose(&value.to_string());
            } else {
                self.json(&value);
            }
            return;
        }
        diagnose(&format!("{} {}", self.label("error:", "31"), failure.message));
        for cause in &failure.causes {
            diagnose(&format!("  cause: {cause}"));
        }
        if let Some(hint) = &failure.hint {
            diagnose(&format!("  next step: {hint}"));
        }
    }

    fn label(&self, word: &str, colour: &str) -> String {
        if self.colour { format!("\x1b[1;{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

static STDOUT_IS_CONTENT: AtomicBool = AtomicBool::new(false);

/// Says that stdout carries content of a snapshot: nothing else may be written there from now on.
pub(crate) fn stdout_is_content() {
    STDOUT_IS_CONTENT.store(true, Ordering::Relaxed);
}

/// One line on stderr. Nothing can be done when that fails.
pub(crate) fn diagnose(text: &str) {
    progress::around_bar(|| {
        let _ = writeln!(io::stderr().lock(), "{text}");
    });
}

/// Writes a line to stdout. A reader that went away ends the process in silence, as it ends every filter.
fn to_stdout(text: &str) {
    let written = progress::around_bar(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush())
    });
    if let Err(error) = written {
        crate::signals::exit(stdout_failed(&error));
    }
}

/// What a failed write to stdout means for the exit code.
fn stdout_failed(error: &io::Error) -> i32 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return i32::from(Exit::Signal(signal_hook::consts::SIGPIPE).code());
    }
    diagnose(&format!("error: cannot write to the standard output: {error}"));
    i32::from(Exit::Failed.code())
}

/// Ends the process when content that was written to stdout did not get there; other errors are the caller's.
pub(crate) fn check_stdout(error: &io::Error) {
    if error.kind() == io::ErrorKind::BrokenPipe {
        crate::signals::exit(stdout_failed(error));
    }
}

/// What a server says while it serves: a line each on stderr, where systemd and people look for it.
pub(crate) fn log_to_stderr(json: bool) {
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false);
    // systemd has its own clock.
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    // Somebody who set one before keeps it.
    let _ = match (json, under_systemd) {
        (true, _) => log.json().try_init(),
        (false, true) => log.without_time().try_init(),
        (false, false) => log.try_init(),
    };
}

/// Replaces Rust's report of a panic by one sentence: no backtrace, no values, exit code 1.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        diagnose(&format!("error: vow stopped because of a fault in itself ({place}); please report it"));
        crate::signals::exit(i32::from(Exit::Failed.code()));
    }));
}
