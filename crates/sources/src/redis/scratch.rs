//! A throw-away server with the keys of a snapshot: on a socket in a private folder, with no port, writing nothing, knowing no other
//! server.
//!
//! It is told `appendonly no`: with `yes`, a server that finds no append-only file starts empty beside a full `dump.rdb`, without a
//! word.

use super::access::{SERVER, find};
use super::client::{Client, Reply};
use super::error::RedisError;
use super::prove::{Damage, Unharmed};
use super::truth::{DUMP, TRUTH, TRUTH_FORMAT, Truth, USERS, VERSION};
use super::url::Url;
use crate::adapter::Stop;
use crate::isolation::{self, Throwaway};
use crate::process::{Launcher, ToolError};
use crate::stored;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vow_store::archive::Snapshot;

/// How long it may take to answer at all; loading may take longer.
const START: Duration = Duration::from_secs(60);
/// Room for databases that were not there before the dump or after it.
const DATABASES_MIN: u32 = 1024;

/// The server.
pub(crate) struct Scratch {
    server: Throwaway,
    url: Url,
}

impl Scratch {
    /// Starts one below `place` that has loaded the snapshot.
    pub(crate) fn start(
        snapshot: &Snapshot,
        truth: &Truth,
        place: &Path,
        stop: Stop<'_>,
    ) -> Result<Self, RedisError> {
        Self::start_with(snapshot, truth, place, &mut Unharmed, stop)
    }

    /// The same, with damage done to its file before.
    pub(super) fn start_with(
        snapshot: &Snapshot,
        truth: &Truth,
        place: &Path,
        damage: &mut dyn Damage,
        stop: Stop<'_>,
    ) -> Result<Self, RedisError> {
        let server = find(None, SERVER, "redis-server")?;
        check_space(place, truth.bytes)?;
        let folder = tempfile::Builder::new().prefix("vow-redis-").tempdir_in(place);
        let folder = folder.map_err(RedisError::io("make a private folder in", place))?;
        let path = folder.path().to_owned();
        isolation::check_socket(&path.join("s")).map_err(RedisError::Scratch)?;
        let launcher = Launcher::new(isolation::least(&["redis", "valkey"]));
        let prepared =
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).and_then(|()| launcher.give(&path));
        prepared.map_err(RedisError::io("prepare", &path))?;
        let (dump, config) = (path.join(DUMP), path.join("scratch.conf"));
        stored::write_to(snapshot, DUMP.as_bytes(), &dump, stop)?;
        damage.file(truth, &dump)?;
        isolation::write_new(&config, settings(&path, truth).as_bytes())
            .map_err(RedisError::io("write", &config))?;
        for file in [&dump, &config] {
            launcher.give(file).map_err(RedisError::io("prepare", file))?;
        }
        let mut command = launcher.command(&server);
        command.arg(&config).stdout(Stdio::null()).current_dir(&path);
        // It has nothing to save.
        let server = Throwaway::new(launcher.start(command)?, folder, Signal::TERM);
        let mut scratch = Self { server, url: Url::of_socket(&path.join("s")) };
        scratch.wait(&path.join("log"), stop)?;
        Ok(scratch)
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<Client, RedisError> {
        Client::connect(&self.url, None)
    }

    fn wait(&mut self, log: &Path, stop: Stop<'_>) -> Result<(), RedisError> {
        let began = Instant::now();
        loop {
            if let Ok(mut client) = self.connect() {
                match client.try_ask("PING", &["PING"]) {
                    Ok(Reply::Simple(_)) => return Ok(()),
                    // Still loading: it takes as long as it takes.
                    Ok(Reply::Error(_)) => {}
                    _ if began.elapsed() > START => {
                        return Err(RedisError::Scratch("does not answer".into()));
                    }
                    _ => {}
                }
            } else if began.elapsed() > START {
                return Err(RedisError::Scratch("does not answer".into()));
            }
            if self.server.has_ended() {
                return Err(why_not(&fs::read_to_string(log).unwrap_or_default()));
            }
            if stop() {
                return Err(ToolError::Stopped.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What its log says about a server that ended.
fn why_not(log: &str) -> RedisError {
    let said = |words: &str| log.lines().find(|line| line.contains(words)).map(|line| line.trim().to_owned());
    if let Some(line) = said("Can't handle RDB format version") {
        return RedisError::Lacking(format!(
            "the server's programs on this machine are too old for this RDB: {line}"
        ));
    }
    if let Some(line) = said("no matching module") {
        return RedisError::Lacking(format!("a module is not installed on this machine: {line}"));
    }
    let last: Vec<_> = log.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    RedisError::Unfit(format!("a scratch server does not load the RDB: {last}"))
}

fn settings(folder: &Path, truth: &Truth) -> String {
    let last = truth.databases.iter().map(|database| database.database.saturating_add(1)).max().unwrap_or(0);
    let databases = last.max(DATABASES_MIN);
    let quoted = |name: &str| format!("\"{}\"", folder.join(name).display());
    format!(
        "port 0\nunixsocket {}\nunixsocketperm 700\ndir {}\ndbfilename {DUMP}\nlogfile {}\nappendonly no\nsave \"\"\n\
         daemonize no\ndatabases {databases}\n",
        quoted("s"),
        quoted(""),
        quoted("log"),
    )
}

fn check_space(place: &Path, bytes: u64) -> Result<(), RedisError> {
    let stat = rustix::fs::statvfs(place).map_err(|e| RedisError::io("look at", place)(e.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let wanted = bytes.saturating_add(64 << 20);
    match free >= wanted {
        true => Ok(()),
        false => Err(RedisError::Scratch(format!(
            "needs about {} MiB in {}, where {} MiB are free; name a roomier place with --scratch",
            wanted >> 20,
            place.display(),
            free >> 20
        ))),
    }
}

/// What must come back.
pub(crate) fn truth_of(snapshot: &Snapshot) -> Result<Truth, RedisError> {
    Ok(stored::document(snapshot, TRUTH, TRUTH_FORMAT, VERSION)?)
}

/// The lines of the users' file, when the snapshot has one.
pub(crate) fn users_of(snapshot: &Snapshot) -> Result<Vec<String>, RedisError> {
    let Ok(entry) = snapshot.entry(USERS.as_bytes()) else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    snapshot.content(&entry, &mut bytes).map_err(stored::StoredError::from)?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}
