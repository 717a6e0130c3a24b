//! A console in a private folder, served by the real binary on a machine of a [`Lab`].

use crate::cable::Lab;
use crate::host::vow;
use crate::shell::{self, Done};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

/// A console, and its server while it runs.
pub struct LabConsole {
    dir: PathBuf,
    lab: Arc<Lab>,
    machine: u8,
    env: Vec<(String, String)>,
    child: Option<Child>,
}

const WEB: &str = "127.0.0.1:8445";

impl LabConsole {
    /// Makes one whose records are in this PostgreSQL database, or in a file, and with this in its environment. It is not served yet.
    #[track_caller]
    #[must_use]
    pub fn new(
        dir: &Path,
        lab: &Arc<Lab>,
        machine: u8,
        env: Vec<(String, String)>,
        database: Option<&str>,
    ) -> Self {
        let console = Self { dir: dir.to_owned(), lab: lab.clone(), machine, env, child: None };
        let hosts = format!("{}:8444", lab.address(machine));
        let address = format!("https://{hosts}");
        let mut words = vec!["--listen-hosts", &hosts, "--address", &address, "--listen-web", WEB];
        words.extend(database.iter().flat_map(|database| ["--database", *database]));
        let _ = console.run("init", &words).expect(0);
        console
    }

    fn there(&self, command: &Command) -> Command {
        self.lab.command(self.machine, command)
    }

    fn command(&self, words: &str, more: &[&str]) -> Command {
        let mut command = vow();
        command.arg("console").args(words.split(' ')).arg("--dir").arg(&self.dir).args(more);
        self.there(command.envs(self.env.iter().cloned()))
    }

    /// `vow console WORDS --dir DIR …` where it is.
    pub fn run(&self, words: &str, more: &[&str]) -> Done {
        shell::run(&mut self.command(words, more))
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        let (child, _) =
            shell::serve(&mut self.command("serve --json", &[]), &self.dir.with_extension("log"));
        self.child = Some(child);
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.with_extension("log")).unwrap_or_default()
    }

    /// Stops it as systemd does.
    #[track_caller]
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }

    /// Asks its API as a program with this token; a body is sent by POST.
    #[track_caller]
    pub fn api(&self, token: &str, path: &str, body: Option<&Value>) -> Value {
        let (bearer, place) = (format!("Authorization: Bearer {token}"), format!("http://{WEB}{path}"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "-H", &bearer]);
        if let Some(body) = body {
            curl.args(["-H", "Content-Type: application/json", "--data", &body.to_string()]);
        }
        shell::run(&mut self.there(curl.arg(place))).expect(0).summary()
    }
}

impl Drop for LabConsole {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
