//! A real Redis server in a private folder, on a socket only.

use crate::shell::{self, Done};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that ends with the value.
pub struct Server {
    folder: TempDir,
    child: Option<Child>,
    password: Option<String>,
}

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

impl Server {
    /// A fresh one, running.
    #[track_caller]
    pub fn start() -> Self {
        Self::with("")
    }

    /// One with more settings; `requirepass` among them is used by [`Self::cli`].
    #[track_caller]
    pub fn with(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("vow-redis-").tempdir();
        let folder = folder.unwrap_or_else(|e| panic!("no folder: {e}"));
        let password = settings.lines().find_map(|line| line.strip_prefix("requirepass ")).map(str::to_owned);
        let mut server = Self { folder, child: None, password };
        let place = server.folder.path().display();
        // Waiting for more replicas would cost each dump five seconds.
        let text = format!(
            "port 0\nunixsocket {place}/s\ndir {place}\nsave \"\"\ndaemonize no\nrepl-diskless-sync-delay 0\nenable-debug-command local\n\
             {settings}\n"
        );
        fs::write(server.path("redis.conf"), text).unwrap_or_else(|e| panic!("redis.conf: {e}"));
        server.up();
        server
    }

    /// Starts it again, and waits until it has loaded.
    #[track_caller]
    pub fn up(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap_or_else(|e| panic!("log: {e}"));
        let mut command = Command::new("redis-server");
        command.arg(self.path("redis.conf")).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|e| panic!("redis-server: {e}; run ./test, which installs it"));
        self.child = Some(child);
        let began = Instant::now();
        while self.try_cli(&["PING"]).text().trim() != "PONG" {
            assert!(began.elapsed() < START, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A path in its private folder, which is its data directory too.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.path("s").display())
    }

    /// Runs a command, which must succeed; gives its answer.
    #[track_caller]
    pub fn cli(&self, words: &[&str]) -> String {
        self.try_cli(words).expect(0).text().trim().to_owned()
    }

    /// Runs a command.
    pub fn try_cli(&self, words: &[&str]) -> Done {
        let mut command = Command::new("redis-cli");
        command.arg("-e").arg("-s").arg(self.path("s")).args(words);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        shell::run(&mut command)
    }

    /// What it holds, as one number: the same for the same content.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.cli(&["DEBUG", "DIGEST"])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}
