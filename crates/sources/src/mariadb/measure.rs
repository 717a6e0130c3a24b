//! Counting and summing up tables, in the transaction that a session is in.
//!
//! The checksum is a sum over rows of `CRC32` of the checksums of the columns: independent of the order of rows, and, unlike
//! `CHECKSUM TABLE`, of row format, storage engine and version of the server. A `FLOAT` counts as the text that a dump has of it.

use super::error::MariaDbError;
use super::session::{Row, Session, Stop};
use super::sql::{literals, quoted, quoted_name};
use super::truth::{Method, TableTruth};
use std::collections::{BTreeMap, BTreeSet};

/// Rows taken from each end of a table that is too large to be read whole.
const SAMPLE_ROWS: u32 = 10_000;

/// A table as it is found.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) engine: String,
    /// Its rows are those of the transaction that reads them.
    pub(crate) transactional: bool,
    /// It is system-versioned.
    pub(crate) versioned: bool,
    /// Its periods are numbers of transactions, which no dump can bring back.
    pub(crate) by_transaction: bool,
    /// When it was made, to the second, as the server writes it; empty where an engine does not know.
    pub(crate) made: String,
    bytes: u64,
    columns: Vec<String>,
    key: Vec<String>,
}

const TABLES: &str = "SELECT t.table_schema, t.table_name, COALESCE(t.engine, ''), t.table_type, \
    COALESCE((SELECT e.transactions FROM information_schema.engines e WHERE e.engine = t.engine), 'NO'), \
    COALESCE(t.data_length, 0), COALESCE(t.create_time, '') FROM information_schema.tables t \
    WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.table_schema IN ({}) ORDER BY 1, 2";
/// Generated columns follow from the others; those of a period do not.
const COLUMNS: &str = "SELECT table_schema, table_name, column_name, data_type, COALESCE(generation_expression, '') \
    FROM information_schema.columns WHERE table_schema IN ({}) ORDER BY table_schema, table_name, ordinal_position";
const KEYS: &str = "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
    WHERE index_name = 'PRIMARY' AND table_schema IN ({}) ORDER BY table_schema, table_name, seq_in_index";

/// The tables of these databases.
pub(crate) fn tables(
    session: &mut Session,
    databases: &[String],
    stop: Stop<'_>,
) -> Result<Vec<Table>, MariaDbError> {
    if databases.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "listing the tables";
    let list = literals(databases.iter().map(String::as_str));
    let mut out: BTreeMap<(String, String), Table> = BTreeMap::new();
    for row in session.query(doing, &TABLES.replace("{}", &list), stop)? {
        let Ok([database, name, engine, kind, transactions, bytes, made]) = <[String; 7]>::try_from(row)
        else {
            continue;
        };
        let table = Table {
            database: database.clone(),
            name: name.clone(),
            transactional: transactions == "YES",
            versioned: kind == "SYSTEM VERSIONED",
            by_transaction: false,
            made,
            bytes: bytes.parse().unwrap_or(u64::MAX),
            columns: Vec::new(),
            key: Vec::new(),
            engine,
        };
        out.insert((database, name), table);
    }
    let (mut listed, mut period) = (BTreeSet::new(), BTreeSet::new());
    for row in session.query(doing, &COLUMNS.replace("{}", &list), stop)? {
        let Ok([database, table, column, data_type, expression]) = <[String; 5]>::try_from(row) else {
            continue;
        };
        let key = (database, table);
        let Some(table) = out.get_mut(&key) else { continue };
        let is_period = matches!(expression.as_str(), "ROW START" | "ROW END");
        if is_period {
            table.by_transaction |= data_type == "bigint";
            period.insert(key.clone());
        }
        if is_period || expression.is_empty() || expression == "NULL" {
            table.columns.push(column);
        }
        listed.insert(key);
    }
    // What has no column at all was dropped, or not yet made, between the questions.
    out.retain(|key, _| listed.contains(key));
    for (key, table) in out.iter_mut().filter(|(_, table)| table.versioned) {
        if !period.contains(key) {
            // Nobody named them, so they have no place among the columns.
            table.columns.extend(["row_start".to_owned(), "row_end".to_owned()]);
        }
    }
    for row in session.query(doing, &KEYS.replace("{}", &list), stop)? {
        let Ok([database, table, column]) = <[String; 3]>::try_from(row) else { continue };
        if let Some(table) = out.get_mut(&(database, table)) {
            table.key.push(column);
        }
    }
    Ok(out.into_values().collect())
}

impl Table {
    /// One without columns, for tests of what is made of tables.
    #[cfg(test)]
    pub(crate) fn of_test(database: &str, name: &str, engine: &str, made: &str) -> Self {
        Self {
            database: database.into(),
            name: name.into(),
            engine: engine.into(),
            transactional: engine == "InnoDB",
            versioned: false,
            by_transaction: false,
            made: made.into(),
            bytes: 0,
            columns: Vec::new(),
            key: Vec::new(),
        }
    }

    /// The size of its rows in bytes, as the server estimates it.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How it is measured when tables up to this size are summed up exactly.
    fn method(&self, exact_below_bytes: u64) -> (Method, Option<String>) {
        if self.bytes <= exact_below_bytes {
            return (Method::Exact, None);
        }
        match self.key.is_empty() {
            true => (Method::Count, None),
            false => {
                let key = self.key.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
                (Method::Sample, Some(key))
            }
        }
    }

    /// Its rows, with its history when that is dumped too.
    fn from(&self, history: bool) -> String {
        let all = if self.versioned && history { " FOR SYSTEM_TIME ALL" } else { "" };
        format!("{}{all}", quoted_name(&self.database, &self.name))
    }

    /// Of a row. All rows are alike to us where every column follows from others.
    fn hash(&self, history: bool) -> String {
        let skipped = |column: &String| {
            !history && self.versioned && matches!(column.as_str(), "row_start" | "row_end")
        };
        let one = |column: &String| format!("IFNULL(CRC32({}), 'n')", quoted(column));
        let columns = self.columns.iter().filter(|column| !skipped(column)).map(one).collect::<Vec<_>>();
        match columns.is_empty() {
            true => "0".into(),
            false => format!("CRC32(CONCAT_WS(',', {}))", columns.join(", ")),
        }
    }

    fn statement(&self, method: Method, key: Option<&str>, history: bool) -> String {
        let (from, hash) = (self.from(history), self.hash(history));
        match (method, key) {
            (Method::Exact, _) => format!("SELECT COUNT(*), COALESCE(SUM({hash}), 0) FROM {from}"),
            (Method::Sample, Some(key)) => {
                let backwards =
                    key.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
                let end = |order: &str| {
                    format!("(SELECT {hash} AS h FROM {from} ORDER BY {order} LIMIT {SAMPLE_ROWS})")
                };
                format!(
                    "SELECT (SELECT COUNT(*) FROM {from}), COALESCE(SUM(h), 0) FROM ({} UNION ALL {}) AS both_ends",
                    end(key),
                    end(&backwards)
                )
            }
            _ => format!("SELECT COUNT(*), '' FROM {from}"),
        }
    }

    /// Measures it, exactly up to this size.
    pub(crate) fn measure(
        &self,
        session: &mut Session,
        exact_below_bytes: u64,
        history: bool,
        stop: Stop<'_>,
    ) -> Result<TableTruth, MariaDbError> {
        let (method, key) = self.method(exact_below_bytes);
        self.measured(session, method, key, history, stop)
    }

    /// Measures it, unless it was dropped or changed since it was found. The session goes on either way.
    pub(crate) fn measure_if_same(
        &self,
        session: &mut Session,
        exact_below_bytes: u64,
        history: bool,
        stop: Stop<'_>,
    ) -> Result<Option<TableTruth>, MariaDbError> {
        let (method, key) = self.method(exact_below_bytes);
        let statement = self.statement(method, key.as_deref(), history);
        let rows = session.query_if_same(&self.measuring(), &statement, stop)?;
        let row = rows.map(|mut rows| rows.pop().unwrap_or_default());
        row.map(|row| self.read(row, method, key, history)).transpose()
    }

    /// Measures it as it was measured before.
    pub(crate) fn measure_like(
        &self,
        session: &mut Session,
        before: &TableTruth,
        stop: Stop<'_>,
    ) -> Result<TableTruth, MariaDbError> {
        self.measured(session, before.method, before.sample_key.clone(), before.history, stop)
    }

    fn measured(
        &self,
        session: &mut Session,
        method: Method,
        sample_key: Option<String>,
        history: bool,
        stop: Stop<'_>,
    ) -> Result<TableTruth, MariaDbError> {
        let statement = self.statement(method, sample_key.as_deref(), history);
        let row = session.row(&self.measuring(), &statement, stop)?;
        self.read(row, method, sample_key, history)
    }

    fn measuring(&self) -> String {
        format!("measuring table {}", quoted_name(&self.database, &self.name))
    }

    fn read(
        &self,
        row: Row,
        method: Method,
        sample_key: Option<String>,
        history: bool,
    ) -> Result<TableTruth, MariaDbError> {
        let doing = self.measuring();
        let [rows, sum] = <[String; 2]>::try_from(row)
            .map_err(|_| MariaDbError::Answer { doing: doing.clone(), why: "not two values".into() })?;
        let rows =
            rows.parse().map_err(|_| MariaDbError::Answer { doing, why: "the count is no number".into() })?;
        let checksum = matches!(method, Method::Exact | Method::Sample).then_some(sum);
        Ok(self.truth(rows, method, checksum, sample_key, history))
    }

    /// What is known when only the dump was counted.
    pub(crate) fn dumped(&self, rows: u64, history: bool) -> TableTruth {
        self.truth(rows, Method::Dumped, None, None, history)
    }

    fn truth(
        &self,
        rows: u64,
        method: Method,
        checksum: Option<String>,
        sample_key: Option<String>,
        history: bool,
    ) -> TableTruth {
        TableTruth {
            database: self.database.clone(),
            name: self.name.clone(),
            engine: self.engine.clone(),
            transactional: self.transactional,
            rows,
            method,
            checksum,
            sample_key,
            history: self.versioned && history,
        }
    }
}

/// Rows of one table.
pub(crate) fn count(
    session: &mut Session,
    database: &str,
    name: &str,
    history: bool,
    stop: Stop<'_>,
) -> Result<u64, MariaDbError> {
    let name = quoted_name(database, name);
    let all = if history { " FOR SYSTEM_TIME ALL" } else { "" };
    let doing = format!("counting table {name}");
    let value = session.value(&doing, &format!("SELECT COUNT(*) FROM {name}{all}"), stop)?;
    value.parse().map_err(|_| MariaDbError::Answer { doing, why: "the count is no number".into() })
}
