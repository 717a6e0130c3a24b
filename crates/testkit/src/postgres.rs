//! A real PostgreSQL server in a private folder, on a socket only. It refuses root, so root starts it as `postgres`.

use crate::shell::{self, Done};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A server that ends with the value.
pub struct Server {
    folder: TempDir,
    running: bool,
}

const SETTINGS: &str = "listen_addresses = ''\nfsync = off\nfull_page_writes = off\nsynchronous_commit = off\nshared_buffers = 32MB\n\
    max_connections = 40\nlogging_collector = off\nwal_level = logical\n";
/// Roles whose names start so need a password; everybody else is trusted.
const ACCESS: &str =
    "local all secret_role scram-sha-256\nlocal all all trust\nlocal replication all trust\n";

/// The programs of the newest version that is installed.
pub fn programs() -> PathBuf {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        folders.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("PostgreSQL is not installed: run ./test, which installs it"))
}

/// The same command as the account `postgres`, when this is root.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

impl Server {
    /// A fresh one, running.
    #[track_caller]
    pub fn start() -> Self {
        let folder =
            tempfile::Builder::new().prefix("vow-pg-").tempdir().unwrap_or_else(|e| panic!("no folder: {e}"));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .unwrap_or_else(|e| panic!("chmod: {e}"));
        if rustix::process::geteuid().is_root() {
            shell::tool("chown", ["postgres", &folder.path().display().to_string()]);
        }
        let mut server = Self { folder, running: false };
        let mut init = unprivileged(&programs().join("initdb"));
        init.arg("-D").arg(server.data()).args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]);
        let _ = shell::run(init.args(["--no-sync", "--no-instructions"]).current_dir("/")).expect(0);
        server.append(
            "postgresql.conf",
            &format!("{SETTINGS}unix_socket_directories = '{}'\n", server.folder.path().display()),
        );
        fs::write(server.data().join("pg_hba.conf"), ACCESS).unwrap_or_else(|e| panic!("pg_hba.conf: {e}"));
        server.up();
        server
    }

    /// Starts it again.
    #[track_caller]
    pub fn up(&mut self) {
        let _ = self.control(&["-w", "-l", &self.path("log").display().to_string(), "start"]).expect(0);
        self.running = true;
    }

    /// Stops it as a crash would.
    pub fn crash(&mut self) {
        let _ = self.control(&["-m", "immediate", "stop"]);
        self.running = false;
    }

    fn control(&self, arguments: &[&str]) -> Done {
        let mut command = unprivileged(&programs().join("pg_ctl"));
        // pg_ctl leaves the server behind, which must not hold our pipes.
        command.arg("-s").arg("-D").arg(self.data()).args(arguments).current_dir("/");
        shell::run(&mut command)
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, before + text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A path in its private folder, where its socket is too.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder that belongs to the server's account.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if rustix::process::geteuid().is_root() {
            shell::tool("chown", ["postgres", &path.display().to_string()]);
        }
        path
    }

    /// The process id of the server.
    pub fn pid(&self) -> String {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("postgres://postgres@/?host={}", self.folder.path().display())
    }

    /// A command of PostgreSQL's that connects to a database of this server.
    pub fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command.env("PGHOST", self.folder.path()).env("PGUSER", "postgres").env("PGDATABASE", database);
        command
    }

    /// Runs SQL, which must succeed; gives what it selects.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).expect(0).text().trim().to_owned()
    }

    /// Runs SQL: each line is a transaction.
    pub fn try_sql(&self, database: &str, sql: &str) -> Done {
        let mut command = self.client("psql", database);
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]);
        shell::run(command.args(sql.lines().flat_map(|line| ["-c", line])))
    }

    /// Runs a file of SQL, which must succeed.
    #[track_caller]
    pub fn file(&self, database: &str, path: &Path) {
        let mut command = self.client("psql", database);
        let _ = shell::run(command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(path)).expect(0);
    }

    /// Everything in a database as a script, the same for the same content. `arguments` narrow it down.
    #[track_caller]
    pub fn script(&self, database: &str, arguments: &[&str]) -> String {
        let mut command = self.client("pg_dump", database);
        let text = shell::run(command.args(["--no-password"]).args(arguments)).expect(0).text();
        // Random words against scripts that were tampered with.
        let plain = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.lines().filter(plain).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running {
            self.crash();
        }
    }
}

/// A server started from a data directory that was restored; it ends with the value.
pub struct Recovered {
    data: PathBuf,
    socket: TempDir,
}

impl Recovered {
    /// Starts it and waits until it has recovered.
    #[track_caller]
    pub fn start(data: &Path) -> Self {
        let socket =
            tempfile::Builder::new().prefix("vow-pg-").tempdir().unwrap_or_else(|e| panic!("no folder: {e}"));
        fs::set_permissions(socket.path(), fs::Permissions::from_mode(0o777))
            .unwrap_or_else(|e| panic!("chmod: {e}"));
        let place = socket.path().display();
        let options = format!("-c listen_addresses='' -c unix_socket_directories={place} -c hot_standby=off");
        let log = socket.path().join("log").display().to_string();
        let server = Self { data: data.to_owned(), socket };
        let done = server.control(&["-w", "-t", "300", "-l", &log, "-o", &options, "start"]);
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert_eq!(done.code, Some(0), "{}\n{said}", done.story());
        // For pg_ctl a server that still replays is ready.
        let began = std::time::Instant::now();
        while server.psql("template1", "select 1").code != Some(0) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(began.elapsed() < std::time::Duration::from_secs(120), "it does not get ready\n{said}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        server
    }

    fn control(&self, arguments: &[&str]) -> Done {
        let mut command = unprivileged(&programs().join("pg_ctl"));
        command.arg("-s").arg("-D").arg(&self.data).args(arguments).current_dir("/");
        shell::run(&mut command)
    }

    /// Runs SQL, which must succeed; gives what it selects.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.psql(database, sql).expect(0).text().trim().to_owned()
    }

    fn psql(&self, database: &str, sql: &str) -> Done {
        let mut command = Command::new(programs().join("psql"));
        command.env("PGHOST", self.socket.path()).env("PGUSER", "postgres").env("PGDATABASE", database);
        shell::run(command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]))
    }
}

impl Drop for Recovered {
    fn drop(&mut self) {
        let _ = self.control(&["-m", "immediate", "stop"]);
    }
}
