//! A PostgreSQL server as a source: which files a snapshot of it has, and in which order they come to be.
//!
//! First the server is recognised and its globals are dumped; then databases are handed to the engine, so many at a time; when the
//! last dump was judged, the small files that need all of them follow. Waiting is done here, on the planner's thread.

use super::access::{Access, AccessOptions};
use super::dump::{Dump, DumpPlan, warnings};
use super::error::PostgresError;
use super::server::{self, Database};
use super::truth::{DatabaseTruth, NotDumped, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use crate::adapter::Told;
use crate::process::Ended;
use crate::synthetic;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use vow_store::listing::path;
use vow_store::source::{Found, Source};

/// Where dumps are in a snapshot.
pub const DUMPS: &str = "databases";
/// Roles and tablespaces, as SQL.
pub const GLOBALS: &str = "globals.sql";
/// What the server is.
pub const SERVER: &str = "server.json";
/// What it said about itself.
pub const TRUTH: &str = "truth.json";

/// Globals larger than this are not read.
const GLOBALS_LIMIT_BYTES: usize = 256 << 20;
/// The last line of a whole file of globals.
const GLOBALS_END: &str = "-- PostgreSQL database cluster dump complete";

/// Tables up to this size are summed up row by row.
pub const DEFAULT_EXACT_BELOW_BYTES: u64 = 256 << 20;
/// How long a dump waits for a lock.
pub const DEFAULT_LOCK_WAIT_SECS: u32 = 60;
/// How many databases are dumped at once.
pub const DEFAULT_PARALLEL: usize = 2;
/// How far a standby may lie behind before its snapshots count as degraded.
pub const DEFAULT_MAX_LAG_SECS: u32 = 900;

/// What to capture.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// Databases left out on purpose.
    pub exclude: Vec<String>,
    /// Tables up to this size are summed up exactly, larger ones by a sample.
    pub exact_below_bytes: u64,
    /// How long to wait for a lock.
    pub lock_wait_secs: u32,
    /// Databases dumped at once, at most.
    pub parallel: usize,
    /// A standby further behind than this degrades the snapshot.
    pub max_lag_secs: u32,
    /// The system identifier on record; another one is refused.
    pub known_identifier: Option<String>,
    /// Only say what would be dumped.
    pub dry_run: bool,
}

impl PostgresOptions {
    /// With every default.
    pub fn new(access: AccessOptions) -> Self {
        Self {
            access,
            exclude: Vec::new(),
            exact_below_bytes: DEFAULT_EXACT_BELOW_BYTES,
            lock_wait_secs: DEFAULT_LOCK_WAIT_SECS,
            parallel: DEFAULT_PARALLEL,
            max_lag_secs: DEFAULT_MAX_LAG_SECS,
            known_identifier: None,
            dry_run: false,
        }
    }
}

/// What the streams tell the source.
#[derive(Default)]
pub(crate) struct Shared {
    told: Told,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    truths: Vec<DatabaseTruth>,
    failure: Option<String>,
}

impl Shared {
    /// A database was dumped and judged.
    pub(crate) fn dumped(&self, truth: DatabaseTruth) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).truths.push(truth);
        self.changed.notify_all();
    }

    /// A database was not; the first reason counts.
    pub(crate) fn failed(&self, reason: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failure.get_or_insert_with(|| reason.to_owned());
        self.changed.notify_all();
    }

    /// Waits until this many are done, or one failed.
    fn wait(&self, done: usize) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.truths.len() >= done {
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take(&self) -> Vec<DatabaseTruth> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).truths)
    }
}

/// What a run learned that the next one wants to know.
#[derive(Debug, Default)]
pub struct Learned(Mutex<Option<String>>);

impl Learned {
    /// The server's system identifier, once it was seen.
    pub fn identifier(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server was seen.
    pub(crate) fn set(&self, identifier: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(identifier.to_owned());
    }
}

/// The adapter. Nothing is connected before the first call of [`Source::next`].
pub struct Postgres {
    options: PostgresOptions,
    shared: Arc<Shared>,
    learned: Arc<Learned>,
    stage: Stage,
}

enum Stage {
    New,
    Dumping(Box<Dumping>),
    Ended(Option<String>),
}

struct Dumping {
    plan: Arc<DumpPlan>,
    facts: ServerFacts,
    globals: Vec<u8>,
    waiting: VecDeque<(String, String)>,
    handed_out: usize,
    not_dumped: Vec<NotDumped>,
}

impl Postgres {
    /// The source of these options.
    pub fn new(options: PostgresOptions) -> Self {
        Self { options, shared: Arc::default(), learned: Arc::default(), stage: Stage::New }
    }

    /// The same, which tells how many objects of each kind its truth holds.
    #[must_use]
    pub fn telling(self, told: Told) -> Self {
        Self { shared: Arc::new(Shared { told, ..Shared::default() }), ..self }
    }

    /// What is learned while it runs.
    pub fn learned(&self) -> Arc<Learned> {
        Arc::clone(&self.learned)
    }

    fn begin(&mut self) -> Result<(Vec<Found>, Stage), PostgresError> {
        let go_on = || false;
        let options = &self.options;
        let access = Arc::new(Access::open(&options.access, &go_on)?);
        let mut session = access.home(&go_on)?;
        let facts = server::facts(&access, &mut session, &go_on)?;
        access.expect(&facts.system_identifier, options.known_identifier.as_ref())?;
        self.learned.set(&facts.system_identifier);
        let mut found = Vec::new();
        let databases = server::databases(&mut session, &go_on)?;
        drop(session);
        let (wanted, not_dumped) = self.choose(databases, &mut found)?;
        judge_lag(&facts, options.max_lag_secs, &mut found);
        if options.dry_run {
            for database in &wanted {
                let size = database
                    .bytes
                    .map_or(String::new(), |bytes| format!(" ({} MB)", bytes.div_ceil(1_000_000)));
                let (name, version) = (&database.name, &access.tools.version);
                found.push(Found::Note(format!("would dump database {name:?}{size} with {version}")));
            }
            found.push(Found::Note(format!("would dump roles and tablespaces into {GLOBALS}")));
            return Ok((found, Stage::Ended(None)));
        }
        let (globals, problems) = globals(&access)?;
        found.extend(problems.into_iter().map(|text| Found::Problem { path: GLOBALS.into(), text }));
        found.push(Found::Item(synthetic::folder(b"")));
        found.push(Found::Item(synthetic::folder(DUMPS.as_bytes())));
        let mut waiting: Vec<_> =
            wanted.into_iter().map(|database| (dump_path(&database.name), database.name)).collect();
        waiting.sort_by(|(a, _), (b, _)| path::compare(a.as_bytes(), b.as_bytes()));
        let plan = DumpPlan {
            server_version: facts.server_version_num,
            in_recovery: facts.in_recovery,
            exact_below_bytes: options.exact_below_bytes,
            lock_wait_secs: options.lock_wait_secs,
            access,
        };
        let waiting = waiting.into();
        let dumping = Dumping { plan: Arc::new(plan), facts, globals, waiting, handed_out: 0, not_dumped };
        Ok((found, Stage::Dumping(Box::new(dumping))))
    }

    /// Which databases are dumped. What is left out is said.
    fn choose(
        &self,
        databases: Vec<Database>,
        found: &mut Vec<Found>,
    ) -> Result<(Vec<Database>, Vec<NotDumped>), PostgresError> {
        for name in self.options.exclude.iter().filter(|name| !databases.iter().any(|d| d.name == **name)) {
            found.push(Found::Note(format!("exclude names the database {name:?}, which is not there")));
        }
        let mut not_dumped = Vec::new();
        let mut left_out = |name: &str, reason: &str| {
            not_dumped.push(NotDumped { database: name.to_owned(), reason: reason.to_owned() });
        };
        let mut wanted = Vec::new();
        for database in databases {
            if self.options.exclude.contains(&database.name) {
                left_out(&database.name, "excluded by the plan");
                found.push(Found::Note(format!("database {:?} is excluded by the plan", database.name)));
            } else if database.allow_connections {
                wanted.push(database);
            } else {
                left_out(&database.name, "it allows no connections");
                // Every cluster has this one, and nobody can have put anything into it.
                if database.name != "template0" {
                    let path = dump_path(&database.name).into_bytes();
                    let text = "the database allows no connections and could not be dumped".to_owned();
                    found.push(Found::Problem { path, text });
                }
            }
        }
        match wanted.is_empty() {
            true => Err(PostgresError::Refused("there is no database to dump".into())),
            false => Ok((wanted, not_dumped)),
        }
    }
}

/// Says how far a standby lies behind; too far is a problem.
pub(crate) fn judge_lag(facts: &ServerFacts, limit: u32, found: &mut Vec<Found>) {
    if !facts.in_recovery {
        return;
    }
    let lag = facts.replay_lag_secs.unwrap_or(f64::INFINITY);
    if lag <= f64::from(limit) {
        found.push(Found::Note(format!("the server is a standby, {lag:.0} s behind")));
    } else {
        let behind = if lag.is_finite() { format!("{lag:.0} s") } else { "nobody knows how far".into() };
        let text = format!(
            "the server is a standby that lies behind ({behind}; {limit} s are allowed): newer rows are missing"
        );
        found.push(Found::Problem { path: SERVER.into(), text });
    }
}

impl Dumping {
    /// The next database, or what follows all of them; `None` when that was handed out too.
    fn next(&mut self, shared: &Arc<Shared>, parallel: usize) -> Result<Option<Vec<Found>>, String> {
        if let Some((file, database)) = self.waiting.pop_front() {
            shared.wait((self.handed_out + 1).saturating_sub(parallel.max(1)))?;
            self.handed_out += 1;
            let dump = Dump::new(Arc::clone(&self.plan), Arc::clone(shared), database, file.clone());
            return Ok(Some(vec![Found::Stream(synthetic::file(file.as_bytes()), Box::new(dump))]));
        }
        if self.handed_out == usize::MAX {
            return Ok(None);
        }
        shared.wait(self.handed_out)?;
        self.handed_out = usize::MAX;
        let mut databases = shared.take();
        databases.sort_by(|a, b| a.name.cmp(&b.name));
        shared.told.objects("database", databases.len() as u64);
        for (kind, count) in databases.iter().flat_map(|database| &database.kinds) {
            shared.told.objects(kind, *count);
        }
        shared.told.objects("role", server::role_names(&self.facts).len() as u64);
        let truth = Truth {
            format: TRUTH_FORMAT.into(),
            version: VERSION,
            system_identifier: self.facts.system_identifier.clone(),
            server_version_num: self.facts.server_version_num,
            roles: server::role_names(&self.facts),
            databases,
            not_dumped: std::mem::take(&mut self.not_dumped),
        };
        let bytes =
            |path: &str, bytes| Found::Stream(synthetic::file(path.as_bytes()), synthetic::bytes(bytes));
        Ok(Some(vec![
            bytes(GLOBALS, std::mem::take(&mut self.globals)),
            bytes(SERVER, document(&self.facts)?),
            bytes(TRUTH, document(&truth)?),
        ]))
    }
}

impl Source for Postgres {
    fn next(&mut self) -> Result<Option<Vec<Found>>, String> {
        let (next, stage) = match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::New => match self.begin() {
                Ok((found, stage)) => (Ok(Some(found)), stage),
                Err(error) => (Err(error.to_string()), Stage::Ended(None)),
            },
            Stage::Dumping(mut dumping) => {
                let next = dumping.next(&self.shared, self.options.parallel);
                let goes_on = matches!(next, Ok(Some(_)));
                (next, if goes_on { Stage::Dumping(dumping) } else { Stage::Ended(None) })
            }
            Stage::Ended(error) => (error.clone().map_or(Ok(None), Err), Stage::Ended(error)),
        };
        self.stage = stage;
        if let Err(error) = &next {
            // Asked again, it must not look like a good end.
            self.stage = Stage::Ended(Some(error.clone()));
        }
        next
    }
}

/// Roles, their passwords when they may be read, and tablespaces.
fn globals(access: &Access) -> Result<(Vec<u8>, Vec<String>), PostgresError> {
    let (mut out, mut ended) = dump_globals(access, &[])?;
    let mut problems = Vec::new();
    if !ended.status.success() && ended.said.contains("pg_authid") {
        (out, ended) = dump_globals(access, &["--no-role-passwords"])?;
        problems.push("the passwords of roles may not be read by this role and are missing".to_owned());
    }
    let not_whole = |reason: String| PostgresError::Dump { what: "roles and tablespaces".into(), reason };
    let ended = ended.expect_success().map_err(|e| not_whole(e.to_string()))?;
    if !String::from_utf8_lossy(&out).lines().any(|line| line == GLOBALS_END) {
        return Err(not_whole("its last line is missing".into()));
    }
    problems.extend(warnings(&ended));
    Ok((out, problems))
}

fn dump_globals(access: &Access, more: &[&str]) -> Result<(Vec<u8>, Ended), PostgresError> {
    let mut command = access.command("pg_dumpall");
    command.args(["--globals-only", "--no-password"]).args(more);
    command.arg("-d").arg(access.url.conninfo());
    Ok(access.launcher.output(command, GLOBALS_LIMIT_BYTES, &|| false)?)
}

/// A document of a snapshot as it is stored.
pub(crate) fn document<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| format!("a document cannot be written: {e}"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The file of a database's dump. What a path cannot hold, or people would stumble over, is written as `%` and two digits.
pub fn dump_path(database: &str) -> String {
    let mut path = format!("{DUMPS}/");
    for (at, byte) in database.bytes().enumerate() {
        let plain = byte > b' ' && byte != b'/' && byte != b'%' && byte != 0x7f && !(at == 0 && byte == b'.');
        if plain && byte.is_ascii() {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02x}"));
        }
    }
    path.push_str(".dump");
    path
}

#[cfg(test)]
mod tests {
    use super::dump_path;

    #[test]
    fn names_become_paths() {
        for (name, path) in [
            ("orders", "databases/orders.dump"),
            ("../../etc", "databases/%2e.%2f..%2fetc.dump"),
            ("a b%ü", "databases/a%20b%25%c3%bc.dump"),
        ] {
            assert_eq!(dump_path(name), path);
        }
    }
}
