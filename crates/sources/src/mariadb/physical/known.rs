//! What the server has before and after its files are copied: what was the same must come back.

use super::super::access::Access;
use super::super::error::MariaDbError;
use super::super::inventory::{self, Objects};
use super::super::measure::{self, Table};
use super::super::server::Server;
use super::super::session::Session;
use super::super::sql::quoted_name;
use super::super::system;
use super::super::truth::{Account, Method, ObjectTruth, SequenceTruth, TableTruth};
use std::collections::BTreeMap;

/// Engines whose rows a copy of files does not have.
const WITHOUT_ROWS: &[&str] = &["MEMORY", "FEDERATED", "CONNECT", "SPIDER", "S3"];

fn go_on() -> bool {
    false
}

/// What there was at one time.
pub(super) struct Seen {
    pub(super) databases: Vec<String>,
    pub(super) objects: Objects,
    pub(super) tables: Vec<Table>,
    /// Those without transactions, measured. One that was dropped and made again with the same rows is not the same: in the copy there may
    /// be none.
    still: BTreeMap<(String, String), TableTruth>,
    sequences: BTreeMap<(String, String), i64>,
    pub(super) accounts: Vec<Account>,
}

impl Seen {
    pub(super) fn look(
        access: &Access,
        session: &mut Session,
        server: &Server,
        exact_below_bytes: u64,
    ) -> Result<Self, MariaDbError> {
        let databases: Vec<_> = server.facts.databases.iter().map(|database| database.name.clone()).collect();
        let objects = inventory::objects(session, &databases, &go_on)?;
        let tables = measure::tables(session, &databases, &go_on)?;
        let history = access.tools.dumps_with("--dump-history");
        let mut still = BTreeMap::new();
        for table in tables.iter().filter(|table| !table.transactional && !is_without_rows(table)) {
            if let Some(measured) = table.measure_if_same(session, exact_below_bytes, history, &go_on)? {
                still.insert((table.database.clone(), table.name.clone()), measured);
            }
        }
        let mut sequences = BTreeMap::new();
        for (_, database, name) in objects.keys().filter(|(kind, ..)| kind == "sequence") {
            let sql = format!("SELECT next_not_cached_value FROM {}", quoted_name(database, name));
            let rows = session.query_if_same("reading a sequence", &sql, &go_on)?.unwrap_or_default();
            if let Some(next) = rows.concat().first().and_then(|next| next.parse().ok()) {
                sequences.insert((database.clone(), name.clone()), next);
            }
        }
        // When they may not be read, they are in the copy all the same.
        let accounts = system::accounts_of(access, &go_on);
        Ok(Self { databases, objects, tables, still, sequences, accounts: accounts.unwrap_or_default() })
    }

    /// Tables that are counted in the moment's transaction.
    pub(super) fn to_count(&self, exact_below_bytes: u64) -> Vec<Table> {
        let wanted = |table: &&Table| {
            table.transactional && table.bytes() <= exact_below_bytes && !is_without_rows(table)
        };
        self.tables.iter().filter(wanted).cloned().collect()
    }
}

pub(super) fn is_without_rows(table: &Table) -> bool {
    WITHOUT_ROWS.iter().any(|engine| table.engine.eq_ignore_ascii_case(engine))
}

/// Before and after.
pub(super) struct Comparison<'c> {
    pub(super) before: &'c Seen,
    pub(super) after: &'c Seen,
}

/// What must come back.
#[derive(Default)]
pub(super) struct MustBe {
    pub(super) databases: Vec<String>,
    pub(super) objects: Vec<ObjectTruth>,
    pub(super) tables: Vec<TableTruth>,
    pub(super) sequences: Vec<SequenceTruth>,
    pub(super) accounts: Vec<Account>,
    pub(super) restless: Vec<String>,
}

impl Comparison<'_> {
    /// What was there before and after. `measured` is what was counted in the moment itself.
    pub(super) fn truth(&self, measured: Option<Vec<TableTruth>>) -> MustBe {
        let Self { before, after } = self;
        let stayed = |database: &&String| after.databases.contains(database);
        let mut out = MustBe {
            databases: before.databases.iter().filter(stayed).cloned().collect(),
            ..MustBe::default()
        };
        let made_anew = self.made_anew();
        for (key, digest) in &before.objects {
            let Some(now) = after.objects.get(key) else { continue };
            if made_anew.iter().any(|(database, table)| is_of_table(key, database, table)) {
                continue;
            }
            let (kind, database, name) = key.clone();
            let digest = (now == digest).then(|| digest.clone());
            out.objects.push(ObjectTruth { kind, database, name, digest });
        }
        for table in measured.into_iter().flatten() {
            if !self.is_same(&table.database, &table.name) {
                continue;
            }
            out.tables.push(table);
        }
        let is_new = |database: &str, table: &str| made_anew.contains(&(database, table));
        for (key, measured) in &before.still {
            match after.still.get(key) {
                Some(now) if now == measured && !is_new(&key.0, &key.1) => out.tables.push(measured.clone()),
                Some(_) => {
                    out.restless
                        .push(format!("{}.{} ({})", measured.database, measured.name, measured.engine));
                }
                None => {}
            }
        }
        for table in before.tables.iter().filter(|table| table.engine.eq_ignore_ascii_case("MEMORY")) {
            if self.is_same(&table.database, &table.name) && !is_new(&table.database, &table.name) {
                let empty = table.dumped(0, false);
                out.tables.push(TableTruth { method: Method::Count, ..empty });
            }
        }
        let same_sequence =
            |(key, next): &(&(String, String), &i64)| after.sequences.get(*key) == Some(*next);
        for ((database, name), next) in before.sequences.iter().filter(same_sequence) {
            let (database, name) = (database.clone(), name.clone());
            out.sequences.push(SequenceTruth { database, name, next: *next });
        }
        let kept = |account: &&Account| after.accounts.contains(account);
        out.accounts.extend(before.accounts.iter().filter(kept).cloned());
        out
    }

    /// Tables that were dropped and made again under the same name: in the moment of the copy there may have been none.
    fn made_anew(&self) -> Vec<(&str, &str)> {
        fn one(table: &Table) -> ((&str, &str), &str) {
            ((&table.database, &table.name), &table.made)
        }
        fn made(seen: &Seen) -> BTreeMap<(&str, &str), &str> {
            seen.tables.iter().map(one).collect()
        }
        let (before, after) = (made(self.before), made(self.after));
        let tables = self.before.objects.keys().filter(|(kind, ..)| kind == "table");
        let names = tables.map(|(_, database, name)| (database.as_str(), name.as_str()));
        names.filter(|name| !before.contains_key(name) || before.get(name) != after.get(name)).collect()
    }

    /// Whether neither a table nor one of its columns was changed meanwhile.
    fn is_same(&self, database: &str, table: &str) -> bool {
        let of_table =
            |key: &&Key| matches!(&*key.0, "table" | "column") && is_of_table(key, database, table);
        let all = self.before.objects.keys().chain(self.after.objects.keys()).filter(of_table);
        let mut any = false;
        for key in all {
            any = true;
            if self.before.objects.get(key) != self.after.objects.get(key) {
                return false;
            }
        }
        any
    }
}

/// Kind, database and name of an object.
type Key = (String, String, String);

/// Whether it is this table, or a part of it.
fn is_of_table((kind, in_database, name): &Key, database: &str, table: &str) -> bool {
    let part = || name.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
    in_database == database
        && match kind.as_str() {
            "table" => name == table,
            "column" | "index" | "foreign key" | "partition" | "check" => part(),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, engine: &str, made: &str) -> Table {
        Table::of_test("d", name, engine, made)
    }

    fn seen(made: &str, rows: u64) -> Seen {
        let tables =
            [table("old", "MyISAM", made), table("kept", "MyISAM", "1"), table("mem", "MEMORY", made)];
        let key = |table: &Table| ("table".to_owned(), table.database.clone(), table.name.clone());
        let still = tables.iter().take(2).map(|table| {
            let rows = if table.name == "old" { rows } else { 3 };
            ((table.database.clone(), table.name.clone()), table.dumped(rows, false))
        });
        Seen {
            databases: vec!["d".into()],
            objects: tables.iter().map(|table| (key(table), "digest".to_owned())).collect(),
            still: still.collect(),
            tables: tables.to_vec(),
            sequences: BTreeMap::new(),
            accounts: Vec::new(),
        }
    }

    #[test]
    fn a_table_that_was_made_anew_is_not_expected_back() {
        let before = seen("1", 3);
        let names = |must: &MustBe| must.tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
        let same = Comparison { before: &before, after: &seen("1", 3) }.truth(None);
        assert_eq!((names(&same), same.restless.len()), (vec!["kept".into(), "old".into(), "mem".into()], 0));
        let more = Comparison { before: &before, after: &seen("1", 4) }.truth(None);
        assert_eq!(
            (names(&more), more.restless),
            (vec!["kept".into(), "mem".into()], vec!["d.old (MyISAM)".to_owned()])
        );
        // With the same rows as well.
        let anew = Comparison { before: &before, after: &seen("2", 3) }.truth(None);
        assert_eq!((names(&anew), anew.restless), (vec!["kept".into()], vec!["d.old (MyISAM)".to_owned()]));
        assert!(anew.objects.iter().all(|object| object.name == "kept"), "{:?}", anew.objects);
    }
}
