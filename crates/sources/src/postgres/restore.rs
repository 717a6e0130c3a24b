//! Restoring into a server: all of it, or one database. One table is in `table`.
//!
//! What is there already is never overwritten unless that was asked for: a database goes beside the one of its name, and with
//! `replace` the old one is kept under another name until the new one is whole.

use super::access::{Access, AccessOptions};
use super::error::PostgresError;
use super::globals::{Existing, Tablespaces, fitted};
use super::measure;
use super::session::{Session, Stop};
use super::sql::{literal, quoted};
use super::stored::Stored;
use super::table;
use super::truth::DatabaseTruth;
use crate::adapter::{Request, Restored};

/// The longest name PostgreSQL has, in bytes.
const NAME_MAX_BYTES: usize = 63;
/// Databases that every server has.
const ALWAYS_THERE: &[&str] = &["postgres", "template1"];

/// Restores into a server.
pub fn restore(
    stored: &Stored<'_>,
    into: &AccessOptions,
    options: &Request,
    stop: Stop<'_>,
) -> Result<Restored, PostgresError> {
    let access = Access::open(into, stop)?;
    let mut session = access.home(stop)?;
    let version: u32 = session.document(
        "asking for the version",
        "SELECT current_setting('server_version_num')::int",
        stop,
    )?;
    let (theirs, ours) = (version / 10_000, stored.truth.server_version_num / 10_000);
    if theirs < ours {
        return Err(PostgresError::Refused(format!(
            "the snapshot is of PostgreSQL {ours}, and the server at {} is older ({theirs}): restore into {ours} or newer",
            access.url
        )));
    }
    let mut restorer = Restorer { stored, into, options, access: &access, stop, out: Restored::default() };
    match (&options.table, &options.database) {
        (Some(name), _) => {
            restorer.roles(&mut session)?;
            table::restore(&mut restorer, name)?;
        }
        (None, Some(name)) => {
            restorer.roles(&mut session)?;
            let database = stored.database(name)?;
            restorer.one_database(&mut session, database)?;
        }
        (None, None) => restorer.whole(&mut session)?,
    }
    Ok(restorer.out)
}

pub(crate) struct Restorer<'r> {
    pub(crate) stored: &'r Stored<'r>,
    /// Where to, as it was asked for.
    pub(crate) into: &'r AccessOptions,
    pub(crate) options: &'r Request,
    pub(crate) access: &'r Access,
    pub(crate) stop: Stop<'r>,
    pub(crate) out: Restored,
}

impl Restorer<'_> {
    fn whole(&mut self, session: &mut Session) -> Result<(), PostgresError> {
        let there = names(session, self.stop)?;
        let wanted: Vec<_> = self.stored.truth.databases.iter().collect();
        let mut in_the_way = Vec::new();
        for database in &wanted {
            let is_there = there.contains(&database.name);
            let is_base = ALWAYS_THERE.contains(&database.name.as_str());
            if is_there && (!is_base || !self.is_empty(&database.name)?) {
                in_the_way.push(database.name.clone());
            }
        }
        if !in_the_way.is_empty() && !self.options.replace {
            return Err(PostgresError::Refused(format!(
                "the server at {} has these databases already: {}; restore single ones beside them with --database, or give \
                 --replace to have them replaced",
                self.access.url,
                in_the_way.join(", ")
            )));
        }
        self.globals(session)?;
        for database in wanted {
            if ALWAYS_THERE.contains(&database.name.as_str()) && !in_the_way.contains(&database.name) {
                if has_content(database) {
                    self.load(database, &database.name, &[])?;
                }
                self.out.databases.push((database.name.clone(), database.name.clone()));
            } else if database.name == "template1" {
                self.out.problems.push("template1 of the server is not empty and was left as it is".into());
            } else if in_the_way.contains(&database.name) {
                self.replace(session, database)?;
            } else {
                self.create(session, database)?;
            }
        }
        Ok(())
    }

    fn one_database(&mut self, session: &mut Session, database: &DatabaseTruth) -> Result<(), PostgresError> {
        let there = names(session, self.stop)?;
        if !there.contains(&database.name) {
            return self.create(session, database);
        }
        if self.options.replace {
            return self.replace(session, database);
        }
        let name = beside(&database.name, &self.stored.short_id());
        if there.contains(&name) {
            return Err(PostgresError::Refused(format!(
                "the database {name:?} is there already, from an earlier restore of this snapshot: drop it first"
            )));
        }
        let row = self.stored.facts.databases.iter().find(|row| row["datname"] == database.name.as_str());
        let text = |key: &str| row.and_then(|row| row[key].as_str()).unwrap_or_default().to_owned();
        let mut create = format!("CREATE DATABASE {} TEMPLATE template0", quoted(&name));
        for (word, key) in
            [("ENCODING", "encoding_name"), ("LC_COLLATE", "datcollate"), ("LC_CTYPE", "datctype")]
        {
            if !text(key).is_empty() {
                create.push_str(&format!(" {word} {}", literal(&text(key))));
            }
        }
        session.query("creating the database", &create, self.stop)?;
        let loaded = self.load(database, &name, &["--no-subscriptions", "--no-publications"]);
        if loaded.is_err() {
            // Nobody else can have put anything into it.
            let _ = session.query(
                "removing what was begun",
                &format!("DROP DATABASE {}", quoted(&name)),
                &|| false,
            );
        }
        loaded?;
        self.out.notes.push(format!(
            "there is a database {:?} already, so it was restored beside it as {name:?}, without publications, subscriptions and \
             the settings of the database itself",
            database.name
        ));
        self.out.databases.push((database.name.clone(), name));
        Ok(())
    }

    /// The old one keeps another name until the new one is whole.
    fn replace(&mut self, session: &mut Session, database: &DatabaseTruth) -> Result<(), PostgresError> {
        if session.database == database.name {
            let text = format!(
                "connect to another database than {:?} to have it replaced: name one in the URL",
                database.name
            );
            return Err(PostgresError::Refused(text));
        }
        let old = beside(&database.name, "replaced");
        let (name, kept) = (quoted(&database.name), quoted(&old));
        let disconnect = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()",
            literal(&database.name)
        );
        session.query("ending the sessions of the database", &disconnect, self.stop)?;
        session.query(
            "setting the database aside",
            &format!("ALTER DATABASE {name} RENAME TO {kept}"),
            self.stop,
        )?;
        if let Err(error) = self.create(session, database) {
            let back = format!("ALTER DATABASE {kept} RENAME TO {name}");
            session.query("putting the database back", &back, &|| false)?;
            return Err(error);
        }
        session.query("removing the replaced database", &format!("DROP DATABASE {kept}"), self.stop)?;
        Ok(())
    }

    /// Makes a database that is not there. What was begun is removed when it fails: half of it would stand in the way of the next attempt.
    fn create(&mut self, session: &mut Session, database: &DatabaseTruth) -> Result<(), PostgresError> {
        let home = self.access.url.get("dbname").unwrap_or("postgres").to_owned();
        if let Err(error) = self.load(database, &home, &["-C"]) {
            let remove = format!("DROP DATABASE IF EXISTS {}", quoted(&database.name));
            let _ = session.query("removing what was begun", &remove, &|| false);
            return Err(self.advised(error));
        }
        self.out.databases.push((database.name.clone(), database.name.clone()));
        Ok(())
    }

    /// Loads a dump, and compares what came out of it.
    fn load(&mut self, database: &DatabaseTruth, into: &str, more: &[&str]) -> Result<(), PostgresError> {
        load(self.stored, self.access, database, into, more, self.stop)
            .map(|said| self.out.notes.extend(said))?;
        let name = if more.contains(&"-C") { &database.name } else { into };
        let mut session = self.access.session(name, self.stop)?;
        for table in database.tables.iter().filter(|table| table.relkind == "r") {
            let counted = measure::count(&mut session, &table.schema, &table.name, self.stop)?;
            if counted == table.rows {
                self.out.rows += counted;
            } else {
                let (schema, name, rows) = (&table.schema, &table.name, table.rows);
                self.out
                    .problems
                    .push(format!("table {schema}.{name} has {counted} rows now and had {rows}"));
            }
        }
        Ok(())
    }

    fn is_empty(&self, database: &str) -> Result<bool, PostgresError> {
        let mut session = self.access.session(database, self.stop)?;
        let objects = measure::inventory(&mut session, self.stored.truth.server_version_num, self.stop)?;
        Ok(objects.iter().all(|object| object.kind == "extension"))
    }

    /// What to do about roles and tablespaces that the server lacks.
    fn advised(&self, error: PostgresError) -> PostgresError {
        let text = error.to_string();
        let is_lacking = ["role \"", "Tablespace \""].iter().any(|word| text.contains(word));
        match is_lacking && text.contains("does not exist") && !self.options.with_roles {
            true => PostgresError::Refused(format!(
                "{text}; --with-roles makes the roles and tablespaces that the snapshot has"
            )),
            false => error,
        }
    }

    fn roles(&mut self, session: &mut Session) -> Result<(), PostgresError> {
        if self.options.with_roles { self.globals(session) } else { Ok(()) }
    }

    fn globals(&mut self, session: &mut Session) -> Result<(), PostgresError> {
        let roles = "SELECT to_json(rolname) FROM pg_roles";
        let tablespaces = "SELECT to_json(spcname) FROM pg_tablespace";
        let existing = Existing {
            roles: session.documents("listing the roles", roles, self.stop)?.into_iter().collect(),
            tablespaces: session
                .documents("listing the tablespaces", tablespaces, self.stop)?
                .into_iter()
                .collect(),
        };
        let (statements, _) = fitted(&self.stored.globals()?, &existing, &Tablespaces::Keep);
        for statement in statements {
            session.query("making roles and tablespaces", statement.trim_end_matches(';'), self.stop)?;
        }
        Ok(())
    }
}

/// Loads a dump into a database, straight from the vault; the first error ends it. Gives what `pg_restore` warned of.
pub(crate) fn load(
    stored: &Stored<'_>,
    access: &Access,
    database: &DatabaseTruth,
    into: &str,
    more: &[&str],
    stop: Stop<'_>,
) -> Result<Vec<String>, PostgresError> {
    let mut command = access.command("pg_restore");
    command.args(["--exit-on-error", "--no-password"]).args(more);
    command.arg("-d").arg(access.url.with_database(into).conninfo());
    let said = stored.feed(database, &access.launcher, command, stop)?;
    Ok(said.lines().map(|line| format!("{}: {line}", database.name)).collect())
}

/// Whether a database has anything that a fresh one has not.
pub(crate) fn has_content(database: &DatabaseTruth) -> bool {
    database.objects.iter().any(|object| object.kind != "extension" || object.name != "plpgsql")
        || database.large_objects.count > 0
}

/// Every database of a server.
pub(crate) fn names(session: &mut Session, stop: Stop<'_>) -> Result<Vec<String>, PostgresError> {
    session.documents("listing the databases", "SELECT to_json(datname) FROM pg_database", stop)
}

/// A name beside another, short enough.
pub(crate) fn beside(name: &str, mark: &str) -> String {
    let mut end = name.len().min(NAME_MAX_BYTES - mark.len() - 1);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{mark}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn names_stay_short() {
        assert_eq!(beside("orders", "27ffb5"), "orders_27ffb5");
        let long = beside(&"ü".repeat(40), "27ffb57715a5");
        assert!(long.len() <= 63 && long.ends_with("_27ffb57715a5"));
    }
}
