//! What belongs to a table or stands around it and is not in a dump of it alone: privileges on it, its statistics objects; publications
//! that have it, views on it, and whatever else depends on it.

use super::error::PostgresError;
use super::session::{Session, Stop};
use super::sql::{literal, quoted, quoted_name};
use super::table::Found;

/// Names given in a note.
const NAMED: usize = 10;

/// Default privileges of the target would give a new table more than the old one had: SQL that takes away what is too much, and gives
/// privileges on columns again, which go with those on the table.
pub(super) fn privileges(
    session: &mut Session,
    tree: &[Found],
    stop: Stop<'_>,
) -> Result<String, PostgresError> {
    let doing = "reading the privileges";
    let grantee = "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END";
    let mut out = String::new();
    for part in tree {
        let table = part.literal();
        let had = format!(
            "SELECT to_json({grantee} || ' ' || privilege_type) FROM pg_class c, \
             aclexplode(coalesce(relacl, acldefault('r', relowner))) WHERE c.oid = {table}::regclass"
        );
        let had: Vec<String> = session.documents(doing, &had, stop)?;
        let columns = format!(
            "SELECT to_json(format('GRANT %s (%I) ON TABLE %s TO %s%s;', privilege_type, attname, attrelid::regclass, {grantee}, \
             CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)) \
             FROM pg_attribute a, aclexplode(attacl) WHERE attrelid = {table}::regclass AND NOT attisdropped"
        );
        let columns: Vec<String> = session.documents(doing, &columns, stop)?;
        let had: Vec<_> = had.iter().map(|entry| literal(entry)).collect();
        let body = format!(
            "DECLARE r record; BEGIN FOR r IN SELECT {grantee} AS who, privilege_type AS what FROM pg_class c, aclexplode(c.relacl) \
             WHERE c.oid = {table}::regclass AND {grantee} || ' ' || privilege_type <> ALL (ARRAY[{}]::text[]) \
             LOOP EXECUTE format('REVOKE %s ON TABLE %s FROM %s', r.what, {table}, r.who); END LOOP; END",
            had.join(", "),
        );
        out.push_str(&format!("DO {};\n{}\n", literal(&body), columns.join("\n")));
    }
    Ok(out)
}

fn list(tree: &[Found]) -> String {
    tree.iter().map(|part| format!("{}::regclass", part.literal())).collect::<Vec<_>>().join(", ")
}

/// Lets statistics objects follow their tables into another schema.
pub(super) fn move_statistics(
    session: &mut Session,
    tree: &[Found],
    schema: &str,
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    let doing = "moving statistics objects";
    let statement = format!(
        "SELECT json_build_object('schema', nspname, 'name', stxname) FROM pg_statistic_ext \
         JOIN pg_namespace n ON n.oid = stxnamespace WHERE stxrelid IN ({})",
        list(tree)
    );
    let found: Vec<Found> = session.documents(doing, &statement, stop)?;
    for Found { schema: from, name } in found.iter().filter(|one| one.schema != schema) {
        let name = quoted_name(from, name);
        session.query(doing, &format!("ALTER STATISTICS {name} SET SCHEMA {}", quoted(schema)), stop)?;
    }
    Ok(())
}

/// SQL that makes the statistics objects of tables: a dump of a table has none.
pub(super) fn statistics(
    session: &mut Session,
    tree: &[Found],
    stop: Stop<'_>,
) -> Result<String, PostgresError> {
    let statement = format!(
        "SELECT to_json(replace_first || format(E';\\nALTER STATISTICS %s OWNER TO %I;\\n', name, owner)) FROM (SELECT \
         regexp_replace(pg_get_statisticsobjdef(s.oid), '^CREATE STATISTICS ', 'CREATE STATISTICS IF NOT EXISTS ') AS replace_first, \
         format('%I.%I', nspname, stxname) AS name, pg_get_userbyid(stxowner) AS owner \
         FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = stxnamespace WHERE stxrelid IN ({}) ORDER BY s.oid) t",
        list(tree)
    );
    let all: Vec<String> = session.documents("reading statistics objects", &statement, stop)?;
    Ok(all.concat())
}

/// What depends on a table that is to be replaced, so that it cannot be dropped, in the server's words.
pub(super) fn dependants(
    there: &mut Session,
    table: &Found,
    stop: Stop<'_>,
) -> Result<Vec<String>, PostgresError> {
    let statement = format!(
        "WITH t AS (SELECT oid, reltype FROM pg_class WHERE oid = to_regclass({})) \
         SELECT to_json(what) FROM (SELECT DISTINCT coalesce((SELECT pg_describe_object('pg_class'::regclass, ev_class, 0) \
         FROM pg_rewrite r WHERE r.oid = objid AND classid = 'pg_rewrite'::regclass), pg_describe_object(classid, objid, objsubid)) AS what \
         FROM pg_depend, t WHERE deptype = 'n' AND ((refclassid = 'pg_class'::regclass AND refobjid = t.oid) \
         OR (refclassid = 'pg_type'::regclass AND refobjid = t.reltype)) \
         AND NOT (classid = 'pg_rewrite'::regclass AND objid IN (SELECT r.oid FROM pg_rewrite r WHERE ev_class = t.oid)) \
         AND NOT (classid = 'pg_constraint'::regclass AND objid IN (SELECT c.oid FROM pg_constraint c WHERE conrelid = t.oid)) \
         AND NOT (classid = 'pg_policy'::regclass AND objid IN (SELECT p.oid FROM pg_policy p WHERE polrelid = t.oid)) \
         AND NOT (classid = 'pg_trigger'::regclass AND objid IN (SELECT g.oid FROM pg_trigger g WHERE tgrelid = t.oid)) \
         AND NOT (classid = 'pg_attrdef'::regclass AND objid IN (SELECT a.oid FROM pg_attrdef a WHERE adrelid = t.oid))) d ORDER BY what",
        table.literal()
    );
    there.documents("looking at what depends on the table", &statement, stop)
}

/// What stood around a table in the snapshot and does not come back with it, as notes: it has been put in its own place.
pub(super) fn lost_around(
    here: &mut Session,
    there: &mut Session,
    table: &Found,
    stop: Stop<'_>,
) -> Result<Vec<String>, PostgresError> {
    let (name, mut notes) = (quoted_name(&table.schema, &table.name), Vec::new());
    let doing = "looking at what stands around the table";
    let views = format!(
        "SELECT DISTINCT ON (c.oid) json_build_object('schema', nspname, 'name', c.relname) FROM pg_depend d \
         JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = {}::regclass \
         AND c.relkind IN ('v', 'm')",
        table.literal()
    );
    let mut gone = Vec::new();
    for view in here.documents::<Found>(doing, &views, stop)? {
        let is_gone = format!("SELECT to_json(to_regclass({}) IS NULL)", view.literal());
        if there.document(doing, &is_gone, stop)? {
            gone.push(quoted_name(&view.schema, &view.name));
        }
    }
    if !gone.is_empty() {
        let more =
            if gone.len() > NAMED { format!(" and {} more", gone.len() - NAMED) } else { String::new() };
        gone.truncate(NAMED);
        let gone = gone.join(", ");
        notes.push(format!(
            "views of the snapshot that select from {name} are not there: {gone}{more}; --database brings all of the database beside"
        ));
    }
    let publications = format!(
        "SELECT to_json(pubname) FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid WHERE prrelid = {}::regclass",
        table.literal()
    );
    for publication in here.documents::<String>(doing, &publications, stop)? {
        let is_out = format!(
            "SELECT to_json(EXISTS (SELECT FROM pg_publication WHERE pubname = {0}) AND NOT EXISTS (SELECT FROM pg_publication_rel \
             JOIN pg_publication p ON p.oid = prpubid WHERE pubname = {0} AND prrelid = {1}::regclass))",
            literal(&publication),
            table.literal()
        );
        if there.document(doing, &is_out, stop)? {
            let publication = quoted(&publication);
            notes.push(format!(
                "{name} was in the publication {publication}; to publish it again: ALTER PUBLICATION {publication} ADD TABLE {name}"
            ));
        }
    }
    Ok(notes)
}
