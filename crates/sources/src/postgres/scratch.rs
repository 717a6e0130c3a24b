//! A server of our own that is thrown away: in a private folder, on a socket only, without network, archiving or replication. What
//! is restored into it can reach nobody.

use super::access::Access;
use super::error::PostgresError;
use super::session::Stop;
use super::tools::Tools;
use super::truth::ServerFacts;
use super::url::Url;
use crate::adapter::Ground;
use crate::isolation::{self, Throwaway};
use crate::process::{Account, Launcher, Running, ToolError, one_line};
use crate::template::Template;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
const SETTINGS: &str = "\
listen_addresses = ''
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
max_replication_slots = 0
max_logical_replication_workers = 0
archive_mode = off
autovacuum = off
max_wal_size = 4GB
maintenance_work_mem = 128MB
shared_buffers = 64MB
max_locks_per_transaction = 1024
logging_collector = off
";

/// While a log is replayed nobody needs to get in; the server is ready when it is done. The log says what it could not do otherwise.
const RECOVERING: &str = "\
wal_level = replica
hot_standby = off
primary_conninfo = ''
archive_command = ''
shared_preload_libraries = ''
";

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
    ) -> Result<Self, PostgresError> {
        let superuser = superuser(facts);
        let mut room = Room::make(ground.place, facts, bytes)?;
        let taken = init(&mut room, superuser, facts, ground, stop)?;
        let data = room.folder.path().join("data");
        // Told when it starts, not written into a file that is its account's own by now.
        let options = as_options(&room.settings(SETTINGS));
        match (room.run(&data, &options, superuser, Some(START), stop), taken) {
            // It may be the template that is wrong: once more, without one.
            (Err(PostgresError::Scratch(_)), Some(template)) => {
                template.forget();
                Self::start(Ground::at(ground.place), facts, bytes, stop)
            }
            (started, _) => started,
        }
    }

    /// Starts one from a data directory that `fill` makes in the private folder, and waits until it has recovered. What it must be
    /// told besides is what `fill` gives.
    pub(crate) fn recover(
        place: &Path,
        facts: &ServerFacts,
        bytes: u64,
        fill: impl FnOnce(&Room) -> Result<(PathBuf, String), PostgresError>,
        stop: Stop<'_>,
    ) -> Result<Self, PostgresError> {
        let room = Room::make(place, facts, bytes)?;
        let (data, more) = fill(&room)?;
        // Nothing of the configuration that came with the data counts: it is production's.
        let (config, access) =
            (room.folder.path().join("postgresql.conf"), room.folder.path().join("pg_hba.conf"));
        let settings = room.settings(&format!("{SETTINGS}{RECOVERING}{more}"));
        for (path, text) in [(&config, settings.as_str()), (&access, "local all all trust\n")] {
            isolation::write_new(path, text.as_bytes())
                .and_then(|()| room.launcher.give(path))
                .map_err(PostgresError::io("write", path))?;
        }
        let options = [
            format!("config_file={}", config.display()),
            format!("hba_file={}", access.display()),
            format!("ident_file={}", access.display()),
        ];
        // Replaying the log may take long; it ends by itself or with the process.
        room.run(&data, &options, superuser(facts), None, stop).map_err(|error| match error {
            // The machine could start a server; what it was given is not one.
            PostgresError::Scratch(why) => {
                PostgresError::content("the base backup", format!("a server started from it {why}"))
            }
            error => error,
        })
    }

    /// Its private folder.
    pub(crate) fn folder(&self) -> &Path {
        self.server.folder()
    }
}

/// Where a scratch server will be: its programs, its account and its private folder.
pub(crate) struct Room {
    account: Account,
    pub(crate) launcher: Launcher,
    pub(crate) tools: Tools,
    pub(crate) folder: TempDir,
    notes: Vec<String>,
}

impl Room {
    fn make(place: &Path, facts: &ServerFacts, bytes: u64) -> Result<Self, PostgresError> {
        // PostgreSQL refuses to run as root.
        let account = isolation::account(&["postgres"]).map_err(PostgresError::Scratch)?;
        let launcher = Launcher::new(Some(account.clone()));
        let tools = Tools::find(&launcher, None, facts.server_version_num / 10_000)?;
        if !tools.program("initdb").exists() {
            let (folder, major) = (tools.folder.display(), tools.major);
            return Err(PostgresError::Scratch(format!(
                "needs initdb, which is not in {folder}; install the server's package (on Debian: postgresql-{major})"
            )));
        }
        isolation::check_space(place, bytes).map_err(PostgresError::Scratch)?;
        let folder = tempfile::Builder::new().prefix("vow-pg-").tempdir_in(place);
        let folder = folder.map_err(PostgresError::io("make a private folder in", place))?;
        prepare(folder.path(), &launcher).map_err(PostgresError::io("prepare", folder.path()))?;
        let room = Self { account, launcher, tools, folder, notes: Vec::new() };
        isolation::check_socket(&room.socket().join(".s.PGSQL.5432")).map_err(PostgresError::Scratch)?;
        Ok(room)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn settings(&self, text: &str) -> String {
        format!("{text}unix_socket_directories = '{}'\n", self.socket().display())
    }

    /// Starts the server, and waits until it can be used.
    fn run(
        mut self,
        data: &Path,
        options: &[String],
        superuser: &str,
        limit: Option<Duration>,
        stop: Stop<'_>,
    ) -> Result<Scratch, PostgresError> {
        let running = start_server(&mut self, data, options)?;
        let url = Url::of_socket(&self.socket(), 5432, Some(superuser)).with_database("template1");
        let access = Access::trusted(url, self.tools, self.launcher);
        // Immediate shutdown.
        let mut server = Throwaway::new(running, self.folder, Signal::QUIT);
        if let Err(error) = wait_until_ready(&mut server, &access, limit, stop) {
            if !server.has_ended() {
                return Err(error);
            }
            return Err(PostgresError::Scratch(format!("did not start: {}", last_words(&server.said()))));
        }
        Ok(Scratch { server, access, notes: self.notes })
    }
}

/// What a server says last before it gives up.
fn last_words(said: &str) -> String {
    let grave = |line: &&str| ["FATAL:", "PANIC:", "ERROR:"].iter().any(|word| line.contains(word));
    let grave: Vec<_> = said.lines().filter(grave).collect();
    let from = grave.len().saturating_sub(3);
    match grave.is_empty() {
        true => said.lines().last().unwrap_or("it said nothing").to_owned(),
        false => one_line(&grave[from..].join("\n")),
    }
}

fn superuser(facts: &ServerFacts) -> &str {
    facts.bootstrap_superuser.as_deref().unwrap_or("postgres")
}

fn prepare(folder: &Path, launcher: &Launcher) -> std::io::Result<()> {
    for path in [folder.to_owned(), folder.join("s"), folder.join("ts")] {
        if path != folder {
            fs::create_dir(&path)?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        launcher.give(&path)?;
    }
    Ok(())
}

/// `initdb` with the encoding and locale of the source's template1; with another locale when this machine lacks it. Gives the template
/// that was taken instead.
fn init(
    room: &mut Room,
    superuser: &str,
    facts: &ServerFacts,
    ground: Ground<'_>,
    stop: Stop<'_>,
) -> Result<Option<Template>, PostgresError> {
    let Room { account, launcher, tools, folder, notes } = room;
    let (initdb, server, data) =
        (tools.program("initdb"), tools.program("postgres"), folder.path().join("data"));
    let template = facts.databases.iter().find(|database| database["datname"] == "template1");
    let text = |key: &str| template.and_then(|template| template[key].as_str()).map(str::to_owned);
    let encoding = text("encoding_name").unwrap_or_else(|| "UTF8".into());
    let collate = text("datcollate").unwrap_or_else(|| "C.UTF-8".into());
    let ctype = text("datctype").unwrap_or_else(|| collate.clone());
    for (collate, ctype) in
        [(collate.clone(), ctype), ("C.UTF-8".into(), "C.UTF-8".into()), ("C".into(), "C".into())]
    {
        let options = [
            "-A",
            "trust",
            "--no-sync",
            "--no-instructions",
            "-U",
            superuser,
            "-E",
            &encoding,
            "--lc-collate",
            &collate,
            "--lc-ctype",
            &ctype,
            "--lc-messages",
            "C",
        ];
        let template = Template::of(ground.templates, &[&initdb, &server], &tools.version, &options);
        if template.take(&data, ground.place, account) {
            return Ok(Some(template));
        }
        let mut command = launcher.command(&initdb);
        command.arg("-D").arg(&data).args(options);
        let (_, ended) = launcher.output(command, 1 << 20, stop)?;
        if ended.status.success() {
            template.keep(&data);
            return Ok(None);
        }
        if !ended.said.contains("locale") {
            let made = ended.expect_success();
            made.map_err(|error| PostgresError::Scratch(format!("cannot be made: {error}")))?;
        }
        notes.push(format!("this machine lacks the locale {collate:?}: the scratch server has another one"));
    }
    Err(PostgresError::Scratch(format!("cannot be made with the encoding {encoding}")))
}

/// Lines of a configuration as `NAME=VALUE`.
fn as_options(settings: &str) -> Vec<String> {
    let pairs = settings.lines().filter_map(|line| line.split_once(" = "));
    pairs.map(|(name, value)| format!("{name}={}", value.trim_matches('\''))).collect()
}

fn start_server(room: &mut Room, data: &Path, options: &[String]) -> Result<Running, PostgresError> {
    let (mut command, note) =
        isolation::isolated(&room.account, &room.launcher, &room.tools.program("postgres"));
    room.notes.extend(note.map(str::to_owned));
    let (launcher, more) = (&room.launcher, options);
    command.arg("-D").arg(data).stdout(std::process::Stdio::null());
    for option in more {
        command.arg("-c").arg(option);
    }
    Ok(launcher.start(command)?)
}

fn wait_until_ready(
    server: &mut Throwaway,
    access: &Access,
    limit: Option<Duration>,
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    let began = Instant::now();
    loop {
        match access.home(stop) {
            Ok(_) => return Ok(()),
            Err(_) if server.has_ended() => return Err(PostgresError::Scratch("ended".into())),
            Err(error) if limit.is_some_and(|limit| began.elapsed() > limit) => return Err(error),
            Err(_) if stop() => return Err(ToolError::Stopped.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
