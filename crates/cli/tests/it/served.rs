//! A vault that is served by a process of its own.

use crate::host::{Host, Ran, command, text, vow};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// A vault in a folder, and its server while it runs.
pub(crate) struct Served {
    pub(crate) temp: tempfile::TempDir,
    /// Where it listens; the same after every start.
    pub(crate) address: String,
    /// The user it runs as, when not this one.
    pub(crate) user: Option<u32>,
    child: Option<Child>,
}

impl Served {
    /// A new vault, being served.
    pub(crate) fn new() -> Self {
        Self::with_settings("")
    }

    /// The same, with these lines in its settings.
    pub(crate) fn with_settings(more: &str) -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut served = Self { temp, address: String::new(), user: None, child: None };
        let dir = served.dir();
        vow(served.temp.path(), ["vault", "init", "--dir", text(&dir), "--listen", "127.0.0.1:0"]).code(0);
        served.start();
        // From now on at this address, also after a restart.
        let settings = served.settings().replace("127.0.0.1:0", &served.address);
        let url = format!("address = \"https://{}\"", served.address);
        let lines = settings.lines().map(|line| if line.starts_with("address") { &url } else { line });
        let settings = lines.collect::<Vec<_>>().join("\n");
        fs::write(dir.join("vault.toml"), format!("{settings}\n{more}\n")).expect("settings");
        if !more.is_empty() {
            served.stop();
            served.start();
        }
        served
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("v")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir().join("store")
    }

    pub(crate) fn settings(&self) -> String {
        fs::read_to_string(self.dir().join("vault.toml")).expect("settings")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.temp.path().join("log")).expect("a log")
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let log =
            fs::File::options().create(true).append(true).open(self.temp.path().join("log")).expect("a log");
        let mut serve = command(self.temp.path());
        serve.args(["vault", "serve", "--json", "--dir", text(&self.dir())]);
        if let Some(user) = self.user {
            serve.uid(user);
        }
        let mut child = serve.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?} {}", self.log()));
        assert_eq!(ready["message_type"], "ready");
        self.address = ready["addresses"][0].as_str().expect("an address").to_owned();
        self.child = Some(child);
    }

    /// Stops it as systemd does; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("it runs");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
        child.wait().expect("it ends").code()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("it ends");
    }

    /// Runs `vow vault COMMAND --dir DIR …` on the vault's machine.
    pub(crate) fn keep(&self, words: &str, more: &[&str]) -> Ran {
        let dir = self.dir();
        let args = words.split(' ').chain(["--dir", text(&dir)]).chain(more.iter().copied());
        vow(self.temp.path(), std::iter::once("vault").chain(args))
    }

    /// A new token.
    pub(crate) fn token(&self, more: &[&str]) -> String {
        self.keep("join-token --quiet", more).code(0).out.trim().to_owned()
    }

    /// The fingerprint, as it stands in a plan.
    pub(crate) fn fingerprint(&self) -> String {
        self.keep("status --json", &[]).code(0).json()["fingerprint"]
            .as_str()
            .expect("a fingerprint")
            .to_owned()
    }

    /// Lets a host join.
    pub(crate) fn admit(&self, host: &Host) {
        host.run(["vault", "join", &self.token(&[])]).code(0);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A host with no vault but the one that is served; it has a recovery kit.
pub(crate) fn joined(served: &Served) -> Host {
    let host = Host::bare();
    host.init(&["--join", &served.token(&[]), "--no-local"]).code(0);
    host
}

/// The only file of this name below a folder.
pub(crate) fn only(folder: &Path, name: &str) -> PathBuf {
    let mut found = crate::host::files(folder);
    found.retain(|path| path.ends_with(name));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
