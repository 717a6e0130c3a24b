//! One table back: through a scratch server, because only a whole database knows what belongs to a table. From there it is dumped
//! with its indexes, keys, sequences, triggers and partitions, and loaded in one transaction.

mod copy;

use super::access::{Access, AccessOptions};
use super::belongings;
use super::error::PostgresError;
use super::globals::{Existing, Tablespaces, fitted};
use super::measure;
use super::restore::{Restorer, load};
use super::scratch::Scratch;
use super::session::{Session, Stop};
use super::sql::{identifier, literal, quoted, quoted_name};
use super::stored::Stored;
use super::truth::DatabaseTruth;
use crate::adapter::{Ground, Request, Restored};
use crate::process::Launcher;
use copy::{Target, copy};
use serde::Deserialize;

/// A scratch server with the roles of the snapshot.
pub(crate) fn scratch(
    stored: &Stored<'_>,
    ground: Ground<'_>,
    bytes: u64,
    stop: Stop<'_>,
) -> Result<Scratch, PostgresError> {
    let scratch = Scratch::start(ground, &stored.facts, bytes, stop)?;
    let launcher = &scratch.access.launcher;
    let existing =
        Existing { roles: stored.facts.bootstrap_superuser.iter().cloned().collect(), ..Existing::default() };
    let (statements, folders) =
        fitted(&stored.globals()?, &existing, &Tablespaces::Below(&scratch.folder().join("ts")));
    for folder in folders {
        make_folder(&folder, launcher).map_err(PostgresError::io("create", &folder))?;
    }
    let mut session = scratch.access.home(stop)?;
    for statement in statements {
        session.query("making roles and tablespaces", statement.trim_end_matches(';'), stop)?;
    }
    Ok(scratch)
}

fn make_folder(folder: &std::path::Path, launcher: &Launcher) -> std::io::Result<()> {
    std::fs::create_dir(folder)?;
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    launcher.give(folder)
}

/// Loads a database into the scratch server under its own name.
pub(crate) fn load_scratch(
    stored: &Stored<'_>,
    scratch: &Scratch,
    database: &DatabaseTruth,
    stop: Stop<'_>,
) -> Result<Vec<String>, PostgresError> {
    let access = &scratch.access;
    if database.name == "template1" {
        return load(stored, access, database, "template1", &["--no-subscriptions"], stop);
    }
    if database.name == "postgres" {
        access.home(stop)?.query("making room", "DROP DATABASE postgres", stop)?;
    }
    load(stored, access, database, "template1", &["-C", "--no-subscriptions"], stop)
}

#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Found {
    /// As a text in SQL that `regclass` reads.
    pub(super) fn literal(&self) -> String {
        literal(&quoted_name(&self.schema, &self.name))
    }
}

/// One table to be brought from a scratch server into a running one.
pub(crate) struct Job<'j> {
    /// Where all of its database is.
    pub(crate) scratch: &'j Access,
    pub(crate) database: &'j str,
    /// The beginning of the snapshot's id.
    pub(crate) short_id: &'j str,
    /// Where to, as it was asked for.
    pub(crate) into: &'j AccessOptions,
    pub(crate) access: &'j Access,
    pub(crate) options: &'j Request,
    pub(crate) stop: Stop<'j>,
    pub(crate) out: &'j mut Restored,
}

/// Restores one table of a dump.
pub(crate) fn restore(restorer: &mut Restorer<'_>, wanted: &str) -> Result<(), PostgresError> {
    let (stored, stop) = (restorer.stored, restorer.stop);
    let database = match (&restorer.options.database, stored.truth.databases.as_slice()) {
        (Some(name), _) => stored.database(name)?,
        (None, [only]) => only,
        (None, _) => {
            let names: Vec<_> =
                stored.truth.databases.iter().map(|database| database.name.as_str()).collect();
            return Err(PostgresError::Refused(format!(
                "the snapshot has several databases: {}; say which with --database",
                names.join(", ")
            )));
        }
    };
    // Whether it can get there shows before the work begins.
    drop(restorer.access.session(target_of(restorer.into, &database.name), stop)?);
    let scratch =
        scratch(stored, Ground::at(&restorer.options.scratch), stored.bytes(Some(&database.name)), stop)?;
    restorer.out.notes.extend(load_scratch(stored, &scratch, database, stop)?);
    restorer.out.notes.extend(scratch.notes.iter().cloned());
    let job = Job {
        scratch: &scratch.access,
        database: &database.name,
        short_id: &stored.short_id(),
        into: restorer.into,
        access: restorer.access,
        options: restorer.options,
        stop,
        out: &mut restorer.out,
    };
    bring(job, wanted)
}

/// Where it goes: the database that the URL names, else the one of the same name.
fn target_of<'t>(into: &'t AccessOptions, database: &'t str) -> &'t str {
    into.url.get("dbname").unwrap_or(database)
}

/// Brings the table.
pub(crate) fn bring(mut job: Job<'_>, wanted: &str) -> Result<(), PostgresError> {
    let stop = job.stop;
    let target = target_of(job.into, job.database).to_owned();
    let mut there = job.access.session(&target, stop)?;
    let mut session = job.scratch.session(job.database, stop)?;
    let table = find(&mut session, wanted, stop)?;
    let schema = destination(&mut job, &mut there, &table, stop)?;
    let tree = tree(&mut session, &table, stop)?;
    if schema != table.schema {
        session.query(
            "making the schema",
            &format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(&schema)),
            stop,
        )?;
        for part in &tree {
            let from = quoted_name(&part.schema, &part.name);
            session.query(
                "moving the table",
                &format!("ALTER TABLE {from} SET SCHEMA {}", quoted(&schema)),
                stop,
            )?;
        }
    }
    let tree: Vec<_> = tree
        .into_iter()
        .map(|part| Found {
            schema: if schema == table.schema { part.schema } else { schema.clone() },
            ..part
        })
        .collect();
    let moved = Found { schema, name: table.name.clone() };
    let in_its_place = moved.schema == table.schema;
    if !in_its_place {
        belongings::move_statistics(&mut session, &tree, &moved.schema, stop)?;
    }
    let mut prelude = format!("CREATE SCHEMA IF NOT EXISTS {};\n", quoted(&moved.schema));
    if job.options.replace {
        let depending = belongings::dependants(&mut there, &moved, stop)?;
        if !depending.is_empty() {
            return Err(PostgresError::Refused(format!(
                "{} cannot be replaced while something depends on it: {}; drop that first, or leave --replace out to have the table restored \
                 beside",
                quoted_name(&moved.schema, &moved.name),
                depending.join(", ")
            )));
        }
        // Without CASCADE: when there is something all the same, nothing happens.
        prelude.push_str(&format!("DROP TABLE IF EXISTS {};\n", quoted_name(&moved.schema, &moved.name)));
    }
    let postlude = belongings::privileges(&mut session, &tree, stop)?
        + &belongings::statistics(&mut session, &tree, stop)?;
    let target = Target { access: job.access, database: &target, prelude: &prelude, postlude: &postlude };
    let first = copy(job.scratch, job.database, &tree, &target, stop);
    if let Err(error) = first {
        let text = error.to_string();
        if !text.contains("foreign key constraint") && !text.contains("does not exist") {
            return Err(error);
        }
        without_foreign_keys(&mut job, &mut session, &mut there, (&moved, &tree), &target)?;
    }
    count(&mut job, &mut there, &mut session, &tree)?;
    if in_its_place {
        let notes = belongings::lost_around(&mut session, &mut there, &moved, stop)?;
        job.out.notes.extend(notes);
    }
    job.out.table = Some(quoted_name(&moved.schema, &moved.name));
    job.out.databases.push((job.database.to_owned(), target.database.to_owned()));
    Ok(())
}

/// The table that a user means.
fn find(session: &mut Session, wanted: &str, stop: Stop<'_>) -> Result<Found, PostgresError> {
    let named = identifier(wanted).and_then(|(first, rest)| match rest.strip_prefix('.') {
        Some(rest) => {
            identifier(rest).filter(|(_, rest)| rest.is_empty()).map(|(name, _)| (Some(first), name))
        }
        None => rest.is_empty().then_some((None, first)),
    });
    let (schema, name) = named.ok_or_else(|| {
        PostgresError::Refused(format!(
            "{wanted:?} is not a table's name: say NAME or SCHEMA.NAME, quoted as in SQL"
        ))
    })?;
    let in_schema =
        schema.as_ref().map_or(String::new(), |schema| format!(" AND nspname = {}", literal(schema)));
    let statement = format!(
        "SELECT json_build_object('schema', nspname, 'name', relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
         WHERE relkind IN ('r', 'p') AND relname = {}{in_schema} AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname",
        literal(&name)
    );
    let mut found: Vec<Found> = session.documents("looking for the table", &statement, stop)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(PostgresError::Refused(format!("the snapshot's database has no table {wanted}"))),
        (Some(one), false) => {
            found.push(one);
            let names: Vec<_> = found.iter().map(|table| quoted_name(&table.schema, &table.name)).collect();
            Err(PostgresError::Refused(format!(
                "several tables are called that: {}; say which",
                names.join(", ")
            )))
        }
    }
}

/// The table and all its partitions, parents first.
fn tree(session: &mut Session, table: &Found, stop: Stop<'_>) -> Result<Vec<Found>, PostgresError> {
    let name = literal(&quoted_name(&table.schema, &table.name));
    let statement = format!(
        "SELECT json_build_object('schema', nspname, 'name', relname) FROM \
         (SELECT {name}::regclass::oid AS oid, 0 AS level UNION SELECT relid::oid, level FROM pg_partition_tree({name}::regclass)) t \
         JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = relnamespace ORDER BY level, relname"
    );
    session.documents("looking for partitions", &statement, stop)
}

/// The schema it goes into: its own when there is nothing of that name, or that is to be replaced; else one of its own.
fn destination(
    job: &mut Job<'_>,
    there: &mut Session,
    table: &Found,
    stop: Stop<'_>,
) -> Result<String, PostgresError> {
    let mut exists = |schema: &str| -> Result<bool, PostgresError> {
        let name = literal(&quoted_name(schema, &table.name));
        there.document(
            "looking for the table",
            &format!("SELECT to_json(to_regclass({name}) IS NOT NULL)"),
            stop,
        )
    };
    if let Some(schema) = &job.options.schema_as {
        return match exists(schema)? && !job.options.replace {
            false => Ok(schema.clone()),
            true => {
                Err(PostgresError::Refused(format!("{} is there already", quoted_name(schema, &table.name))))
            }
        };
    }
    if !exists(&table.schema)? || job.options.replace {
        return Ok(table.schema.clone());
    }
    let schema = format!("restored_{}", job.short_id);
    if exists(&schema)? {
        let name = quoted_name(&schema, &table.name);
        return Err(PostgresError::Refused(format!(
            "{name} is there already, from an earlier restore: drop it, or name another schema with --schema-as"
        )));
    }
    let name = quoted_name(&table.schema, &table.name);
    job.out
        .notes
        .push(format!("{name} is there already, so it was restored beside it in the schema {schema}"));
    Ok(schema)
}

#[derive(Deserialize)]
struct ForeignKey {
    name: String,
    definition: String,
    table: String,
}

/// Keys that point to other tables may not fit what is there now: the table comes back without them, and each is added as far as it goes.
fn without_foreign_keys(
    job: &mut Job<'_>,
    session: &mut Session,
    there: &mut Session,
    (table, tree): (&Found, &[Found]),
    target: &Target<'_>,
) -> Result<(), PostgresError> {
    let stop = job.stop;
    let names =
        tree.iter().map(|part| format!("{}::regclass", literal(&quoted_name(&part.schema, &part.name))));
    let statement = format!(
        "SELECT json_build_object('name', quote_ident(conname), 'definition', pg_get_constraintdef(oid), 'table', conrelid::regclass) \
         FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND conrelid IN ({})",
        names.collect::<Vec<_>>().join(", ")
    );
    let keys: Vec<ForeignKey> = session.documents("listing the foreign keys", &statement, stop)?;
    for key in &keys {
        let statement = format!("ALTER TABLE {} DROP CONSTRAINT {}", key.table, key.name);
        session.query("setting foreign keys aside", &statement, stop)?;
    }
    copy(job.scratch, job.database, tree, target, stop)?;
    for ForeignKey { name, definition, table } in keys {
        let add = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}");
        let whole = there.query("adding a foreign key", &add, stop);
        let Err(why) = whole else { continue };
        let unchecked = definition.contains("NOT VALID")
            || there.query("adding a foreign key", &format!("{add} NOT VALID"), stop).is_err();
        let how = if unchecked { "was not added" } else { "was added NOT VALID: it holds for new rows only" };
        job.out.problems.push(format!("the foreign key {name} of {table} {how}; {why}"));
    }
    let name = quoted_name(&table.schema, &table.name);
    job.out.notes.push(format!("foreign keys of {name} were added after its rows"));
    Ok(())
}

/// Rows on both sides.
fn count(
    job: &mut Job<'_>,
    there: &mut Session,
    here: &mut Session,
    tree: &[Found],
) -> Result<(), PostgresError> {
    for part in tree {
        let expected = measure::count(here, &part.schema, &part.name, job.stop)?;
        let counted = measure::count(there, &part.schema, &part.name, job.stop)?;
        job.out.rows += counted;
        if counted != expected {
            let name = quoted_name(&part.schema, &part.name);
            job.out.problems.push(format!("{name} has {counted} rows now and had {expected}"));
        }
    }
    Ok(())
}
