//! A PostgreSQL server as a source: which files a snapshot of it has, and in which order they come to be.
//!
//! First the server is recognised and its globals are dumped; then databases are handed to the engine, so many at a time; when the
//! last dump was judged, the small files that need all of them follow. Waiting is done here, on the planner's thread.

use super::access::{Access, AccessOptions};
use super::dump::{Dump, DumpPlan, warnings};
use super::error::PostgresError;
use super::server::{self, Database, Inside};
use super::truth::{DatabaseTruth, NotDumped, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use crate::adapter::Told;
use crate::learned::Learned;
use crate::process::Ended;
use crate::steps::{Next, Outcomes, Steps};
use crate::stored::text_of;
use crate::synthetic;
use std::collections::VecDeque;
use std::sync::Arc;
use vow_store::listing::path;
use vow_store::source::Found;

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

/// The adapter. Nothing is connected before the engine asks for the first entries.
pub struct Postgres {
    options: PostgresOptions,
    told: Told,
    learned: Arc<Learned>,
}

/// Dumps that run, those that are still to come, and what will be said when they have ended.
struct Dumping {
    plan: Arc<DumpPlan>,
    parallel: usize,
    facts: ServerFacts,
    globals: Vec<u8>,
    roles: Vec<String>,
    waiting: VecDeque<(String, Database)>,
    handed_out: usize,
    dumped: Outcomes<DatabaseTruth>,
    not_dumped: Vec<NotDumped>,
    told: Told,
}

impl Postgres {
    /// The source of these options. It tells how many objects of each kind its truth holds.
    pub fn new(options: PostgresOptions, told: Told) -> Self {
        Self { options, told, learned: Arc::default() }
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
        let access = Arc::new(Access::open(&options.access, &go_on)?);
        let mut session = access.home(&go_on)?;
        let facts = server::facts(&access, &mut session, &go_on)?;
        access.expect(&facts.system_identifier, options.known_identifier.as_ref())?;
        self.learned.set(&facts.system_identifier);
        let mut found = Vec::new();
        let databases = server::databases(&mut session, &go_on)?;
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
            return Ok(Next { found, then: Vec::new() });
        }
        let (globals, problems) = globals(&access)?;
        // One that was dropped meanwhile need not be in them.
        let roles = server::roles_still_there(&facts, &mut session, &go_on)?;
        drop(session);
        found.extend(problems.into_iter().map(|text| Found::Problem { path: GLOBALS.into(), text }));
        found.push(Found::Item(synthetic::folder(b"")));
        found.push(Found::Item(synthetic::folder(DUMPS.as_bytes())));
        let mut waiting: Vec<_> =
            wanted.into_iter().map(|database| (dump_path(&database.name), database)).collect();
        waiting.sort_by(|(a, _), (b, _)| path::compare(a.as_bytes(), b.as_bytes()));
        let plan = DumpPlan {
            server_version: facts.server_version_num,
            in_recovery: facts.in_recovery,
            exact_below_bytes: options.exact_below_bytes,
            lock_wait_secs: options.lock_wait_secs,
            access,
        };
        let dumping = Dumping {
            plan: Arc::new(plan),
            parallel: options.parallel.max(1),
            facts,
            globals,
            roles,
            waiting: waiting.into(),
            handed_out: 0,
            dumped: Outcomes::new(),
            not_dumped,
            told: self.told,
        };
        Ok(Next { found, then: vec![Box::new(move || dumping.next())] })
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
            } else if let Some(why) = database.refuses() {
                left_out(&database.name, why);
                // Every cluster has this one, and nobody can have put anything into it.
                if database.name != "template0" {
                    let path = dump_path(&database.name).into_bytes();
                    let text = format!("the database could not be dumped: {why}");
                    found.push(Found::Problem { path, text });
                }
            } else {
                wanted.push(database);
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
    /// The next database, or what follows all of them.
    fn next(mut self) -> Result<Next, String> {
        let Some((file, database)) = self.waiting.pop_front() else { return self.conclude() };
        self.dumped.wait((self.handed_out + 1).saturating_sub(self.parallel))?;
        let inside = server::enter(&self.plan.access, &database, &|| false);
        let found = match inside.map_err(|error| error.to_string())? {
            Inside::Session(session) => {
                self.handed_out += 1;
                let dump = Dump::new(&self.plan, self.dumped.slot(), session, file.clone());
                Found::Stream(synthetic::file(file.as_bytes()), Box::new(dump))
            }
            Inside::Dropped => {
                let reason = "it was dropped while others were dumped".to_owned();
                let note = format!("database {:?}: {reason}", database.name);
                self.not_dumped.push(NotDumped { database: database.name, reason });
                Found::Note(note)
            }
            Inside::Renamed(name) => {
                let reason = format!("it was renamed to {name:?} while others were dumped");
                let text = format!("the database is missing: {reason}");
                self.not_dumped.push(NotDumped { database: database.name, reason });
                Found::Problem { path: file.into_bytes(), text }
            }
        };
        Ok(Next { found: vec![found], then: vec![Box::new(move || self.next())] })
    }

    fn conclude(self) -> Result<Next, String> {
        self.dumped.wait(self.handed_out)?;
        let mut databases = self.dumped.take();
        databases.sort_by(|a, b| a.name.cmp(&b.name));
        self.told.objects("database", databases.len() as u64);
        for (kind, count) in databases.iter().flat_map(|database| &database.kinds) {
            self.told.objects(kind, *count);
        }
        self.told.objects("role", self.roles.len() as u64);
        let truth = Truth {
            format: TRUTH_FORMAT.into(),
            version: VERSION,
            system_identifier: self.facts.system_identifier.clone(),
            server_version_num: self.facts.server_version_num,
            roles: self.roles,
            databases,
            not_dumped: self.not_dumped,
        };
        let file =
            |path: &str, bytes| Found::Stream(synthetic::file(path.as_bytes()), synthetic::bytes(bytes));
        let found = vec![
            file(GLOBALS, self.globals),
            file(SERVER, text_of(&self.facts)?),
            file(TRUTH, text_of(&truth)?),
        ];
        Ok(Next { found, then: Vec::new() })
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
