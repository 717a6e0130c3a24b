//! One run: every source of the plan that was asked for, into every level that can be reached.

mod levels;
mod moment;
mod remembered;
mod report;
mod spooling;

pub(crate) use levels::Levels;
pub(crate) use report::{exit_of, print_human, status_of, summary};
pub(crate) use spooling::{SPOOL, Waits, folder as spool_folder};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::level::is_passing;
use crate::signals;
use crate::ui::{Problems, Task, Ui};
use moment::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use vow_agent::plan::{Config, SourcePlan};
use vow_agent::reporting::{Looker, now_secs};
use vow_base::clock::SystemClock;
use vow_base::vault::VaultError;
use vow_protocol::report::Shape;
use vow_sources::adapter::{self, Again, Told};
use vow_store::backup::{BackupError, BackupOptions, BackupReport, HostKeys, Level, backup};
use vow_store::monitor::Observer;
use vow_store::source::Source;

/// How often a source is captured that asks for another try.
const TRIES: u32 = 3;

/// What to do.
pub(crate) struct Order<'c> {
    /// The plan.
    pub(crate) config: &'c Config,
    /// Which of its sources.
    pub(crate) sources: Vec<&'c SourcePlan>,
    /// Send nothing.
    pub(crate) dry_run: bool,
    /// Accept a source that used to have content and has none now.
    pub(crate) allow_empty: bool,
    /// Accept that another database server answers than the one on record.
    pub(crate) accept_server: bool,
    /// The id of the run.
    pub(crate) run: [u8; 16],
    /// Hears of each source while it is captured.
    pub(crate) on_source: Option<&'c dyn OnSource>,
}

/// Somebody who hears of each source while it is captured.
pub(crate) trait OnSource {
    /// It begins.
    fn begins(&self, source: &str);
    /// It has ended, well or not; which levels have it is known later.
    fn ended(&self, source: &SourceRun);
}

/// What came of it.
pub(crate) struct Run {
    /// By source, in the order of the plan.
    pub(crate) sources: Vec<SourceRun>,
    /// The levels.
    pub(crate) levels: Levels,
    /// What waits on this host at the end.
    pub(crate) waits: Result<Waits, Failure>,
    /// Levels that do not show any more what they signed, and what is wrong with them.
    pub(crate) contradictions: Vec<(String, Failure)>,
    /// Nothing was sent.
    pub(crate) dry_run: bool,
    /// A signal came before every source was done.
    pub(crate) interrupted: bool,
    /// Its id.
    pub(crate) run: [u8; 16],
    /// What an earlier run that was killed has left open, and could not be closed.
    pub(crate) left_open: Vec<String>,
}

/// What came of one source.
pub(crate) struct SourceRun {
    /// Its name.
    pub(crate) source: String,
    /// The snapshot, or why there is none.
    pub(crate) result: Result<BackupReport, Failure>,
    /// What could not be read.
    pub(crate) problems: Problems,
    /// By level, in the order of the plan: whether the snapshot is there.
    pub(crate) levels: Vec<(String, Result<(), Failure>)>,
    /// Whether it waits in the spool.
    pub(crate) spooled: bool,
    /// The snapshot's number on this host, when a level has taken it.
    pub(crate) sequence: Option<u64>,
    /// When it began, in seconds since 1970.
    pub(crate) started_secs: i64,
    /// How long it took, also when it failed.
    pub(crate) took_secs: f64,
    /// What its files look like.
    pub(crate) shape: Option<Shape>,
    /// Objects of its truth, by kind.
    pub(crate) objects: BTreeMap<String, u64>,
    /// Hooks that were run around it, a line for each.
    pub(crate) hooks: Vec<String>,
    /// What went wrong around it, though there may be a snapshot: a hook that failed, a file system that was not held.
    pub(crate) troubles: Vec<String>,
    /// The level that took nothing any more in the midst of it, when that may pass.
    lost: Option<(String, Failure)>,
}

/// Runs the order. An error means that nothing was begun.
pub(crate) fn run(ui: Ui, order: &Order<'_>) -> Outcome<Run> {
    let left_open = if order.dry_run { Vec::new() } else { moment::settle(ui, order.config) };
    let keys = hostkeys::load(order.config)?;
    let mut levels = Levels::open(order.config, &keys.signing);
    levels.refuse_none()?;
    if !order.dry_run {
        levels.send_spool(ui);
        levels.catch_up(ui);
    }
    let mut sources = Vec::new();
    let wanted = order.config.gathered(&order.sources);
    for unit in moment::units(order.config, &wanted) {
        if signals::received().is_some() {
            break;
        }
        sources.extend(unit.capture(ui, order, &keys, &mut levels));
    }
    if !order.dry_run && signals::received().is_none() {
        levels.catch_up(ui);
        levels.close(ui);
    }
    for source in &mut sources {
        source.levels = levels.outcomes(source.result.as_mut().ok());
    }
    let cut_short = sources.iter().any(|source| matches!(source.failure_exit(), Some(Exit::Signal(_))));
    let interrupted = cut_short || sources.len() < wanted.len();
    let (waits, contradictions) = (levels.waiting(), levels.contradictions());
    let (dry_run, run) = (order.dry_run, order.run);
    Ok(Run { sources, levels, waits, contradictions, dry_run, interrupted, run, left_open })
}

/// Captures one source; once more, into the spool, when the last level that took it went away meanwhile.
fn one_source(
    ui: Ui,
    order: &Order<'_>,
    plan: &SourcePlan,
    keys: &HostKeys,
    levels: &mut Levels,
    moment: &Moment,
) -> SourceRun {
    loop {
        let takers = levels.takers();
        let mut source = attempt(ui, order, plan, keys, &takers, moment);
        let lost = source.lost.take();
        let Some((name, failure)) = lost else { return source };
        levels.lose(&name, failure);
        let has_spool = |levels: &[Level]| levels.iter().any(|level| level.name == SPOOL);
        let next = levels.takers();
        if source.result.is_ok() || has_spool(&takers) || !has_spool(&next) || signals::received().is_some() {
            return source;
        }
        ui.warn(&format!("{}: {name} went away; once more, into the spool of this host", plan.name));
    }
}

fn attempt(
    ui: Ui,
    order: &Order<'_>,
    plan: &SourcePlan,
    keys: &HostKeys,
    levels: &[Level],
    moment: &Moment,
) -> SourceRun {
    let (started_secs, watch) = (now_secs(), Instant::now());
    let looker = (plan.kind == "files").then(|| Arc::new(Looker::new(&plan.capture.roots())));
    let task = Task::observed(ui, &plan.name, looker.clone().map(|looker| looker as Arc<dyn Observer>));
    let told = Told::default();
    let mut result = capture(order, plan, keys, levels, moment, &task, ui, &told);
    let problems = task.finish();
    let lost = match &mut result {
        Ok(report) => report.levels.iter().find_map(|level| lost(&level.name, level.outcome.as_ref().err()?)),
        Err(NoSnapshot { lost, .. }) => lost.take().map(|lost| *lost),
    };
    let spooled = result
        .as_ref()
        .is_ok_and(|report| report.levels.iter().any(|level| level.name == SPOOL && level.outcome.is_ok()));
    let receipts = result.as_ref().map(|report| report.levels.as_slice()).unwrap_or_default();
    let sequence = receipts.iter().find_map(|level| Some(level.outcome.as_ref().ok()?.sequence));
    let result = result.map_err(|error| error.failure);
    SourceRun {
        source: plan.name.clone(),
        result,
        problems,
        levels: Vec::new(),
        spooled,
        sequence,
        started_secs,
        took_secs: watch.elapsed().as_secs_f64(),
        shape: looker.map(|looker| looker.shape()),
        objects: told.all(),
        hooks: Vec::new(),
        troubles: Vec::new(),
        lost,
    }
}

/// Why a source has no snapshot.
struct NoSnapshot {
    failure: Failure,
    lost: Option<Box<(String, Failure)>>,
}

impl From<Failure> for NoSnapshot {
    fn from(failure: Failure) -> Self {
        Self { failure, lost: None }
    }
}

/// A level that went away, by what it said last.
fn lost(name: &str, error: &VaultError) -> Option<(String, Failure)> {
    (name != SPOOL && is_passing(error)).then(|| {
        let failure = Failure::failed(error.to_string());
        let hint = match error.is_full() {
            true => {
                "make room there, or have its operator raise the quota; the next run sends it what it lacks"
            }
            false => "the next run sends it what it lacks",
        };
        (name.to_owned(), failure.hint(hint))
    })
}

#[allow(clippy::too_many_arguments)]
fn capture(
    order: &Order<'_>,
    plan: &SourcePlan,
    keys: &HostKeys,
    levels: &[Level],
    moment: &Moment,
    task: &Task,
    ui: Ui,
    told: &Told,
) -> Result<BackupReport, NoSnapshot> {
    let config = order.config;
    let options = BackupOptions {
        tenant: config.tenant.clone(),
        host: config.host.clone(),
        source: plan.name.clone(),
        source_type: plan.kind.clone(),
        roots: plan.capture.roots(),
        excludes: plan.capture.excludes(),
        recipients: config.recipients.clone(),
        compression: config.compression,
        dry_run: order.dry_run,
        software: concat!("vow ", env!("CARGO_PKG_VERSION")).to_owned(),
        run: order.run,
        as_of: moment.as_of,
        group: moment.group.clone(),
    };
    let back_up = |source: Box<dyn Source>| {
        let made = backup(source, &options, keys, &config.state, levels, &SystemClock, &task.monitor);
        made.map_err(|error| {
            let lost = match &error {
                BackupError::NoLevel { level, source } => lost(level, source).map(Box::new),
                _ => None,
            };
            let failure = Failure::from(error).during(format!("the source {} was not backed up", plan.name));
            NoSnapshot { failure: advise(failure), lost }
        })
    };
    let mut tries = TRIES;
    let mut run = adapter::Run {
        dry_run: order.dry_run,
        allow_empty: order.allow_empty,
        accept_server: order.accept_server,
        own_paths: config.own_paths(),
        remembered: remembered::load(config, plan, ui)?,
        told: told.clone(),
        again: Again::default(),
        views: moment.views.clone(),
    };
    let (remember, report) = loop {
        let adapter::Begun { source, warnings, remember } =
            plan.capture.begin(&run).map_err(|why| unusable(plan, why))?;
        warnings.iter().for_each(|warning| ui.warn(&format!("{}: {warning}", plan.name)));
        match back_up(source) {
            Ok(report) => break (remember, report),
            Err(error) if run.again.is_asked() && tries > 1 && signals::received().is_none() => {
                ui.warn(&format!("{}: {}; once more", plan.name, error.failure.line()));
                tries -= 1;
                run.again = Again::next(tries == 1);
                run.told.forget();
            }
            Err(error) => return Err(error),
        }
    };
    if let Some(text) = remember().filter(|_| report.snapshot.is_some()) {
        remembered::save(config, plan, text, ui);
    }
    Ok(report)
}

/// What to do about a server that is not the one on record.
fn advise(failure: Failure) -> Failure {
    match failure.line().contains("system identifier") {
        true => failure.hint(
            "find out which server answers there; when it is the right one, run again with --accept-server",
        ),
        false => failure,
    }
}

/// Whether the options of a source make sense; looks at no path.
pub(crate) fn check_source(plan: &SourcePlan) -> Outcome<()> {
    plan.capture.check().map_err(|why| unusable(plan, why))
}

fn unusable(plan: &SourcePlan, why: String) -> Failure {
    Failure::new(Exit::Usage, why).during(format!("the source {} cannot be captured", plan.name))
}

impl SourceRun {
    /// Whether any level lacks the snapshot.
    pub(crate) fn lacks_level(&self) -> bool {
        self.levels.iter().any(|(_, outcome)| outcome.is_err())
    }

    /// One of which nothing was captured.
    fn without(plan: &SourcePlan, failure: Failure) -> Self {
        Self {
            source: plan.name.clone(),
            result: Err(failure),
            problems: Problems::default(),
            levels: Vec::new(),
            spooled: false,
            sequence: None,
            started_secs: now_secs(),
            took_secs: 0.0,
            shape: None,
            objects: BTreeMap::new(),
            hooks: Vec::new(),
            troubles: Vec::new(),
            lost: None,
        }
    }

    /// The exit code of its failure.
    fn failure_exit(&self) -> Option<Exit> {
        self.result.as_ref().err().map(|failure| failure.exit)
    }
}
