//! The fixed point: what was restored is dumped again, and that must be the same dump, statement by statement.

use super::capture::{SEQUENCE, VIEW};
use super::dump::{Part, options as dump_options};
use super::error::MariaDbError;
use super::prove::Prover;
use super::reading::Statement;
use super::script::{Kind, Script, Sink, Unit};
use super::stored::Filter;
use super::truth::TableTruth;
use super::verdict::shown;
use crate::process::ToolError;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::process::Stdio;

/// Differences named in a problem.
const NAMED: usize = 10;

impl Prover<'_> {
    /// What was restored is dumped again.
    pub(super) fn fixed_point(
        &mut self,
        before: &Hashed,
        proven: &BTreeSet<(String, String)>,
    ) -> Result<(), MariaDbError> {
        let truth = &self.stored.truth;
        let mut now = Hashed::default();
        let pair = |table: &TableTruth| (table.database.clone(), table.name.clone());
        let split = truth.dumps.len() > 1;
        for part in [Part::Locked, Part::Everything] {
            let tables = |transactional| {
                truth.tables.iter().filter(move |table| table.transactional == transactional).map(pair)
            };
            let of_kind = |kind| {
                let all = truth.objects.iter().filter(move |object| object.kind == kind);
                all.map(|one| (one.database.clone(), one.name.clone()))
            };
            // As they were divided when they were captured.
            let ignored: Vec<_> = match part {
                Part::Locked if !split => continue,
                Part::Locked => tables(true).chain(of_kind(VIEW)).collect(),
                Part::Everything if split => tables(false).chain(of_kind(SEQUENCE)).collect(),
                Part::Everything => Vec::new(),
            };
            match self.dump_again(part, &ignored, &mut now) {
                Ok(()) => {}
                // A view whose table did not come back, for example: what else is wrong is to be said as well.
                Err(MariaDbError::Tool(error @ ToolError::Failed { .. })) => {
                    self.proof.problems.push(format!("what was restored cannot be dumped again: {error}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let (before, now) = (before.labels(), now.labels());
        let all: BTreeSet<_> = before.keys().chain(now.keys()).collect();
        let differing: Vec<_> =
            all.into_iter().filter(|label| before.get(*label) != now.get(*label)).collect();
        let (order, differing): (Vec<&Label>, Vec<&Label>) = differing.into_iter().partition(|label| {
            label.what == "rows of" && proven.contains(&(label.database.clone(), label.name.clone()))
        });
        for label in order {
            self.proof.notes.push(format!(
                "{label} come in another order when they are dumped again; their checksums are the same"
            ));
        }
        let names =
            differing.iter().take(NAMED).map(|label| label.to_string()).collect::<Vec<_>>().join(", ");
        let same_tools =
            self.scratch.access.tools.version == self.stored.facts.tool_version && self.same_version;
        match (differing.is_empty(), same_tools) {
            (true, _) => self.proof.compared += 1,
            (false, true) => {
                self.proof.problems.push(format!("a dump of what was restored is not the dump: {names}"))
            }
            (false, false) => {
                self.proof.notes.push(format!(
                    "a dump of what was restored by other versions differs from the dump: {names}"
                ));
            }
        }
        Ok(())
    }

    fn dump_again(
        &self,
        part: Part,
        ignored: &[(String, String)],
        hashed: &mut Hashed,
    ) -> Result<(), MariaDbError> {
        if self.stored.truth.databases.is_empty() {
            return Ok(());
        }
        let access = &self.scratch.access;
        let mut command = access.dump_command("again.cnf", ignored)?;
        command
            .args(dump_options(&access.tools, part, false))
            .args(["--databases", "--"])
            .args(&self.stored.truth.databases);
        command.stdout(Stdio::piped());
        let mut running = access.launcher.start(command)?;
        let mut out = running.stdout()?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            if (self.stop)() {
                return Err(ToolError::Stopped.into());
            }
            match out.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => hashed.feed(&buffer[..read]),
                Err(source) => return Err(ToolError::Pipe { program: "mariadb-dump".into(), source }.into()),
            }
        }
        running.wait(self.stop)?.expect_success()?;
        Ok(())
    }
}

/// A part of a dump.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    what: &'static str,
    database: String,
    name: String,
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.what, shown(&self.database, &self.name))
    }
}

/// Hashes the statements of a dump, by what they belong to.
#[derive(Default)]
pub(super) struct Hashed {
    script: Script,
    parts: Parts,
}

#[derive(Default)]
struct Parts {
    database: String,
    all: BTreeMap<Label, DefaultHasher>,
    unit: DefaultHasher,
    begun: bool,
}

impl Hashed {
    fn feed(&mut self, bytes: &[u8]) {
        self.script.feed(bytes, &mut self.parts);
    }

    fn labels(&self) -> BTreeMap<Label, u64> {
        self.parts.all.iter().map(|(label, hasher)| (label.clone(), hasher.finish())).collect()
    }
}

impl Filter for Hashed {
    fn pass(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.feed(bytes);
        out.write_all(bytes)
    }

    fn finish(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Parts {
    fn piece(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if !self.begun {
            // Blank lines stand around comments, which differ.
            bytes = bytes.trim_ascii_start();
            self.begun = !bytes.is_empty();
        }
        // Byte by byte the result would depend on where pieces end: a hasher of bytes does not.
        self.unit.write(bytes);
    }

    fn end(&mut self, unit: &Unit<'_>) {
        let hash = std::mem::take(&mut self.unit).finish();
        self.begun = false;
        if unit.kind != Kind::Statement {
            return;
        }
        let (what, name) = match Statement::of(&String::from_utf8_lossy(unit.head)) {
            Statement::Use(database) => {
                self.database = database;
                return;
            }
            Statement::Create { kind, name } => (kind, name),
            Statement::Insert(name) => ("rows of", name),
            Statement::SetValue(name, _) => ("the value of", name),
            Statement::Other => ("the settings around", String::new()),
        };
        let database = if what == "database" { String::new() } else { self.database.clone() };
        self.all.entry(Label { what, database, name }).or_default().write_u64(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let labels = |text: &str, piece: usize| {
            let mut hashed = Hashed::default();
            text.as_bytes().chunks(piece).for_each(|bytes| hashed.feed(bytes));
            hashed.labels()
        };
        let a = "-- x\n\nUSE `s`;\nCREATE TABLE `t` (a int);\nINSERT INTO `t` VALUES (1);\n";
        assert_eq!(labels(a, 3), labels(&format!("-- other\n{a}"), 1000));
        let b = labels(&a.replace("(1)", "(2)"), 1000);
        let differing: Vec<_> =
            b.iter().filter(|(label, hash)| labels(a, 7).get(*label) != Some(*hash)).collect();
        assert_eq!(differing.len(), 1);
        assert_eq!(differing[0].0.to_string(), "rows of s.t");
    }
}
