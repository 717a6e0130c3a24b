//! A connection of our own: one client program, one statement at a time, answers line by line.
//!
//! Why the client and not a driver: the truth must come over the very same way as the dump. Both programs read the same option file
//! and share a library, so TLS, plugins for authentication and sockets mean the same to both, and they come in the same package.

use super::error::MariaDbError;
use super::sql::literal;
use super::url::Url;
use crate::process::{Launcher, Running, ToolError, one_line};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Answers waiting to be taken.
const LINES_WAITING: usize = 4096;
/// How often a waiting session looks whether it was asked to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long the client may take to end.
const END: Duration = Duration::from_secs(5);
/// The last line of an answer. No row of ours is a single field that looks like this.
const MARK: &str = "#vow#";
/// The only line of an answer about what is no longer what it was.
const CHANGED: &str = "#changed#";

/// Looks whether to stop.
pub(crate) type Stop<'s> = &'s dyn Fn() -> bool;

/// A row of an answer.
pub(crate) type Row = Vec<String>;

/// A connection.
pub(crate) struct Session {
    running: Option<Running>,
    stdin: ChildStdin,
    lines: Receiver<String>,
    place: String,
}

impl Session {
    /// Connects, with a client that reads this option file.
    pub(crate) fn open(
        launcher: &Launcher,
        client: &Path,
        options: &Path,
        url: &Url,
        stop: Stop<'_>,
    ) -> Result<Self, MariaDbError> {
        let mut session = Self::start(launcher, client, options, url)?;
        match session.query("connecting", "SELECT 1", stop) {
            Err(MariaDbError::Lost { place, said, .. }) => Err(MariaDbError::Connect { place, said }),
            Err(MariaDbError::Sql { code, message, .. }) => {
                let said = format!("{message} (error {code})");
                Err(MariaDbError::Connect { place: url.to_string(), said })
            }
            other => other.map(|_| session),
        }
    }

    fn start(launcher: &Launcher, client: &Path, options: &Path, url: &Url) -> Result<Self, MariaDbError> {
        let mut command = launcher.command(client);
        // An option file must come first.
        command.arg(format!("--defaults-file={}", options.display()));
        command.args(["--batch", "--skip-column-names", "--unbuffered", "--quick", "--no-auto-rehash"]);
        // Connected anew, the session would have lost its transaction and its locks without a word.
        command.args(["--skip-reconnect", "--binary-mode", "--default-character-set=utf8mb4"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
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
        Ok(Self { running: Some(running), stdin, lines, place: url.to_string() })
    }

    /// Runs one statement; gives the rows of its answer. `doing` says for people what it is for. A statement that fails ends the
    /// session: the client is one that stops at the first error.
    pub(crate) fn query(&mut self, doing: &str, sql: &str, stop: Stop<'_>) -> Result<Vec<Row>, MariaDbError> {
        let asked = format!("{sql}\n;\nSELECT '{MARK}';\n");
        // When the client is gone its last words tell more than the broken pipe.
        let sent = self.stdin.write_all(asked.as_bytes()).and_then(|()| self.stdin.flush());
        let mut rows = Vec::new();
        loop {
            let line = self.line(doing, stop)?;
            if line == MARK {
                break;
            }
            rows.push(line.split('\t').map(unescaped).collect());
        }
        sent.map_err(|source| ToolError::Pipe { program: "the client".into(), source })?;
        Ok(rows)
    }

    /// Runs one query about an object that others may drop or change meanwhile (errors 1146, 1412, 1054, 1049): then there is no answer,
    /// and the session and its transaction go on. MariaDB only.
    pub(crate) fn query_if_same(
        &mut self,
        doing: &str,
        sql: &str,
        stop: Stop<'_>,
    ) -> Result<Option<Vec<Row>>, MariaDbError> {
        let block = format!(
            "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR 1146, 1412, 1054, 1049 SELECT '{CHANGED}'; {sql}; END"
        );
        let rows = self.query(doing, &format!("EXECUTE IMMEDIATE {}", literal(&block)), stop)?;
        let changed = matches!(rows.as_slice(), [row] if matches!(row.as_slice(), [one] if one == CHANGED));
        Ok((!changed).then_some(rows))
    }

    /// Runs one statement that answers with one row.
    pub(crate) fn row(&mut self, doing: &str, sql: &str, stop: Stop<'_>) -> Result<Row, MariaDbError> {
        let mut rows = self.query(doing, sql, stop)?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(MariaDbError::Answer { doing: doing.to_owned(), why: "not one row".into() }),
        }
    }

    /// Runs one statement that answers with one value.
    pub(crate) fn value(&mut self, doing: &str, sql: &str, stop: Stop<'_>) -> Result<String, MariaDbError> {
        let mut row = self.row(doing, sql, stop)?;
        match (row.pop(), row.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => Err(MariaDbError::Answer { doing: doing.to_owned(), why: "not one value".into() }),
        }
    }

    fn line(&mut self, doing: &str, stop: Stop<'_>) -> Result<String, MariaDbError> {
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) if stop() => return Err(ToolError::Stopped.into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost(doing)),
            }
        }
    }

    fn lost(&mut self, doing: &str) -> MariaDbError {
        let ended = self.running.take().map(|running| running.wait_at_most(END));
        let said = match ended {
            Some(Ok(ended)) if !ended.said.is_empty() => ended.said,
            _ => "the client ended without a word".to_owned(),
        };
        let (place, doing) = (self.place.clone(), doing.to_owned());
        match parsed(&said) {
            // 2000 to 2999 are the client's own: the server is not there (any more).
            Some((code, message)) if !(2000..3000).contains(&code) => {
                MariaDbError::Sql { doing, code, message }
            }
            Some((code, message)) => {
                MariaDbError::Lost { place, doing, said: format!("{message} (error {code})") }
            }
            None => MariaDbError::Lost { place, doing, said: one_line(&said) },
        }
    }
}

/// Number and text of the error in what the client said. It repeats the whole statement before that.
pub(crate) fn parsed(said: &str) -> Option<(u32, String)> {
    let line = said.lines().rev().find_map(|line| line.strip_prefix("ERROR "))?;
    let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
    let code = line[..digits].parse().ok()?;
    let rest = &line[digits..];
    let rest = rest.split_once(':').map_or(rest, |(_, message)| message);
    Some((code, rest.trim().to_owned()))
}

/// What the client's batch mode escapes.
fn unescaped(field: &str) -> String {
    if !field.contains('\\') {
        return field.to_owned();
    }
    let (mut out, mut chars) = (String::with_capacity(field.len()), field.chars());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('0')) => out.push('\0'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read() {
        let said = "--------------\nSELECT secret\n--------------\n\nERROR 1045 (28000) at line 3: Access denied: for x";
        assert_eq!(parsed(said), Some((1045, "Access denied: for x".into())));
        assert_eq!(parsed("ERROR 2002 (HY000): Can't connect"), Some((2002, "Can't connect".into())));
        assert_eq!(parsed("something else"), None);
    }

    #[test]
    fn fields_are_unescaped() {
        assert_eq!(unescaped("a\\tb\\nc\\\\d\\0"), "a\tb\nc\\d\0");
    }
}
