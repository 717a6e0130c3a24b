//! Proving a snapshot: everything is restored into a scratch server and compared with the truth, object by object, count by count,
//! checksum by checksum; and what was restored is dumped again, which must give the same definitions.

use super::access::Access;
use super::error::PostgresError;
use super::fixed_point;
use super::measure::{self, Measure};
use super::question::ask;
use super::restore::has_content;
use super::scratch::Scratch;
use super::session::{Session, Stop};
use super::stored::Stored;
use super::table::{load_scratch, scratch};
use super::truth::{DatabaseTruth, LargeObjectsTruth, ObjectTruth, TableTruth};
use crate::adapter::{Blame, Ground, Proof};
use crate::question::Question;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What functions of `dblink` and tables of `postgres_fdw` say when the server that they ask cannot be reached.
const ELSEWHERE: [&str; 2] = ["could not establish connection", "could not connect to server"];

/// What is done to a database between restoring and comparing, to see whether it is noticed.
pub(super) trait Damage {
    /// Damages it, or leaves it as it is.
    fn apply(
        &mut self,
        database: &DatabaseTruth,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError>;
}

/// Leaves it as it is.
pub(super) struct NoDamage;

impl Damage for NoDamage {
    fn apply(&mut self, _: &DatabaseTruth, _: &mut Session, _: Stop<'_>) -> Result<(), PostgresError> {
        Ok(())
    }
}

/// Restores all of a snapshot on this ground, compares it, and asks what the plan asks.
pub(super) fn prove(
    stored: &Stored<'_>,
    ground: Ground<'_>,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, PostgresError> {
    prove_with(stored, ground, &mut NoDamage, questions, stop)
}

/// The same, with damage in between.
pub(super) fn prove_with(
    stored: &Stored<'_>,
    ground: Ground<'_>,
    damage: &mut dyn Damage,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, PostgresError> {
    let mut proof = Proof { bytes: stored.bytes(None), ..Proof::default() };
    let began = Instant::now();
    let scratch = scratch(stored, ground, proof.bytes, stop)?;
    proof.restore_secs += began.elapsed().as_secs_f64();
    proof.notes.extend(scratch.notes.iter().cloned());
    let mut session = scratch.access.home(stop)?;
    proof.roles(stored, &mut session, stop)?;
    let missing = missing_extensions(stored, &mut session, stop)?;
    drop(session);
    let mut absent = BTreeSet::new();
    for database in &stored.truth.databases {
        let lacking: Vec<_> =
            database.extensions.keys().filter(|name| missing.contains(*name)).cloned().collect();
        if !lacking.is_empty() {
            absent.insert(database.name.as_str());
            proof.blocked.push(format!(
                "database {:?} cannot be drilled here: extension {} missing; install what brings it into PostgreSQL {} of this machine",
                database.name,
                lacking.join(", "),
                scratch.access.tools.major
            ));
        } else if let Err(error) = proof.database(stored, &scratch, database, damage, stop) {
            if stop() || matches!(error.blame(), Blame::Identity | Blame::Gone) {
                return Err(error);
            }
            absent.insert(&database.name);
            let what = format!("database {:?} could not be restored: {error}", database.name);
            match error.blame() {
                Blame::Machine => proof.blocked.push(what),
                // A materialized view of what lies elsewhere: a drill must not get there.
                _ if ELSEWHERE.iter().any(|words| what.contains(words)) => proof.blocked.push(format!(
                    "database {:?} cannot be drilled here: restoring it asks another server, and a scratch server reaches none: {error}",
                    database.name
                )),
                _ => proof.problems.push(what),
            }
        }
    }
    let filled = stored.truth.databases.iter().filter(|database| has_content(database));
    let filled: Vec<_> = filled.map(|database| database.name.as_str()).collect();
    // Of what did not come back enough is said.
    let is_there =
        |question: &&Question| question.among(&filled).map_or(true, |at| !absent.contains(filled[at]));
    let questions: Vec<_> = questions.iter().filter(is_there).cloned().collect();
    ask(&mut proof, &scratch.access, &filled, &questions, stop)?;
    proof.of_another_version(stored, &scratch);
    Ok(proof)
}

impl Proof {
    /// A server of another version may write definitions differently: what differs then proves nothing, in either direction.
    fn of_another_version(&mut self, stored: &Stored<'_>, scratch: &Scratch) {
        let (here, wanted) = (scratch.access.tools.major, stored.truth.server_version_num / 10_000);
        if here == wanted || self.problems.is_empty() {
            return;
        }
        self.blocked.push(format!(
            "PostgreSQL {wanted} is not installed here; restored into version {here}, which may be why {} of the comparisons differ; \
             install postgresql-{wanted} to know",
            self.problems.len()
        ));
        self.notes.append(&mut self.problems);
    }

    pub(crate) fn same(&mut self, same: bool, problem: impl FnOnce() -> String) {
        if same {
            self.compared += 1;
        } else {
            self.problems.push(problem());
        }
    }

    fn roles(
        &mut self,
        stored: &Stored<'_>,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        let roles: Vec<String> =
            session.documents("listing the roles", "SELECT to_json(rolname) FROM pg_roles", stop)?;
        for role in &stored.truth.roles {
            self.same(roles.contains(role), || format!("the role {role:?} did not come back"));
        }
        Ok(())
    }

    fn database(
        &mut self,
        stored: &Stored<'_>,
        scratch: &Scratch,
        database: &DatabaseTruth,
        damage: &mut dyn Damage,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        // A template1 nobody put anything into is like the one of the scratch server.
        let is_loaded = database.name != "template1" || has_content(database);
        if is_loaded {
            let began = Instant::now();
            let loaded = load_scratch(stored, scratch, database, stop);
            self.restore_secs += began.elapsed().as_secs_f64();
            self.notes.extend(loaded?);
        }
        damage.apply(database, &mut scratch.access.session(&database.name, stop)?, stop)?;
        let mut session = scratch.access.session(&database.name, stop)?;
        self.objects(stored, database, &mut session, stop)?;
        self.views(database, &mut session, stop)?;
        session.query("measuring", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", stop)?;
        let measured = measure::tables(&mut session, &Measure::Like(&database.tables), false, stop)?;
        self.tables(&database.name, &database.tables, &measured.tables);
        let sequences = measure::sequences(&mut session, stop)?;
        for before in &database.sequences {
            let now = sequences.iter().find(|now| (&now.schema, &now.name) == (&before.schema, &before.name));
            let wanted = before.dumped.unwrap_or((before.last_value, before.is_called));
            let same = now.is_some_and(|now| (now.last_value, now.is_called) == wanted);
            self.same(same, || {
                let stands = now.map_or("missing".to_owned(), |now| format!("at {}", now.last_value));
                let (schema, name) = (&before.schema, &before.name);
                format!(
                    "{}: sequence {schema}.{name} is {stands}, and should be at {}",
                    database.name, wanted.0
                )
            });
        }
        let LargeObjectsTruth { count, checksum } = &database.large_objects;
        let now = measure::large_objects(&mut session, |_| checksum.is_some(), stop)?;
        self.same(now.count == *count && (checksum.is_none() || now.checksum == *checksum), || {
            format!("{}: large objects differ ({} now, {count} then)", database.name, now.count)
        });
        drop(session);
        // Before anything of ours is installed in it.
        if is_loaded {
            fixed_point::compare(self, stored, &scratch.access, database, stop)?;
        }
        self.check_structure(&scratch.access, &database.name, stop)
    }

    fn objects(
        &mut self,
        stored: &Stored<'_>,
        database: &DatabaseTruth,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        let now = measure::inventory(session, stored.truth.server_version_num, stop)?;
        let mut now: BTreeMap<_, _> = now
            .into_iter()
            .map(|object| ((object.kind, object.name), (object.digest, object.plain)))
            .collect();
        let mut subscriptions = 0;
        for ObjectTruth { kind, name, digest, plain } in &database.objects {
            if kind == "subscription" {
                subscriptions += 1;
                continue;
            }
            let found = now.remove(&(kind.clone(), name.clone()));
            let place = &database.name;
            // Other words for the same expression; what else a dump has of it, the fixed point compares.
            let same = found
                .as_ref()
                .is_some_and(|(now, now_plain)| now == digest || plain.is_some() && now_plain == plain);
            self.same(same, || match found {
                None => format!("{place}: {kind} {name} did not come back"),
                Some(_) => {
                    format!("{place}: {kind} {name} came back with another definition, owner or privileges")
                }
            });
        }
        for (kind, name) in now.into_keys() {
            self.problems.push(format!("{}: {kind} {name} was not there before", database.name));
        }
        if subscriptions > 0 {
            self.notes.push(format!(
                "{}: {subscriptions} subscriptions are in the dump and were not restored here",
                database.name
            ));
        }
        Ok(())
    }

    /// A view can come back and not work.
    fn views(
        &mut self,
        database: &DatabaseTruth,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        let views = database.objects.iter().filter(|object| object.kind == "view");
        let names: Vec<_> = views.map(|view| view.name.as_str()).collect();
        self.select_from(&database.name, &names, session, stop)
    }

    /// Selects nothing from each of these views.
    pub(crate) fn select_from(
        &mut self,
        database: &str,
        views: &[&str],
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        for view in views {
            match session.query("selecting from views", &format!("SELECT * FROM {view} LIMIT 0"), stop) {
                Ok(_) => self.compared += 1,
                Err(error) if error.state().is_some() => {
                    self.problems.push(format!("{database}: view {view} cannot be selected from: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn tables(&mut self, database: &str, before: &[TableTruth], now: &[TableTruth]) {
        for table in before {
            let (schema, name) = (&table.schema, &table.name);
            let Some(found) = now.iter().find(|now| (&now.schema, &now.name) == (schema, name)) else {
                self.problems.push(format!("{database}: table {schema}.{name} did not come back"));
                continue;
            };
            let text = match (found.rows == table.rows, found.checksum == table.checksum) {
                (true, true) => {
                    self.compared += 1;
                    continue;
                }
                (false, _) => {
                    format!("{database}: {schema}.{name} has {} rows and had {}", found.rows, table.rows)
                }
                (true, false) => {
                    format!("{database}: {schema}.{name} has the same number of rows and other content")
                }
            };
            // A materialized view is computed anew, perhaps from newer rows than it was before.
            if table.relkind == "m" { self.notes.push(text) } else { self.problems.push(text) }
        }
    }

    /// Looks through every page of tables and B-tree indexes.
    pub(crate) fn check_structure(
        &mut self,
        access: &Access,
        database: &str,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        if !access.tools.program("pg_amcheck").exists() {
            self.notes.push(
                "pg_amcheck is not installed: the structure of tables and indexes was not checked".into(),
            );
            return Ok(());
        }
        let mut session = access.session(database, stop)?;
        let available = "SELECT to_json(EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck'))";
        if !session.document::<bool>("looking for amcheck", available, stop)? {
            self.notes.push("the extension amcheck is not installed: the structure was not checked".into());
            return Ok(());
        }
        let mut command = access.command("pg_amcheck");
        command.args(["--heapallindexed", "--install-missing", "--no-password"]);
        // It takes no connection string where it takes the name of a database.
        command.arg("-h").arg(access.url.get("host").unwrap_or_default());
        command
            .arg("-p")
            .arg(access.url.port().to_string())
            .arg("-U")
            .arg(access.url.get("user").unwrap_or_default());
        command.arg(database);
        let (out, ended) = access.launcher.output(command, 1 << 20, stop)?;
        let said = crate::process::one_line(&format!("{}\n{}", String::from_utf8_lossy(&out), ended.said));
        self.same(ended.status.success(), || format!("{database}: pg_amcheck found damage: {said}"));
        Ok(())
    }
}

fn missing_extensions(
    stored: &Stored<'_>,
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<BTreeSet<String>, PostgresError> {
    let available = "SELECT to_json(name) FROM pg_available_extensions";
    let available: BTreeSet<String> =
        session.documents("listing extensions", available, stop)?.into_iter().collect();
    let needed = stored.truth.databases.iter().flat_map(|database| database.extensions.keys());
    Ok(needed.filter(|name| !available.contains(*name)).cloned().collect())
}
