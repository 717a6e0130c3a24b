//! A Redis server as a source: which files a snapshot has, and whether its RDB is of this server and this run.

use super::access::{Access, AccessOptions};
use super::discover;
use super::error::RedisError;
use super::facts::{Facts, functions};
use super::judge::{Dump, Dumped};
use super::settings::{settings, users};
use super::truth::{DUMP, DatabaseTruth, Keys, TRUTH, TRUTH_FORMAT, Truth, VERSION};
use super::values::{self, Watch};
use crate::adapter::{Begun, Capture, Discovered, Memory, Run, Told};
use crate::program::Program;
use crate::steps::{Next, Outcomes, Step, Steps};
use crate::stored::text_of;
use crate::synthetic;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use vow_store::source::Found;

/// How far a replica may lie behind before its snapshots count as degraded.
pub const DEFAULT_MAX_LAG_SECS: u32 = 900;
/// An RDB that began so long before the run is not of this run. A server may let us share one that another replica asked for.
const OLD_SECS: u64 = 3600;

/// What to capture.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// A replica further behind than this degrades the snapshot.
    pub max_lag_secs: u32,
}

impl Capture for RedisOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let (options, run) = (self.clone(), run.clone());
        let counted = Arc::new(Mutex::new(None));
        let learned = Arc::clone(&counted);
        let source = Steps::new(move || begin(&options, &run, &learned).map_err(|error| error.to_string()));
        let remember =
            move || counted.lock().unwrap_or_else(PoisonError::into_inner).map(|keys: u64| keys.to_string());
        Ok(Begun { source: Box::new(source), warnings: Vec::new(), remember: Box::new(remember) })
    }

    fn covers(&self, found: &Discovered) -> bool {
        found.kind == "redis" && discover::covers(&self.access.url, found)
    }

    fn memory(&self) -> Memory {
        Memory::Helps("a server that lost all its keys would not be noticed in this run")
    }
}

/// What is known before the dump.
struct Before {
    facts: Facts,
    functions: Vec<String>,
    users: Option<Vec<String>>,
    /// The server's clock.
    time: u64,
    /// Values, or why there are none.
    watch: Result<Watch, String>,
}

pub(super) type Files = BTreeMap<&'static str, Vec<u8>>;
type Counted = Arc<Mutex<Option<u64>>>;

fn begin(options: &RedisOptions, run: &Run, learned: &Counted) -> Result<Next, RedisError> {
    let access = Arc::new(Access::open(&options.access)?);
    let mut client = access.connect()?;
    let facts = Facts::ask(&mut client)?;
    let mut found = Vec::new();
    judge_server(options, &access, &facts, &mut found)?;
    refuse_empty(&access, &facts, run)?;
    if run.dry_run {
        let keys: u64 = facts.keys().values().map(|keys| keys.keys).sum();
        let databases = facts.keys().len();
        found.push(Found::Note(format!(
            "would dump {keys} keys in {databases} databases of {} at {}",
            facts.version(),
            access.url
        )));
        return Ok(Next { found, then: Vec::new() });
    }
    let mut files = Files::new();
    let users = users(&mut client, &mut files, &mut found)?;
    settings(&mut client, &access, &facts, &mut files, &mut found)?;
    files.insert("server.json", text_of(&facts.0).map_err(RedisError::Unfit)?);
    let functions = functions(&mut client)?.unwrap_or_else(|said| {
        found.push(problem(
            TRUTH,
            format!("the functions may not be listed by this user ({said}): their names are not known"),
        ));
        Vec::new()
    });
    let time = client.ask("TIME", &["TIME"])?.texts().first().and_then(|secs| secs.parse().ok());
    let time = time.ok_or_else(|| client.odd("TIME"))?;
    // Without them the snapshot is as good, and its proof says less.
    let watch = Watch::begin(&access, &facts).unwrap_or_else(|error| Err(error.to_string()));
    let before = Before { facts, functions, users, time, watch };
    found.push(Found::Item(synthetic::folder(b"")));
    Ok(Next { found, then: plan(access, before, files, Arc::clone(learned), run.told.clone()) })
}

/// The files in the order of their names. Those behind the dump wait for it.
fn plan(access: Arc<Access>, before: Before, mut files: Files, learned: Counted, told: Told) -> Vec<Step> {
    let outcomes = Outcomes::new();
    let later = files.split_off(DUMP);
    let stream = |path: &str, bytes| Found::Stream(synthetic::file(path.as_bytes()), synthetic::bytes(bytes));
    let dump = {
        let (access, slot) = (Arc::clone(&access), outcomes.slot());
        move || {
            let mut found: Vec<_> = files.into_iter().map(|(path, bytes)| stream(path, bytes)).collect();
            let judge = Dump::new(&access, slot);
            let what = format!("the RDB of the server at {}", access.url);
            let program = Program::new(what, Box::new(judge), move |_| {
                access.dump().map_err(|error| error.to_string())
            });
            found.push(Found::Stream(synthetic::file(DUMP.as_bytes()), Box::new(program)));
            Ok(Next { found, then: Vec::new() })
        }
    };
    let rest = move || {
        outcomes.wait(1)?;
        let Some(dumped) = outcomes.take().pop() else { return Err("the dump has no outcome".into()) };
        let (truth, mut found) = conclude(&access, before, dumped).map_err(|error| error.to_string())?;
        *learned.lock().unwrap_or_else(PoisonError::into_inner) = Some(truth.keys);
        // Keys come and go by themselves; these do not.
        told.objects("function library", truth.functions.len() as u64);
        if let Some(users) = &truth.users {
            told.objects("user", users.len() as u64);
        }
        let mut later = later;
        later.insert(TRUTH, text_of(&truth)?);
        found.extend(later.into_iter().map(|(path, bytes)| stream(path, bytes)));
        Ok(Next { found, then: Vec::new() })
    };
    vec![Box::new(dump), Box::new(rest)]
}

pub(super) fn problem(path: &str, text: String) -> Found {
    Found::Problem { path: path.into(), text }
}

/// Whether this server's data is what it should be.
fn judge_server(
    options: &RedisOptions,
    access: &Access,
    facts: &Facts,
    found: &mut Vec<Found>,
) -> Result<(), RedisError> {
    let place = &access.url;
    if facts.get("redis_mode") == "sentinel" {
        return Err(RedisError::Unfit(format!(
            "at {place} a Sentinel answers, which has no data: name a server"
        )));
    }
    if facts.get("loading") == "1" {
        return Err(RedisError::Unfit(format!(
            "the server at {place} is still loading its data: run again when it is done"
        )));
    }
    if facts.get("cluster_enabled") == "1" {
        found.push(Found::Note(format!(
            "the server at {place} is a node of a cluster: the other nodes need sources of their own"
        )));
    }
    if facts.get("role") != "slave" {
        return Ok(());
    }
    let (silent, limit) = (facts.number("master_last_io_seconds_ago"), options.max_lag_secs);
    if facts.get("master_link_status") != "up" {
        // It gives no RDB then.
        return Err(RedisError::Unfit(format!(
            "the server at {place} is a replica that is not connected with its master, {} port {}: capture the master, or another replica",
            facts.get("master_host"),
            facts.get("master_port")
        )));
    } else if silent > u64::from(limit) {
        found.push(problem(DUMP, format!("the server is a replica that has heard nothing for {silent} s ({limit} s are allowed): newer keys may be missing")));
    } else {
        found.push(Found::Note("the server is a replica".into()));
    }
    Ok(())
}

/// A server that lost everything answers as if nothing had happened: for example one that was restarted with `appendonly yes` and no
/// append-only file.
fn refuse_empty(access: &Access, facts: &Facts, run: &Run) -> Result<(), RedisError> {
    let had: u64 = run.remembered.as_deref().and_then(|keys| keys.parse().ok()).unwrap_or(0);
    if had == 0 || run.allow_empty || facts.keys().values().any(|keys| keys.keys > 0) {
        return Ok(());
    }
    Err(RedisError::Unfit(format!(
        "the server at {} is empty, but the last snapshot had {had} keys: did it start without its data? If it is meant to be \
         empty, run with --allow-empty",
        access.url
    )))
}

/// Compares the dump with the server, before and after.
fn conclude(access: &Access, before: Before, dumped: Dumped) -> Result<(Truth, Vec<Found>), RedisError> {
    let after = Facts::ask(&mut access.connect()?)?;
    let Dumped { whole, said } = dumped;
    let unfit = |why: String| RedisError::Unfit(format!("the RDB of the server at {}: {why}", access.url));
    if after.get("run_id") != before.facts.get("run_id") {
        return Err(unfit("the server was restarted meanwhile".into()));
    }
    let taken = said.taken.unwrap_or(before.time);
    if taken.saturating_add(OLD_SECS) < before.time {
        return Err(unfit(format!("it is {} s older than this run", before.time - taken)));
    }
    let replids = [before.facts.get("master_replid"), after.get("master_replid")];
    if let Some(replid) = said.replid.as_deref().filter(|replid| !replids.contains(replid)) {
        return Err(unfit(format!("it is of another server (replication id {replid})")));
    }
    let keys = said.keys.unwrap_or(0);
    let (old, new) = (before.facts.keys(), after.keys());
    let count = |keys: &BTreeMap<u32, Keys>| keys.values().map(|keys| keys.keys).sum::<u64>();
    if keys == 0 && count(&old) > 0 && count(&new) > 0 {
        return Err(unfit(format!("it has no keys, and the server has {}", count(&new))));
    }
    let mut found = Vec::new();
    let is_static = old == new && old.values().all(|keys| keys.expires == 0);
    if is_static && count(&old) != keys {
        let text = format!("it has {keys} keys; the server had {} before and after", count(&old));
        found.push(problem(DUMP, text));
    }
    let values = before.watch.and_then(|watch| watch.finish().map_err(|error| error.to_string()));
    let values = values.unwrap_or_else(|why| {
        found.push(Found::Note(format!(
            "no values were read for a drill to compare: {why}; the user needs {}",
            values::RIGHTS
        )));
        Vec::new()
    });
    let numbers: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let of = |keys: &BTreeMap<u32, Keys>, database| keys.get(&database).copied().unwrap_or_default();
    let database =
        |database| DatabaseTruth { database, before: of(&old, database), after: of(&new, database) };
    let truth = Truth {
        format: TRUTH_FORMAT.into(),
        version: VERSION,
        server: before.facts.version(),
        role: before.facts.get("role").into(),
        run_id: before.facts.get("run_id").into(),
        replid: before.facts.get("master_replid").into(),
        taken,
        bytes: whole.bytes,
        crc: whole.crc,
        keys,
        expires: said.expires,
        expired: said.expired,
        databases: numbers.into_iter().map(database).collect(),
        functions: before.functions,
        users: before.users,
        values,
    };
    Ok((truth, found))
}

impl RedisOptions {
    /// With every default.
    pub fn new(access: AccessOptions) -> Self {
        Self { access, max_lag_secs: DEFAULT_MAX_LAG_SECS }
    }

    /// The folder of the tools, when it is not the usual one.
    pub fn tools(&self) -> Option<&PathBuf> {
        self.access.tools.as_ref()
    }
}
