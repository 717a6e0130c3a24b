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
use vow_vault::DirVault;

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
    vault: DirVault,
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
        let mut failure =
            Failure::new(Exit::NotFound, "no vault of the plan can be reached; nothing was backed up");
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
            for from in 0..self.levels.len() {
                if from != to {
                    self.catch_up_from(from, to, ui);
                }
            }
        }
    }

    fn catch_up_from(&mut self, from: usize, to: usize, ui: Ui) {
        let (Ok(source), Ok(target)) = (&self.levels[from].opened, &self.levels[to].opened) else { return };
        let copied = lacking(source, target, &self.host).and_then(|lacking| {
            if lacking == 0 {
                return Ok(0);
            }
            let task = Task::new(ui, &format!("catching up {}", self.levels[to].name));
            let done =
                vow_store::levels::catch_up(&source.vault, &self.host, &*target.deposit, &task.monitor);
            let _ = task.finish();
            done.map(|done| done.snapshots)
        });
        match copied {
            Ok(0) => {}
            Ok(snapshots) => {
                let (to, from) = (&self.levels[to].name, &self.levels[from].name);
                ui.note(&format!(
                    "{to} lagged behind; {} copied to it from {from}",
                    plural(snapshots, "snapshot")
                ));
            }
            Err(error) => {
                let (name, from) = (&self.levels[to].name, &self.levels[from].name);
                let failure = Failure::from(error)
                    .during(format!("{name} lags behind and cannot catch up from {from}"));
                ui.warn(&failure.line());
                self.levels[to].behind = Some(failure);
                return;
            }
        }
        self.levels[to].behind = None;
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
    pub(crate) fn vault(&self, name: &str) -> Option<&DirVault> {
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
