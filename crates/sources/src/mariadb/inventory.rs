//! Every object of the databases that are dumped, with a digest of its definition. Asked in the same way before, after, and of a
//! restored server.

use super::error::MariaDbError;
use super::session::{Row, Session, Stop};
use super::sql::literals;
use std::collections::BTreeMap;

/// Kind, database, name: and the digest.
pub(crate) type Objects = BTreeMap<(String, String, String), String>;

/// Kinds that a dump makes by a statement of their own.
pub(crate) const IN_DUMP: &[&str] = &[
    "database",
    "table",
    "sequence",
    "view",
    "trigger",
    "procedure",
    "function",
    "package",
    "package body",
    "event",
];

/// Kind, database, name, and what its digest is made of. `{}` stands for the list of databases. The options of Aria's tables come back
/// spelled out.
const QUERIES: &[&str] = &[
    "SELECT 'database', '', schema_name, MD5(CONCAT_WS('|', default_character_set_name, default_collation_name)) \
     FROM information_schema.schemata WHERE schema_name IN ({})",
    "SELECT 'table', table_schema, table_name, MD5(CONCAT_WS('|', table_type, engine, table_collation, \
     IF(engine = 'Aria', '', create_options), table_comment)) \
     FROM information_schema.tables WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_schema IN ({})",
    "SELECT 'column', table_schema, CONCAT(table_name, '.', column_name), MD5(CONCAT_WS('|', ordinal_position, \
     COALESCE(column_default, '(none)'), is_nullable, column_type, COALESCE(character_set_name, ''), COALESCE(collation_name, ''), \
     extra, column_comment, COALESCE(generation_expression, ''))) FROM information_schema.columns c WHERE table_schema IN ({}) AND EXISTS \
     (SELECT 1 FROM information_schema.tables t WHERE t.table_schema = c.table_schema AND t.table_name = c.table_name \
      AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED'))",
    "SELECT 'index', table_schema, CONCAT(table_name, '.', index_name), MD5(GROUP_CONCAT(CONCAT_WS('|', non_unique, column_name, \
     COALESCE(collation, ''), COALESCE(sub_part, ''), index_type, index_comment) ORDER BY seq_in_index SEPARATOR ';')) \
     FROM information_schema.statistics WHERE table_schema IN ({}) GROUP BY table_schema, table_name, index_name",
    "SELECT 'foreign key', r.constraint_schema, CONCAT(r.table_name, '.', r.constraint_name), MD5(CONCAT_WS('|', r.match_option, \
     r.update_rule, r.delete_rule, (SELECT GROUP_CONCAT(CONCAT_WS('.', k.column_name, k.referenced_table_schema, \
     k.referenced_table_name, k.referenced_column_name) ORDER BY k.ordinal_position SEPARATOR ';') \
     FROM information_schema.key_column_usage k WHERE k.constraint_schema = r.constraint_schema AND k.table_name = r.table_name \
     AND k.constraint_name = r.constraint_name AND k.referenced_table_name IS NOT NULL))) \
     FROM information_schema.referential_constraints r WHERE r.constraint_schema IN ({})",
    "SELECT 'partition', table_schema, CONCAT_WS('.', table_name, partition_name, subpartition_name), MD5(CONCAT_WS('|', \
     partition_ordinal_position, partition_method, COALESCE(partition_expression, ''), COALESCE(partition_description, ''), partition_comment)) \
     FROM information_schema.partitions WHERE partition_name IS NOT NULL AND table_schema IN ({}) \
     AND COALESCE(partition_method, '') <> 'SYSTEM_TIME'",
    "SELECT 'sequence', table_schema, table_name, MD5(CONCAT_WS('|', engine, table_comment)) \
     FROM information_schema.tables WHERE table_type = 'SEQUENCE' AND table_schema IN ({})",
    "SELECT 'view', table_schema, table_name, MD5(CONCAT_WS('|', view_definition, check_option, definer, security_type, \
     character_set_client, collation_connection)) FROM information_schema.views WHERE table_schema IN ({})",
    "SELECT 'trigger', trigger_schema, trigger_name, MD5(CONCAT_WS('|', event_object_table, event_manipulation, action_timing, \
     action_order, action_statement, sql_mode, definer, character_set_client, collation_connection)) \
     FROM information_schema.triggers WHERE trigger_schema IN ({})",
    "SELECT LOWER(routine_type), routine_schema, routine_name, MD5(CONCAT_WS('|', COALESCE(dtd_identifier, ''), routine_definition, \
     is_deterministic, sql_data_access, security_type, sql_mode, routine_comment, definer, character_set_client, collation_connection)) \
     FROM information_schema.routines WHERE routine_schema IN ({})",
    "SELECT 'event', event_schema, event_name, MD5(CONCAT_WS('|', definer, time_zone, event_definition, event_type, \
     COALESCE(execute_at, ''), COALESCE(interval_value, ''), COALESCE(interval_field, ''), sql_mode, COALESCE(starts, ''), \
     COALESCE(ends, ''), on_completion, event_comment)) FROM information_schema.events WHERE event_schema IN ({})",
];

/// Check constraints: not every version has the table.
const CHECKS: &str = "SELECT 'check', constraint_schema, CONCAT(table_name, '.', constraint_name), MD5(check_clause) \
    FROM information_schema.check_constraints WHERE constraint_schema IN ({})";
const HAS_CHECKS: &str = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'information_schema' \
    AND table_name = 'CHECK_CONSTRAINTS' AND column_name = 'TABLE_NAME'";

/// Every object of these databases.
pub(crate) fn objects(
    session: &mut Session,
    databases: &[String],
    stop: Stop<'_>,
) -> Result<Objects, MariaDbError> {
    let mut objects = Objects::new();
    if databases.is_empty() {
        return Ok(objects);
    }
    let doing = "taking the inventory";
    let list = literals(databases.iter().map(String::as_str));
    let has_checks = session.value(doing, HAS_CHECKS, stop)? == "1";
    for query in QUERIES.iter().copied().chain(has_checks.then_some(CHECKS)) {
        for row in session.query(doing, &query.replace("{}", &list), stop)? {
            let [kind, database, name, digest] = <[String; 4]>::try_from(row).map_err(|row: Row| {
                let why = format!("{} values where four were asked for", row.len());
                MariaDbError::Answer { doing: doing.into(), why }
            })?;
            objects.insert((kind, database, name), digest);
        }
    }
    Ok(objects)
}

/// How many of each kind.
pub(crate) fn kinds<'o>(kinds: impl IntoIterator<Item = &'o str>) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for kind in kinds {
        *out.entry(kind.to_owned()).or_default() += 1;
    }
    out
}
