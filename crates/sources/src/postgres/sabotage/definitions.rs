//! Damage to definitions: a routine that does something else, a comment, a privilege and a default that are lost.

use super::super::error::PostgresError;
use super::super::fixed_point::NOT_THE_SAME;
use super::super::session::{Session, Stop};
use super::super::sql::{quoted, quoted_name};
use super::Done;

const OWN: &str = "nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS \
    (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')";
/// How the server writes where a body ends.
const BODY_END: &str = "$function$";

/// Does what can be done of it in this database.
pub(super) fn damage(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Done>, PostgresError> {
    let mut done = Vec::new();
    for one in [routine, comment, privilege, default] {
        if let Some((name, object, statement)) = one(session, stop)? {
            session.query("damaging", &statement, stop)?;
            done.push((name, object, NOT_THE_SAME));
        }
    }
    Ok(done)
}

/// What is done, to what, and how.
type Found = Option<(&'static str, String, String)>;

fn first<const N: usize>(
    session: &mut Session,
    sql: &str,
    stop: Stop<'_>,
) -> Result<Option<[String; N]>, PostgresError> {
    let rows: Vec<Vec<String>> = session.documents("looking for something to damage", sql, stop)?;
    Ok(rows.into_iter().next().and_then(|row| row.try_into().ok()))
}

fn routine(session: &mut Session, stop: Stop<'_>) -> Result<Found, PostgresError> {
    let sql = format!(
        "SELECT json_build_array(nspname, format('%s(%s)', proname, oidvectortypes(proargtypes)), pg_get_functiondef(c.oid)) \
         FROM pg_proc c JOIN pg_namespace n ON n.oid = pronamespace JOIN pg_language l ON l.oid = prolang \
         WHERE {OWN} AND prokind = 'f' AND lanname IN ('sql', 'plpgsql') AND to_jsonb(c) ->> 'prosqlbody' IS NULL ORDER BY 1::text LIMIT 1"
    );
    let Some([schema, name, definition]) = first(session, &sql, stop)? else { return Ok(None) };
    // One line more in its body.
    let changed = definition.rsplit_once(BODY_END).map(|(body, end)| format!("{body}\n{BODY_END}{end}"));
    Ok(changed.map(|statement| ("changed routine", format!("FUNCTION {name} in {schema}"), statement)))
}

fn comment(session: &mut Session, stop: Stop<'_>) -> Result<Found, PostgresError> {
    let sql = format!(
        "SELECT json_build_array(nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
         WHERE {OWN} AND relkind = 'r' ORDER BY obj_description(c.oid, 'pg_class') IS NULL, nspname, relname LIMIT 1"
    );
    let Some([schema, name]) = first(session, &sql, stop)? else { return Ok(None) };
    let statement = format!("COMMENT ON TABLE {} IS 'not what it was'", quoted_name(&schema, &name));
    Ok(Some(("changed comment", format!("COMMENT TABLE {name} in {schema}"), statement)))
}

fn privilege(session: &mut Session, stop: Stop<'_>) -> Result<Found, PostgresError> {
    let sql = format!(
        "SELECT json_build_array(nspname, relname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) \
         WHERE {OWN} AND relkind = 'r' AND grantee <> relowner ORDER BY nspname, relname LIMIT 1"
    );
    let Some([schema, name, grantee]) = first(session, &sql, stop)? else { return Ok(None) };
    let statement = format!("REVOKE ALL ON TABLE {} FROM {grantee}", quoted_name(&schema, &name));
    Ok(Some(("lost privilege", format!("ACL TABLE {name} in {schema}"), statement)))
}

fn default(session: &mut Session, stop: Stop<'_>) -> Result<Found, PostgresError> {
    // A sequence of its own makes the default a statement of its own.
    let sql = format!(
        "SELECT json_build_array(nspname, relname, attname) FROM pg_attrdef f JOIN pg_class c ON c.oid = adrelid \
         JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = adrelid AND attnum = adnum \
         WHERE {OWN} AND relkind = 'r' AND attgenerated = '' AND NOT relispartition AND attinhcount = 0 \
         AND pg_get_expr(adbin, adrelid) NOT LIKE 'nextval%' ORDER BY nspname, relname, attname LIMIT 1"
    );
    let Some([schema, name, column]) = first(session, &sql, stop)? else { return Ok(None) };
    let (table, column) = (quoted_name(&schema, &name), quoted(&column));
    let statement = format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT");
    Ok(Some(("lost default", format!("TABLE {name} in {schema}"), statement)))
}
