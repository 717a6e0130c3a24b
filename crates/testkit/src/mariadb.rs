//! A real MariaDB server in a private folder, on a socket only. It refuses root, so root starts it as `mysql`.

use crate::shell::{self, Done};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that ends with the value.
pub struct Server {
    folder: TempDir,
    running: Option<Child>,
}

/// A server that takes longer to answer hangs.
const START: Duration = Duration::from_secs(120);
const SETTINGS: &str = "[mysqld]\nskip-networking\nlog-bin=binlog\nserver-id=7\ninnodb_flush_log_at_trx_commit=0\n\
    innodb_flush_method=nosync\ninnodb_buffer_pool_size=64M\ncharacter-set-server=utf8mb4\nevent_scheduler=ON\n";

/// The same command as the account `mysql`, when this is root.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=mysql", "--regid=mysql", "--clear-groups"]).arg(program);
    command
}

/// One of MariaDB's programs.
pub fn program(name: &str) -> PathBuf {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed: run ./test, which installs it"))
}

fn own(path: &Path) {
    if rustix::process::geteuid().is_root() {
        shell::tool("chown", ["mysql", &path.display().to_string()]);
    }
}

impl Server {
    /// A fresh one, running.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A fresh one with more lines in its option file.
    #[track_caller]
    pub fn start_with(lines: &str) -> Self {
        let mut server = Self::place();
        let mut install = unprivileged(&program("mariadb-install-db"));
        install.arg("--no-defaults").arg(format!("--datadir={}", server.data().display()));
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        // It cannot be changed once there is a server.
        install.args(
            lines.lines().find(|line| line.starts_with("innodb_page_size=")).map(|line| format!("--{line}")),
        );
        let _ = shell::run(install.current_dir("/").env("TMPDIR", server.path("tmp"))).expect(0);
        server.configure(lines);
        server.up();
        server
    }

    /// One that runs from a data directory that is there already.
    #[track_caller]
    pub fn of_data(data: &Path) -> Self {
        let mut server = Self::place();
        std::os::unix::fs::symlink(data, server.data()).unwrap_or_else(|e| panic!("no link: {e}"));
        server.configure("");
        server.up();
        server
    }

    /// Its folder.
    #[track_caller]
    fn place() -> Self {
        let folder =
            tempfile::Builder::new().prefix("vow-my-").tempdir().unwrap_or_else(|e| panic!("no folder: {e}"));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .unwrap_or_else(|e| panic!("chmod: {e}"));
        own(folder.path());
        let server = Self { folder, running: None };
        // A server that starts removes all temporary tables that it finds in the common folder: those of the others too.
        let temporary = server.path("tmp");
        fs::create_dir(&temporary).unwrap_or_else(|e| panic!("no folder: {e}"));
        own(&temporary);
        server
    }

    #[track_caller]
    fn configure(&self, lines: &str) {
        let settings = format!(
            "{SETTINGS}datadir={}\nsocket={}\npid-file={}\nlog-error={}\ntmpdir={}\n{lines}\n",
            self.data().display(),
            self.socket().display(),
            self.path("pid").display(),
            self.path("log").display(),
            self.path("tmp").display()
        );
        fs::write(self.path("my.cnf"), settings).unwrap_or_else(|e| panic!("my.cnf: {e}"));
    }

    /// Starts it again.
    #[track_caller]
    pub fn up(&mut self) {
        let mut command = unprivileged(&program("mariadbd"));
        command.arg(format!("--defaults-file={}", self.path("my.cnf").display())).current_dir("/");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.running = Some(spawned.unwrap_or_else(|e| panic!("mariadbd: {e}")));
        let began = Instant::now();
        while self.try_sql("", "SELECT 1").code != Some(0) {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(began.elapsed() < START, "the server does not answer\n{log}");
            if let Some(Ok(Some(status))) = self.running.as_mut().map(Child::try_wait) {
                panic!("the server ended: {status}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// A path in its private folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().map_or(0, Child::id)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("mariadb://root@/?socket={}", self.socket().display())
    }

    /// A command of MariaDB's that connects to this server as root.
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.arg("--no-defaults").arg(format!("--socket={}", self.socket().display()));
        command.args(["--user=root", "--default-character-set=utf8mb4"]);
        command
    }

    /// Runs SQL, which must succeed; gives what it selects.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).expect(0).text().trim_end().to_owned()
    }

    /// Runs SQL.
    pub fn try_sql(&self, database: &str, sql: &str) -> Done {
        let mut command = self.client("mariadb");
        command.args(["-N", "-B", "--comments"]);
        if !database.is_empty() {
            command.arg(format!("--database={database}"));
        }
        shell::run(command.arg("-e").arg(sql))
    }

    /// Runs a file of SQL, which must succeed.
    #[track_caller]
    pub fn file(&self, path: &Path) {
        let mut command = self.client("mariadb");
        command.args(["--comments", "-e"]).arg(format!("source {}", path.display()));
        let _ = shell::run(&mut command).expect(0);
    }

    /// Everything in a database, or in tables of it, as a script, the same for the same content.
    #[track_caller]
    pub fn script(&self, what: &[&str]) -> String {
        let mut command = self.client("mariadb-dump");
        command.args([
            "--skip-comments",
            "--routines",
            "--events",
            "--triggers",
            "--hex-blob",
            "--dump-history",
        ]);
        shell::run(command.args(what)).expect(0).text()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}
