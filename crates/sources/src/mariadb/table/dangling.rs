//! Foreign keys that do not hold: they are not checked while a table is loaded.

use super::super::error::MariaDbError;
use super::super::session::{Session, Stop};
use super::super::sql::{literal, quoted, quoted_name};

/// A foreign key: its name, the table it leads to, columns of both.
type Key = (String, String, Vec<(String, String)>);

/// Foreign keys of a table that do not hold, and how many rows they lack. They were not checked while it was loaded.
pub(super) fn dangling(
    session: &mut Session,
    database: &str,
    table: &str,
    stop: Stop<'_>,
) -> Result<Vec<(String, String)>, MariaDbError> {
    let doing = "checking foreign keys";
    let sql = format!(
        "SELECT constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name \
         FROM information_schema.key_column_usage WHERE table_schema = {} AND table_name = {} AND referenced_table_name IS NOT NULL \
         ORDER BY constraint_name, ordinal_position",
        literal(database),
        literal(table)
    );
    let mut keys: Vec<Key> = Vec::new();
    for row in session.query(doing, &sql, stop)? {
        let Ok([name, column, schema, parent, parent_column]) = <[String; 5]>::try_from(row) else {
            continue;
        };
        match keys.last_mut().filter(|(last, ..)| *last == name) {
            Some((_, _, columns)) => columns.push((column, parent_column)),
            None => keys.push((name, quoted_name(&schema, &parent), vec![(column, parent_column)])),
        }
    }
    let mut out = Vec::new();
    for (name, parent, columns) in keys {
        let pairs = |join: &str, one: &dyn Fn(&(String, String)) -> String| {
            columns.iter().map(one).collect::<Vec<_>>().join(join)
        };
        let on = pairs(" AND ", &|(a, b)| format!("c.{} = p.{}", quoted(a), quoted(b)));
        let set = pairs(" AND ", &|(a, _)| format!("c.{} IS NOT NULL", quoted(a)));
        let Some((_, first)) = columns.first() else { continue };
        let missing = format!("p.{} IS NULL", quoted(first));
        let child = quoted_name(database, table);
        let sql =
            format!("SELECT COUNT(*) FROM {child} c LEFT JOIN {parent} p ON {on} WHERE {set} AND {missing}");
        match session.value(doing, &sql, stop) {
            Ok(orphans) if orphans == "0" => {}
            Ok(orphans) => out.push((name, orphans)),
            Err(error) if error.code() == Some(1146) => {
                out.push((name, "all".into()));
                // The session ended with the refusal; the others are not looked at.
                return Ok(out);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}
