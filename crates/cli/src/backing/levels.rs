//! The levels of a run: which can be reached, which lag behind, and what each said.

use crate::config::{Config, VaultPlan};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::open_vault;
use crate::ui::{Task, Ui, plural};
use std::collections::HashSet;
use std::sync::Arc;
use vow_base::sign::PublicKey;
use vow_base::vault::{Deposit, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};
use vow_store::backup::{BackupReport, Level};
use vow_vault::Vault;

/// Every level of the plan.
pub(crate) struct Levels {
    host: HostId,
    levels: Vec<State>,
}

struct State {
    name: String,
    opened: Result<Opened, Failure>,
    /// Why it still lacks snapshots that another level has.
    behind: Option<Failure>,
}

struct Opened {
    vault: Vault,
    deposit: Arc<dyn Deposit>,
}

impl Levels {
    /// Opens what can be opened.
    pub(crate) fn open(config: &Config, host: &PublicKey) -> Self {
        let one =
            |plan: &VaultPlan| State { name: plan.name.clone(), opened: open(plan, host), behind: None };
        Self { host: host.host_id(), levels: config.vaults.iter().map(one).collect() }
    }

    /// Refuses a run that no level could take.
    pub(crate) fn refuse_none(&self) -> Outcome<()> {
        if self.levels.iter().any(|level| level.opened.is_ok()) {
            return Ok(());
        }
        let mut exits = self.levels.iter().filter_map(|level| Some(level.opened.as_ref().err()?.exit));
        let first = exits.next().unwrap_or(Exit::Failed);
        let exit = if exits.all(|exit| exit == first) { first } else { Exit::Failed };
        let mut failure = Failure::new(exit, "no vault of the plan can be reached; nothing was backed up");
        for level in &self.levels {
            if let Err(error) = &level.opened {
                failure.causes.push(format!("{}: {}", level.name, error.line()));
                failure.hint = failure.hint.or_else(|| error.hint.clone());
            }
        }
        Err(failure)
    }

    /// Those that can take a snapshot.
    pub(crate) fn open_levels(&self) -> Vec<Level> {
        let open = self.levels.iter().filter_map(|level| Some((level, level.opened.as_ref().ok()?)));
        open.map(|(level, opened)| Level { name: level.name.clone(), deposit: opened.deposit.clone() })
            .collect()
    }

    /// Copies to each level what another one has and it has not. No source is read for that.
    pub(crate) fn catch_up(&mut self, ui: Ui) {
        for to in 0..self.levels.len() {
            let others = (0..self.levels.len()).filter(|from| *from != to);
            let mut failed: Vec<_> =
                others.filter_map(|from| Some((from, self.catch_up_from(from, to, ui).err()?))).collect();
            // What one level could not give, another one may have given since.
            failed.retain(|(from, _)| self.lacking(*from, to).is_none_or(|lacking| lacking > 0));
            self.levels[to].behind = failed.into_iter().next().map(|(from, error)| {
                let (to, from) = (&self.levels[to].name, &self.levels[from].name);
                Failure::from(error).during(format!("{to} lags behind and cannot catch up from {from}"))
            });
        }
    }

    fn catch_up_from(&self, from: usize, to: usize, ui: Ui) -> Result<(), VaultError> {
        let (from, to) = (&self.levels[from], &self.levels[to]);
        let (Ok(source), Ok(target)) = (&from.opened, &to.opened) else { return Ok(()) };
        if lacking(source, target, &self.host)? == 0 {
            return Ok(());
        }
        let task = Task::new(ui, &format!("catching up {}", to.name));
        let copied = vow_store::levels::catch_up(&source.vault, &self.host, &*target.deposit, &task.monitor);
        task.finish();
        let snapshots = plural(copied?.snapshots, "snapshot");
        ui.note(&format!("{} lagged behind; {snapshots} copied to it from {}", to.name, from.name));
        Ok(())
    }

    fn lacking(&self, from: usize, to: usize) -> Option<usize> {
        let (source, target) =
            (self.levels[from].opened.as_ref().ok()?, self.levels[to].opened.as_ref().ok()?);
        lacking(source, target, &self.host).ok()
    }

    /// What each level has of a snapshot, in the order of the plan. Takes the levels' answers out of the report.
    pub(crate) fn outcomes(&self, report: Option<&mut BackupReport>) -> Vec<(String, Result<(), Failure>)> {
        let snapshot = report.as_ref().and_then(|report| report.snapshot);
        let mut answers = report.map(|report| std::mem::take(&mut report.levels)).unwrap_or_default();
        let mut one = |level: &State| match &level.opened {
            Err(failure) => Err(failure.clone()),
            Ok(opened) => {
                let at = answers.iter().position(|answer| answer.name == level.name);
                match at.map(|at| answers.swap_remove(at).outcome) {
                    Some(Err(error)) if !snapshot.is_some_and(|id| holds(opened, &id)) => Err(error.into()),
                    _ => level.behind.as_ref().map_or(Ok(()), |failure| Err(failure.clone())),
                }
            }
        };
        self.levels.iter().map(|level| (level.name.clone(), one(level))).collect()
    }

    /// The vault of a level that can be reached.
    pub(crate) fn vault(&self, name: &str) -> Option<&Vault> {
        let level = self.levels.iter().find(|level| level.name == name)?;
        level.opened.as_ref().ok().map(|opened| &opened.vault)
    }

    /// The names of the levels that cannot be reached or lag, with the reason.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.levels.iter().filter_map(|level| match &level.opened {
            Err(failure) => Some((level.name.as_str(), failure)),
            Ok(_) => level.behind.as_ref().map(|failure| (level.name.as_str(), failure)),
        })
    }
}

fn open(plan: &VaultPlan, host: &PublicKey) -> Outcome<Opened> {
    let vault = open_vault(&plan.path, plan.fingerprint.as_deref())?;
    let deposit = Arc::new(vault.deposit(host)?);
    Ok(Opened { vault, deposit })
}

/// How many snapshots the target lacks.
fn lacking(source: &Opened, target: &Opened, host: &HostId) -> Result<usize, VaultError> {
    let have: HashSet<_> =
        target.vault.committed(host)?.into_iter().map(|receipt| receipt.manifest).collect();
    let there = source.vault.committed(host)?;
    Ok(there.iter().filter(|receipt| !have.contains(&receipt.manifest)).count())
}

/// Whether a level holds a snapshot after all: it may have caught up.
fn holds(level: &Opened, id: &ObjectId) -> bool {
    level.deposit.receipts().is_ok_and(|receipts| receipts.iter().any(|receipt| receipt.manifest == *id))
}
