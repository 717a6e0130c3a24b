//! A server of our own that is thrown away: in a private folder, on a socket only, without network, events, replication or a binary
//! log. What is restored into it can reach nobody. It is empty, or has the files of a server that was captured.

use super::access::Access;
use super::error::MariaDbError;
use super::physical;
use super::session::Stop;
use super::stored::Stored;
use super::tools::{Flavour, Tools};
use super::truth::ServerFacts;
use super::url::Url;
use crate::adapter::Ground;
use crate::isolation::{self, Throwaway};
use crate::process::{Account, Launcher, ToolError};
use crate::template::Template;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to start.
const START: Duration = Duration::from_secs(120);

/// The server's number for: it is shutting down.
const SHUTTING_DOWN: u32 = 1053;

const SETTINGS: &str = "\
[mysqld]
skip-networking
skip-log-bin
skip-slave-start
event_scheduler=OFF
local-infile=0
innodb_doublewrite=0
innodb_flush_log_at_trx_commit=0
innodb_flush_method=nosync
innodb_stats_persistent=0
max_allowed_packet=1G
performance_schema=OFF
plugin-maturity=unknown
";
/// Settings of the source that decide whether a dump can be loaded.
const LIKE_SOURCE: &[&str] = &[
    "lower_case_table_names",
    "innodb_page_size",
    "innodb_default_row_format",
    "character_set_server",
    "collation_server",
];

/// What we connect as: what comes into the server may change the password of everybody else.
pub(crate) const SCRATCH_ACCOUNT: &str = "'vow_scratch'@'localhost'";
const SCRATCH_USER: &str = "vow_scratch";

/// The server.
pub struct Scratch {
    server: Throwaway,
    /// How to reach it.
    pub(crate) access: Access,
    /// What could not be arranged.
    pub(crate) notes: Vec<String>,
}

impl Scratch {
    /// Starts one that looks like the server described by `facts`, with room for this many bytes.
    pub fn start(
        ground: Ground<'_>,
        facts: &ServerFacts,
        bytes: u64,
        stop: Stop<'_>,
    ) -> Result<Self, MariaDbError> {
        let scratch = Preparation::new(ground.place, facts)?;
        isolation::check_space(ground.place, bytes).map_err(MariaDbError::Scratch)?;
        let taken = scratch.install(facts, ground, stop)?;
        let settings = format!("{}{}", like_source(facts), pool(bytes));
        match (scratch.run(&settings, stop), taken) {
            // It may be the template that is wrong: once more, without one.
            (Err(MariaDbError::Scratch(_)), Some(template)) => {
                template.forget();
                Self::start(Ground::at(ground.place), facts, bytes, stop)
            }
            (started, _) => started,
        }
    }

    /// Starts one below `place` from the files of the server that were captured.
    pub(crate) fn of_files(stored: &Stored<'_>, place: &Path, stop: Stop<'_>) -> Result<Self, MariaDbError> {
        let scratch = Preparation::new(place, &stored.facts)?;
        isolation::check_space(place, stored.stored_bytes()).map_err(MariaDbError::Scratch)?;
        physical::unpack(stored, &scratch.tools, &scratch.launcher, &scratch.data, stop)?;
        scratch.open(&stored.facts, stored.stored_bytes(), stop)
    }

    /// Starts one with a data directory that stays. `data` belongs to the account that servers run as.
    pub(crate) fn of_folder(
        place: &Path,
        data: &Path,
        facts: &ServerFacts,
        stop: Stop<'_>,
    ) -> Result<Self, MariaDbError> {
        let scratch = Preparation { data: data.to_owned(), ..Preparation::new(place, facts)? };
        if !data.exists() {
            scratch.install(facts, Ground::at(place), stop)?;
        }
        scratch.open(facts, 0, stop)
    }

    /// Ends it as one ends a server whose data directory is wanted. Our account is gone then.
    pub(crate) fn shut_down(mut self, stop: Stop<'_>) -> Result<(), MariaDbError> {
        let mut session = self.access.session(stop)?;
        session.query("removing our account", &format!("DROP USER {SCRATCH_ACCOUNT}"), stop)?;
        // It may be gone before it answers; whether it ended well its exit status says.
        match session.query("ending the scratch server", "SHUTDOWN", stop) {
            Ok(_) | Err(MariaDbError::Lost { .. }) => drop(session),
            Err(error) if error.code() == Some(SHUTTING_DOWN) => drop(session),
            Err(error) => return Err(error),
        }
        let Some(ended) = self.server.wait(stop)? else { return Ok(()) };
        ended
            .expect_success()
            .map_err(|error| MariaDbError::Scratch(format!("did not end well: {error}")))?;
        Ok(())
    }
}

fn like_source(facts: &ServerFacts) -> String {
    let line = |name: &&str| {
        let value = facts.settings.get(*name)?;
        (!value.is_empty() && !value.contains('\n')).then(|| format!("{name}={value}\n"))
    };
    LIKE_SOURCE.iter().filter_map(line).collect()
}

/// The server's own default.
const POOL_LEAST_BYTES: u64 = 128 << 20;
/// No scratch server takes more.
const POOL_MOST_BYTES: u64 = 1 << 30;
/// And no more than this part of the machine's memory: others live there.
const POOL_SHARE: u64 = 16;

/// Memory for pages, by what is to be loaded: indexes that do not fit are written page by page, again and again.
fn pool(bytes: u64) -> String {
    // What cannot be read counts as a small machine.
    let known = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    format!("innodb_buffer_pool_size={}\n", pool_bytes(bytes, memory_bytes(&known)))
}

fn memory_bytes(meminfo: &str) -> u64 {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
    total.unwrap_or(0).saturating_mul(1024)
}

fn pool_bytes(bytes: u64, memory_bytes: u64) -> u64 {
    let most = (memory_bytes / POOL_SHARE).min(POOL_MOST_BYTES);
    bytes.saturating_mul(2).min(most).max(POOL_LEAST_BYTES)
}

/// A scratch server before it runs.
struct Preparation {
    account: Account,
    launcher: Launcher,
    tools: Tools,
    folder: TempDir,
    data: PathBuf,
}

impl Preparation {
    fn new(place: &Path, facts: &ServerFacts) -> Result<Self, MariaDbError> {
        // The server refuses to run as root.
        let account = isolation::account(&["mysql"]).map_err(MariaDbError::Scratch)?;
        let launcher = Launcher::new(Some(account.clone()));
        let flavour = Flavour::of(&format!("{} {}", facts.server_version, facts.version_comment));
        let tools = Tools::find(&launcher, None, flavour)?;
        tools.program("mariadbd")?;
        let folder = tempfile::Builder::new().prefix("vow-my-").tempdir_in(place);
        let folder = folder.map_err(MariaDbError::io("make a private folder in", place))?;
        let prepared = [folder.path().to_owned(), folder.path().join("s"), folder.path().join("tmp")];
        for path in prepared {
            let made = (|| {
                if path != folder.path() {
                    fs::create_dir(&path)?;
                }
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
                launcher.give(&path)
            })();
            made.map_err(MariaDbError::io("prepare", &path))?;
        }
        let data = folder.path().join("data");
        let preparation = Self { account, launcher, tools, folder, data };
        isolation::check_socket(&preparation.socket()).map_err(MariaDbError::Scratch)?;
        Ok(preparation)
    }

    fn socket(&self) -> PathBuf {
        self.path("s").join("s")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes an empty data directory. Gives the template that was taken instead.
    fn install(
        &self,
        facts: &ServerFacts,
        ground: Ground<'_>,
        stop: Stop<'_>,
    ) -> Result<Option<Template>, MariaDbError> {
        let server = self.tools.program("mariadbd")?;
        let (program, mut options) = match self.tools.flavour {
            Flavour::MariaDb => (
                self.tools.program("mariadb-install-db")?,
                vec![
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--skip-name-resolve",
                    "--innodb-flush-method=nosync",
                ],
            ),
            Flavour::MySql => (server.clone(), vec!["--initialize-insecure"]),
        };
        // It cannot be changed later, and a server that is told another one does not start.
        let page_bytes = facts.settings.get("innodb_page_size").and_then(|bytes| bytes.parse::<u32>().ok());
        let page_size = page_bytes.map(|bytes| format!("--innodb-page-size={bytes}"));
        options.extend(page_size.as_deref());
        let template = Template::of(ground.templates, &[&program, &server], &self.tools.version, &options);
        if template.take(&self.data, ground.place, &self.account) {
            return Ok(Some(template));
        }
        let mut command = self.launcher.command(&program);
        command.arg("--no-defaults").arg(format!("--datadir={}", self.data.display())).args(options);
        // A server that starts removes all temporary tables that it finds in the common folder: those of running servers too.
        command.env("TMPDIR", self.path("tmp"));
        let (_, ended) = self.launcher.output(command, 1 << 20, stop)?;
        ended.expect_success().map_err(|error| MariaDbError::Scratch(format!("cannot be made: {error}")))?;
        template.keep(&self.data);
        Ok(None)
    }

    /// Runs it with a data directory that has something in it, of about so many bytes.
    fn open(self, facts: &ServerFacts, bytes: u64, stop: Stop<'_>) -> Result<Scratch, MariaDbError> {
        let settings = format!("{}{}{}", like_source(facts), physical::settings(&self.data)?, pool(bytes));
        self.run(&settings, stop)
    }

    fn run(self, more: &str, stop: Stop<'_>) -> Result<Scratch, MariaDbError> {
        let (socket, log, init) = (self.socket(), self.path("log"), self.path("init.sql"));
        let mysql_only = match self.tools.flavour {
            Flavour::MariaDb => "",
            Flavour::MySql => "mysqlx=OFF\n",
        };
        let settings = format!(
            "{SETTINGS}{mysql_only}{more}datadir={}\ninit-file={}\nsocket={}\npid-file={}\nlog-error={}\ntmpdir={}\n",
            self.data.display(),
            init.display(),
            socket.display(),
            self.path("pid").display(),
            log.display(),
            self.path("tmp").display()
        );
        let account = format!(
            "CREATE USER IF NOT EXISTS {SCRATCH_ACCOUNT};\nGRANT ALL PRIVILEGES ON *.* TO {SCRATCH_ACCOUNT} WITH GRANT OPTION;\n"
        );
        let file = self.path("my.cnf");
        for (file, text) in [(&init, account), (&file, settings)] {
            isolation::write_new(file, text.as_bytes())
                .and_then(|()| self.launcher.give(file))
                .map_err(MariaDbError::io("write", file))?;
        }
        let server = self.tools.program("mariadbd")?;
        let (mut command, note) = isolation::isolated(&self.account, &self.launcher, &server);
        command.arg(format!("--defaults-file={}", file.display())).stdout(std::process::Stdio::null());
        let mut server = Throwaway::new(self.launcher.start(command)?, self.folder, Signal::KILL);
        let url = Url::of_socket(&socket, Some(SCRATCH_USER));
        let access = Access::trusted(url, self.tools, self.launcher)?;
        wait_until_ready(&mut server, &access, &socket, &log, stop)?;
        let notes = note.map(str::to_owned).into_iter().collect();
        Ok(Scratch { server, access, notes })
    }
}

fn wait_until_ready(
    server: &mut Throwaway,
    access: &Access,
    socket: &Path,
    log: &Path,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    let began = Instant::now();
    loop {
        if socket.exists() && access.session(stop).is_ok() {
            return Ok(());
        }
        if server.has_ended() {
            // What it says before it has a log goes to its error output.
            let text = fs::read_to_string(log).unwrap_or_else(|_| server.said());
            let errors: Vec<_> = text.lines().filter(|line| line.contains("ERROR")).take(3).collect();
            return Err(MariaDbError::Scratch(format!("ended while it was starting: {}", errors.join("; "))));
        }
        if began.elapsed() > START {
            return Err(MariaDbError::Scratch(format!("did not answer within {} s", START.as_secs())));
        }
        if stop() {
            return Err(ToolError::Stopped.into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_get_memory_by_what_is_loaded_and_by_what_there_is() {
        let of = |megabytes: u64, machine_gigabytes: u64| {
            pool_bytes(megabytes << 20, machine_gigabytes << 30) >> 20
        };
        assert_eq!(
            [of(0, 64), of(10, 64), of(100, 64), of(300, 64), of(9000, 64)],
            [128, 128, 200, 600, 1024]
        );
        assert_eq!([of(9000, 1), of(9000, 4), of(u64::MAX >> 20, 8)], [128, 256, 512]);
        assert_eq!(memory_bytes("MemTotal:        2048 kB\nMemFree: 1 kB\n"), 2 << 20);
        assert_eq!(memory_bytes("nothing"), 0);
    }
}
