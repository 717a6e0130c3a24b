//! The levels of a run: which can be reached, which lag behind, and what each said.

use super::spooling::Spooling;
use crate::commands::vault::join::introduction;
use crate::evidence::{Evidence, Kept};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::level::{self, is_passing};
use crate::sent::Sent;
use crate::ui::{Task, Ui, plural};
use std::path::PathBuf;
use std::sync::Arc;
use vow_agent::plan::{Config, Place, VaultPlan};
use vow_base::copy::lacking;
use vow_base::manifest::Manifest;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::{Deposit, Retrieve, VaultError};
use vow_base::{Fingerprint, HostId, ObjectId};
use vow_store::backup::{BackupReport, Level};

/// A disk with less free space than this takes no more than a pack or two.
const ROOM_BYTES: u64 = 32 << 20;

/// Every level of the plan.
pub(crate) struct Levels {
    pub(super) host: PublicKey,
    pub(super) levels: Vec<State>,
    pub(super) sent: Arc<Sent>,
    pub(super) spooling: Spooling,
    state: PathBuf,
}

pub(super) struct State {
    pub(super) plan: VaultPlan,
    pub(super) opened: Result<Opened, Away>,
    /// Why it still lacks snapshots that another level has.
    behind: Option<Failure>,
    /// Why it still lacks snapshots that wait in the spool.
    pub(super) unsent: Option<Failure>,
}

pub(super) struct Opened {
    pub(super) kept: Arc<Kept>,
    /// Absent where this host may only add.
    pub(super) retrieve: Option<Arc<dyn Retrieve>>,
    /// What is to be said of this host to a vault that has not heard it yet.
    introduction: Option<Vec<u8>>,
}

/// Why a level cannot be used in this run.
pub(super) struct Away {
    pub(super) failure: Failure,
    /// Whether it may come back by itself.
    pub(super) passing: bool,
    /// What is held of it.
    pub(super) evidence: Option<Box<Evidence>>,
}

impl Levels {
    /// Opens what can be opened, and compares it with what is held of it.
    pub(crate) fn open(config: &Config, key: &SigningKey) -> Self {
        let sent = Arc::new(Sent::new(&config.state));
        let one = |plan: &VaultPlan| State {
            plan: plan.clone(),
            opened: open(plan, key, config, &sent),
            behind: None,
            unsent: None,
        };
        let levels = config.vaults.iter().map(one).collect();
        let (spooling, state) = (Spooling::new(config, key.public()), config.state.clone());
        Self { host: key.public(), levels, sent: sent.clone(), spooling, state }
    }

    /// Refuses a run whose snapshots could go nowhere, not even into the spool.
    pub(crate) fn refuse_none(&self) -> Outcome<()> {
        if self.levels.iter().any(|level| level.opened.is_ok()) || self.needs_spool() {
            return Ok(());
        }
        let mut exits = self.levels.iter().filter_map(|level| Some(level.away()?.failure.exit));
        let first = exits.next().unwrap_or(Exit::Failed);
        let exit = if exits.all(|exit| exit == first) { first } else { Exit::Failed };
        let mut failure = Failure::new(exit, "no vault of the plan can be reached; nothing was backed up");
        for level in &self.levels {
            if let Err(away) = &level.opened {
                failure.causes.push(format!("{}: {}", level.plan.name, away.failure.line()));
                failure.hint = failure.hint.or_else(|| away.failure.hint.clone());
            }
        }
        Err(failure)
    }

    /// Those that can take a snapshot; the spool when one is away that nothing here could bring up to date later.
    pub(crate) fn takers(&self) -> Vec<Level> {
        let open = self.levels.iter().filter_map(|level| Some((level, level.opened.as_ref().ok()?)));
        let open = open.map(|(level, opened)| Level {
            name: level.plan.name.clone(),
            deposit: opened.kept.clone(),
            alone: level.is_alone(),
        });
        open.chain(self.needs_spool().then(|| self.spool_level())).collect()
    }

    /// Leaves a level alone for the rest of the run: every source would wait for it again.
    pub(crate) fn lose(&mut self, name: &str, failure: Failure) {
        let host = self.host_id();
        let level = self.levels.iter_mut().find(|level| level.plan.name == name);
        let level =
            level.filter(|level| level.opened.is_ok() && matches!(level.plan.place, Place::Address(_)));
        if let Some(level) = level {
            let evidence = Evidence::load(&self.state, name, host).ok().map(Box::new);
            level.opened = Err(Away { failure, passing: true, evidence });
        }
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
                let (to, from) = (&self.levels[to].plan.name, &self.levels[from].plan.name);
                Failure::from(error).during(format!("{to} lags behind and cannot catch up from {from}"))
            });
        }
    }

    fn catch_up_from(&self, from: usize, to: usize, ui: Ui) -> Result<(), VaultError> {
        let (from, to) = (&self.levels[from], &self.levels[to]);
        let (Some(source), Ok(target)) = (from.readable(), &to.opened) else { return Ok(()) };
        if lacking(source, &self.host_id(), &*target.kept)?.is_empty() {
            return Ok(());
        }
        let task = Task::new(ui, &format!("catching up {}", to.plan.name));
        let copied = vow_store::levels::catch_up(source, &self.host_id(), &*target.kept, &task.monitor);
        task.finish();
        let snapshots = plural(copied?.snapshots, "snapshot");
        ui.note(&format!("{} lagged behind; {snapshots} copied to it from {}", to.plan.name, from.plan.name));
        Ok(())
    }

    /// How many snapshots one level lacks that another one keeps.
    fn lacking(&self, from: usize, to: usize) -> Option<usize> {
        let (source, target) = (self.levels[from].readable()?, self.levels[to].opened.as_ref().ok()?);
        lacking(source, &self.host_id(), &*target.kept).ok().map(|lacking| lacking.len())
    }

    /// What each level has of a snapshot, in the order of the plan. Takes the levels' answers out of the report.
    pub(crate) fn outcomes(&self, report: Option<&mut BackupReport>) -> Vec<(String, Result<(), Failure>)> {
        let snapshot = report.as_ref().and_then(|report| report.snapshot);
        let mut answers = report.map(|report| std::mem::take(&mut report.levels)).unwrap_or_default();
        let mut one = |level: &State| match &level.opened {
            Err(away) => {
                let has = snapshot.is_some_and(|id| away.holds(&id));
                if has { Ok(()) } else { Err(away.failure.clone()) }
            }
            Ok(opened) => {
                let at = answers.iter().position(|answer| answer.name == level.plan.name);
                match at.map(|at| answers.swap_remove(at).outcome) {
                    Some(Err(error)) if !snapshot.is_some_and(|id| holds(opened, &id)) => {
                        match level.lags() {
                            // What it lacks is what it missed before: why it still does says more.
                            Some(failure) if matches!(error, VaultError::Missing(_)) => Err(failure.clone()),
                            _ => Err(error.into()),
                        }
                    }
                    _ => level.lags().map_or(Ok(()), |failure| Err(failure.clone())),
                }
            }
        };
        self.levels.iter().map(|level| (level.plan.name.clone(), one(level))).collect()
    }

    /// The fingerprint of a level's vault, as it was shown or is pinned.
    pub(crate) fn fingerprint(&self, name: &str) -> Option<Fingerprint> {
        let level = self.levels.iter().find(|level| level.plan.name == name)?;
        let shown = level.opened.as_ref().ok().map(|opened| opened.kept.notary().fingerprint());
        shown.or(level.plan.fingerprint)
    }

    /// Something that a level has of this host: its newest manifest, with its stored bytes, as far as this host still has them.
    pub(crate) fn example(&self, name: &str) -> Option<(ObjectId, Vec<u8>)> {
        let level = self.levels.iter().find(|level| level.plan.name == name)?;
        self.sent.example(&level.opened.as_ref().ok()?.kept.evidence().receipts())
    }

    /// The newest manifest of each source, as this host remembers them.
    pub(crate) fn newest_manifests(&self) -> Vec<Manifest> {
        self.sent.newest_of_all()
    }

    /// The same, of a plan whose vaults are not asked.
    pub(crate) fn remembered(config: &Config) -> Vec<Manifest> {
        Sent::new(&config.state).newest_of_all()
    }

    /// The names of the levels that cannot be reached or lag, with the reason.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.levels.iter().filter_map(|level| match &level.opened {
            Err(away) => Some((level.plan.name.as_str(), &away.failure)),
            Ok(_) => level.lags().map(|failure| (level.plan.name.as_str(), failure)),
        })
    }

    /// Levels that do not show any more what they signed.
    pub(crate) fn contradictions(&self) -> Vec<(String, Failure)> {
        let one = |level: &State| {
            let failure = level.opened.as_ref().ok()?.kept.evidence().contradiction()?;
            Some((level.plan.name.clone(), failure))
        };
        self.levels.iter().filter_map(one).collect()
    }

    /// The end of a run: each level sees how far the others' ledgers have come, and what is of no use any more is forgotten.
    pub(crate) fn close(&self, ui: Ui) {
        let open: Vec<_> =
            self.levels.iter().filter_map(|level| Some((level, level.opened.as_ref().ok()?))).collect();
        for (at, (level, opened)) in open.iter().enumerate() {
            let head = opened.kept.evidence().take_head(opened.kept.notary());
            if let Ok(Some(head)) = head {
                for (_, (_, other)) in open.iter().enumerate().filter(|(other, _)| *other != at) {
                    // Evidence for later: a vault that does not take it loses nothing.
                    let _ = other.kept.notary().witness(&head);
                }
            }
            if let Some(stored) = &opened.introduction
                && let Err(error) = opened.kept.notary().introduce(stored)
                && !is_passing(&error)
            {
                let name = &level.plan.name;
                ui.note(&format!(
                    "the vault {name} does not take what this host says of itself; vaults that copy from it know no reader of this host: {error}"
                ));
            }
            if let Some(failure) = opened.kept.evidence().failure() {
                let name = &level.plan.name;
                ui.warn(&format!(
                    "the receipts of {name} could not be kept on this host: {}",
                    failure.line()
                ));
            }
        }
        self.sent.tidy();
    }

    pub(super) fn host_id(&self) -> HostId {
        self.host.host_id()
    }
}

impl State {
    pub(super) fn away(&self) -> Option<&Away> {
        self.opened.as_ref().err()
    }

    fn readable(&self) -> Option<&dyn Retrieve> {
        self.opened.as_ref().ok()?.retrieve.as_deref()
    }

    /// Whether what this level lacks has to come from the sources again: whoever could be read to give it has given what it had. Not for a
    /// disk that is nearly full, which would take as little of it this time: all others would get it twice, in every run.
    fn is_alone(&self) -> bool {
        let roomy = self.plan.folder().and_then(|folder| rustix::fs::statvfs(folder).ok());
        let full = roomy.is_some_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES);
        self.behind.is_none() && !full
    }

    fn lags(&self) -> Option<&Failure> {
        self.unsent.as_ref().or(self.behind.as_ref())
    }
}

impl Away {
    fn holds(&self, id: &ObjectId) -> bool {
        let evidence = self.evidence.as_ref();
        evidence.is_some_and(|evidence| evidence.receipts().iter().any(|receipt| receipt.manifest == *id))
    }
}

fn open(plan: &VaultPlan, key: &SigningKey, config: &Config, sent: &Arc<Sent>) -> Result<Opened, Away> {
    let host = key.public().host_id();
    let evidence = Evidence::load(&config.state, &plan.name, host);
    let mut evidence = evidence.map_err(|failure| Away { failure, passing: false, evidence: None })?;
    let opened = level::open_as_host(plan, key).and_then(|level| {
        evidence.compare(&*level.notary, plan.fingerprint.is_some())?;
        Ok(level)
    });
    match opened {
        Ok(level) => {
            let kept = Kept::new(level.deposit, level.notary, evidence, sent.clone());
            let introduction =
                (!level.introduced).then(|| introduction(key, &config.tenant, &config.host, &config.readers));
            Ok(Opened { kept: Arc::new(kept), retrieve: level.retrieve, introduction })
        }
        Err(error) => {
            let passing = is_passing(&error);
            Err(Away { failure: error.into(), passing, evidence: Some(Box::new(evidence)) })
        }
    }
}

/// Whether a level holds a snapshot after all: it may have caught up.
fn holds(level: &Opened, id: &ObjectId) -> bool {
    level.kept.receipts().is_ok_and(|receipts| receipts.iter().any(|receipt| receipt.manifest == *id))
}
