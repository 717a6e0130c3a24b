//! A console in a private folder, served by the real binary as a process of its own.

use crate::host::{Host, vow};
use crate::shell::{self, Done};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// A console, and its server while this value lives.
pub struct ConsoleServer {
    dir: PathBuf,
    web: String,
    token: String,
    child: Child,
}

impl ConsoleServer {
    /// A new console in a folder of the caller's, being served.
    #[track_caller]
    #[must_use]
    pub fn made(dir: &Path) -> Self {
        Self::made_with(dir, "")
    }

    /// The same with more settings.
    #[track_caller]
    #[must_use]
    pub fn made_with(dir: &Path, settings: &str) -> Self {
        let keep = |words: &str, more: &[&str]| {
            let mut command = vow();
            shell::run(command.arg("console").args(words.split(' ')).arg("--dir").arg(dir).args(more))
        };
        // Where it listens is known only when it does; the settings are told then.
        let nowhere = "127.0.0.1:0";
        let _ = keep(
            "init",
            &["--address", "https://127.0.0.1:1", "--listen-hosts", nowhere, "--listen-web", nowhere],
        )
        .expect(0);
        let file = dir.join("console.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\n{settings}\n")).unwrap();
        let token = keep("token add test", &["--role", "administrator", "--quiet"])
            .expect(0)
            .text()
            .trim()
            .to_owned();
        let (child, ready) = serve(dir);
        let hosts = ready["hosts"][0].as_str().unwrap();
        let settings = fs::read_to_string(&file)
            .unwrap()
            .replace("https://127.0.0.1:1\"", &format!("https://{hosts}\""));
        fs::write(&file, settings).unwrap();
        Self { dir: dir.to_owned(), web: ready["web"][0].as_str().unwrap().to_owned(), token, child }
    }

    /// Another console with the same key and settings in another folder: both use one database.
    #[track_caller]
    #[must_use]
    pub fn beside(&self, dir: &Path) -> Self {
        fs::create_dir(dir).unwrap();
        for name in ["console.toml", "console.key"] {
            fs::copy(self.dir.join(name), dir.join(name)).unwrap();
        }
        let (child, ready) = serve(dir);
        let web = ready["web"][0].as_str().unwrap().to_owned();
        Self { dir: dir.to_owned(), web, token: self.token.clone(), child }
    }

    /// Where browsers and programs reach it.
    pub fn web(&self) -> &str {
        &self.web
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Waits until the open tickets are as they should be; what they say is shown when that does not come.
    #[track_caller]
    pub fn wait_for(&self, what: &str, there: impl Fn(&[(String, String)]) -> bool) {
        let until = std::time::Instant::now() + Duration::from_secs(120);
        loop {
            let open = self.tickets();
            if there(&open) {
                return;
            }
            assert!(std::time::Instant::now() < until, "{what}: {open:#?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// `vow console WORDS --dir DIR …`.
    pub fn keep(&self, words: &str, more: &[&str]) -> Done {
        let mut command = vow();
        shell::run(command.arg("console").args(words.split(' ')).arg("--dir").arg(&self.dir).args(more))
    }

    /// Lets a host join.
    #[track_caller]
    pub fn admit(&self, host: &Host) {
        let token = self.keep("join-token --quiet", &[]).expect(0).text().trim().to_owned();
        let _ = host.run(["console", "join", &token]).expect(0);
    }

    /// What the API answers to a question.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let text = self.ask("GET", path, "");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    /// A page, or whatever else is text.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        self.ask("GET", path, "")
    }

    /// Sends bytes as they are, as a ping of another tool does; what is answered.
    #[track_caller]
    pub fn send(&self, path: &str, body: &str) -> String {
        self.ask("POST", path, body)
    }

    /// What the API answers to a wish.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> String {
        self.ask("POST", path, &body.to_string())
    }

    /// Keys of open tickets, in which the rule's word stands, each with its sentence.
    #[track_caller]
    pub fn tickets(&self) -> Vec<(String, String)> {
        let found = self.get("/api/v1/tickets?limit=200");
        let items = found["items"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        items.iter().map(|one| (text(&one["key"]), text(&one["sentence"]))).collect()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.web).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.web,
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {head}\n{body}");
        body.to_owned()
    }
}

#[track_caller]
fn serve(dir: &Path) -> (Child, Value) {
    let mut command = vow();
    shell::serve(command.args(["console", "serve", "--json", "--dir"]).arg(dir), &dir.with_extension("log"))
}

impl Drop for ConsoleServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
