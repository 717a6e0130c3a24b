//! Proving a snapshot: each database is restored, checked in the helper, and has what the truth says.

use super::SqliteError;
use super::ask::Asked;
use super::helper;
use super::truth::{DatabaseTruth, TRUTH, TRUTH_FORMAT, Truth, VERSION};
use crate::adapter::{Proof, Stop};
use crate::process::ToolError;
use crate::question::Question;
use crate::stored::{self, StoredError};
use std::path::Path;
use std::time::Instant;
use vow_store::archive::Snapshot;

/// What is done to the copy of a database before it is looked at, to see whether it is noticed.
pub(super) trait Damage {
    /// Damages the file, or leaves it as it is.
    fn apply(&mut self, before: &DatabaseTruth, file: &Path, stop: Stop<'_>) -> Result<(), SqliteError>;
}

/// No damage.
pub(super) struct Unharmed;

impl Damage for Unharmed {
    fn apply(&mut self, _: &DatabaseTruth, _: &Path, _: Stop<'_>) -> Result<(), SqliteError> {
        Ok(())
    }
}

/// What must come back.
pub(super) fn truth_of(snapshot: &Snapshot) -> Result<Truth, SqliteError> {
    Ok(stored::document(snapshot, TRUTH, TRUTH_FORMAT, VERSION)?)
}

/// Restores each database below `place`, has it checked, compares it with the truth, and asks what the plan asks.
pub(super) fn prove(
    snapshot: &Snapshot,
    place: &Path,
    damage: &mut dyn Damage,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, SqliteError> {
    let truth = truth_of(snapshot)?;
    let mut proof = Proof::default();
    let paths: Vec<_> = truth.databases.iter().map(|database| database.path.as_str()).collect();
    let asked: Vec<_> = questions.iter().map(|question| question.among(&paths)).collect();
    for (question, unasked) in questions.iter().zip(&asked) {
        if let Err(why) = unasked {
            proof.unasked(question, why);
        }
    }
    for (at, before) in truth.databases.iter().enumerate() {
        let folder = tempfile::Builder::new().prefix("vow-sqlite-").tempdir_in(place);
        let folder = folder.map_err(SqliteError::io("make a private folder in", place))?;
        let file = folder.path().join("database");
        let path = before.stored_path().ok_or_else(|| bad(before))?;
        let began = Instant::now();
        proof.bytes += stored::write_to(snapshot, &path, &file, stop)?;
        proof.restore_secs += began.elapsed().as_secs_f64();
        let launcher = helper::limited()?;
        let given = launcher.give(&file).and_then(|()| launcher.give(folder.path()));
        given.map_err(SqliteError::io("prepare", &file))?;
        damage.apply(before, &file, stop)?;
        let exact = before.tables.iter().any(|table| table.checksum.is_some());
        match helper::checked(&file, if exact { u64::MAX } else { 0 }, stop) {
            Ok(now) => compare(&mut proof, before, &now),
            Err(error @ SqliteError::Tool(ToolError::Failed { .. })) => {
                proof.problems.push(format!("{}: {error}", before.path));
                continue;
            }
            Err(error) => return Err(error),
        }
        let own: Vec<_> =
            questions.iter().zip(&asked).filter(|(_, of)| **of == Ok(at)).map(|(one, _)| one).collect();
        ask(&mut proof, before, &file, &own, stop)?;
    }
    Ok(proof)
}

/// Selects from every view, and asks what the plan asks.
fn ask(
    proof: &mut Proof,
    before: &DatabaseTruth,
    file: &Path,
    questions: &[&Question],
    stop: Stop<'_>,
) -> Result<(), SqliteError> {
    let views = before.objects.iter().filter(|object| object.kind == "view");
    let views: Vec<_> = views.map(|view| view.name.as_str()).collect();
    let select = |view: &&str| format!("SELECT * FROM {} LIMIT 0", quoted(view));
    let queries =
        views.iter().map(select).chain(questions.iter().map(|one| one.sql.clone())).collect::<Vec<_>>();
    if queries.is_empty() {
        return Ok(());
    }
    let mut said = helper::asked(file, &Asked { queries, damage: Vec::new() }, stop)?.into_iter();
    for (view, said) in views.iter().zip(said.by_ref().take(views.len())) {
        match said {
            super::ask::Said::Refused(why)
                if why.contains("no such function") || why.contains("no such module") =>
            {
                // The program that uses the database brings them along.
                proof.notes.push(format!("{}: view {view} needs its program: {why}", before.path));
            }
            super::ask::Said::Refused(why) => {
                proof.problems.push(format!("{}: view {view} cannot be selected from: {why}", before.path));
            }
            _ => proof.compared += 1,
        }
    }
    for (question, said) in questions.iter().zip(said) {
        proof.answered(question, &before.path, &said.into());
    }
    Ok(())
}

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn bad(before: &DatabaseTruth) -> StoredError {
    StoredError::Content { what: TRUTH.into(), reason: format!("the path {:?} cannot be read", before.path) }
}

fn compare(proof: &mut Proof, before: &DatabaseTruth, now: &DatabaseTruth) {
    let mut same = |same: bool, problem: String| {
        if same {
            proof.compared += 1;
        } else {
            proof.problems.push(format!("{}: {problem}", before.path));
        }
    };
    same(now.damage.is_empty(), format!("it is damaged: {}", now.damage.join("; ")));
    let numbers = |truth: &DatabaseTruth| {
        (
            truth.bytes,
            truth.page_size,
            truth.page_count,
            truth.user_version,
            truth.application_id,
            truth.encoding.clone(),
        )
    };
    same(
        numbers(before) == numbers(now),
        format!("its header says {:?} and said {:?}", numbers(now), numbers(before)),
    );
    let violations = (now.foreign_key_violations, before.foreign_key_violations);
    same(
        violations.0 == violations.1,
        format!("{} rows violate foreign keys, and {} did", violations.0, violations.1),
    );
    for object in &before.objects {
        let is_there = now.objects.iter().any(|now| (&now.kind, &now.name) == (&object.kind, &object.name));
        let how = if is_there { "came back with another definition" } else { "did not come back" };
        same(now.objects.contains(object), format!("{} {} {how}", object.kind, object.name));
    }
    same(now.objects.len() == before.objects.len(), "it has objects that were not there".into());
    for table in &before.tables {
        let (name, rows) = (&table.name, table.rows);
        let found = now.tables.iter().find(|other| other.name == *name);
        let how = match found {
            None => format!("table {name} has no rows to count any more, and had {rows}"),
            Some(found) if found.rows != rows => {
                format!("table {name} has {} rows and had {rows}", found.rows)
            }
            Some(_) => format!("table {name} has the same number of rows and other content"),
        };
        same(found == Some(table), how);
    }
    if before.foreign_key_violations > 0 {
        proof.notes.push(format!(
            "{}: {} rows violated foreign keys when it was captured",
            before.path, before.foreign_key_violations
        ));
    }
}
