//! A vault in a private folder, served by the real binary as a process of its own; on a machine of a [`Lab`] when one is given.

use crate::cable::{Lab, there};
use crate::host::vow;
use crate::shell::{self, Done};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

/// A vault with its settings, and its server while it runs.
pub struct VaultServer {
    dir: PathBuf,
    env: Vec<(String, String)>,
    on: Option<(Arc<Lab>, u8)>,
    /// Where it listens; the same after every start.
    pub address: String,
    child: Option<Child>,
}

/// The port on machines of a lab: nobody else is there.
const LAB_PORT: u16 = 8443;

impl VaultServer {
    /// A vault that is not made yet, in a folder of the caller's.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), env: Vec::new(), on: None, address: "127.0.0.1:0".into(), child: None }
    }

    /// With these variables in its environment.
    #[must_use]
    pub fn with_env(mut self, env: Vec<(String, String)>) -> Self {
        self.env = env;
        self
    }

    /// On a machine of a lab.
    #[must_use]
    pub fn on(mut self, lab: &Arc<Lab>, machine: u8) -> Self {
        self.address = format!("{}:{LAB_PORT}", lab.address(machine));
        self.on = Some((lab.clone(), machine));
        self
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its objects are, when it has them in a folder.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// `vow vault init` with these arguments; what came of it.
    pub fn init(&self, more: &[&str]) -> Done {
        let address = format!("https://{}", self.address.replace(":0", ":1"));
        let words = ["--address", &address, "--listen", &self.address];
        self.keep("init", &words.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Makes it and serves it.
    #[track_caller]
    #[must_use]
    pub fn made(mut self, more: &[&str]) -> Self {
        let _ = self.init(more).expect(0);
        self.start();
        self
    }

    /// Adds lines to its settings, above everything else there. They count from the next start.
    #[track_caller]
    pub fn add_settings(&self, lines: &str, at_end: bool) {
        let text = self.settings();
        let text = if at_end { format!("{text}\n{lines}\n") } else { format!("{lines}\n{text}") };
        fs::write(self.dir.join("vault.toml"), text).unwrap();
    }

    /// Its settings.
    pub fn settings(&self) -> String {
        fs::read_to_string(self.dir.join("vault.toml")).unwrap()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        let mut serve = self.command(
            ["vault", "serve", "--json", "--dir"].map(OsStr::new).iter().chain([&self.dir.as_os_str()]),
        );
        let (child, ready) = shell::serve(&mut serve, &self.log_file());
        self.child = Some(child);
        let address = ready["addresses"][0].as_str().unwrap().to_owned();
        if address != self.address {
            // From now on at this address, also after a restart.
            let text = self.settings().replace("127.0.0.1:0", &address).replace("127.0.0.1:1", &address);
            fs::write(self.dir.join("vault.toml"), text).unwrap();
            self.address = address;
        }
    }

    /// Stops it as systemd does; its exit code.
    #[track_caller]
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap().code()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The binary where this vault is, with what it needs to know of its surroundings.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = vow();
        command.args(arguments).envs(self.env.iter().cloned());
        there(self.on.as_ref(), command)
    }

    /// `vow vault WORDS --dir DIR …` where this vault is.
    pub fn keep(&self, words: &str, more: &[&str]) -> Done {
        let mut command = self.command(["vault"].into_iter().chain(words.split(' ')));
        // The wrapper of a lab passes on what follows.
        shell::run(command.arg("--dir").arg(&self.dir).args(more))
    }

    /// A new token.
    #[track_caller]
    pub fn token(&self, more: &[&str]) -> String {
        self.keep("join-token --quiet", more).expect(0).text().trim().to_owned()
    }

    /// `https://ADDRESS#FINGERPRINT`.
    #[track_caller]
    pub fn url(&self) -> String {
        format!("https://{}#{}", self.address, self.fingerprint().trim_start_matches("SHA256:"))
    }

    /// The fingerprint of its key.
    #[track_caller]
    pub fn fingerprint(&self) -> String {
        let status = self.keep("status --json", &[]).summary();
        status["fingerprint"].as_str().unwrap_or_else(|| panic!("no fingerprint: {status}")).to_owned()
    }

    /// Joins another vault, to replicate from it.
    #[track_caller]
    pub fn follow(&self, other: &Self) {
        let token = other.token(&["--role", "replicate"]);
        let _ = self.keep(&format!("join {token}"), &["--name", "near"]).expect(0);
    }
}

impl Drop for VaultServer {
    fn drop(&mut self) {
        self.kill();
    }
}
