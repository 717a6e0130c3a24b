//! Damage done on purpose to what was restored, before it is compared: a proof that does not notice it is worth nothing.

mod definitions;

use super::error::PostgresError;
use super::prove::{Damage, NoDamage, prove_with};
use super::session::{Session, Stop};
use super::sql::{literal, quoted, quoted_name};
use super::stored::Stored;
use super::truth::{DatabaseTruth, Method, TableTruth};
use crate::adapter::{Ground, Tried};

/// Objects that are dropped by `DROP ROUTINE`.
const ROUTINES: &[&str] = &["function", "procedure"];

/// Restores the snapshot, damages it, and says what the proof made of that; once for each kind of damage that cannot go together.
pub(super) fn sabotage(
    stored: &mut Stored<'_>,
    ground: Ground<'_>,
    stop: Stop<'_>,
) -> Result<Vec<Tried>, PostgresError> {
    let tables = |database: &DatabaseTruth| own_tables(database).count();
    let Some(victim) = stored.truth.databases.iter().max_by_key(|database| tables(database)).cloned() else {
        return Ok(Vec::new());
    };
    let mut tried = Vec::new();
    let mut rows = Rows { victim: &victim, done: Vec::new() };
    let proof = prove_with(stored, ground, &mut rows, &[], stop)?;
    for (name, object, words) in rows.done {
        tried.push(Tried::new(name, object, words, &proof));
    }
    let mut objects = Objects { victim: &victim, done: Vec::new() };
    let proof = prove_with(stored, ground, &mut objects, &[], stop)?;
    for (name, object) in objects.done {
        tried.push(Tried::new(name, object, "did not come back", &proof));
    }
    let half = stored.dump_bytes(&victim)? / 2;
    stored.cut_dumps_at = Some(half);
    let proof = prove_with(stored, ground, &mut NoDamage, &[], stop);
    stored.cut_dumps_at = None;
    let object = format!("database {:?}", victim.name);
    tried.push(Tried::new("truncated dump", object, "could not be restored", &proof?));
    Ok(tried)
}

/// Tables whose rows are compared by a checksum over all of them.
fn own_tables(database: &DatabaseTruth) -> impl Iterator<Item = &TableTruth> {
    database
        .tables
        .iter()
        .filter(|table| table.relkind == "r" && table.rows > 0 && table.method == Method::Exact)
}

/// What was done, to what, and the words of the problem that must name it.
type Done = (&'static str, String, &'static str);

/// One row changed in one table, one lost from another; and definitions.
struct Rows<'v> {
    victim: &'v DatabaseTruth,
    done: Vec<Done>,
}

impl Damage for Rows<'_> {
    fn apply(
        &mut self,
        database: &DatabaseTruth,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        if database.name != self.victim.name {
            return Ok(());
        }
        // Neither triggers nor foreign keys mend what is done here.
        session.query("damaging", "SET session_replication_role = replica", stop)?;
        let mut changed = None;
        for table in own_tables(database) {
            let Some(statement) = change(table, session, stop)? else { continue };
            // A constraint may forbid it in this table.
            match session.query("damaging", &statement, stop) {
                Ok(_) => {
                    changed = Some((&table.schema, &table.name));
                    let object = format!("{}.{}", table.schema, table.name);
                    self.done.push(("changed row", object, "the same number of rows and other content"));
                    break;
                }
                Err(error) if error.state().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        let is_other = |table: &&TableTruth| Some((&table.schema, &table.name)) != changed;
        if let Some(table) = own_tables(database).find(is_other) {
            let name = quoted_name(&table.schema, &table.name);
            let statement =
                format!("DELETE FROM ONLY {name} WHERE ctid = (SELECT min(ctid) FROM ONLY {name})");
            session.query("damaging", &statement, stop)?;
            self.done.push(("lost row", format!("{}.{}", table.schema, table.name), "rows and had"));
        }
        self.done.extend(definitions::damage(session, stop)?);
        Ok(())
    }
}

/// A statement that changes one value of one row; none when the table has no column that can be changed simply.
fn change(
    table: &TableTruth,
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<Option<String>, PostgresError> {
    let name = quoted_name(&table.schema, &table.name);
    let columns = format!(
        "SELECT to_json(ARRAY[attname::text, format_type(atttypid, NULL)]) FROM pg_attribute \
         WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' \
         ORDER BY format_type(atttypid, NULL) = 'text' DESC, attnum",
        literal(&name)
    );
    let columns: Vec<(String, String)> = session.documents("looking for a column", &columns, stop)?;
    let changed = columns.iter().find_map(|(column, kind)| {
        let column = quoted(column);
        match kind.as_str() {
            "text" => Some(format!("{column} = coalesce({column}, '') || '~'")),
            "integer" | "bigint" | "numeric" | "double precision" => {
                Some(format!("{column} = coalesce({column}, 0) - 1000003"))
            }
            "boolean" => Some(format!("{column} = NOT coalesce({column}, false)")),
            _ => None,
        }
    });
    Ok(changed
        .map(|set| format!("UPDATE ONLY {name} SET {set} WHERE ctid = (SELECT min(ctid) FROM ONLY {name})")))
}

/// One table dropped, one routine dropped.
struct Objects<'v> {
    victim: &'v DatabaseTruth,
    done: Vec<(&'static str, String)>,
}

impl Damage for Objects<'_> {
    fn apply(
        &mut self,
        database: &DatabaseTruth,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<(), PostgresError> {
        if database.name != self.victim.name {
            return Ok(());
        }
        if let Some(table) = own_tables(database).next() {
            let name = quoted_name(&table.schema, &table.name);
            session.query("damaging", &format!("DROP TABLE {name} CASCADE"), stop)?;
            self.done.push(("dropped table", format!("{}.{}", table.schema, table.name)));
        }
        let is_routine = |kind: &str| ROUTINES.contains(&kind);
        if let Some(routine) = database.objects.iter().find(|object| is_routine(&object.kind)) {
            session.query("damaging", &format!("DROP ROUTINE IF EXISTS {} CASCADE", routine.name), stop)?;
            self.done.push(("missing routine", format!("{} {}", routine.kind, routine.name)));
        }
        Ok(())
    }
}
