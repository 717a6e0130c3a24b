//! The vaults of the plan that lie in folders of this machine and that nobody serves: whoever stays (`vow agent`, `vow up`) sweeps and scrubs them when
//! it is due, as a server does with its own.

use crate::failure::{Failure, Outcome};
use crate::level::open_vault;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use vow_agent::plan::{Config, VaultPlan};
use vow_base::clock::SystemClock;
use vow_base::vault::Retrieve;
use vow_vault::chores::{Chore, Chores, Said, Standing, duties};
use vow_vault::server::config::ChoreTerms;

/// The settings of a vault that is served, beside its folder or in it.
const SETTINGS: &str = "vault.toml";

/// Looks after them until it is dropped.
pub(super) struct Keeping {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeping {
    /// Begins, when there is anything to look after.
    pub(super) fn begin(config: &Config) -> Outcome<Self> {
        let own: Vec<_> = config.vaults.iter().filter(|plan| is_ours(plan)).cloned().collect();
        let terms = ChoreTerms::default();
        let chores: Vec<_> = own.iter().flat_map(|plan| chores_of(plan, &own, &terms)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        if chores.is_empty() {
            return Ok(Self { stop, thread: None });
        }
        let (chores, told) = (Chores::new(chores), stop.clone());
        let work = move || chores.run(&SystemClock, &told, &log);
        let thread = std::thread::Builder::new().name("vaults".into()).spawn(work);
        let thread = thread.map_err(|e| Failure::failed("a thread cannot be started").because(&e))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Whatever it was about is in the log, and is done again.
            let _ = thread.join();
        }
    }
}

/// Whether this user looks after it: in a folder of theirs, and not that of a server, which does it itself. What root writes into the vault of another
/// user, that user cannot go on with.
fn is_ours(plan: &VaultPlan) -> bool {
    let Some(folder) = plan.folder() else { return false };
    let is_served =
        [Some(folder), folder.parent()].into_iter().flatten().any(|of| of.join(SETTINGS).exists());
    let owner = std::fs::metadata(folder).map(|meta| meta.uid());
    // One that is not there now is on a disk that is not plugged in: it is looked for each time.
    !is_served && owner.map_or(true, |owner| owner == rustix::process::geteuid().as_raw())
}

fn chores_of(plan: &VaultPlan, own: &[VaultPlan], terms: &ChoreTerms) -> [Chore; 2] {
    let others: Vec<_> = own.iter().filter(|other| other.name != plan.name).cloned().collect();
    let (sweep, scrub) = (terms.sweep.0, terms.scrub.0);
    let swept = {
        let plan = plan.clone();
        anew(&format!("sweep {}", plan.name), sweep, move || {
            Ok(duties::sweep(open_vault(folder_of(&plan)?, plan.fingerprint)?, sweep)?)
        })
    };
    let scrubbed = {
        let plan = plan.clone();
        anew(&format!("scrub {}", plan.name), duties::scrub_every(scrub), move || {
            let levels = others.iter().filter_map(|other| {
                let vault = open_vault(folder_of(other).ok()?, other.fingerprint).ok()?;
                Some(Arc::new(vault) as Arc<dyn Retrieve>)
            });
            let vault = open_vault(folder_of(&plan)?, plan.fingerprint)?;
            Ok(duties::scrub(vault, None, levels.collect(), scrub))
        })
    };
    [swept, scrubbed]
}

fn folder_of(plan: &VaultPlan) -> Outcome<&Path> {
    plan.folder().ok_or_else(|| Failure::failed(format!("the vault {} is in no folder", plan.name)))
}

/// A chore on a vault that is opened each time: its disk may come and go.
fn anew(name: &str, every: Duration, make: impl Fn() -> Outcome<Chore> + Send + 'static) -> Chore {
    let now = make().ok();
    let last = now.and_then(|chore| chore.last);
    let work = move |stop: &AtomicBool| -> Said {
        let mut chore = make().map_err(|failure| failure.line())?;
        (chore.work)(stop)
    };
    Chore { name: name.to_owned(), every, last, said: None, work: Box::new(work) }
}

fn log(standing: &Standing) {
    match &standing.said {
        Some(Err(why)) => tracing::error!(chore = standing.name, "{why}"),
        Some(Ok(said)) => tracing::info!(chore = standing.name, "{said}"),
        None => {}
    }
}
