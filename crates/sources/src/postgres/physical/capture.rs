//! A whole cluster as it lies on the disk: `pg_basebackup` into a staging folder, verified against its manifest, and then captured as
//! files, so that what did not change since the last run is found again in the vault.
//!
//! Why a staging folder: a stream to standard output has one tablespace at most, lacks the log that it needs, and cannot be verified by
//! the tools of most versions. It costs the room of the cluster once, and nothing in memory.

use super::super::access::{Access, AccessOptions};
use super::super::capture::{SERVER, judge_lag};
use super::super::dump::warnings;
use super::super::error::PostgresError;
use super::super::server;
use super::super::session::Stop;
use super::super::truth::ServerFacts;
use super::facts::{self, BACKUP_FORMAT, BACKUP_VERSION, Backup, Known};
use super::staging::{Staging, Walk};
use crate::learned::Learned;
use crate::steps::{Next, Outcomes, Slot, Step, Steps};
use crate::stored::text_of;
use crate::synthetic;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_store::source::{Found, Stream};

/// What is known of the backup.
pub const BACKUP: &str = "backup.json";
/// The data directory.
pub(super) const BASE: &str = "base";
/// Files of the configuration that lie elsewhere.
pub(super) const CONFIG: &str = "config";
/// Tablespaces, by object id.
pub(super) const TABLESPACES: &str = "tablespaces";
/// The names of a few tables are said.
const NAMED: usize = 5;
/// The output of the programs is short.
const SAID_LIMIT_BYTES: usize = 1 << 20;

/// What to capture.
#[derive(Debug, Clone)]
pub struct PhysicalOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// The source's name.
    pub name: String,
    /// The folder below which the staging folder is made.
    pub staging: PathBuf,
    /// A standby further behind than this degrades the snapshot.
    pub max_lag_secs: u32,
    /// The system identifier on record; another one is refused.
    pub known_identifier: Option<String>,
    /// Only say what would be captured.
    pub dry_run: bool,
}

/// The adapter. Nothing is connected before the engine asks for the first entries.
pub struct Physical {
    options: PhysicalOptions,
    learned: Arc<Learned>,
}

/// What follows a part of the staging folder.
struct Rest {
    documents: Vec<Found>,
    tablespaces: Option<Walk>,
}

/// A base backup that was verified.
struct Whole {
    staging: Arc<Staging>,
    config: Vec<ConfigFile>,
    notes: Vec<String>,
    problems: Vec<String>,
}

impl Physical {
    /// The source of these options.
    pub fn new(options: PhysicalOptions) -> Self {
        Self { options, learned: Arc::default() }
    }

    /// What is learned while it runs.
    pub fn learned(&self) -> Arc<Learned> {
        Arc::clone(&self.learned)
    }

    /// The source, for the engine.
    pub(crate) fn source(self) -> Steps {
        Steps::new(move || self.begin().map_err(|error| error.to_string()))
    }

    fn begin(self) -> Result<Next, PostgresError> {
        let go_on = || false;
        let options = &self.options;
        let access = Access::open(&options.access, &go_on)?;
        let mut session = access.home(&go_on)?;
        let facts = server::facts(&access, &mut session, &go_on)?;
        access.expect(&facts.system_identifier, options.known_identifier.as_ref())?;
        self.learned.set(&facts.system_identifier);
        for program in ["pg_basebackup", "pg_verifybackup"] {
            if !access.tools.program(program).exists() {
                let folder = access.tools.folder.display();
                return Err(PostgresError::Refused(format!(
                    "a base backup needs {program}, which is not in {folder}; install the server's package, version 13 or newer"
                )));
            }
        }
        let mut found = Vec::new();
        judge_lag(&facts, options.max_lag_secs, &mut found);
        let bytes: u64 = facts.databases.iter().filter_map(|row| row["bytes"].as_u64()).sum();
        if options.dry_run {
            let (size, place) = (bytes.div_ceil(1_000_000), options.staging.display());
            found.push(Found::Note(format!(
                "would make a base backup of {size} MB below {place} with {}",
                access.tools.version
            )));
            return Ok(Next { found, then: Vec::new() });
        }
        drop(session);
        let made = Outcomes::new();
        let work = Work { access, options: options.clone(), facts: facts.clone(), bytes };
        let stream = BaseBackup { work: Some(work), slot: Some(made.slot()), out: None };
        found.push(Found::Item(synthetic::folder(b"")));
        found.push(Found::Stream(synthetic::file(BACKUP.as_bytes()), Box::new(stream)));
        Ok(Next { found, then: vec![Box::new(move || Self::walk(&made, &facts))] })
    }

    /// What is handed out when the base backup is there.
    fn walk(made: &Outcomes<Whole>, facts: &ServerFacts) -> Result<Next, String> {
        made.wait(1)?;
        let whole =
            made.take().pop().ok_or("the base backup was lost by a fault in vow, please report it")?;
        let mut found: Vec<_> = whole.notes.into_iter().map(Found::Note).collect();
        found.extend(whole.problems.into_iter().map(|text| Found::Problem { path: BASE.into(), text }));
        let bytes = |path: &str, bytes: Vec<u8>| {
            Found::Stream(synthetic::file(path.as_bytes()), synthetic::bytes(bytes))
        };
        let mut documents = Vec::new();
        if !whole.config.is_empty() {
            documents.push(Found::Item(synthetic::folder(CONFIG.as_bytes())));
            documents.extend(
                whole
                    .config
                    .into_iter()
                    .map(|(name, text)| bytes(&format!("{CONFIG}/{name}"), text.into_bytes())),
            );
        }
        documents.push(bytes(SERVER, text_of(facts)?));
        let has_tablespaces = whole.staging.path(TABLESPACES).exists();
        let tablespaces = has_tablespaces.then(|| Walk::of(Arc::clone(&whole.staging), TABLESPACES));
        let walk = Walk::of(whole.staging, BASE);
        let rest = Rest { documents, tablespaces };
        Ok(Next { found, then: vec![Box::new(move || go_on(walk, rest))] })
    }
}

/// The next entries of a part of the staging folder, or what follows it.
fn go_on(mut walk: Walk, rest: Rest) -> Result<Next, String> {
    if let Some(found) = walk.next().map_err(|error| error.to_string())? {
        return Ok(Next { found, then: vec![Box::new(move || go_on(walk, rest))] });
    }
    let Rest { documents, tablespaces } = rest;
    let nothing = Rest { documents: Vec::new(), tablespaces: None };
    let then = tablespaces.map(|walk| Box::new(move || go_on(walk, nothing)) as Step);
    Ok(Next { found: documents, then: then.into_iter().collect() })
}

/// What the stream needs to do its work.
struct Work {
    access: Access,
    options: PhysicalOptions,
    facts: ServerFacts,
    bytes: u64,
}

/// `backup.json`: a stream, because streams are what can be stopped; its first byte comes when the base backup is whole.
struct BaseBackup {
    work: Option<Work>,
    slot: Option<Slot<Whole>>,
    out: Option<Box<dyn Stream>>,
}

impl Stream for BaseBackup {
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String> {
        if let Some(work) = self.work.take() {
            let made = work
                .run(stop)
                .map_err(|error| error.to_string())
                .and_then(|(whole, backup)| Ok((whole, text_of(&backup)?)));
            match (made, self.slot.take()) {
                (Ok((whole, document)), Some(slot)) => {
                    self.out = Some(synthetic::bytes(document));
                    slot.done(whole);
                }
                (Err(error), Some(slot)) => {
                    slot.failed(&error);
                    return Err(error);
                }
                (_, None) => return Err("it was made already".into()),
            }
        }
        self.out.as_mut().map_or(Ok(0), |out| out.read(buffer, stop))
    }

    fn finish(self: Box<Self>, _stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

impl Work {
    fn run(self, stop: Stop<'_>) -> Result<(Whole, Backup), PostgresError> {
        let Self { access, options, facts, bytes } = self;
        let mut session = access.home(stop)?;
        let tablespaces = facts::tablespaces(&mut session, stop)?;
        let before = Known::look(&access, &mut session, stop)?;
        let began = facts::now(&mut session, stop)?;
        let staging = Staging::create(&options.staging, &options.name, &access.launcher, bytes)?;
        let mut command = access.command("pg_basebackup");
        command.arg("-D").arg(staging.path(BASE));
        command.args(["-Fp", "-X", "stream", "-c", "fast", "--manifest-checksums=SHA256", "--no-sync", "-w"]);
        command.args(["-l", "vow"]);
        for tablespace in &tablespaces {
            let place = staging.path(TABLESPACES).join(tablespace.oid.to_string());
            command.arg(format!(
                "--tablespace-mapping={}={}",
                escaped(&tablespace.location),
                escaped_path(&place)
            ));
        }
        command.arg("-d").arg(access.url.conninfo());
        let not_whole = |reason: String| PostgresError::Dump { what: "base backup".into(), reason };
        let (_, ended) = access.launcher.output(command, SAID_LIMIT_BYTES, stop)?;
        let ended = ended.expect_success().map_err(|e| not_whole(e.to_string()))?;
        let problems = warnings(&ended).into_iter().filter(|line| !line.starts_with("NOTICE:")).collect();
        // Not the one from before: a session that idled for hours may have been ended.
        let mut session = access.home(stop)?;
        let finished = facts::now(&mut session, stop)?;
        let mut command = access.command("pg_verifybackup");
        command.arg("--quiet").arg(staging.path(BASE));
        let (_, ended) = access.launcher.output(command, SAID_LIMIT_BYTES, stop)?;
        ended.expect_success().map_err(|e| not_whole(format!("it does not agree with its manifest: {e}")))?;
        let backup = Backup {
            format: BACKUP_FORMAT.into(),
            version: BACKUP_VERSION,
            system_identifier: facts.system_identifier.clone(),
            began,
            finished,
            wal: facts::wal_range(&staging.path(BASE).join("backup_manifest"))?,
            wal_segment_bytes: facts::segment_bytes(&mut session, stop)?,
            tablespaces,
            needs: facts::needs(&mut session, stop)?,
            databases: before.still(&Known::look(&access, &mut session, stop)?),
            slots: facts::slots(&mut session, stop)?,
        };
        let (config, mut notes) = config(&access, stop)?;
        notes.extend(declared(&backup));
        Ok((Whole { staging: Arc::new(staging), config, notes, problems }, backup))
    }
}

/// What a base backup never brings back.
fn declared(backup: &Backup) -> Vec<String> {
    let mut notes = Vec::new();
    for database in backup.databases.iter().filter(|database| !database.unlogged.is_empty()) {
        let named = database.unlogged.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let count = database.unlogged.len();
        notes.push(format!(
            "database {:?}: {count} unlogged tables come back empty from a base backup: {named}{}",
            database.name,
            if count > NAMED { ", …" } else { "" }
        ));
    }
    if !backup.slots.is_empty() {
        notes.push(format!("replication slots are not part of a base backup: {}", backup.slots.join(", ")));
    }
    notes
}

const CONFIG_FILES: &str = "SELECT json_build_array(path, path LIKE current_setting('data_directory') || '/%') FROM ( \
    SELECT setting AS path FROM pg_settings WHERE name IN ('config_file', 'hba_file', 'ident_file') \
    UNION SELECT sourcefile FROM pg_settings WHERE sourcefile IS NOT NULL) f WHERE path IS NOT NULL ORDER BY path";

/// Name and text.
type ConfigFile = (String, String);

/// Files of the configuration that lie outside the data directory, as Debian keeps them.
fn config(access: &Access, stop: Stop<'_>) -> Result<(Vec<ConfigFile>, Vec<String>), PostgresError> {
    let mut session = access.home(stop)?;
    let doing = "reading the configuration";
    let files: Vec<(String, bool)> = session.documents(doing, CONFIG_FILES, stop)?;
    let (mut read, mut notes) = (BTreeMap::new(), Vec::new());
    for (path, _) in files.into_iter().filter(|(_, inside)| !inside) {
        let statement = format!("SELECT to_json(pg_read_file({}))", super::super::sql::literal(&path));
        match session.document::<String>(doing, &statement, stop) {
            Ok(text) => {
                let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned();
                let name = if read.contains_key(&name) { format!("{}-{name}", read.len()) } else { name };
                read.insert(name, text);
            }
            Err(error) if error.state().is_some() => {
                notes.push(format!("{path} was not captured: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((read.into_iter().collect(), notes))
}

/// `pg_basebackup` ends a path at an equals sign that is not escaped.
fn escaped(path: &str) -> String {
    path.replace('=', "\\=")
}

fn escaped_path(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}
