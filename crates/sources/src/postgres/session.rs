//! A connection of our own: one `psql`, one statement at a time, answers line by line.
//!
//! Why `psql` and not a driver: the truth must come over the very same way as the dump. `psql` and `pg_dump` share libpq, so host
//! lists, TLS files, `.pgpass`, Kerberos and peer authentication mean the same to both, and `psql` comes in the same package.
//! Only fixed text and names quoted by the server itself are sent to it, and only JSON documents come back, one a line.

use super::error::PostgresError;
use super::url::Url;
use crate::process::{Launcher, Running, ToolError, one_line};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Answers waiting to be taken.
const LINES_WAITING: usize = 4096;
/// How often a waiting session looks whether it was asked to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long psql may take to end.
const END: Duration = Duration::from_secs(5);

/// What holds for every session: nothing limits how long it may take except locks, nothing depends on the role's or the database's
/// settings, and rows hidden by row security are an error rather than missing.
const SETUP: &[&str] = &[
    "SET client_encoding = 'UTF8'",
    "SET standard_conforming_strings = on",
    "SET search_path = ''",
    "SET row_security = off",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET bytea_output = 'hex'",
    "SET extra_float_digits = 3",
    "SET xmloption = content",
    "SET synchronize_seqscans = off",
    // Not every version has them.
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",
];

/// Where text of the answers ends: cannot occur at the start of a JSON document.
const MARK: &str = "#vow#";

/// Looks whether to stop.
pub(crate) type Stop<'s> = &'s dyn Fn() -> bool;

/// A connection to one database.
pub(crate) struct Session {
    running: Option<Running>,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// The database.
    pub(crate) database: String,
}

impl Session {
    /// Connects.
    pub(crate) fn open(
        launcher: &Launcher,
        psql: &Path,
        url: &Url,
        stop: Stop<'_>,
    ) -> Result<Self, PostgresError> {
        let mut session = Self::start(launcher, psql, url)?;
        let connected = session.query("connecting", "SELECT 1", stop);
        match connected {
            Err(PostgresError::Lost { database, said, .. }) => {
                // The file that libpq read it from is a private one of ours, which nobody can look into.
                let said = said.split("; password retrieved from file").next().unwrap_or_default().to_owned();
                return Err(PostgresError::Connect { place: url.to_string(), database, said });
            }
            other => drop(other?),
        }
        for statement in SETUP {
            session.query("setting up the session", statement, stop)?;
        }
        Ok(session)
    }

    fn start(launcher: &Launcher, psql: &Path, url: &Url) -> Result<Self, PostgresError> {
        let mut command = launcher.command(psql);
        command.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-w",
            "-v",
            "VERBOSITY=terse",
            "-v",
            "SHOW_CONTEXT=never",
            "-d",
        ]);
        command.arg(url.conninfo()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = launcher.start(command)?;
        let stdin = running.stdin()?;
        let stdout = running.stdout()?;
        let (sender, lines) = sync_channel(LINES_WAITING);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let database = url.get("dbname").unwrap_or("(default)").to_owned();
        Ok(Self { running: Some(running), stdin, lines, database })
    }

    /// Runs one statement; gives the lines of its answer. `doing` says for people what it is for.
    pub(crate) fn query(
        &mut self,
        doing: &str,
        sql: &str,
        stop: Stop<'_>,
    ) -> Result<Vec<String>, PostgresError> {
        // An unsuccessful statement ends neither psql nor, outside a transaction, the session.
        let asked =
            format!("{sql}\n;\n\\echo {MARK} :SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo {MARK} end\n");
        let sent = self.stdin.write_all(asked.as_bytes()).and_then(|()| self.stdin.flush());
        let mut rows = Vec::new();
        // When psql is gone its last words tell more than the broken pipe.
        let state = loop {
            let line = self.line(doing, stop)?;
            match line.strip_prefix(MARK) {
                Some(state) => break state.trim().to_owned(),
                None => rows.push(line),
            }
        };
        let mut message = Vec::new();
        loop {
            let line = self.line(doing, stop)?;
            if line.starts_with(MARK) {
                break;
            }
            message.push(line);
        }
        sent.map_err(|source| ToolError::Pipe { program: "psql".into(), source })?;
        if state == "00000" {
            return Ok(rows);
        }
        let (database, doing) = (self.database.clone(), doing.to_owned());
        Err(PostgresError::Sql { database, doing, state, message: one_line(&message.join("\n")) })
    }

    /// Runs one statement whose answer are JSON documents.
    pub(crate) fn documents<T: DeserializeOwned>(
        &mut self,
        doing: &str,
        sql: &str,
        stop: Stop<'_>,
    ) -> Result<Vec<T>, PostgresError> {
        let rows = self.query(doing, sql, stop)?;
        // SQL's null comes as an empty line.
        let row = |row: String| if row.is_empty() { "null".to_owned() } else { row };
        let read = |text: String| {
            serde_json::from_str(&row(text)).map_err(|e| self.not_understood(doing, e.to_string()))
        };
        rows.into_iter().map(read).collect()
    }

    /// Runs one statement whose answer is one JSON document.
    pub(crate) fn document<T: DeserializeOwned>(
        &mut self,
        doing: &str,
        sql: &str,
        stop: Stop<'_>,
    ) -> Result<T, PostgresError> {
        let mut all = self.documents(doing, sql, stop)?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(self.not_understood(doing, "not one row".into())),
        }
    }

    fn not_understood(&self, doing: &str, why: String) -> PostgresError {
        PostgresError::Answer { database: self.database.clone(), doing: doing.to_owned(), why }
    }

    fn line(&mut self, doing: &str, stop: Stop<'_>) -> Result<String, PostgresError> {
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) if stop() => return Err(ToolError::Stopped.into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost(doing)),
            }
        }
    }

    fn lost(&mut self, doing: &str) -> PostgresError {
        let ended = self.running.take().map(|running| running.wait_at_most(END));
        let said = match ended {
            Some(Ok(ended)) if !ended.said.is_empty() => one_line(ended.said.trim_start_matches("psql: ")),
            _ => "psql ended without a word".to_owned(),
        };
        PostgresError::Lost { database: self.database.clone(), doing: doing.to_owned(), said }
    }
}
