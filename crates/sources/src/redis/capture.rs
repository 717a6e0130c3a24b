//! A Redis server as a source: which files a snapshot has, and what its RDB must pass.

use super::access::{Access, AccessOptions};
use super::client::{Client, Reply};
use super::discover;
use super::error::RedisError;
use super::facts::{Facts, functions};
use super::rdb::{Frame, Whole};
use super::truth::{DUMP, DatabaseTruth, Keys, TRUTH, TRUTH_FORMAT, Truth, USERS, VERSION};
use super::url::Place;
use super::values::{self, Watch};
use crate::adapter::{Begun, Capture, Discovered, Memory, Run, Told};
use crate::process::{Ended, Running, one_line};
use crate::program::{Judge, Program};
use crate::steps::{Next, Outcomes, Slot, Step, Steps};
use crate::stored::text_of;
use crate::synthetic;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use vow_store::source::Found;

/// How far a replica may lie behind before its snapshots count as degraded.
pub const DEFAULT_MAX_LAG_SECS: u32 = 900;
/// An RDB that began so long before the run is not of this run. A server may let us share one that another replica asked for.
const OLD_SECS: u64 = 3600;
/// Configuration files larger than this are not read.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

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

type Files = BTreeMap<&'static str, Vec<u8>>;
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
            let judge = Dump {
                frame: Frame::new(),
                whole: None,
                checker: None,
                access: Arc::clone(&access),
                slot: Some(slot),
            };
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

fn problem(path: &str, text: String) -> Found {
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

fn users(
    client: &mut Client,
    files: &mut Files,
    found: &mut Vec<Found>,
) -> Result<Option<Vec<String>>, RedisError> {
    match client.try_ask("ACL LIST", &["ACL", "LIST"])? {
        Reply::Error(said) if said.contains("unknown command") => {
            found.push(Found::Note("this server is older than 6.0 and has no ACL users".into()));
            Ok(Some(Vec::new()))
        }
        Reply::Error(said) => {
            found.push(problem(
                USERS,
                format!("the ACL users may not be read by this user and are missing: {said}"),
            ));
            Ok(None)
        }
        reply => {
            let lines = reply.texts();
            let names = lines.iter().filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect();
            files.insert(USERS, (lines.join("\n") + "\n").into_bytes());
            Ok(Some(names))
        }
    }
}

/// The settings in effect, and the files they came from.
fn settings(
    client: &mut Client,
    access: &Access,
    facts: &Facts,
    files: &mut Files,
    found: &mut Vec<Found>,
) -> Result<(), RedisError> {
    let mut external = None;
    match client.try_ask("CONFIG GET", &["CONFIG", "GET", "*"])? {
        Reply::Error(said) => {
            found.push(problem(
                "config.json",
                format!("the settings may not be read by this user and are missing: {said}"),
            ));
        }
        reply => {
            let texts = reply.texts();
            let pairs = texts.chunks_exact(2).map(|pair| (pair[0].clone(), Value::from(pair[1].clone())));
            let settings: Map<_, _> = pairs.collect();
            external = settings
                .get("aclfile")
                .and_then(Value::as_str)
                .filter(|path| !path.is_empty())
                .map(str::to_owned);
            files.insert("config.json", text_of(&settings).map_err(RedisError::Unfit)?);
        }
    }
    let is_here = match &access.url.place {
        Place::Socket(_) => true,
        Place::Port(host, _) => matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1"),
    };
    let named = [
        ("redis.conf", Some(facts.get("config_file").to_owned()).filter(|path| !path.is_empty())),
        ("redis.aclfile", external),
    ];
    for (name, path) in named {
        let Some(path) = path else { continue };
        if !is_here {
            found.push(Found::Note(format!(
                "{path} is on another machine: not captured, but the settings in effect are"
            )));
            continue;
        }
        match read_limited(Path::new(&path)) {
            Ok(bytes) => {
                files.insert(name, bytes);
            }
            Err(error) => found.push(problem(name, format!("{path} cannot be read: {error}"))),
        }
    }
    Ok(())
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE_LIMIT_BYTES {
        true => Err(std::io::Error::other("it is too long for a configuration")),
        false => Ok(bytes),
    }
}

/// What came out of the dump.
struct Dumped {
    whole: Whole,
    said: Said,
}

/// What `redis-check-rdb` said about the RDB.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    is_fine: bool,
    keys: Option<u64>,
    expires: u64,
    expired: u64,
    replid: Option<String>,
    taken: Option<u64>,
}

impl Said {
    fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            let count = || line.strip_prefix("[info] ")?.split(' ').next()?.parse().ok();
            let quoted = || line.split('\'').nth(1).map(str::to_owned);
            if line.contains("RDB looks OK!") {
                said.is_fine = true;
            } else if line.ends_with(" keys read") {
                said.keys = count();
            } else if line.ends_with(" already expired") {
                said.expired = count().unwrap_or(0);
            } else if line.ends_with(" expires") {
                said.expires = count().unwrap_or(0);
            } else if line.contains("AUX FIELD repl-id = ") {
                said.replid = quoted();
            } else if line.contains("AUX FIELD ctime = ") {
                said.taken = quoted().and_then(|secs| secs.parse().ok());
            }
        }
        said
    }
}

/// Judges the RDB while it streams.
struct Dump {
    frame: Frame,
    whole: Option<Whole>,
    checker: Option<Checker>,
    access: Arc<Access>,
    slot: Option<Slot<Dumped>>,
}

struct Checker {
    running: Running,
    input: ChildStdin,
    output: JoinHandle<Vec<u8>>,
}

impl Dump {
    /// Gives the checker what goes into the file. One that has ended says why at the end.
    fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.checker.is_none() {
            let mut running = self.access.check().map_err(|error| error.to_string())?;
            let (input, out) = running
                .stdin()
                .and_then(|input| Ok((input, running.stdout()?)))
                .map_err(|e| e.to_string())?;
            // It names every key it cannot read: only the end of what it says counts.
            let output = std::thread::spawn(move || last_of(out));
            self.checker = Some(Checker { running, input, output });
        }
        if let Some(checker) = &mut self.checker {
            let _ = checker.input.write_all(bytes);
        }
        Ok(())
    }
}

/// The beginning and the end of what is read.
fn last_of(mut from: impl Read) -> Vec<u8> {
    const KEPT_BYTES: usize = 64 << 10;
    let (mut kept, mut piece) = (Vec::new(), [0; 8192]);
    while let Ok(read) = from.read(&mut piece) {
        if read == 0 {
            break;
        }
        kept.extend_from_slice(&piece[..read]);
        if kept.len() > 4 * KEPT_BYTES {
            kept.drain(KEPT_BYTES..kept.len() - KEPT_BYTES);
        }
    }
    kept
}

impl Judge for Dump {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.frame.feed(bytes, out)?;
        self.check(out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.whole = Some(self.frame.end(out)?);
        self.check(out)
    }

    fn verdict(mut self: Box<Self>, _ended: &Ended, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let judged = self.judge(stop);
        match (judged, self.slot.take()) {
            (Ok(dumped), Some(slot)) => {
                let degraded = match dumped.whole.crc {
                    Some(_) => Vec::new(),
                    None => vec!["the server writes no checksum (rdbchecksum no): damage on the way would not be noticed".into()],
                };
                slot.done(dumped);
                Ok(degraded)
            }
            (Err(why), slot) => {
                if let Some(slot) = slot {
                    slot.failed(&why);
                }
                Err(why)
            }
            (Ok(_), None) => Err("it was judged already".into()),
        }
    }

    fn failed(&mut self, reason: &str) {
        if let Some(slot) = self.slot.take() {
            slot.failed(reason);
        }
    }
}

impl Dump {
    fn judge(&mut self, stop: &dyn Fn() -> bool) -> Result<Dumped, String> {
        let (Some(whole), Some(Checker { running, input, output })) = (self.whole, self.checker.take())
        else {
            return Err("nothing came".into());
        };
        drop(input);
        let ended = running.wait(stop).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.join().unwrap_or_default()).into_owned();
        let said = Said::parse(&text);
        if !ended.status.success() || !said.is_fine || said.keys.is_none() {
            let last: Vec<_> = text.lines().rev().take(3).collect();
            let last = one_line(&last.into_iter().rev().collect::<Vec<_>>().join("\n"));
            return Err(format!("redis-check-rdb does not accept it ({}): {last}", ended.status));
        }
        Ok(Dumped { whole, said })
    }
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

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn the_checkers_words_are_read() {
        let text = "[offset 27] AUX FIELD redis-ver = '7.0.15'\n[offset 53] AUX FIELD ctime = '1795826304'\n\
            [offset 136] AUX FIELD repl-id = 'd056'\n[offset 182] \\o/ RDB looks OK! \\o/\n[info] 12 keys read\n[info] 3 expires\n\
            [info] 1 already expired\n";
        let expected = Said {
            is_fine: true,
            keys: Some(12),
            expires: 3,
            expired: 1,
            replid: Some("d056".into()),
            taken: Some(1_795_826_304),
        };
        assert_eq!(Said::parse(text), expected);
        assert_eq!(Said::parse("--- RDB ERROR DETECTED ---"), Said::default());
    }
}
