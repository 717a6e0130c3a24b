//! A snapshot of a PostgreSQL server, to be restored from or proven.

use super::capture::{GLOBALS, SERVER, TRUTH};
use super::error::PostgresError;
use super::session::Stop;
use super::truth::{DatabaseTruth, SERVER_FORMAT, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use crate::process::Launcher;
use crate::stored::{content, document, feed_cut, output_of};
use std::process::Command;
use vow_store::archive::Snapshot;

/// A snapshot and what it says about itself.
pub struct Stored<'s> {
    snapshot: &'s Snapshot,
    /// What must come back.
    pub truth: Truth,
    /// What the server was.
    pub facts: ServerFacts,
    /// Dumps end after so many bytes: damage that a proof must notice.
    pub(super) cut_dumps_at: Option<u64>,
}

impl<'s> Stored<'s> {
    /// Reads the small files of the snapshot.
    pub fn open(snapshot: &'s Snapshot) -> Result<Self, PostgresError> {
        let truth = document(snapshot, TRUTH, TRUTH_FORMAT, VERSION)?;
        let facts = document(snapshot, SERVER, SERVER_FORMAT, VERSION)?;
        Ok(Self { snapshot, truth, facts, cut_dumps_at: None })
    }

    /// The first characters of the snapshot's id.
    pub(crate) fn short_id(&self) -> String {
        self.snapshot.info().id.short()
    }

    /// What is known of a database.
    pub(crate) fn database(&self, name: &str) -> Result<&DatabaseTruth, PostgresError> {
        self.truth.databases.iter().find(|database| database.name == name).ok_or_else(|| {
            let names = self
                .truth
                .databases
                .iter()
                .map(|database| database.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            PostgresError::Refused(format!("the snapshot has no database {name:?}; it has {names}"))
        })
    }

    /// The length of a database's dump in bytes.
    pub(super) fn dump_bytes(&self, database: &DatabaseTruth) -> Result<u64, PostgresError> {
        Ok(self.snapshot.entry(database.dump.as_bytes())?.size)
    }

    /// The size that databases had, in bytes; of all of them without a name.
    pub(crate) fn bytes(&self, database: Option<&str>) -> u64 {
        let wanted =
            self.facts.databases.iter().filter(|row| database.is_none_or(|name| row["datname"] == name));
        wanted.filter_map(|row| row["bytes"].as_u64()).sum()
    }

    /// Roles and tablespaces, as SQL.
    pub(crate) fn globals(&self) -> Result<String, PostgresError> {
        let bytes = content(self.snapshot, GLOBALS)?;
        String::from_utf8(bytes).map_err(|_| PostgresError::content(GLOBALS, "it is not UTF-8"))
    }

    /// Runs a program with the dump of a database as its input, straight from the vault. Gives what the program warned of.
    pub(crate) fn feed(
        &self,
        database: &DatabaseTruth,
        launcher: &Launcher,
        command: Command,
        stop: Stop<'_>,
    ) -> Result<String, PostgresError> {
        let path = database.dump.as_bytes();
        Ok(feed_cut(self.snapshot, path, (launcher, command), self.cut_dumps_at, stop)?.said)
    }

    /// What a program makes of the beginning of a dump, which is as much as it reads.
    pub(crate) fn read_by(
        &self,
        database: &DatabaseTruth,
        (launcher, command): (&Launcher, Command),
        limit_bytes: usize,
        stop: Stop<'_>,
    ) -> Result<Vec<u8>, PostgresError> {
        let path = database.dump.as_bytes();
        Ok(output_of(self.snapshot, path, (launcher, command), limit_bytes, stop)?)
    }
}
