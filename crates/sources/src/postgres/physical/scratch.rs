//! A scratch server from a base backup: proven, and used to bring single databases and tables back as they were at a moment.

use super::super::access::{Access, AccessOptions};
use super::super::error::PostgresError;
use super::super::scratch::{Room, Scratch};
use super::super::session::Stop;
use super::super::table;
use super::capture::BASE;
use super::pour::Pour;
use super::stored::{StoredBackup, link_tablespaces, recovery_settings};
use crate::adapter::{Proof, Replay, Request, Restored};
use crate::postgres::question::ask;
use crate::process::ToolError;
use crate::question::Question;
use crate::stored::StoredError;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;
use vow_store::monitor::Monitor;
use vow_store::restore::{RestoreOptions, restore as restore_files};

/// Objects named in a message.
const NAMED: usize = 10;

/// Starts a server from the snapshot below `place` and lets it replay.
fn start(
    stored: &StoredBackup<'_>,
    place: &Path,
    replay: &Replay,
    verify: bool,
    stop: Stop<'_>,
) -> Result<Scratch, PostgresError> {
    let fill = |room: &Room| {
        if room.tools.major != stored.facts.server_version_num / 10_000 {
            let (wanted, major) = (stored.facts.server_version_num / 10_000, room.tools.major);
            return Err(PostgresError::Blocked(format!(
                "a base backup of PostgreSQL {wanted} can only be started by version {wanted}, and {major} is what is installed here"
            )));
        }
        let root = room.folder.path().join("files");
        let options = RestoreOptions { target: root.clone(), ..RestoreOptions::default() };
        let report = restore_files(stored.snapshot, &options, &Monitor::silent());
        let report = report.map_err(|e| PostgresError::Scratch(format!("cannot be filled: {e}")))?;
        if report.errors > 0 {
            return Err(PostgresError::Scratch(format!(
                "cannot be filled: {} files could not be written",
                report.errors
            )));
        }
        if stop() {
            return Err(ToolError::Stopped.into());
        }
        link_tablespaces(&root, &stored.backup)?;
        room.launcher.account().take_tree(&root).map_err(PostgresError::io("give away", &root))?;
        let data = root.join(BASE);
        if verify {
            verify_files(room, &data, stop)?;
        }
        // Production's own settings would win over those of the scratch server.
        for name in ["postgresql.auto.conf", "standby.signal"] {
            match fs::remove_file(data.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(PostgresError::io("remove", &data.join(name))(error));
                }
                _ => {}
            }
        }
        let mut settings = recovery_settings(replay);
        if let Some(prepared) = stored.backup.needs.get("max_prepared_transactions") {
            settings.push_str(&format!("max_prepared_transactions = {prepared}\n"));
        }
        if let Some(log) = &replay.log {
            room.launcher.account().take_tree(log).map_err(PostgresError::io("give away", log))?;
            let signal = data.join("recovery.signal");
            fs::write(&signal, "")
                .and_then(|()| room.launcher.give(&signal))
                .map_err(PostgresError::io("write", &signal))?;
        }
        Ok((data, settings))
    };
    Scratch::recover(place, &stored.facts, stored.bytes(), fill, stop)
}

fn verify_files(room: &Room, data: &Path, stop: Stop<'_>) -> Result<(), PostgresError> {
    let mut command = room.launcher.command(&room.tools.program("pg_verifybackup"));
    command.arg("--quiet").arg(data);
    let (_, ended) = room.launcher.output(command, 1 << 20, stop)?;
    match ended.expect_success() {
        Ok(_) => Ok(()),
        Err(error) => Err(PostgresError::content(
            "the base backup",
            format!("it does not agree with its manifest: {error}"),
        )),
    }
}

/// Starts a scratch server from the snapshot, and compares it with what is known.
pub(crate) fn prove(
    stored: &StoredBackup<'_>,
    place: &Path,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, PostgresError> {
    let mut proof = Proof { bytes: stored.bytes(), ..Proof::default() };
    let began = Instant::now();
    let scratch = match start(stored, place, &Replay::default(), true, stop) {
        Ok(scratch) => scratch,
        Err(PostgresError::Blocked(why)) => {
            proof.blocked.push(why);
            return Ok(proof);
        }
        Err(error @ PostgresError::Stored(StoredError::Content { .. })) if !stop() => {
            proof.problems.push(error.to_string());
            return Ok(proof);
        }
        Err(error) => return Err(error),
    };
    proof.restore_secs += began.elapsed().as_secs_f64();
    // The manifest agreed with every file.
    proof.compared += 1;
    proof.notes.extend(scratch.notes.iter().cloned());
    let mut home = scratch.access.home(stop)?;
    let identifier: String = home.document(
        "asking what server it is",
        "SELECT to_json(system_identifier::text) FROM pg_control_system()",
        stop,
    )?;
    proof.same(identifier == stored.backup.system_identifier, || {
        format!(
            "it has the system identifier {identifier}, and is to have {}",
            stored.backup.system_identifier
        )
    });
    let there: BTreeSet<String> = home
        .documents(
            "listing the databases",
            "SELECT to_json(datname) FROM pg_database WHERE datallowconn",
            stop,
        )?
        .into_iter()
        .collect();
    let available: BTreeSet<String> = home
        .documents("listing extensions", "SELECT to_json(name) FROM pg_available_extensions", stop)?
        .into_iter()
        .collect();
    drop(home);
    for database in &stored.backup.databases {
        let name = &database.name;
        if !there.contains(name) {
            proof.problems.push(format!("the database {name:?} did not come back"));
            continue;
        }
        let lacking: Vec<_> =
            database.extensions.keys().filter(|extension| !available.contains(*extension)).cloned().collect();
        if !lacking.is_empty() {
            proof.blocked.push(format!(
                "database {name:?} cannot be drilled here: extension {} missing",
                lacking.join(", ")
            ));
            continue;
        }
        let checked = check(&mut proof, &scratch.access, database, stop);
        if let Err(error) = checked {
            if stop() {
                return Err(error);
            }
            proof.problems.push(error.to_string());
        }
    }
    let filled = stored
        .backup
        .databases
        .iter()
        .filter(|database| there.contains(&database.name) && !database.tables.is_empty());
    let filled: Vec<_> = filled.map(|database| database.name.as_str()).collect();
    ask(&mut proof, &scratch.access, &filled, questions, stop)?;
    Ok(proof)
}

const TABLES: &str = "SELECT to_json(format('%I.%I', nspname, relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'";
const VIEWS: &str = "SELECT to_json(format('%I.%I', nspname, relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE relkind = 'v' AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname, relname";

fn check(
    proof: &mut Proof,
    access: &Access,
    database: &super::facts::PhysicalDatabase,
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    let name = &database.name;
    let mut session = access.session(name, stop)?;
    let there: BTreeSet<String> =
        session.documents("listing the tables", TABLES, stop)?.into_iter().collect();
    let mut lost = Vec::new();
    for table in database.tables.iter().chain(&database.unlogged) {
        match there.contains(table) {
            true => proof.compared += 1,
            false => lost.push(table.clone()),
        }
    }
    if !lost.is_empty() {
        let more = lost.len().saturating_sub(NAMED);
        lost.truncate(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        proof.problems.push(format!("{name}: tables did not come back: {}{more}", lost.join(", ")));
    }
    if !database.unlogged.is_empty() {
        let count = database.unlogged.len();
        proof.notes.push(format!("{name}: {count} unlogged tables come back empty from a base backup"));
    }
    let views: Vec<String> = session.documents("listing the views", VIEWS, stop)?;
    let views: Vec<_> = views.iter().map(String::as_str).collect();
    proof.select_from(name, &views, &mut session, stop)?;
    drop(session);
    proof.check_structure(access, name, stop)
}

/// Brings one database or table, as it was at the moment that `replay` names, into a running server.
pub(crate) fn restore(
    stored: &StoredBackup<'_>,
    into: &AccessOptions,
    request: &Request,
    stop: Stop<'_>,
) -> Result<Restored, PostgresError> {
    let Some(database) = &request.database else {
        return Err(PostgresError::Refused(
            "a base backup goes into a running server one database or table at a time: say which with --database (and --table), or \
             restore all of it with --target DIR"
                .into(),
        ));
    };
    let access = Access::open(into, stop)?;
    let scratch = start(stored, &request.scratch, &request.replay, false, stop)?;
    let mut out = Restored::default();
    out.notes.extend(scratch.notes.iter().cloned());
    let short_id = stored.snapshot.info().id.short();
    match &request.table {
        Some(wanted) => table::bring(
            table::Job {
                scratch: &scratch.access,
                database,
                short_id: &short_id,
                into,
                access: &access,
                options: request,
                stop,
                out: &mut out,
            },
            wanted,
        )?,
        None => {
            let (scratch, access, short_id) = (&scratch.access, &access, short_id.as_str());
            Pour { scratch, database, access, short_id, request, stop }.run(&mut out)?;
        }
    }
    Ok(out)
}
