//! A MariaDB server as a source: which files a snapshot of it has, and in which order they come to be.
//!
//! First the server is recognised, and held still for the moment; then the dumps are handed to the engine; when the last one was
//! judged, the small files that need all of them follow. Waiting is done here, on the planner's thread.

use super::access::{Access, AccessOptions};
use super::begin::Begin;
use super::binlog::BinlogOptions;
use super::dumping::Dumping;
use super::error::MariaDbError;
use super::inventory::{self, Objects};
use super::measure::{self, Table};
use super::moment::{Hold, ReadLock};
use super::server::{self, Server};
use super::session::Session;
use super::shared::Shared;
use super::sql::quoted_name;
use super::system;
use super::truth::{NotDumped, lies_elsewhere};
use crate::adapter::{Again, Told};
use crate::learned::Learned;
use crate::synthetic;
use std::sync::Arc;
use vow_store::source::{Found, Source};

/// All databases, as SQL.
pub const DATABASES: &str = "databases.sql";
/// The tables without transactions, when they were dumped on their own.
pub const LOCKED: &str = "databases-locked.sql";
/// What the server is.
pub const SERVER: &str = "server.json";
/// Users, roles, grants, foreign servers and plugins, as SQL.
pub const SYSTEM: &str = "system.sql";
/// What it said about itself.
pub const TRUTH: &str = "truth.json";

/// Tables up to this size are summed up row by row.
pub const DEFAULT_EXACT_BELOW_BYTES: u64 = 256 << 20;
/// How long a lock is waited for.
pub const DEFAULT_LOCK_WAIT_SECS: u32 = 60;
/// How far a replica may lie behind before its snapshots count as degraded.
pub const DEFAULT_MAX_LAG_SECS: u32 = 900;
/// Inventories taken before the moment, at most, because tables without transactions appeared meanwhile.
const ATTEMPTS: usize = 3;
/// Kinds of objects that a dump takes for tables.
pub(super) const SEQUENCE: &str = "sequence";
pub(super) const VIEW: &str = "view";

/// What may wait while tables without transactions are dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Writing waits while such tables are dumped, when there are any.
    Auto,
    /// Nothing waits: with such tables the snapshot is partial.
    None,
    /// Writing waits for the whole dump.
    All,
}

/// What to capture.
#[derive(Debug, Clone)]
pub struct MariaDbOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// Databases left out on purpose.
    pub exclude: Vec<String>,
    /// Tables up to this size are summed up exactly, larger ones by a sample.
    pub exact_below_bytes: u64,
    /// How long to wait for a lock.
    pub lock_wait_secs: u32,
    /// A replica further behind than this degrades the snapshot.
    pub max_lag_secs: u32,
    /// What may wait.
    pub lock: Lock,
    /// The system identifier on record; another one is refused.
    pub known_identifier: Option<String>,
    /// Only say what would be dumped.
    pub dry_run: bool,
    /// How its binary log is received, when it is.
    pub log: Option<BinlogOptions>,
    /// Changes of the schema wait as well: the last try after some that met with one.
    pub hold_schema: bool,
}

impl MariaDbOptions {
    /// With every default.
    pub fn new(access: AccessOptions) -> Self {
        Self {
            access,
            exclude: Vec::new(),
            exact_below_bytes: DEFAULT_EXACT_BELOW_BYTES,
            lock_wait_secs: DEFAULT_LOCK_WAIT_SECS,
            max_lag_secs: DEFAULT_MAX_LAG_SECS,
            lock: Lock::Auto,
            known_identifier: None,
            dry_run: false,
            log: None,
            hold_schema: false,
        }
    }
}

/// The adapter. Nothing is connected before the first call of [`Source::next`].
pub struct MariaDb {
    options: MariaDbOptions,
    shared: Arc<Shared>,
    learned: Arc<Learned>,
    stage: Stage,
}

enum Stage {
    New,
    Dumping(Box<Dumping>),
    Ended(Option<String>),
}

fn go_on() -> bool {
    false
}

impl MariaDb {
    /// The source of these options. A run that fails because tables were changed asks for another; one that
    /// holds tells how many objects of each kind its truth has.
    pub fn new(options: MariaDbOptions, again: Again, told: Told) -> Self {
        Self {
            options,
            shared: Arc::new(Shared::new(again, told)),
            learned: Arc::default(),
            stage: Stage::New,
        }
    }

    /// What is learned while it runs.
    pub fn learned(&self) -> Arc<Learned> {
        Arc::clone(&self.learned)
    }

    fn begin(&mut self) -> Result<(Vec<Found>, Stage), MariaDbError> {
        let options = &self.options;
        let access = Arc::new(Access::open(&options.access, &go_on)?);
        let mut session = access.session(&go_on)?;
        let server = server::ask(&access, &mut session, &go_on)?;
        let identifier = &server.facts.system_identifier;
        access.expect(identifier, options.known_identifier.as_ref())?;
        self.learned.set(identifier);
        let mut found = Vec::new();
        let mut problem = |path: &str, text: String| found.push(Found::Problem { path: path.into(), text });
        let hidden = server::hidden(&server::privileges(&mut session, &go_on)?);
        hidden.into_iter().for_each(|text| problem(DATABASES, text));
        if let Some(text) = server.behind(options.max_lag_secs) {
            problem(SERVER, text);
        }
        found.extend(server.unasked().map(|text| Found::Note(text.into())));
        if options.dry_run {
            drop(session);
            found.extend(self.announce(&access, &server));
            return Ok((found, Stage::Ended(None)));
        }
        let dumping = self.moment(&access, session, server, &mut found)?;
        found.push(Found::Item(synthetic::folder(b"")));
        Ok((found, Stage::Dumping(Box::new(dumping))))
    }

    fn announce(&self, access: &Access, server: &Server) -> Vec<Found> {
        let one = |database: &super::truth::DatabaseFacts| {
            let (name, version) = (&database.name, &access.tools.version);
            let megabytes = database.bytes.div_ceil(1_000_000);
            Found::Note(match self.options.exclude.contains(name) {
                true => format!("database {name:?} is excluded by the plan"),
                false => format!("would dump database {name:?} ({megabytes} MB) with {version}"),
            })
        };
        let mut notes: Vec<_> = server.facts.databases.iter().map(one).collect();
        notes.push(Found::Note(format!("would dump users and roles into {SYSTEM}")));
        notes
    }

    /// Holds the server still, takes the inventory, begins the dumps and the measuring, and lets go.
    fn moment(
        &self,
        access: &Arc<Access>,
        mut session: Session,
        server: Server,
        found: &mut Vec<Found>,
    ) -> Result<Dumping, MariaDbError> {
        let options = &self.options;
        let (databases, not_dumped) = self.choose(&server, found);
        let mut without = without_transactions(&measure::tables(&mut session, &databases, &go_on)?);
        for _ in 0..ATTEMPTS {
            let all = match options.lock {
                Lock::All => true,
                Lock::Auto => !without.is_empty(),
                Lock::None => false,
            };
            let mut hold = Hold::begin(access, all, server.can.backup_stage, options.lock_wait_secs, &go_on)?;
            let now = names(&server::databases(hold.session(), &go_on)?, &options.exclude);
            let tables = measure::tables(hold.session(), &now, &go_on)?;
            let now_without = without_transactions(&tables);
            if options.lock == Lock::Auto && without.is_empty() && !now_without.is_empty() {
                without = now_without;
                continue;
            }
            let before = inventory::objects(hold.session(), &now, &go_on)?;
            // Commits can only be let go together with the schema. When that is to stay as it is, tables are locked instead.
            let keep_schema = options.hold_schema && server.can.backup_stage && !all;
            let reading = match keep_schema {
                true => ReadLock::begin(access, &quoted_names(&tables), options.lock_wait_secs, &go_on)?,
                false => None,
            };
            if !keep_schema {
                hold.block_commits(&go_on)?;
            }
            let plan = Begin {
                access,
                shared: &self.shared,
                options,
                server: &server,
                tables: &tables,
                sequences: of_kind(&before, SEQUENCE),
                views: of_kind(&before, VIEW),
            };
            let begun = plan.begin(hold, reading, keep_schema, &now, &now_without)?;
            let (system, problems) = system::dump(access, &mut session, &go_on)?;
            found.extend(problems.into_iter().map(|text| Found::Problem { path: SYSTEM.into(), text }));
            // When they may not be read, that has been said.
            let accounts = system::accounts_of(access, &go_on);
            let history = access.tools.dumps_with("--dump-history");
            found.extend(worries(&tables, options.lock, history));
            return Ok(Dumping {
                access: Arc::clone(access),
                facts: server.facts,
                files: begun.dumps.iter().map(|(file, _)| (*file).to_owned()).collect(),
                dumps: begun.dumps,
                databases: now,
                not_dumped,
                before,
                taken: begun.taken,
                position: begun.position,
                history,
                coherent: options.lock != Lock::None || now_without.is_empty(),
                tables,
                system,
                accounts: accounts.unwrap_or_default(),
                stop_measuring: begun.stop_measuring,
            });
        }
        Err(MariaDbError::Changed("tables without transactions came and went".into()))
    }

    /// Which databases are dumped. What is left out is said.
    fn choose(&self, server: &Server, found: &mut Vec<Found>) -> (Vec<String>, Vec<NotDumped>) {
        let all = &server.facts.databases;
        let is_there = |name: &String| all.iter().any(|database| database.name == *name);
        for name in &self.options.exclude {
            found.push(Found::Note(match is_there(name) {
                true => format!("database {name:?} is excluded by the plan"),
                false => format!("exclude names the database {name:?}, which is not there"),
            }));
        }
        let excluded = self.options.exclude.iter().filter(|name| is_there(name));
        let reason = "excluded by the plan";
        let not_dumped =
            excluded.map(|name| NotDumped { database: name.clone(), reason: reason.into() }).collect();
        (names(all, &self.options.exclude), not_dumped)
    }
}

fn names(databases: &[super::truth::DatabaseFacts], exclude: &[String]) -> Vec<String> {
    let wanted = databases.iter().map(|database| database.name.clone());
    wanted.filter(|name| !exclude.contains(name)).collect()
}

fn without_transactions(tables: &[Table]) -> Vec<(String, String)> {
    let without = tables.iter().filter(|table| !table.transactional);
    without.map(|table| (table.database.clone(), table.name.clone())).collect()
}

fn quoted_names(tables: &[Table]) -> Vec<String> {
    tables.iter().map(|table| quoted_name(&table.database, &table.name)).collect()
}

fn of_kind(objects: &Objects, wanted: &str) -> Vec<(String, String)> {
    let all = objects.keys().filter(|(kind, ..)| kind == wanted);
    all.map(|(_, database, name)| (database.clone(), name.clone())).collect()
}

/// What no dump can bring back, or not of one moment.
fn worries(tables: &[Table], lock: Lock, history: bool) -> Vec<Found> {
    let problem = |text: String| Found::Problem { path: DATABASES.into(), text };
    let named = |which: &dyn Fn(&&Table) -> bool| {
        let all: Vec<_> = tables
            .iter()
            .filter(which)
            .map(|table| format!("{}.{} ({})", table.database, table.name, table.engine))
            .collect();
        let more = all.len().saturating_sub(10);
        let shown = all.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| if more > 0 { format!("{shown} and {more} more") } else { shown })
    };
    let mut found = Vec::new();
    if lock == Lock::None
        && let Some(names) = named(&|table| !table.transactional)
    {
        found.push(problem(format!(
            "not coherent: these tables have no transactions and were dumped while they could change (lock = \"none\"): {names}"
        )));
    }
    if let Some(names) = named(&|table| lies_elsewhere(&table.engine)) {
        found.push(Found::Note(format!(
            "the rows of these tables are on other servers and are not dumped: {names}"
        )));
    }
    if !history && let Some(names) = named(&|table| table.versioned) {
        found.push(problem(format!("the history of system-versioned tables is missing, since this mariadb-dump cannot dump it: {names}")));
    }
    if history && let Some(names) = named(&|table| table.by_transaction) {
        found.push(problem(format!(
            "versions by number of transaction cannot be restored from a dump: {names}"
        )));
    }
    found
}

impl Source for MariaDb {
    fn next(&mut self) -> Result<Option<Vec<Found>>, String> {
        let (next, stage) = match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::New => match self.begin() {
                Ok((found, stage)) => (Ok(Some(found)), stage),
                Err(error) => {
                    self.shared.failed(&error);
                    (Err(error.to_string()), Stage::Ended(None))
                }
            },
            Stage::Dumping(mut dumping) if !dumping.dumps.is_empty() => {
                let streams = std::mem::take(&mut dumping.dumps).into_iter();
                let found = streams
                    .map(|(file, dump)| Found::Stream(synthetic::file(file.as_bytes()), Box::new(dump)));
                (Ok(Some(found.collect())), Stage::Dumping(dumping))
            }
            Stage::Dumping(mut dumping) => (dumping.finish(&self.shared).map(Some), Stage::Ended(None)),
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
