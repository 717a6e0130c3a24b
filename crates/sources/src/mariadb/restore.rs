//! Restoring into a server: all of it, or one database. One table is in `table`.
//!
//! What is there already is never overwritten unless that was asked for: a database goes beside the one of its name, and with
//! `replace` the old one is dropped only after the snapshot's was loaded whole beside it.

use super::access::{Access, AccessOptions};
use super::error::MariaDbError;
use super::extract::Extract;
use super::measure;
use super::server::{self, numbers};
use super::session::{Session, Stop};
use super::sql::{literal, quoted};
use super::stored::{Everything, Filter, Stored, feed};
use super::system;
use super::table;
use super::tools::Flavour;
use super::truth::{TableTruth, lies_elsewhere};
use crate::adapter::{Request, Restored};
use std::io::Write;
use vow_store::archive::ArchiveError;

/// The longest name a database has, in characters.
const NAME_MAX_CHARS: usize = 64;
/// What a server can be made to take.
const PACKET_MAX_BYTES: u64 = 1 << 30;
/// A statement is sent with a little around it.
const PACKET_MARGIN_BYTES: u64 = 64 << 10;

/// Restores into a server.
pub fn restore(
    stored: &Stored<'_>,
    into: &AccessOptions,
    options: &Request,
    stop: Stop<'_>,
) -> Result<Restored, MariaDbError> {
    let access = Access::open(into, stop)?;
    let mut session = access.session(stop)?;
    refuse_older(stored, &access, &mut session, stop)?;
    let mut out = Restored::default();
    let with_events = options.table.is_none() && stored.truth.kinds.contains_key("event");
    let settings = Settings::prepare(stored, &access, &mut session, with_events, &mut out, stop)?;
    let mut restorer = Restorer { stored, into, options, access: &access, stop, out, on_objects: Vec::new() };
    match (&options.table, &options.database) {
        (Some(name), _) => {
            restorer.roles(&mut session)?;
            table::restore(&mut restorer, &mut session, name)?;
        }
        (None, Some(name)) => {
            let name = stored.database(name)?.to_owned();
            restorer.roles(&mut session)?;
            restorer.one_database(&mut session, &name)?;
        }
        (None, None) => restorer.whole(&mut session)?,
    }
    let lacking = system::grant_on_objects(&access, &restorer.on_objects, stop)?;
    let mut out = restorer.out;
    // What one database or table is restored without is not there.
    let list = if options.database.is_none() && options.table.is_none() {
        &mut out.problems
    } else {
        &mut out.notes
    };
    list.extend(lacking.into_iter().map(|text| format!("not granted: {text}")));
    drop(settings);
    Ok(out)
}

fn refuse_older(
    stored: &Stored<'_>,
    access: &Access,
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    let flavour = Flavour::of(&format!("{} {}", stored.facts.server_version, stored.facts.version_comment));
    if flavour != access.tools.flavour {
        return Err(MariaDbError::Refused(format!(
            "the snapshot is of {}, and the server at {} is {}",
            flavour.name(),
            access.url,
            access.tools.flavour.name()
        )));
    }
    let version = session.value("asking for the version", "SELECT @@version", stop)?;
    let (theirs, ours) = (numbers(&version), numbers(&stored.facts.server_version));
    if (theirs.0, theirs.1) < (ours.0, ours.1) {
        return Err(MariaDbError::Refused(format!(
            "the snapshot is of version {}.{}, and the server at {} is older ({version}): restore into {}.{} or newer",
            ours.0, ours.1, access.url, ours.0, ours.1
        )));
    }
    Ok(())
}

/// Settings of the server that a restore needs; they are set back at the end.
struct Settings<'a> {
    access: &'a Access,
    before: Vec<(&'static str, String)>,
}

impl<'a> Settings<'a> {
    fn prepare(
        stored: &Stored<'_>,
        access: &'a Access,
        session: &mut Session,
        with_events: bool,
        out: &mut Restored,
        stop: Stop<'_>,
    ) -> Result<Self, MariaDbError> {
        let mut settings = Self { access, before: Vec::new() };
        let doing = "asking for the server's settings";
        let packet = session.value(doing, "SELECT @@GLOBAL.max_allowed_packet", stop)?;
        let needed = stored.truth.longest_statement_bytes + PACKET_MARGIN_BYTES;
        if packet.parse::<u64>().is_ok_and(|bytes| bytes < needed) {
            settings.set("max_allowed_packet", packet.clone(), &PACKET_MAX_BYTES.to_string(), stop).map_err(|error| {
                MariaDbError::Refused(format!(
                    "the snapshot has a row that needs max_allowed_packet = {needed}, the server at {} has {packet}, and this account may \
                     not raise it ({error}): run SET GLOBAL max_allowed_packet = {PACKET_MAX_BYTES} there",
                    access.url
                ))
            })?;
            out.notes.push(format!(
                "max_allowed_packet of the server was {packet} and was raised while restoring"
            ));
        }
        let scheduler = session.value(doing, "SELECT @@GLOBAL.event_scheduler", stop)?;
        if with_events && scheduler == "ON" {
            match settings.set("event_scheduler", scheduler, "OFF", stop) {
                Ok(()) => out.notes.push("the event scheduler of the server was off while restoring".into()),
                Err(error) => out.notes.push(format!(
                    "the event scheduler of the server runs, and this account may not stop it ({error}): restored events run at once"
                )),
            }
        }
        Ok(settings)
    }

    /// In a session of its own: a refusal ends it.
    fn set(
        &mut self,
        name: &'static str,
        before: String,
        value: &str,
        stop: Stop<'_>,
    ) -> Result<(), MariaDbError> {
        let sql = format!("SET GLOBAL {name} = {value}");
        self.access.session(stop)?.query("setting the server up", &sql, stop)?;
        self.before.push((name, before));
        Ok(())
    }
}

impl Drop for Settings<'_> {
    fn drop(&mut self) {
        for (name, before) in self.before.drain(..) {
            let go_on = || false;
            let set = self.access.session(&go_on);
            // Nobody is there to be told; the note says what was changed.
            let _ = set.and_then(|mut session| {
                session.query("setting the server back", &format!("SET GLOBAL {name} = {before}"), &go_on)
            });
        }
    }
}

pub(crate) struct Restorer<'r> {
    pub(crate) stored: &'r Stored<'r>,
    /// Where to, as it was asked for.
    pub(crate) into: &'r AccessOptions,
    pub(crate) options: &'r Request,
    pub(crate) access: &'r Access,
    pub(crate) stop: Stop<'r>,
    pub(crate) out: Restored,
    /// Grants to be made when the tables and routines are there.
    on_objects: Vec<String>,
}

impl Restorer<'_> {
    fn whole(&mut self, session: &mut Session) -> Result<(), MariaDbError> {
        let wanted = self.stored.truth.databases.clone();
        let mut in_the_way = Vec::new();
        for database in &wanted {
            if self.has_content(session, database)? {
                in_the_way.push(database.clone());
            }
        }
        if !in_the_way.is_empty() && !self.options.replace {
            return Err(MariaDbError::Refused(format!(
                "the server at {} has these databases already: {}; restore single ones beside them with --database, or give \
                 --replace to have them replaced",
                self.access.url,
                in_the_way.join(", ")
            )));
        }
        self.system(session)?;
        if in_the_way.is_empty() {
            let mut missing = Vec::new();
            for database in &wanted {
                self.character_set(session, database)?;
                if !exists(session, database, self.stop)? {
                    missing.push(database.clone());
                }
            }
            // In one go: each database on its own would read all of the dump again.
            self.load(&mut Everything).inspect_err(|_| self.undo(&missing))?;
            for database in wanted {
                self.count(session, &database, &database)?;
                self.out.databases.push((database.clone(), database));
            }
            return Ok(());
        }
        for database in wanted {
            match in_the_way.contains(&database) {
                true => self.replace(session, &database)?,
                false => self.create(session, &database)?,
            }
        }
        Ok(())
    }

    fn one_database(&mut self, session: &mut Session, database: &str) -> Result<(), MariaDbError> {
        if !self.has_content(session, database)? {
            return self.create(session, database);
        }
        if self.options.replace {
            return self.replace(session, database);
        }
        let name = beside(database, &self.stored.short_id());
        self.load_as(session, database, &name, false)?;
        self.out.notes.push(format!(
            "there is a database {database:?} already, so it was restored beside it as {name:?}, without its events"
        ));
        self.out.databases.push((database.to_owned(), name));
        Ok(())
    }

    fn create(&mut self, session: &mut Session, database: &str) -> Result<(), MariaDbError> {
        self.character_set(session, database)?;
        let made = if exists(session, database, self.stop)? { Vec::new() } else { vec![database.to_owned()] };
        self.load(&mut Extract::new(database, database, true)).inspect_err(|_| self.undo(&made))?;
        self.count(session, database, database)?;
        self.out.databases.push((database.to_owned(), database.to_owned()));
        Ok(())
    }

    /// Under another name; what was begun is removed when it fails.
    fn load_as(
        &mut self,
        session: &mut Session,
        database: &str,
        name: &str,
        events: bool,
    ) -> Result<(), MariaDbError> {
        if exists(session, name, self.stop)? {
            return Err(MariaDbError::Refused(format!(
                "the database {name:?} is there already, from an earlier restore of this snapshot: drop it first"
            )));
        }
        let loaded = self
            .load(&mut Extract::new(database, name, events))
            .and_then(|()| self.count(session, database, name));
        loaded.inspect_err(|_| self.undo(&[name.to_owned()]))
    }

    /// Removes databases that were begun: nobody else can have put anything into them, and half of one would stand in the way of the next
    /// attempt.
    fn undo(&self, made: &[String]) {
        for name in made {
            let drop = format!("DROP DATABASE IF EXISTS {}", quoted(name));
            let session = self.access.session(&|| false);
            // It fails for another reason, which is told.
            let _ =
                session.and_then(|mut session| session.query("removing what was begun", &drop, &|| false));
        }
    }

    /// The old one goes when the new one was loaded whole beside it: then it can be loaded.
    fn replace(&mut self, session: &mut Session, database: &str) -> Result<(), MariaDbError> {
        let name = beside(database, &format!("{}_new", self.stored.short_id()));
        let before = self.out.problems.len();
        self.load_as(session, database, &name, false)?;
        let wrong = self.out.problems.split_off(before);
        let remove = format!("DROP DATABASE {}", quoted(&name));
        if !wrong.is_empty() {
            session.query("removing what was begun", &remove, self.stop)?;
            return Err(MariaDbError::Refused(format!(
                "the database {database:?} was not replaced, since it did not come back as it was: {}",
                wrong.join("; ")
            )));
        }
        let old = format!("DROP DATABASE {}", quoted(database));
        session.query("removing the replaced database", &old, self.stop)?;
        self.create(session, database).map_err(|error| {
            MariaDbError::Refused(format!(
                "{error}; the old database {database:?} is gone, and the snapshot's is whole in {name:?}"
            ))
        })?;
        session.query("tidying up", &remove, self.stop)?;
        Ok(())
    }

    fn load(&self, filter: &mut dyn Filter) -> Result<(), MariaDbError> {
        self.stored.feed(&self.access.launcher, self.access.loader()?, filter, self.stop)
    }

    /// A database that is there already, empty, gets the character set of the snapshot's.
    fn character_set(&self, session: &mut Session, database: &str) -> Result<(), MariaDbError> {
        let facts = self.stored.facts.databases.iter().find(|facts| facts.name == database);
        let (Some(facts), true) = (facts, exists(session, database, self.stop)?) else { return Ok(()) };
        let sql = format!(
            "ALTER DATABASE {} CHARACTER SET {} COLLATE {}",
            quoted(database),
            facts.character_set,
            facts.collation
        );
        session.query("setting the character set of the database", &sql, self.stop).map(drop)
    }

    /// Compares the rows of a database that was loaded under this name.
    fn count(&mut self, session: &mut Session, database: &str, name: &str) -> Result<(), MariaDbError> {
        let is_wanted = |table: &&TableTruth| table.database == database && !lies_elsewhere(&table.engine);
        for table in self.stored.truth.tables.iter().filter(is_wanted) {
            let counted = measure::count(session, name, &table.name, table.history, self.stop)?;
            if counted == table.rows {
                self.out.rows += counted;
            } else {
                let (table, rows) = (&table.name, table.rows);
                self.out.problems.push(format!("table {name}.{table} has {counted} rows now and had {rows}"));
            }
        }
        Ok(())
    }

    fn has_content(&self, session: &mut Session, database: &str) -> Result<bool, MariaDbError> {
        let name = literal(database);
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {name}) + \
             (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = {name}) + \
             (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = {name})"
        );
        Ok(session.value("looking at what is there", &sql, self.stop)? != "0")
    }

    fn roles(&mut self, session: &mut Session) -> Result<(), MariaDbError> {
        if self.options.with_roles { self.system(session) } else { Ok(()) }
    }

    /// Users and roles; those that are there keep what they have.
    fn system(&mut self, session: &mut Session) -> Result<(), MariaDbError> {
        let existing = system::existing(session, self.stop)?;
        let fitted = system::fitted(&self.stored.system(self.stop)?, &existing);
        for (statement, error) in load_plugins(self.access, &fitted.plugins, self.stop)? {
            self.out.problems.push(format!("{statement}: {error}"));
        }
        load_text(self.access, &fitted.rest, None, self.stop)?;
        self.on_objects = fitted.on_objects;
        if fitted.kept > 0 {
            self.out.notes.push("users and roles that the server has already were left as they are".into());
        }
        Ok(())
    }
}

/// Installs plugins; gives those that could not be, and why.
pub(crate) fn load_plugins(
    access: &Access,
    statements: &[String],
    stop: Stop<'_>,
) -> Result<Vec<(String, String)>, MariaDbError> {
    let mut failed = Vec::new();
    for statement in statements {
        let plain = statement.trim_end_matches(';');
        match access.session(stop)?.query("installing a plugin", plain, stop) {
            Ok(_) => {}
            // It is there.
            Err(error) if error.code() == Some(1968) || error.code() == Some(1125) => {}
            Err(error) if error.code().is_some() => failed.push((plain.to_owned(), error.to_string())),
            Err(error) => return Err(error),
        }
    }
    Ok(failed)
}

/// Loads some SQL into a database, or none.
pub(crate) fn load_text(
    access: &Access,
    sql: &str,
    database: Option<&str>,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    let mut command = access.loader()?;
    if let Some(database) = database {
        command.arg(format!("--database={database}"));
    }
    feed(&access.launcher, command, stop, |out| out.write_all(sql.as_bytes()).map_err(ArchiveError::Write))
}

/// Whether a database is there.
pub(crate) fn exists(session: &mut Session, name: &str, stop: Stop<'_>) -> Result<bool, MariaDbError> {
    Ok(server::databases(session, stop)?.iter().any(|database| database.name == name))
}

/// A name beside another, short enough.
pub(crate) fn beside(name: &str, mark: &str) -> String {
    let room = NAME_MAX_CHARS - mark.chars().count() - 1;
    format!("{}_{mark}", name.chars().take(room).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn names_stay_short() {
        assert_eq!(beside("orders", "27ffb5"), "orders_27ffb5");
        let long = beside(&"ü".repeat(80), "27ffb57715a5");
        assert!(long.chars().count() == 64 && long.ends_with("_27ffb57715a5"));
    }
}
