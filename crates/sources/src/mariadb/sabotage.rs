//! Damage done on purpose to what was restored, before it is compared: a proof that does not notice it is worth nothing.

use super::access::Access;
use super::error::MariaDbError;
use super::prove::{Damage, NoDamage, prove_with};
use super::session::{Session, Stop};
use super::sql::{literal, quoted, quoted_name};
use super::stored::Stored;
use super::truth::{Method, ObjectTruth, TableTruth, Truth};
use super::verdict::shown;
use crate::adapter::{Ground, Proof, Tried};

/// Restores the snapshot, damages it, and says what the proof made of that; once for each kind of damage that cannot go together.
pub(super) fn sabotage(
    stored: &mut Stored<'_>,
    ground: Ground<'_>,
    stop: Stop<'_>,
) -> Result<Vec<Tried>, MariaDbError> {
    let mut tried = Vec::new();
    let mut rows = Rows::default();
    let proof = prove_with(stored, ground, &mut rows, &[], stop)?;
    for (name, object, words) in rows.0 {
        tried.push(Tried::new(name, object, words, &proof));
    }
    let mut objects = Objects::default();
    let proof = prove_with(stored, ground, &mut objects, &[], stop)?;
    for (name, object) in objects.0 {
        tried.push(Tried::new(name, object, "did not come back", &proof));
    }
    if let Some(half) = stored.dump_bytes()?.map(|bytes| bytes / 2) {
        stored.cut_dumps_at = Some(half);
        let proof = prove_with(stored, ground, &mut NoDamage, &[], stop);
        stored.cut_dumps_at = None;
        tried.push(cut(&proof?));
    }
    Ok(tried)
}

/// Where a dump ends decides whether it cannot be loaded, or lacks what would have come.
fn cut(proof: &Proof) -> Tried {
    let right = proof.differences().find(|text| {
        ["the dump cannot be loaded", "did not come back", "rows and had"].iter().any(|w| text.contains(w))
    });
    let said = right.or(proof.differences().next()).cloned();
    Tried { name: "truncated dump", object: "the dump".into(), noticed: right.is_some(), said }
}

/// Tables whose rows are compared by a checksum over all of them.
fn own_tables(truth: &Truth) -> impl Iterator<Item = &TableTruth> {
    truth.tables.iter().filter(|table| table.rows > 0 && table.method == Method::Exact && !table.history)
}

/// One in which no foreign key stands in the way.
fn free_session(access: &Access, stop: Stop<'_>) -> Result<Session, MariaDbError> {
    let mut session = access.session(stop)?;
    session.query("damaging", "SET SESSION foreign_key_checks = 0", stop)?;
    Ok(session)
}

/// One row changed in one table, one lost from another.
#[derive(Default)]
struct Rows(Vec<(&'static str, String, &'static str)>);

impl Damage for Rows {
    fn apply(&mut self, truth: &Truth, access: &Access, stop: Stop<'_>) -> Result<(), MariaDbError> {
        let mut changed = None;
        for table in own_tables(truth) {
            // A constraint may forbid it in this table, and that would end the session.
            let mut session = free_session(access, stop)?;
            let Some(statement) = change(table, &mut session, stop)? else { continue };
            match session.query("damaging", &statement, stop) {
                Ok(_) => {
                    changed = Some((&table.database, &table.name));
                    let object = format!("{}.{}", table.database, table.name);
                    self.0.push(("changed row", object, "the same number of rows and other content"));
                    break;
                }
                Err(error) if error.code().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(table) = own_tables(truth).find(|table| Some((&table.database, &table.name)) != changed) {
            let name = quoted_name(&table.database, &table.name);
            free_session(access, stop)?.query("damaging", &format!("DELETE FROM {name} LIMIT 1"), stop)?;
            self.0.push(("lost row", format!("{}.{}", table.database, table.name), "rows and had"));
        }
        Ok(())
    }
}

/// A statement that changes one value of one row, and nothing that could be forbidden; none when no column of the table is that simple.
fn change(table: &TableTruth, session: &mut Session, stop: Stop<'_>) -> Result<Option<String>, MariaDbError> {
    let columns = format!(
        "SELECT column_name, LOWER(data_type) FROM information_schema.columns c WHERE table_schema = {} AND table_name = {} \
         AND extra = '' AND column_key = '' AND NOT EXISTS (SELECT 1 FROM information_schema.triggers t \
         WHERE t.event_object_schema = c.table_schema AND t.event_object_table = c.table_name AND t.event_manipulation = 'UPDATE') \
         ORDER BY ordinal_position",
        literal(&table.database),
        literal(&table.name)
    );
    let changed = session.query("looking for a column", &columns, stop)?.into_iter().find_map(|row| {
        let (name, kind) = (quoted(row.first()?), row.get(1)?.as_str());
        match kind {
            // Of the same length, so that it fits.
            "varchar" | "char" | "text" | "tinytext" | "mediumtext" | "longtext" => {
                Some(format!("{name} = IF(COALESCE({name}, '') LIKE '~%', '^', '~')"))
            }
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "double" | "float" => {
                Some(format!("{name} = IF(COALESCE({name}, 0) = 1, 2, 1)"))
            }
            _ => None,
        }
    });
    let name = quoted_name(&table.database, &table.name);
    Ok(changed.map(|set| format!("UPDATE {name} SET {set} LIMIT 1")))
}

/// One table dropped, one routine dropped.
#[derive(Default)]
struct Objects(Vec<(&'static str, String)>);

impl Damage for Objects {
    fn apply(&mut self, truth: &Truth, access: &Access, stop: Stop<'_>) -> Result<(), MariaDbError> {
        let mut session = free_session(access, stop)?;
        if let Some(table) = own_tables(truth).next() {
            let name = quoted_name(&table.database, &table.name);
            session.query("damaging", &format!("DROP TABLE {name}"), stop)?;
            self.0.push(("dropped table", format!("table {}", shown(&table.database, &table.name))));
        }
        let is_routine = |object: &&ObjectTruth| matches!(object.kind.as_str(), "procedure" | "function");
        if let Some(routine) = truth.objects.iter().find(is_routine) {
            let name = quoted_name(&routine.database, &routine.name);
            session.query("damaging", &format!("DROP {} {name}", routine.kind.to_uppercase()), stop)?;
            let object = format!("{} {}", routine.kind, shown(&routine.database, &routine.name));
            self.0.push(("missing routine", object));
        }
        Ok(())
    }
}
