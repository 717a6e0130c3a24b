//! Damage done on purpose to the copy of a database, before it is looked at: a proof that does not notice it is worth nothing.

use super::SqliteError;
use super::ask::{Asked, Said};
use super::helper;
use super::prove::{Damage, prove, quoted, truth_of};
use super::truth::{DatabaseTruth, TableTruth};
use crate::adapter::{Stop, Tried};
use crate::process::ToolError;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use vow_store::archive::Snapshot;

/// Restores the snapshot, damages its largest database, and says what the proof made of that; once for each kind of damage.
pub(super) fn sabotage(snapshot: &Snapshot, place: &Path, stop: Stop<'_>) -> Result<Vec<Tried>, SqliteError> {
    let truth = truth_of(snapshot)?;
    let Some(victim) = truth.databases.iter().max_by_key(|database| database.bytes) else {
        return Ok(Vec::new());
    };
    let mut tried = Vec::new();
    let mut show = |name, object: String, words, how: How<'_>| -> Result<(), SqliteError> {
        let mut damage = Done { path: &victim.path, how, done: false };
        let proof = prove(snapshot, place, &mut damage, &[], stop)?;
        if damage.done {
            tried.push(Tried::new(name, object, words, &proof));
        }
        Ok(())
    };
    show("truncated file", victim.path.clone(), "", How::Cut)?;
    show("zeroed page", victim.path.clone(), "", How::Zeroed)?;
    let is_measured = |table: &&TableTruth| table.rows > 0 && table.checksum.is_some();
    if let Some(table) = victim.tables.iter().find(is_measured) {
        let object = format!("table {}", table.name);
        show(
            "changed row",
            object.clone(),
            "the same number of rows and other content",
            How::Changed(table),
        )?;
        show("lost row", object.clone(), "rows and had", How::Lost(table))?;
        show("dropped table", object, "did not come back", How::Dropped(table))?;
    }
    Ok(tried)
}

enum How<'t> {
    Cut,
    Zeroed,
    Changed(&'t TableTruth),
    Lost(&'t TableTruth),
    Dropped(&'t TableTruth),
}

struct Done<'d> {
    path: &'d str,
    how: How<'d>,
    /// It could be done: not every table lets itself be changed.
    done: bool,
}

impl Damage for Done<'_> {
    fn apply(&mut self, before: &DatabaseTruth, file: &Path, stop: Stop<'_>) -> Result<(), SqliteError> {
        if before.path != self.path {
            return Ok(());
        }
        let statement = match &self.how {
            How::Cut | How::Zeroed => {
                self.done = self.in_file(before, file)?;
                return Ok(());
            }
            How::Dropped(table) => Some(format!("DROP TABLE {}", quoted(&table.name))),
            How::Lost(table) => {
                let name = quoted(&table.name);
                Some(format!("DELETE FROM {name} WHERE rowid = (SELECT min(rowid) FROM {name})"))
            }
            How::Changed(table) => column(table, file, stop)?.map(|column| {
                let (name, column) = (quoted(&table.name), quoted(&column));
                format!(
                    "UPDATE {name} SET {column} = coalesce({column}, 0) || '1' WHERE rowid = (SELECT min(rowid) FROM {name})"
                )
            }),
        };
        let Some(statement) = statement else { return Ok(()) };
        let damage = vec!["PRAGMA foreign_keys = OFF".to_owned(), statement];
        match helper::asked(file, &Asked { queries: Vec::new(), damage }, stop) {
            Ok(_) => self.done = true,
            // A table without row ids, or a constraint.
            Err(SqliteError::Tool(ToolError::Failed { .. })) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Done<'_> {
    /// Damages the bytes of the file.
    fn in_file(&self, before: &DatabaseTruth, file: &Path) -> Result<bool, SqliteError> {
        let opened = fs::File::options().write(true).open(file).map_err(SqliteError::io("open", file))?;
        if matches!(self.how, How::Cut) {
            opened.set_len(before.bytes / 2).map_err(SqliteError::io("cut off", file))?;
            return Ok(true);
        }
        // The first page is the header's, and the schema's; the second belongs to something, in a database that has two.
        if before.page_count < 2 {
            return Ok(false);
        }
        let zeros = vec![0; usize::try_from(before.page_size).unwrap_or_default()];
        opened.write_all_at(&zeros, before.page_size).map_err(SqliteError::io("write", file))?;
        Ok(true)
    }
}

/// A column of a table that is no part of its key.
fn column(table: &TableTruth, file: &Path, stop: Stop<'_>) -> Result<Option<String>, SqliteError> {
    let name = table.name.replace('\'', "''");
    let query = format!("SELECT name FROM pragma_table_info('{name}') WHERE pk = 0 LIMIT 1");
    let said = helper::asked(file, &Asked { queries: vec![query], damage: Vec::new() }, stop)?;
    Ok(match said.into_iter().next() {
        Some(Said::Rows(rows)) => rows.into_iter().flatten().next().flatten(),
        _ => None,
    })
}
