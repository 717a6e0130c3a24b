//! Whether what was dumped is what was there: the contents of the dumps against the inventory and the counts of the moment.

use super::inventory::{self, IN_DUMP, Objects};
use super::measure::Table;
use super::reading::Contents;
use super::truth::{Method, ObjectTruth, SequenceTruth, TableTruth, is_definition_only, lies_elsewhere};

/// Objects named in a message.
const NAMED: usize = 10;

/// What is known at the end.
pub(crate) struct Evidence {
    /// The objects of the moment.
    pub(crate) before: Objects,
    /// The objects when the dump had ended.
    pub(crate) after: Objects,
    /// The tables of the moment.
    pub(crate) tables: Vec<Table>,
    /// What was measured of them.
    pub(crate) measured: Vec<TableTruth>,
    /// History of system-versioned tables is in the dump.
    pub(crate) history: bool,
    /// What the dumps contain.
    pub(crate) contents: Contents,
}

/// What is accepted.
#[derive(Default)]
pub(crate) struct Accepted {
    pub(crate) objects: Vec<ObjectTruth>,
    pub(crate) tables: Vec<TableTruth>,
    pub(crate) sequences: Vec<SequenceTruth>,
    /// What a person may want to know.
    pub(crate) notes: Vec<String>,
}

impl Contents {
    /// Puts the contents of two dumps together.
    pub(crate) fn join(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.rows.extend(other.rows);
        self.sequences.extend(other.sequences);
        self.longest_statement_bytes = self.longest_statement_bytes.max(other.longest_statement_bytes);
        self.position = self.position.take().or(other.position);
    }
}

impl Evidence {
    /// Compares everything.
    ///
    /// # Errors
    /// What the dump lacks, as a sentence.
    pub(crate) fn judge(self) -> Result<Accepted, String> {
        let mut out = Accepted::default();
        let mut lacks = Vec::new();
        self.objects(&mut out, &mut lacks);
        self.rows(&mut out, &mut lacks);
        for ((database, name), next) in &self.contents.sequences {
            let (database, name) = (database.clone(), name.clone());
            out.sequences.push(SequenceTruth { database, name, next: *next });
        }
        for (_, database, name) in self.before.keys().filter(|(kind, ..)| kind == "sequence") {
            if !self.contents.sequences.contains_key(&(database.clone(), name.clone())) {
                lacks.push(format!("the value of sequence {database}.{name}"));
            }
        }
        let more = lacks.len().saturating_sub(NAMED);
        lacks.truncate(NAMED);
        if more > 0 {
            lacks.push(format!("{more} more"));
        }
        match lacks.is_empty() {
            true => Ok(out),
            false => Err(format!("it lacks {}", lacks.join(", "))),
        }
    }

    fn objects(&self, out: &mut Accepted, lacks: &mut Vec<String>) {
        let mut changed = 0;
        for (key, digest) in &self.before {
            let (kind, database, name) = key;
            let is_there = !IN_DUMP.contains(&kind.as_str()) || self.contents.objects.contains(key);
            if !is_there && self.after.contains_key(key) {
                lacks.push(format!("{kind} {}", shown(database, name)));
                continue;
            }
            if !is_there {
                out.notes.push(format!("{kind} {} was dropped while the dump ran", shown(database, name)));
                continue;
            }
            let same = self.after.get(key) == Some(digest);
            changed += u64::from(!same);
            let digest = same.then(|| digest.clone());
            out.objects.push(ObjectTruth {
                kind: kind.clone(),
                database: database.clone(),
                name: name.clone(),
                digest,
            });
        }
        // Made while the dump ran, early enough to be in it.
        for key in self.contents.objects.iter().filter(|key| !self.before.contains_key(*key)) {
            let (kind, database, name) = key.clone();
            out.notes.push(format!("{kind} {} was made while the dump ran", shown(&database, &name)));
            out.objects.push(ObjectTruth { kind, database, name, digest: None });
        }
        if changed > 0 {
            out.notes.push(format!(
                "{changed} objects were changed while the dump ran: their definitions are not compared"
            ));
        }
        out.objects.sort_by(|a, b| (&a.kind, &a.database, &a.name).cmp(&(&b.kind, &b.database, &b.name)));
    }

    fn rows(&self, out: &mut Accepted, lacks: &mut Vec<String>) {
        let changed = self.changed_columns();
        let is_changed = |table: &Table| {
            let prefix = format!("{}.", table.name);
            changed
                .iter()
                .any(|(database, column)| *database == table.database && column.starts_with(&prefix))
        };
        for table in &self.tables {
            let (database, name) = (&table.database, &table.name);
            let Some(found) = self.contents.rows.get(&(database.clone(), name.clone())).copied() else {
                // Named already among the objects, or dropped.
                continue;
            };
            let measured =
                self.measured.iter().find(|truth| (&truth.database, &truth.name) == (database, name));
            match measured {
                Some(truth) if truth.rows == found || is_definition_only(&table.engine) => {
                    let mut truth = truth.clone();
                    if is_changed(table) {
                        truth.checksum = None;
                        truth.method = Method::Count;
                    }
                    out.tables.push(truth);
                }
                Some(truth) => {
                    lacks.push(format!(
                        "rows of table {} ({found} of {} are there)",
                        shown(database, name),
                        truth.rows
                    ));
                }
                // Nothing is known of rows that a dump has none of, unless they are nowhere here.
                None if is_definition_only(&table.engine) && !lies_elsewhere(&table.engine) => {}
                None => out.tables.push(table.dumped(found, self.history)),
            }
        }
    }

    /// Columns that may be others in the dump than when they were measured: database, and name with that of the table.
    fn changed_columns(&self) -> Vec<(&str, &str)> {
        let differs = |from: &Objects, key: &(String, String, String)| {
            key.0 == "column" && from.get(key) != self.before.get(key)
        };
        let keys = self.before.keys().filter(|key| differs(&self.after, key));
        let new = self.after.keys().filter(|key| key.0 == "column" && !self.before.contains_key(*key));
        keys.chain(new).map(|(_, database, name)| (database.as_str(), name.as_str())).collect()
    }
}

/// How many objects of each kind.
pub(crate) fn kinds(objects: &[ObjectTruth]) -> std::collections::BTreeMap<String, u64> {
    inventory::kinds(objects.iter().map(|object| object.kind.as_str()))
}

/// An object's name for people.
pub(crate) fn shown(database: &str, name: &str) -> String {
    if database.is_empty() { name.to_owned() } else { format!("{database}.{name}") }
}
