//! Taking the truth of one database in the transaction that a session is in: its objects, row counts, checksums.

use super::error::PostgresError;
use super::session::{Session, Stop};
use super::sql::{Name, quoted_name};
use super::truth::{LargeObjectsTruth, Method, SequenceTruth, TableTruth};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// One object of the inventory.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) class: u32,
    pub(crate) oid: u32,
    /// A dump's table of contents must have it.
    pub(crate) toc: bool,
    pub(crate) digest: String,
    pub(crate) plain: Option<String>,
}

const INVENTORY: &str = include_str!("inventory.sql");
/// Parts of the inventory between these are for servers from 15 on.
const FROM_15: &str = "/*15*/";

/// Every object of the database.
pub(crate) fn inventory(
    session: &mut Session,
    version: u32,
    stop: Stop<'_>,
) -> Result<Vec<Object>, PostgresError> {
    let mut parts = INVENTORY.split(FROM_15);
    let (before, newer, after) = (parts.next(), parts.next(), parts.next());
    let newer = newer.filter(|_| version >= 150_000);
    let sql = [before, newer, after].into_iter().flatten().collect::<String>();
    let mut objects: Vec<Object> = session.documents("taking the inventory", &sql, stop)?;
    objects.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    Ok(objects)
}

/// How many of each kind.
pub(crate) fn kinds(objects: &[Object]) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for object in objects {
        *kinds.entry(object.kind.clone()).or_default() += 1;
    }
    kinds
}

const EXTENSIONS: &str = "SELECT json_build_array(extname, extversion) FROM pg_extension ORDER BY extname";

/// Installed extensions and their versions.
pub(crate) fn extensions(
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<BTreeMap<String, String>, PostgresError> {
    Ok(session.documents("listing the extensions", EXTENSIONS, stop)?.into_iter().collect())
}

/// A table as it is found.
#[derive(Debug, Clone, Deserialize)]
struct Table {
    schema: String,
    name: String,
    quoted: String,
    relkind: String,
    unlogged: bool,
    bytes: Option<u64>,
    key: Option<Vec<String>>,
}

const TABLES: &str = "SELECT json_build_object('schema', nspname, 'name', relname, 'quoted', format('%I.%I', nspname, relname), \
    'relkind', relkind, 'unlogged', relpersistence = 'u', 'bytes', pg_table_size(c.oid), \
    'key', (SELECT json_agg(quote_ident(attname) ORDER BY array_position(indkey::int2[], attnum)) FROM pg_index i \
        JOIN pg_attribute a ON attrelid = indrelid AND attnum = ANY (indkey) WHERE indrelid = c.oid AND indisprimary)) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE (relkind = 'r' OR relkind = 'm' AND relispopulated) AND relpersistence <> 't' \
    AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY nspname, relname";

/// Rows taken from each end of a table that is too large to be read whole.
const SAMPLE_ROWS: u32 = 10_000;

/// What came of measuring tables.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) tables: Vec<TableTruth>,
    /// Tables that could not be measured, and why that is no failure.
    pub(crate) left_out: Vec<String>,
}

/// How tables are measured.
pub(crate) enum Measure<'a> {
    /// Exactly up to this size, sampled above.
    UpTo(u64),
    /// As somebody measured them before.
    Like(&'a [TableTruth]),
}

#[derive(Deserialize)]
struct Sum {
    rows: u64,
    sum: Option<String>,
}

/// Counts and sums all tables.
pub(crate) fn tables(
    session: &mut Session,
    measure: &Measure<'_>,
    in_recovery: bool,
    stop: Stop<'_>,
) -> Result<Tables, PostgresError> {
    let mut out = Tables::default();
    let found: Vec<Table> = session.documents("listing the tables", TABLES, stop)?;
    for table in found {
        if table.unlogged && in_recovery {
            out.left_out.push(format!("table {} is unlogged, and a standby has no rows of it", table.quoted));
            continue;
        }
        let (method, key) = match measure {
            Measure::UpTo(limit) if table.bytes.is_none_or(|bytes| bytes <= *limit) => (Method::Exact, None),
            Measure::UpTo(_) => match &table.key {
                Some(key) => (Method::Sample, Some(key.join(", "))),
                None => (Method::Count, None),
            },
            Measure::Like(before) => {
                let like =
                    before.iter().find(|other| (&other.schema, &other.name) == (&table.schema, &table.name));
                like.map_or((Method::Exact, None), |like| (like.method, like.sample_key.clone()))
            }
        };
        let is_view = table.relkind == "m";
        if is_view {
            // Nobody can lock one of these against being dropped.
            session.query("measuring", "SAVEPOINT vow_view", stop)?;
        }
        match one_table(session, table, method, key, stop) {
            Ok(truth) => out.tables.push(truth),
            Err(error) if is_view && is_gone(&error) => {
                session.query("measuring", "ROLLBACK TO SAVEPOINT vow_view", stop)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

fn one_table(
    session: &mut Session,
    table: Table,
    method: Method,
    key: Option<String>,
    stop: Stop<'_>,
) -> Result<TableTruth, PostgresError> {
    let Table { schema, name, quoted, relkind, .. } = table;
    let summed = match method {
        Method::Count => None,
        _ => {
            let doing = format!("summing up table {quoted}");
            tolerant::<Sum>(session, &doing, &sum_statement(&quoted, method, key.as_deref()), stop)?
        }
    };
    let (method, key, sum) = match summed {
        Some(sum) => (method, key, sum),
        None => {
            let statement = format!("SELECT json_build_object('rows', count(*)) FROM ONLY {quoted}");
            (Method::Count, None, session.document(&format!("counting table {quoted}"), &statement, stop)?)
        }
    };
    Ok(TableTruth { schema, name, relkind, rows: sum.rows, method, checksum: sum.sum, sample_key: key })
}

/// The alias is one that no column has: a column of that name would be taken for the row.
fn sum_statement(quoted: &str, method: Method, key: Option<&str>) -> String {
    let hash = "hashtextextended((_vow_row_.*)::text, 0)::numeric";
    match key.filter(|_| method == Method::Sample) {
        None => format!(
            "SELECT json_build_object('rows', count(*), 'sum', coalesce(sum({hash}), 0)::text) FROM ONLY {quoted} AS _vow_row_"
        ),
        Some(key) => {
            let backwards =
                key.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
            let end = |order: &str| {
                format!(
                    "(SELECT {hash} AS hash FROM ONLY {quoted} AS _vow_row_ ORDER BY {order} LIMIT {SAMPLE_ROWS})"
                )
            };
            format!(
                "SELECT json_build_object('rows', (SELECT count(*) FROM ONLY {quoted}), 'sum', coalesce(sum(hash), 0)::text) \
                 FROM ({} UNION ALL {}) AS both_ends",
                end(key),
                end(&backwards)
            )
        }
    }
}

/// Runs a statement that may be too much for the server: a row of hundreds of megabytes has no text. `None` then. What is refused
/// for another reason (permissions, row security, a broken expression) is an error.
fn tolerant<T: DeserializeOwned>(
    session: &mut Session,
    doing: &str,
    sql: &str,
    stop: Stop<'_>,
) -> Result<Option<T>, PostgresError> {
    session.query(doing, "SAVEPOINT vow", stop)?;
    match session.document(doing, sql, stop) {
        Ok(found) => {
            session.query(doing, "RELEASE SAVEPOINT vow", stop)?;
            Ok(Some(found))
        }
        // XX000: "invalid memory alloc request size"; 54000: a limit; 53200: out of memory.
        Err(error) if matches!(error.state(), Some("XX000" | "54000" | "53200")) => {
            session.query(doing, "ROLLBACK TO SAVEPOINT vow", stop)?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

const SEQUENCES: &str = "SELECT json_build_array(nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE relkind = 'S' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY nspname, relname";
/// Sequences in one statement.
const SEQUENCES_AT_ONCE: usize = 200;

/// Every sequence.
pub(crate) fn sequence_names(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Name>, PostgresError> {
    session.documents("listing the sequences", SEQUENCES, stop)
}

/// Where every sequence stands.
pub(crate) fn sequences(session: &mut Session, stop: Stop<'_>) -> Result<Vec<SequenceTruth>, PostgresError> {
    let names = sequence_names(session, stop)?;
    sequence_values(session, &names, stop)
}

/// Where these sequences stand, without those that are gone.
pub(crate) fn sequence_values(
    session: &mut Session,
    names: &[Name],
    stop: Stop<'_>,
) -> Result<Vec<SequenceTruth>, PostgresError> {
    let mut out = Vec::with_capacity(names.len());
    for part in names.chunks(SEQUENCES_AT_ONCE) {
        match some_values(session, part, stop) {
            Ok(values) => out.extend(values),
            Err(error) if is_gone(&error) => {
                for one in part {
                    match some_values(session, std::slice::from_ref(one), stop) {
                        Ok(values) => out.extend(values),
                        Err(error) if is_gone(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// SQLSTATEs: a table, sequence or schema is not there any more.
fn is_gone(error: &PostgresError) -> bool {
    matches!(error.state(), Some("42P01" | "3F000"))
}

fn some_values(
    session: &mut Session,
    names: &[Name],
    stop: Stop<'_>,
) -> Result<Vec<SequenceTruth>, PostgresError> {
    let one = |(number, (schema, name)): (usize, &Name)| {
        format!("SELECT {number} AS n, last_value, is_called FROM {}", quoted_name(schema, name))
    };
    let all = names.iter().enumerate().map(one).collect::<Vec<_>>().join(" UNION ALL ");
    let statement = format!("SELECT json_build_array(last_value, is_called) FROM ({all}) s ORDER BY n");
    let values: Vec<(i64, bool)> = session.documents("reading the sequences", &statement, stop)?;
    let value = |((schema, name), (last_value, is_called)): (&Name, (i64, bool))| {
        let (schema, name) = (schema.clone(), name.clone());
        SequenceTruth { schema, name, last_value, is_called, dumped: None }
    };
    Ok(names.iter().zip(values).map(value).collect())
}

const LARGE_OBJECTS: &str = "SELECT json_build_object('rows', count(*)) FROM pg_largeobject_metadata";
const LARGE_OBJECT_BYTES: &str = "SELECT pg_table_size('pg_largeobject')";
const LARGE_OBJECT_SUM: &str = "SELECT json_build_object('rows', count(*), 'sum', \
    coalesce(sum(hashtextextended(oid::text || ':' || encode(lo_get(oid), 'hex'), 0)::numeric), 0)::text) \
    FROM pg_largeobject_metadata";

/// All large objects; their content is summed when `sum` allows it for this many bytes.
pub(crate) fn large_objects(
    session: &mut Session,
    sum: impl Fn(u64) -> bool,
    stop: Stop<'_>,
) -> Result<LargeObjectsTruth, PostgresError> {
    let doing = "looking at the large objects";
    let Sum { rows, .. } = session.document(doing, LARGE_OBJECTS, stop)?;
    let checksum = match rows > 0 && sum(session.document(doing, LARGE_OBJECT_BYTES, stop)?) {
        true => tolerant::<Sum>(session, doing, LARGE_OBJECT_SUM, stop)?.and_then(|sum| sum.sum),
        false => None,
    };
    Ok(LargeObjectsTruth { count: rows, checksum })
}

/// Rows of one table.
pub(crate) fn count(
    session: &mut Session,
    schema: &str,
    name: &str,
    stop: Stop<'_>,
) -> Result<u64, PostgresError> {
    let name = quoted_name(schema, name);
    session.document(&format!("counting table {name}"), &format!("SELECT count(*) FROM ONLY {name}"), stop)
}
