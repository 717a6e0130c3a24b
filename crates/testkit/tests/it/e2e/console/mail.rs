//! A real SMTP server, and what it received: the bytes, and what a reader of mail shows of them.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vow_testkit::host::scratch;

const SERVER: &str = include_str!("../../../../../console/tests/it/notify/smtp_server.py");

/// A real SMTP server; it takes mail from everybody on this machine.
pub(super) struct Mail {
    child: Child,
    dir: tempfile::TempDir,
    port: u16,
}

/// A mail as a reader of mail understands it.
#[derive(Debug)]
pub(super) struct Letter {
    /// Who sent it, as the server was told.
    pub(super) sender: String,
    /// To whom, as the server was told.
    pub(super) recipients: Vec<String>,
    /// Names and values, decoded, in their order.
    pub(super) headers: Vec<(String, String)>,
    /// What is wrong with its form.
    pub(super) defects: Vec<String>,
    /// Its type: `text/plain`.
    pub(super) kind: String,
    /// Its text, decoded.
    pub(super) text: String,
}

impl Letter {
    /// As the server has read it.
    fn of(read: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let texts = |value: &Value| value.as_array().unwrap().iter().map(text).collect();
        let header = |pair: &Value| (text(&pair[0]), text(&pair[1]));
        Self {
            sender: text(&read["sender"]),
            recipients: texts(&read["recipients"]),
            headers: read["headers"].as_array().unwrap().iter().map(header).collect(),
            defects: texts(&read["defects"]),
            kind: text(&read["kind"]),
            text: text(&read["text"]).replace("\r\n", "\n"),
        }
    }

    /// A header that stands there once.
    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        let found: Vec<_> = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).collect();
        assert_eq!(found.len(), 1, "{name} in {self:#?}");
        &found[0].1
    }
}

impl Mail {
    pub(super) fn start() -> Self {
        let dir = scratch();
        let python = std::env::var_os("VOW_TEST_PYTHON")
            .expect("VOW_TEST_PYTHON with tools/requirements.txt: ./test sets it");
        let mut command = Command::new(python);
        command.args(["-c", SERVER, "plain"]).arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, dir, port: line.trim().parse().unwrap() }
    }

    /// The lines of `console.toml` for a channel that writes here.
    pub(super) fn channel(&self) -> String {
        format!(
            "[[channel]]\nname = \"duty\"\ntype = \"smtp\"\nserver = \"localhost\"\nport = {}\nsecurity = \"none\"\n\
             from = \"Vow <vow@example.net>\"\nto = [\"duty@example.net\"]",
            self.port
        )
    }

    fn paths(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            all.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        paths.sort();
        paths
    }

    /// Every mail, oldest first.
    pub(super) fn letters(&self) -> Vec<Letter> {
        let texts = self.paths().into_iter().map(|path| fs::read_to_string(path).unwrap());
        texts.map(|text| Letter::of(&serde_json::from_str(&text).unwrap())).collect()
    }

    /// Every mail about a ticket, oldest first.
    pub(super) fn about(&self, ticket: &str) -> Vec<Letter> {
        let mut letters = self.letters();
        letters.retain(|letter| {
            letter.headers.iter().any(|(name, value)| name == "X-Vow-Ticket" && value == ticket)
        });
        letters
    }

    /// The same, once there are so many.
    #[track_caller]
    pub(super) fn wait_about(&self, ticket: &str, number: usize) -> Vec<Letter> {
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let letters = self.about(ticket);
            if letters.len() >= number {
                return letters;
            }
            assert!(Instant::now() < until, "{number} mails about {ticket}: {letters:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
