//! A server of our own that is thrown away: in a private folder, on a socket only, without network, archiving or replication. What
//! is restored into it can reach nobody.

use super::access::Access;
use super::error::PostgresError;
use super::session::Stop;
use super::tools::Tools;
use super::truth::ServerFacts;
use super::url::Url;
use crate::isolation;
use crate::process::{Account, Launcher, Running, ToolError};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const END: Duration = Duration::from_secs(10);
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

/// The server.
pub struct Scratch {
    running: Option<Running>,
    folder: Option<TempDir>,
    /// How to reach it.
    pub(crate) access: Access,
    /// What could not be arranged.
    pub(crate) notes: Vec<String>,
}

impl Scratch {
    /// Starts one below `place` that looks like the server described by `facts`, with room for this many bytes.
    pub fn start(
        place: &Path,
        facts: &ServerFacts,
        bytes: u64,
        stop: Stop<'_>,
    ) -> Result<Self, PostgresError> {
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
        let superuser = facts.bootstrap_superuser.as_deref().unwrap_or("postgres");
        let mut notes = Vec::new();
        init(&launcher, &tools, folder.path(), superuser, facts, &mut notes, stop)?;
        let data = folder.path().join("data");
        let settings =
            format!("{SETTINGS}unix_socket_directories = '{}'\n", folder.path().join("s").display());
        append(&data.join("postgresql.conf"), &settings)?;
        let mut running = start_server(&account, &launcher, &tools, &data, &mut notes)?;
        let url = Url::of_socket(&folder.path().join("s"), 5432, Some(superuser)).with_database("template1");
        let access = Access::trusted(url, tools, launcher);
        wait_until_ready(&mut running, &access, stop).map_err(|error| match error {
            PostgresError::Scratch(_) if running.has_ended() => {
                PostgresError::Scratch("ended while it was starting".into())
            }
            error => error,
        })?;
        Ok(Self { running: Some(running), folder: Some(folder), access, notes })
    }

    /// Its private folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("/nonexistent"), |folder| folder.path())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            if let Some(pid) = i32::try_from(running.id()).ok().and_then(Pid::from_raw) {
                // Immediate shutdown: nothing in it is worth keeping.
                let _ = kill_process(pid, Signal::QUIT);
            }
            let _ = running.wait_at_most(END);
        }
        if let Some(folder) = self.folder.take() {
            let _ = folder.close();
        }
    }
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

/// `initdb` with the encoding and locale of the source's template1; with another locale when this machine lacks it.
fn init(
    launcher: &Launcher,
    tools: &Tools,
    folder: &Path,
    superuser: &str,
    facts: &ServerFacts,
    notes: &mut Vec<String>,
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    let template = facts.databases.iter().find(|database| database["datname"] == "template1");
    let text = |key: &str| template.and_then(|template| template[key].as_str()).map(str::to_owned);
    let encoding = text("encoding_name").unwrap_or_else(|| "UTF8".into());
    let collate = text("datcollate").unwrap_or_else(|| "C.UTF-8".into());
    let ctype = text("datctype").unwrap_or_else(|| collate.clone());
    for (collate, ctype) in
        [(collate.clone(), ctype), ("C.UTF-8".into(), "C.UTF-8".into()), ("C".into(), "C".into())]
    {
        let mut command = launcher.command(&tools.program("initdb"));
        command.arg("-D").arg(folder.join("data"));
        command.args(["-A", "trust", "--no-sync", "--no-instructions", "-U", superuser, "-E", &encoding]);
        command.args(["--lc-collate", &collate, "--lc-ctype", &ctype, "--lc-messages", "C"]);
        let (_, ended) = launcher.output(command, 1 << 20, stop)?;
        if ended.status.success() {
            return Ok(());
        }
        if !ended.said.contains("locale") {
            ended.expect_success()?;
        }
        notes.push(format!("this machine lacks the locale {collate:?}: the scratch server has another one"));
    }
    Err(PostgresError::Scratch(format!("cannot be made with the encoding {encoding}")))
}

fn append(path: &Path, text: &str) -> Result<(), PostgresError> {
    let added = fs::OpenOptions::new().append(true).open(path);
    added
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(PostgresError::io("write", path))
}

fn start_server(
    account: &Account,
    launcher: &Launcher,
    tools: &Tools,
    data: &Path,
    notes: &mut Vec<String>,
) -> Result<Running, PostgresError> {
    let (mut command, note) = isolation::isolated(account, launcher, &tools.program("postgres"));
    notes.extend(note.map(str::to_owned));
    command.arg("-D").arg(data).stdout(std::process::Stdio::null());
    Ok(launcher.start(command)?)
}

fn wait_until_ready(running: &mut Running, access: &Access, stop: Stop<'_>) -> Result<(), PostgresError> {
    let began = Instant::now();
    loop {
        match access.home(stop) {
            Ok(_) => return Ok(()),
            Err(_) if running.has_ended() => return Err(PostgresError::Scratch("did not start".into())),
            Err(error) if began.elapsed() > START => return Err(error),
            Err(_) if stop() => return Err(ToolError::Stopped.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
