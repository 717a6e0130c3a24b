//! One table back: through a scratch server, because only a whole database knows what belongs to a table. From there it is dumped
//! with its indexes, keys and triggers, and loaded.

mod dangling;

use super::access::Access;
use super::dump::{Part, options as dump_options};
use super::error::MariaDbError;
use super::extract::{Extract, unqualified};
use super::measure;
use super::reading::Reading;
use super::restore::{Restorer, beside, exists, load_plugins, load_text};
use super::scratch::Scratch;
use super::session::{Session, Stop};
use super::sql::{leading_name, literal, quoted, quoted_name, table_name};
use super::stored::{Filter, Stored, feed};
use super::system;
use super::truth::lies_elsewhere;
use crate::adapter::Ground;
use crate::process::ToolError;
use std::io::{Read, Write};
use std::process::Stdio;
use vow_store::archive::ArchiveError;

/// Triggers of one table are not read beyond this.
const TRIGGERS_LIMIT_BYTES: usize = 64 << 20;

/// What a scratch server could not be given, and what it still has to get.
pub(crate) struct Lacking {
    /// Plugins that could not be installed.
    pub(crate) plugins: Vec<String>,
    /// Grants to be made when the databases are there.
    pub(crate) on_objects: Vec<String>,
}

/// A scratch server with the users of the snapshot.
pub(crate) fn scratch(
    stored: &Stored<'_>,
    ground: Ground<'_>,
    bytes: u64,
    stop: Stop<'_>,
) -> Result<(Scratch, Lacking), MariaDbError> {
    let scratch = Scratch::start(ground, &stored.facts, bytes, stop)?;
    let lacking = with_users(stored, &scratch, stop)?;
    Ok((scratch, lacking))
}

/// Gives a scratch server the users of the snapshot.
pub(crate) fn with_users(
    stored: &Stored<'_>,
    scratch: &Scratch,
    stop: Stop<'_>,
) -> Result<Lacking, MariaDbError> {
    let mut session = scratch.access.session(stop)?;
    let existing = system::existing(&mut session, stop)?;
    drop(session);
    let fitted = system::fitted(&stored.system(stop)?, &existing);
    let failed = load_plugins(&scratch.access, &fitted.plugins, stop)?;
    let plugins = failed.into_iter().map(|(statement, error)| format!("{statement}: {error}")).collect();
    load_text(&scratch.access, &fitted.rest, None, stop)?;
    Ok(Lacking { plugins, on_objects: fitted.on_objects })
}

/// Loads what a filter lets through into the scratch server.
pub(crate) fn load_scratch(
    stored: &Stored<'_>,
    scratch: &Scratch,
    filter: &mut dyn Filter,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    stored.feed(&scratch.access.launcher, scratch.access.loader()?, filter, stop)
}

/// Restores one table.
pub(crate) fn restore(
    restorer: &mut Restorer<'_>,
    there: &mut Session,
    wanted: &str,
) -> Result<(), MariaDbError> {
    let (stored, stop) = (restorer.stored, restorer.stop);
    let (database, table) = find(restorer, wanted)?;
    // Where it goes: the database that the URL names, else the one of the same name.
    let home = restorer.into.url.get("database").unwrap_or(&database).to_owned();
    let is_there = has_table(there, &home, &table, stop)?;
    let target = match &restorer.options.schema_as {
        Some(name) => name.clone(),
        None if is_there && !restorer.options.replace => beside(&home, &stored.short_id()),
        None => home.clone(),
    };
    if target != home && has_table(there, &target, &table, stop)? {
        return Err(MariaDbError::Refused(format!(
            "{} is there already: drop it, or name another database with --schema-as",
            quoted_name(&target, &table)
        )));
    }
    if is_there && target != home && restorer.options.schema_as.is_none() {
        restorer.out.notes.push(format!(
            "{} is there already, so it was restored beside it in the database {}",
            quoted_name(&home, &table),
            quoted(&target)
        ));
    }
    let own;
    let access = match stored.server() {
        Some(server) => server,
        None => {
            let bytes = stored.bytes(Some(&database));
            let (started, lacking) = scratch(stored, Ground::at(&restorer.options.scratch), bytes, stop)?;
            restorer.out.notes.extend(lacking.plugins);
            load_scratch(stored, &started, &mut Extract::new(&database, &database, false), stop)?;
            own = started;
            &own.access
        }
    };
    let mut job = Job { restorer, scratch: access, database, table };
    if target == home && is_there {
        job.replace(there, &home)?;
    } else {
        job.place(there, &target)?;
    }
    job.check(there, &target)
}

/// The table that is meant: in the database that was named, or the only one that has it.
fn find(restorer: &Restorer<'_>, wanted: &str) -> Result<(String, String), MariaDbError> {
    let unreadable = || {
        MariaDbError::Refused(format!(
            "{wanted:?} is no name of a table: NAME or DATABASE.NAME, in backticks where needed"
        ))
    };
    let (database, name) = table_name(wanted).ok_or_else(unreadable)?;
    let database = restorer.options.database.clone().or(database);
    let found: Vec<_> = restorer
        .stored
        .truth
        .tables
        .iter()
        .filter(|table| {
            table.name == name && database.as_ref().is_none_or(|database| table.database == *database)
        })
        .collect();
    match found.as_slice() {
        [one] => Ok((one.database.clone(), one.name.clone())),
        [] => Err(MariaDbError::Refused(format!("the snapshot has no table {wanted}"))),
        _ => Err(MariaDbError::Refused(format!(
            "several databases of the snapshot have a table {name}: say which with --database"
        ))),
    }
}

fn has_table(
    session: &mut Session,
    database: &str,
    table: &str,
    stop: Stop<'_>,
) -> Result<bool, MariaDbError> {
    let (database, table) = (literal(database), literal(table));
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {database} AND table_name = {table}"
    );
    Ok(session.value("looking for the table", &sql, stop)? != "0")
}

/// One table on its way.
struct Job<'j, 'r> {
    restorer: &'j mut Restorer<'r>,
    scratch: &'j Access,
    database: String,
    table: String,
}

impl Job<'_, '_> {
    /// Puts the table where none of its name is.
    fn place(&mut self, there: &mut Session, target: &str) -> Result<(), MariaDbError> {
        let stop = self.restorer.stop;
        let triggers = self.triggers()?;
        let made = !exists(there, target, stop)?;
        if made {
            self.make_database(there, target)?;
        }
        self.sequences(there)?;
        if target != self.database {
            self.move_in_scratch(target)?;
        }
        let placed = self.copy(target, &self.table, target).and_then(|()| {
            match load_text(self.restorer.access, &triggers, Some(target), stop) {
                Err(error) if error.code().is_some() => Ok(Some(error)),
                other => other.map(|()| None),
            }
        });
        match placed {
            Ok(None) => Ok(()),
            Ok(Some(error)) => {
                self.restorer.out.problems.push(format!("a trigger of the table did not come back: {error}"));
                Ok(())
            }
            Err(error) => {
                let remove = match made {
                    true => format!("DROP DATABASE IF EXISTS {}", quoted(target)),
                    false => format!("DROP TABLE IF EXISTS {}", quoted_name(target, &self.table)),
                };
                let _ = there.query("removing what was begun", &remove, &|| false);
                Err(error)
            }
        }
    }

    /// Loads the table whole elsewhere, then puts it into the place of the one that is there.
    fn replace(&mut self, there: &mut Session, home: &str) -> Result<(), MariaDbError> {
        let stop = self.restorer.stop;
        let aside = beside(home, &format!("{}_new", self.restorer.stored.short_id()));
        if exists(there, &aside, stop)? {
            return Err(MariaDbError::Refused(format!(
                "the database {aside:?} is there from an earlier restore: drop it first"
            )));
        }
        let triggers = self.triggers()?;
        self.make_database(there, &aside)?;
        let remove = format!("DROP DATABASE IF EXISTS {}", quoted(&aside));
        self.sequences(there)?;
        self.move_in_scratch(&aside)?;
        let loaded = self.copy(&aside, &self.table, &aside).and_then(|()| self.counted(there, &aside));
        match loaded {
            Ok(true) => {}
            other => {
                let _ = there.query("removing what was begun", &remove, &|| false);
                other?;
                return Err(MariaDbError::Refused(
                    "the table was not replaced, since not all of its rows came back".into(),
                ));
            }
        }
        // Other tables may refer to this one: their keys go by name and hold again when the new one is there.
        there.query("replacing the table", "SET SESSION foreign_key_checks = 0", stop)?;
        let (old, new) = (quoted_name(home, &self.table), quoted_name(&aside, &self.table));
        there.query("removing the replaced table", &format!("DROP TABLE {old}"), stop)?;
        there
            .query("putting the table into its place", &format!("RENAME TABLE {new} TO {old}"), stop)
            .map_err(|error| {
                MariaDbError::Refused(format!(
                    "{error}; the old table is gone, and the snapshot's is whole in {new}"
                ))
            })?;
        there.query("tidying up", &remove, stop)?;
        if let Err(error) = load_text(self.restorer.access, &triggers, Some(home), stop) {
            self.restorer.out.problems.push(format!("a trigger of the table did not come back: {error}"));
        }
        Ok(())
    }

    fn make_database(&self, there: &mut Session, name: &str) -> Result<(), MariaDbError> {
        let facts = self.restorer.stored.facts.databases.iter().find(|facts| facts.name == self.database);
        let set =
            facts.map(|facts| format!(" CHARACTER SET {} COLLATE {}", facts.character_set, facts.collation));
        let sql = format!("CREATE DATABASE {}{}", quoted(name), set.unwrap_or_default());
        there.query("making the database", &sql, self.restorer.stop).map(drop)
    }

    /// The triggers, as SQL.
    fn triggers(&self) -> Result<String, MariaDbError> {
        let mut command = self.scratch.dump_command("triggers.cnf", &[])?;
        command.args(dump_options(&self.scratch.tools, Part::Locked, false));
        command.args(["--no-create-info", "--no-data", "--"]).arg(&self.database).arg(&self.table);
        let (out, ended) = self.scratch.launcher.output(command, TRIGGERS_LIMIT_BYTES, self.restorer.stop)?;
        ended.expect_success()?;
        let text = String::from_utf8_lossy(&out).into_owned();
        // Each stands in a line of its own that begins so.
        let line = |line: &str| match line.starts_with("/*!50003 CREATE*/") {
            true => unqualified(line, &self.database),
            false => line.to_owned(),
        };
        Ok(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
    }

    /// In the scratch server, so that its keys name the tables of the old database as what they are: of another one.
    fn move_in_scratch(&self, target: &str) -> Result<(), MariaDbError> {
        let (stop, doing) = (self.restorer.stop, "moving the table");
        let mut session = self.scratch.session(stop)?;
        let sql = format!(
            "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = {} AND event_object_table = {}",
            literal(&self.database),
            literal(&self.table)
        );
        for trigger in session.query(doing, &sql, stop)?.into_iter().flatten() {
            session.query(doing, &format!("DROP TRIGGER {}", quoted_name(&self.database, &trigger)), stop)?;
        }
        session.query(doing, &format!("CREATE DATABASE IF NOT EXISTS {}", quoted(target)), stop)?;
        let (from, to) = (quoted_name(&self.database, &self.table), quoted_name(target, &self.table));
        session.query(doing, &format!("RENAME TABLE {from} TO {to}"), stop).map(drop)
    }

    /// Sequences that columns take their values from, when the server lacks them.
    fn sequences(&mut self, there: &mut Session) -> Result<(), MariaDbError> {
        let stop = self.restorer.stop;
        let mut session = self.scratch.session(stop)?;
        let sql = format!(
            "SELECT column_default FROM information_schema.columns WHERE table_schema = {} AND table_name = {} \
             AND column_default LIKE 'nextval(%'",
            literal(&self.database),
            literal(&self.table)
        );
        for default in session.query("looking for sequences", &sql, stop)?.into_iter().flatten() {
            let name = default.strip_prefix("nextval(").and_then(|inside| leading_name(inside));
            let Some((database, rest)) = name else { continue };
            let Some((name, _)) = rest.strip_prefix('.').and_then(leading_name) else { continue };
            if has_table(there, &database, &name, stop)? {
                continue;
            }
            if !exists(there, &database, stop)? {
                self.make_database(there, &database)?;
            }
            self.copy(&database, &name, &database)?;
            self.restorer
                .out
                .notes
                .push(format!("the sequence {} came back with the table", quoted_name(&database, &name)));
        }
        Ok(())
    }

    /// Copies a table out of the scratch server.
    fn copy(&self, database: &str, table: &str, target: &str) -> Result<(), MariaDbError> {
        let stop = self.restorer.stop;
        let mut command = self.scratch.dump_command("table.cnf", &[])?;
        command.args(dump_options(&self.scratch.tools, Part::Locked, false));
        command.args(["--skip-triggers", "--"]).arg(database).arg(table).stdout(Stdio::piped());
        let mut dump = self.scratch.launcher.start(command)?;
        let mut from = dump.stdout()?;
        let mut loader = self.restorer.access.loader()?;
        loader.arg(format!("--database={target}"));
        let mut reading = Reading::default();
        let program = || ToolError::Lost { program: "mariadb-dump".into() };
        let mut broken = None;
        feed(&self.restorer.access.launcher, loader, stop, |out| {
            let mut buffer = vec![0; 256 << 10];
            while !stop() {
                match from.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        reading.feed(&buffer[..read]);
                        out.write_all(&buffer[..read]).map_err(ArchiveError::Write)?;
                    }
                    Err(source) => {
                        broken = Some(source);
                        break;
                    }
                }
            }
            Ok(())
        })?;
        drop(from);
        dump.wait(stop)?.expect_success()?;
        if broken.is_some() {
            return Err(program().into());
        }
        reading
            .finish()
            .map(drop)
            .map_err(|reason| MariaDbError::Dump(format!("the table out of the scratch server: {reason}")))
    }

    /// Whether all rows are there.
    fn counted(&self, there: &mut Session, database: &str) -> Result<bool, MariaDbError> {
        let truth = self.truth();
        if truth.is_some_and(|table| lies_elsewhere(&table.engine)) {
            return Ok(true);
        }
        let history = truth.is_some_and(|table| table.history);
        let rows = measure::count(there, database, &self.table, history, self.restorer.stop)?;
        Ok(truth.is_none_or(|table| table.rows == rows))
    }

    fn truth(&self) -> Option<&super::truth::TableTruth> {
        let tables = &self.restorer.stored.truth.tables;
        tables.iter().find(|table| table.database == self.database && table.name == self.table)
    }

    fn check(&mut self, there: &mut Session, target: &str) -> Result<(), MariaDbError> {
        let name = quoted_name(target, &self.table);
        match (self.counted(there, target)?, self.truth().map_or(0, |table| table.rows)) {
            (true, rows) => self.restorer.out.rows += rows,
            (false, rows) => {
                self.restorer.out.problems.push(format!("table {name} has other rows than the {rows} it had"))
            }
        }
        for (key, orphans) in dangling::dangling(there, target, &self.table, self.restorer.stop)? {
            self.restorer.out.problems.push(format!(
                "the foreign key {key} of {name} does not hold: {orphans} rows refer to what is not there"
            ));
        }
        self.restorer.out.table = Some(name);
        self.restorer.out.databases.push((self.database.clone(), target.to_owned()));
        Ok(())
    }
}
