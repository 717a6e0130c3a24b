//! All of a server as a stream of `mariadb-backup`, straight into the engine, and what the server says about itself.

use super::super::access::{Access, AccessOptions};
use super::super::binlog::BinlogOptions;
use super::super::capture::{SERVER, TRUTH};
use super::super::error::MariaDbError;
use super::super::measure::Table;
use super::super::moment::{locked, waiting_for_stage};
use super::super::server::{self, Server};
use super::super::truth::{PhysicalTruth, Position, ServerFacts, TRUTH_FORMAT, TableTruth, Truth, VERSION};
use super::super::verdict::kinds;
use super::known::{Comparison, Seen, is_without_rows};
use super::mbstream::{Contents, Reading};
use super::moment::{Catch, Caught, Watch};
use super::tool;
use crate::adapter::Told;
use crate::learned::Learned;
use crate::process::Ended;
use crate::program::{Judge, Program, Started};
use crate::steps::{Next, Outcomes, Slot, Step, Steps};
use crate::stored::text_of;
use crate::synthetic;
use std::process::Stdio;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use vow_store::source::Found;

/// The copy.
pub(crate) const STREAM: &str = "backup.mbstream";
/// Tables up to this size are counted and summed up, unless the plan says otherwise. The others are not read at all.
pub const DEFAULT_PHYSICAL_EXACT_BELOW_BYTES: u64 = 64 << 20;
/// Tables named in a message.
const NAMED: usize = 10;

/// What to capture.
#[derive(Debug, Clone)]
pub struct PhysicalOptions {
    /// How to reach the server.
    pub access: AccessOptions,
    /// Tables up to this size are counted and summed up.
    pub exact_below_bytes: u64,
    /// How long the copy may wait for a lock.
    pub lock_wait_secs: u32,
    /// A replica further behind than this degrades the snapshot.
    pub max_lag_secs: u32,
    /// The system identifier on record; another one is refused.
    pub known_identifier: Option<String>,
    /// Only say what would be captured.
    pub dry_run: bool,
    /// How its binary log is received, when it is.
    pub log: Option<BinlogOptions>,
}

/// The source.
pub struct Physical {
    options: PhysicalOptions,
    learned: Arc<Learned>,
    told: Told,
}

fn go_on() -> bool {
    false
}

impl Physical {
    /// Of these options; nothing is connected yet.
    pub fn new(options: PhysicalOptions, told: Told) -> Self {
        Self { options, learned: Arc::default(), told }
    }

    /// What is learned while it runs.
    pub fn learned(&self) -> Arc<Learned> {
        Arc::clone(&self.learned)
    }

    /// The source, for the engine.
    pub(crate) fn source(self) -> Steps {
        Steps::new(move || self.begin().map_err(|error| error.to_string()))
    }

    fn begin(self) -> Result<Next, MariaDbError> {
        let options = &self.options;
        let access = Arc::new(Access::open(&options.access, &go_on)?);
        let mut session = access.session(&go_on)?;
        let server = server::ask(&access, &mut session, &go_on)?;
        let identifier = &server.facts.system_identifier;
        access.expect(identifier, options.known_identifier.as_ref())?;
        self.learned.set(identifier);
        tool::check_place(&access, &mut session, &server.facts.data, &go_on)?;
        let version = tool::version(&access.tools, &access.launcher, &server.facts.server_version, &go_on)?;
        access.tools.program("mbstream")?;
        let privileges = server::privileges(&mut session, &go_on)?;
        tool::check_privileges(&privileges)?;
        let mut found = Vec::new();
        found.extend(server::hidden(&privileges).into_iter().map(|text| problem(STREAM, text)));
        found.extend(server.behind(options.max_lag_secs).map(|text| problem(SERVER, text)));
        found.extend(server.unasked().map(|text| Found::Note(text.into())));
        if options.dry_run {
            let bytes: u64 = server.facts.databases.iter().map(|database| database.bytes).sum();
            let megabytes = bytes.div_ceil(1_000_000);
            found.push(Found::Note(format!("would copy all of the server ({megabytes} MB) with {version}")));
            return Ok(Next { found, then: Vec::new() });
        }
        let before = Seen::look(&access, &mut session, &server, options.exact_below_bytes)?;
        drop(session);
        let copied = Outcomes::new();
        let start = Start {
            access: Arc::clone(&access),
            tables: before.to_count(options.exact_below_bytes),
            exact_below_bytes: options.exact_below_bytes,
            may_ask: server.can.position,
            catch: Catch::default(),
        };
        let judge = Copy {
            reading: Some(Reading::default()),
            catch: Arc::clone(&start.catch),
            access: Arc::clone(&access),
            lock_wait: Duration::from_secs(options.lock_wait_secs.into()),
            slot: Some(copied.slot()),
        };
        let started = move |_: &dyn Fn() -> bool| start.start().map_err(|error| error.to_string());
        let stream = Program::new(tool::PROGRAM, Box::new(judge), started);
        found.push(Found::Item(synthetic::folder(b"")));
        found.push(Found::Stream(synthetic::file(STREAM.as_bytes()), Box::new(stream)));
        let rest = Rest { access, server, version, before, copied, options: self.options, told: self.told };
        let then: Vec<Step> = vec![Box::new(move || rest.finish())];
        Ok(Next { found, then })
    }
}

fn problem(path: &str, text: String) -> Found {
    Found::Problem { path: path.into(), text }
}

/// What the program needs to be started.
struct Start {
    access: Arc<Access>,
    tables: Vec<Table>,
    exact_below_bytes: u64,
    may_ask: bool,
    catch: Catch,
}

impl Start {
    fn start(self) -> Result<Started, MariaDbError> {
        let Self { access, tables, exact_below_bytes, may_ask, catch } = self;
        let mut watch = Watch::new(&access, tables, exact_below_bytes, may_ask, catch)?;
        let folder = access.private_folder()?;
        let mut command = tool::backup(&access, folder.path())?;
        command.stdout(Stdio::piped());
        let mut running = access.launcher.start_watched(command, move |line| {
            // It stays as long as the program says something.
            let _folder = &folder;
            watch.look(line);
        })?;
        let out = running.stdout()?;
        Ok((running, out))
    }
}

/// Reads the stream along, and has the last word.
struct Copy {
    reading: Option<Reading>,
    catch: Catch,
    access: Arc<Access>,
    lock_wait: Duration,
    slot: Option<Slot<Copied>>,
}

/// A copy that is whole.
struct Copied {
    contents: Contents,
    caught: Option<Caught>,
    measured: Vec<TableTruth>,
}

impl Judge for Copy {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if let Some(reading) = &mut self.reading {
            reading.feed(bytes).map_err(|why| format!("its stream {why}"))?;
        }
        out.extend_from_slice(bytes);
        Ok(())
    }

    /// The program waits for its locks for a year.
    fn idle(&mut self, quiet: Duration, stop: &dyn Fn() -> bool) -> Result<(), String> {
        if quiet < self.lock_wait {
            return Ok(());
        }
        let waits = self
            .access
            .session(stop)
            .and_then(|mut session| waiting_for_stage(&mut session, self.lock_wait.as_secs(), stop));
        match waits {
            Ok(true) => Err(locked(&self.access, "a table", self.lock_wait.as_secs(), stop).to_string()),
            // A server that is gone ends the program, which says more.
            _ => Ok(()),
        }
    }

    fn ended(&self, ended: Ended) -> Result<Ended, String> {
        tool::ended_well(&ended).map(|()| ended)
    }

    fn verdict(mut self: Box<Self>, _: &Ended, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let (Some(reading), Some(slot)) = (self.reading.take(), self.slot.take()) else {
            return Err("it was judged already".into());
        };
        let copied = reading.finish().map_err(|why| format!("its stream {why}")).and_then(|contents| {
            let mut caught = self.catch.lock().unwrap_or_else(PoisonError::into_inner).take();
            let measured = caught.as_mut().map(|caught| caught.measured(stop)).transpose();
            let measured = measured.map_err(|error| error.to_string())?.unwrap_or_default();
            Ok(Copied { contents, caught, measured })
        });
        match copied {
            Ok(copied) => {
                slot.done(copied);
                Ok(Vec::new())
            }
            Err(why) => {
                slot.failed(&why);
                Err(why)
            }
        }
    }

    fn failed(&mut self, reason: &str) {
        if let Some(slot) = self.slot.take() {
            slot.failed(reason);
        }
    }
}

/// What is done when the copy is there.
struct Rest {
    access: Arc<Access>,
    server: Server,
    version: String,
    before: Seen,
    copied: Outcomes<Copied>,
    options: PhysicalOptions,
    told: Told,
}

impl Rest {
    fn finish(self) -> Result<Next, String> {
        self.copied.wait(1)?;
        let copied =
            self.copied.take().pop().ok_or("the copy was lost by a fault in vow, please report it")?;
        let found = self.documents(copied).map_err(|error| error.to_string())?;
        Ok(Next { found, then: Vec::new() })
    }

    fn documents(self, copied: Copied) -> Result<Vec<Found>, MariaDbError> {
        let Self { access, server, version, before, options, told, .. } = self;
        let Copied { contents, caught, measured } = copied;
        let mut session = access.session(&go_on)?;
        let server_after = server::ask(&access, &mut session, &go_on)?;
        let after = Seen::look(&access, &mut session, &server_after, options.exact_below_bytes)?;
        let position = contents.about("binlog_info").and_then(|text| position_of(&text));
        let exact = caught.as_ref().is_some_and(|caught| {
            let same = |ours: &Position, theirs: &Position| {
                (&ours.file, ours.offset) == (&theirs.file, theirs.offset)
            };
            match (&caught.position, &position) {
                (Some(ours), Some(theirs)) => same(ours, theirs),
                _ => caught.held,
            }
        });
        let truth = Comparison { before: &before, after: &after }.truth(exact.then_some(measured));
        let counted = |table: &&Table| {
            truth.tables.iter().any(|one| (&one.database, &one.name) == (&table.database, &table.name))
        };
        let not_measured =
            before.tables.iter().filter(|table| !is_without_rows(table) && !counted(table)).count();
        let physical = PhysicalTruth {
            tool_version: version,
            files: contents.files,
            last_lsn: contents.value("checkpoints", "last_lsn").unwrap_or_default(),
            exact,
            not_measured: (not_measured - truth.restless.len()) as u64,
            empty: named(&before.tables, is_without_rows),
            restless: truth.restless,
        };
        let mut found: Vec<_> = declared(&physical);
        let kinds = kinds(&truth.objects);
        kinds.iter().for_each(|(kind, count)| told.objects(kind, *count));
        // The copy is of an earlier moment than now, however long ago.
        let now = session.value("asking for the time", "SELECT UTC_TIMESTAMP(6)", &go_on)?;
        let taken = caught.map_or(now, |caught| caught.taken.clone());
        let facts = ServerFacts { position, ..server.facts };
        let truth = Truth {
            format: TRUTH_FORMAT.into(),
            version: VERSION,
            system_identifier: facts.system_identifier.clone(),
            server_version: facts.server_version.clone(),
            taken,
            coherent: physical.restless.is_empty(),
            dumps: Vec::new(),
            databases: truth.databases,
            not_dumped: Vec::new(),
            kinds,
            objects: truth.objects,
            tables: truth.tables,
            sequences: truth.sequences,
            accounts: truth.accounts,
            longest_statement_bytes: 0,
            physical: Some(physical),
        };
        for (path, document) in [(SERVER, text_of(&facts)), (TRUTH, text_of(&truth))] {
            let bytes = document.map_err(MariaDbError::Dump)?;
            found.push(Found::Stream(synthetic::file(path.as_bytes()), synthetic::bytes(bytes)));
        }
        Ok(found)
    }
}

fn named(tables: &[Table], wanted: impl Fn(&Table) -> bool) -> Vec<String> {
    let wanted = tables.iter().filter(|table| wanted(table));
    wanted.map(|table| format!("{}.{} ({})", table.database, table.name, table.engine)).collect()
}

/// What a copy of files never brings back, or not of one moment.
fn declared(physical: &PhysicalTruth) -> Vec<Found> {
    let list = |names: &[String]| {
        let more = names.len().saturating_sub(NAMED);
        let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    let mut found = Vec::new();
    if !physical.restless.is_empty() {
        found.push(problem(
            STREAM,
            format!(
                "not coherent: these tables have no transactions and were written to while their files were copied: {}",
                list(&physical.restless)
            ),
        ));
    }
    if !physical.empty.is_empty() {
        found.push(Found::Note(format!(
            "the rows of these tables are in no file of the server, so they do not come back: {}",
            list(&physical.empty)
        )));
    }
    if !physical.exact {
        found.push(Found::Note(
            "rows were not counted: the copy was made before a transaction of its moment could begin".into(),
        ));
    }
    found
}

/// Reads the file, the offset and the GTID, with blanks between them.
fn position_of(text: &str) -> Option<Position> {
    let mut words = text.split_whitespace();
    let (file, offset) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
    Some(Position { file, offset, gtid: words.next().map(str::to_owned) })
}
