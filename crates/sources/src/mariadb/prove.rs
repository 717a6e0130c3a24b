//! Proving a snapshot: everything is restored into a scratch server and compared with the truth, object by object, count by count,
//! checksum by checksum; and what was restored is dumped again, which must give the same dump.

use super::access::Access;
use super::error::MariaDbError;
use super::fixed_point::Hashed;
use super::inventory;
use super::measure;
use super::physical;
use super::question::ask;
use super::scratch::Scratch;
use super::session::{Session, Stop};
use super::sql::quoted_name;
use super::stored::Stored;
use super::system;
use super::table::{load_scratch, scratch};
use super::truth::{Method, TableTruth, Truth, lies_elsewhere};
use super::verdict::shown;
use super::versions::Versions;
use crate::adapter::{Ground, Proof};
use crate::question::Question;
use std::collections::BTreeSet;
use std::time::Instant;

/// Output of `mariadb-check` is not read beyond this.
const CHECK_LIMIT_BYTES: usize = 64 << 20;

/// What is done to what was restored before it is compared, to see whether it is noticed.
pub(super) trait Damage {
    /// Damages it, or leaves it as it is.
    fn apply(&mut self, truth: &Truth, access: &Access, stop: Stop<'_>) -> Result<(), MariaDbError>;
}

/// Leaves it as it is.
pub(super) struct NoDamage;

impl Damage for NoDamage {
    fn apply(&mut self, _: &Truth, _: &Access, _: Stop<'_>) -> Result<(), MariaDbError> {
        Ok(())
    }
}

/// Restores all of a snapshot on this ground, compares it, and asks what the plan asks.
pub(super) fn prove(
    stored: &Stored<'_>,
    ground: Ground<'_>,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, MariaDbError> {
    prove_with(stored, ground, &mut NoDamage, questions, stop)
}

/// The same, with damage in between.
pub(super) fn prove_with(
    stored: &Stored<'_>,
    ground: Ground<'_>,
    damage: &mut dyn Damage,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, MariaDbError> {
    if stored.is_physical() {
        return physical::prove(stored, ground.place, damage, questions, stop);
    }
    let mut proof = Proof { bytes: stored.bytes(None), ..Proof::default() };
    let began = Instant::now();
    let (scratch, lacking) = scratch(stored, ground, proof.bytes, stop)?;
    proof.notes.extend(scratch.notes.iter().cloned());
    proof.blocked.extend(lacking.plugins.iter().map(|text| format!("software is missing here: {text}")));
    let mut session = scratch.access.session(stop)?;
    let version = session.value("asking for the version", "SELECT @@version", stop)?;
    let versions = Versions::of(scratch.access.tools.flavour.name(), &version, &stored.truth.server_version);
    drop(session);
    let mut hashed = Hashed::default();
    let loaded = load_scratch(stored, &scratch, &mut hashed, stop);
    proof.restore_secs = began.elapsed().as_secs_f64();
    match loaded {
        Ok(()) => {}
        Err(error) if error.code().is_some() && !stop() => {
            proof.problems.push(format!("the dump cannot be loaded: {error}"));
            versions.excuse(&mut proof);
            return Ok(proof);
        }
        Err(error) => return Err(error),
    }
    proof.problems.extend(system::grant_on_objects(&scratch.access, &lacking.on_objects, stop)?);
    damage.apply(&stored.truth, &scratch.access, stop)?;
    let mut session = scratch.access.session(stop)?;
    let mut prover = Prover { stored, scratch: &scratch, stop, same_version: versions.are_same(), proof };
    prover.objects(&mut session)?;
    let proven = prover.tables(&mut session)?;
    prover.sequences(&mut session)?;
    prover.accounts(&mut session)?;
    drop(session);
    prover.views()?;
    prover.check_structure()?;
    prover.fixed_point(&hashed, &proven)?;
    let mut proof = prover.proof;
    ask(&mut proof, &scratch.access, &stored.truth.databases, questions, stop)?;
    versions.excuse(&mut proof);
    Ok(proof)
}

/// Compares what is in a scratch server with the truth.
pub(crate) struct Prover<'p> {
    pub(crate) stored: &'p Stored<'p>,
    pub(crate) scratch: &'p Scratch,
    pub(crate) stop: Stop<'p>,
    /// It is a server of the same series: its dumps are worded alike.
    pub(crate) same_version: bool,
    pub(crate) proof: Proof,
}

impl Prover<'_> {
    fn same(&mut self, same: bool, problem: impl FnOnce() -> String) {
        if same {
            self.proof.compared += 1;
        } else {
            self.proof.problems.push(problem());
        }
    }

    pub(crate) fn objects(&mut self, session: &mut Session) -> Result<(), MariaDbError> {
        let truth = &self.stored.truth;
        let mut now = inventory::objects(session, &truth.databases, self.stop)?;
        for object in &truth.objects {
            let (kind, name) = (&object.kind, shown(&object.database, &object.name));
            let found = now.remove(&(kind.clone(), object.database.clone(), object.name.clone()));
            let text = match (found, &object.digest) {
                (None, _) => format!("{kind} {name} did not come back"),
                (Some(found), Some(digest)) if found != *digest => {
                    format!("{kind} {name} came back with another definition")
                }
                _ => {
                    self.proof.compared += 1;
                    continue;
                }
            };
            self.proof.problems.push(text);
        }
        let changed: BTreeSet<_> = truth
            .objects
            .iter()
            .filter(|object| object.digest.is_none())
            .map(|object| object.name.clone())
            .collect();
        // While files were copied others could make something.
        let all_known = !self.stored.is_physical();
        for (kind, database, name) in now.into_keys().filter(|_| all_known) {
            // Parts of what was made or changed while the dump ran.
            let owner = name.split('.').next().unwrap_or_default();
            if !changed.iter().any(|changed| changed == owner || changed.starts_with(&format!("{owner}."))) {
                self.proof.problems.push(format!("{kind} {} was not there before", shown(&database, &name)));
            }
        }
        Ok(())
    }

    /// Gives the tables whose content was compared in full and is the same.
    pub(crate) fn tables(
        &mut self,
        session: &mut Session,
    ) -> Result<BTreeSet<(String, String)>, MariaDbError> {
        let truth = &self.stored.truth;
        let now = measure::tables(session, &truth.databases, self.stop)?;
        let mut proven = BTreeSet::new();
        for before in &truth.tables {
            let TableTruth { database, name, rows, method, checksum, .. } = before;
            let Some(table) = now.iter().find(|table| (&table.database, &table.name) == (database, name))
            else {
                self.proof.problems.push(format!("table {database}.{name} did not come back"));
                continue;
            };
            if lies_elsewhere(&table.engine) {
                self.proof.compared += 1;
                continue;
            }
            let found = table.measure_like(session, before, self.stop)?;
            let same = found.rows == *rows && found.checksum == *checksum;
            self.same(same, || match found.rows == *rows {
                true => format!("{database}.{name} has the same number of rows and other content"),
                false => format!("{database}.{name} has {} rows and had {rows}", found.rows),
            });
            if same && *method == Method::Exact {
                proven.insert((database.clone(), name.clone()));
            }
        }
        Ok(proven)
    }

    pub(crate) fn sequences(&mut self, session: &mut Session) -> Result<(), MariaDbError> {
        for sequence in &self.stored.truth.sequences {
            let name = quoted_name(&sequence.database, &sequence.name);
            let sql = format!("SELECT next_not_cached_value FROM {name}");
            let now = session.value(&format!("reading sequence {name}"), &sql, self.stop)?;
            self.same(now == sequence.next.to_string(), || {
                format!("sequence {name} is at {now}, and should be at {}", sequence.next)
            });
        }
        Ok(())
    }

    pub(crate) fn accounts(&mut self, session: &mut Session) -> Result<(), MariaDbError> {
        let now = system::accounts(session, self.stop)?;
        for before in &self.stored.truth.accounts {
            let own =
                ["'root'@", "'mysql'@", "'mariadb.sys'@"].iter().any(|name| before.name.starts_with(name));
            let found = now.iter().find(|account| account.name == before.name);
            let word = if before.role { "role" } else { "user" };
            match found {
                // The scratch server has such users of its own.
                Some(found) if found.digest == before.digest || own => self.proof.compared += 1,
                Some(_) => self
                    .proof
                    .problems
                    .push(format!("the {word} {} came back with other privileges", before.name)),
                None => self.proof.problems.push(format!("the {word} {} did not come back", before.name)),
            }
        }
        Ok(())
    }

    /// A view can come back and not work: its definer is gone, or what it selects from.
    pub(crate) fn views(&mut self) -> Result<(), MariaDbError> {
        let mut session = self.scratch.access.session(self.stop)?;
        for view in self.stored.truth.objects.iter().filter(|object| object.kind == "view") {
            let name = quoted_name(&view.database, &view.name);
            match session.query("selecting from views", &format!("SELECT * FROM {name} LIMIT 0"), self.stop) {
                Ok(_) => self.proof.compared += 1,
                Err(error) if error.code().is_some() => {
                    self.proof.problems.push(format!("view {name} cannot be selected from: {error}"));
                    session = self.scratch.access.session(self.stop)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn check_structure(&mut self) -> Result<(), MariaDbError> {
        if self.stored.truth.databases.is_empty() {
            return Ok(());
        }
        let access = &self.scratch.access;
        let mut command = access.command("mariadb-check")?;
        command.args(["--check", "--extended", "--databases", "--"]).args(&self.stored.truth.databases);
        let (out, ended) = access.launcher.output(command, CHECK_LIMIT_BYTES, self.stop)?;
        let text = String::from_utf8_lossy(&out);
        let errors: Vec<_> = wrong(&text).into_iter().map(str::to_owned).collect();
        self.same(errors.is_empty(), || format!("mariadb-check found damage: {}", errors.join("; ")));
        self.same(ended.status.success(), || {
            format!("mariadb-check failed: {}", crate::process::one_line(&ended.said))
        });
        Ok(())
    }
}

/// Lines of `mariadb-check` that tell of damage. Engines that cannot be checked say so in a note.
fn wrong(text: &str) -> Vec<&str> {
    let is_bad = |line: &&str| {
        let lower = line.trim_start().to_ascii_lowercase();
        lower.starts_with("error") || lower.starts_with("warning") || lower.contains("corrupt")
    };
    text.lines().filter(is_bad).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_read_out_of_a_check() {
        let text = "s.t   OK\ns.m\nnote     : The storage engine for the table doesn't support check\ns.x\nerror    : Corrupt\n";
        assert_eq!(wrong(text), ["error    : Corrupt"]);
    }
}
