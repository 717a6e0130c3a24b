//! The spool in a run: when it takes snapshots, and sending what waits.

use super::levels::{Levels, State};
use crate::failure::Failure;
use crate::level::is_passing;
use crate::sent::Objects;
use crate::ui::{self, Task, Ui, plural};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_agent::plan::Config;
use vow_base::ObjectId;
use vow_base::copy::lacking;
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;
use vow_store::backup::Level;
use vow_store::spool::{Base, Spool};

/// The name of the spool among the levels; no level of a plan can have it.
pub(crate) const SPOOL: &str = "(spool)";

/// Where a host's spool is.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("spool")
}

/// The spool of one host.
pub(super) struct Spooling {
    folder: PathBuf,
    host: PublicKey,
    /// Why it cannot be used.
    trouble: Option<Failure>,
}

impl Spooling {
    pub(super) fn new(config: &Config, host: PublicKey) -> Self {
        Self { folder: folder(&config.state), host, trouble: None }
    }

    fn open(&self) -> Spool {
        Spool::new(&self.folder, self.host)
    }
}

impl Levels {
    /// Whether a snapshot taken now has to wait for a level that is away: nothing that can be read here would bring it up to date later.
    pub(super) fn needs_spool(&self) -> bool {
        let readable = |level: &State| level.opened.as_ref().is_ok_and(|opened| opened.retrieve.is_some());
        !self.levels.iter().any(readable) && self.awaited().next().is_some()
    }

    /// The levels that snapshots wait for.
    fn awaited(&self) -> impl Iterator<Item = &State> {
        self.levels.iter().filter(|level| level.plan.spool && level.away().is_some_and(|away| away.passing))
    }

    /// The spool as a level that lacks nothing that all awaited levels have.
    pub(super) fn spool_level(&self) -> Level {
        let mut objects: Option<Objects> = None;
        let mut receipts = Vec::new();
        for level in self.awaited() {
            let evidence = level.away().and_then(|away| away.evidence.as_ref());
            // A vault that is not the one these receipts are of has nothing yet.
            let evidence =
                evidence.filter(|evidence| level.plan.fingerprint.is_none_or(|pin| evidence.is_of(&pin)));
            let held = evidence.map(|evidence| evidence.receipts()).unwrap_or_default();
            let named = self.sent.named_by_newest(&held);
            objects = Some(match objects {
                None => named,
                Some(mut common) => {
                    common.retain(|object| named.contains(object));
                    common
                }
            });
            receipts.extend(held);
        }
        let levels = self.awaited().map(|level| level.plan.name.clone()).collect();
        let base = Base { objects: objects.unwrap_or_default(), receipts };
        let spool = self.spooling.open().taking(levels, base);
        Level { name: SPOOL.to_owned(), deposit: Arc::new(spool), alone: true }
    }

    /// Sends what waits to the levels that are back, and lets go of what every level has.
    pub(crate) fn send_spool(&mut self, ui: Ui) {
        if !self.spooling.folder.exists() {
            return;
        }
        for at in 0..self.levels.len() {
            let sent = self.send_to(at, ui);
            let folder = self.spooling.folder.display();
            let level = &mut self.levels[at];
            level.unsent = sent.err().map(|error| {
                let passing = is_passing(&error);
                let failure = Failure::from(error)
                    .during(format!("what waits for {} in the spool cannot be sent", level.plan.name));
                match passing {
                    true => failure,
                    false => failure.hint(format!(
                        "what is captured from now on does not need it; to give up what waits, remove {folder}"
                    )),
                }
            });
        }
        let settled = self.settle_spool();
        self.spooling.trouble =
            settled.err().map(|error| Failure::from(error).during("the spool cannot be used"));
    }

    fn send_to(&self, at: usize, ui: Ui) -> Result<(), VaultError> {
        let level = &self.levels[at];
        let Ok(opened) = &level.opened else { return Ok(()) };
        let spool = self.spooling.open().waiting_for(&level.plan.name);
        if lacking(&spool, &self.host_id(), &*opened.kept)?.is_empty() {
            return Ok(());
        }
        let task = Task::new(ui, &format!("sending what waited for {}", level.plan.name));
        let copied = vow_store::levels::catch_up(&spool, &self.host_id(), &*opened.kept, &task.monitor);
        task.finish();
        let snapshots = plural(copied?.snapshots, "snapshot");
        ui.note(&format!(
            "{} is back: {snapshots} that waited on this host were sent to it",
            level.plan.name
        ));
        Ok(())
    }

    /// Lets go of what has reached every level that it waited for. Levels that are not in the plan any more are waited for no longer, unless
    /// nothing else has it: a level may only have got another name.
    fn settle_spool(&self) -> Result<(), VaultError> {
        let spool = self.spooling.open();
        let mut done = Vec::new();
        for one in spool.waiting()? {
            let awaiting = self.levels.iter().filter(|level| one.levels.contains(&level.plan.name));
            let (mut arrived, mut lacking) = (0, 0);
            for level in awaiting {
                let has = level.has(&one.id)?;
                (arrived, lacking) = (arrived + u64::from(has), lacking + u64::from(!has));
            }
            if arrived > 0 && lacking == 0 {
                done.push(one.id);
            }
        }
        spool.let_go(&done)
    }

    /// What waits at the end of a run.
    pub(crate) fn waiting(&self) -> Result<Waits, Failure> {
        if let Some(failure) = &self.spooling.trouble {
            return Err(failure.clone());
        }
        if !self.spooling.folder.exists() {
            return Ok(Waits::default());
        }
        let spool = self.spooling.open();
        let waiting = spool.waiting()?;
        let levels: BTreeSet<_> = waiting.iter().flat_map(|one| one.levels.iter().cloned()).collect();
        let levels = levels.into_iter().collect();
        Ok(Waits { snapshots: waiting.len() as u64, bytes: spool.bytes()?, levels })
    }
}

impl State {
    /// Whether this level has acknowledged a snapshot, as far as that can be known now.
    fn has(&self, id: &ObjectId) -> Result<bool, VaultError> {
        use vow_base::vault::Deposit;
        let receipts = match &self.opened {
            Ok(opened) => opened.kept.receipts()?,
            Err(away) => away.evidence.as_ref().map(|evidence| evidence.receipts()).unwrap_or_default(),
        };
        Ok(receipts.iter().any(|receipt| receipt.manifest == *id))
    }
}

/// What waits in the spool.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// How many snapshots.
    pub(crate) snapshots: u64,
    /// How much room they take, in bytes.
    pub(crate) bytes: u64,
    /// For which levels.
    pub(crate) levels: Vec<String>,
}

impl Waits {
    /// One line for people; `None` when nothing waits.
    pub(crate) fn line(&self) -> Option<String> {
        let snapshots = plural(self.snapshots, "snapshot");
        let (waits, levels) = (if self.snapshots == 1 { "waits" } else { "wait" }, self.levels.join(", "));
        (self.snapshots > 0)
            .then(|| format!("{snapshots} ({}) {waits} on this host for {levels}", ui::bytes(self.bytes)))
    }
}
