//! One cycle: back up, restore for a test, audit, and tell the console.

use super::Args;
use super::own_console::OwnConsole;
use crate::app::Context;
use crate::backing::{self, Order, Run, SourceRun, exit_of, status_of};
use crate::commands::audit::{Audited, Scope, audit};
use crate::commands::drill::{Proven, of_plan};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::{identity, layout, reporting};
use std::path::Path;
use vow_agent::audit::Severity;
use vow_agent::drill::rotation::Sample;
use vow_agent::plan::Config;
use vow_protocol::report::Verdict;

/// Files are restored up to so many bytes of each source; the next drill goes on from there. Databases are always restored whole.
const SAMPLE_BYTES: u64 = 256 << 20;

/// What came of it.
pub(super) struct Cycle {
    pub(super) run: Run,
    pub(super) proofs: Vec<Proven>,
    /// None when it was stopped before.
    pub(super) audit: Option<Audited>,
    /// The machine was looked at as well, not only its plan.
    pub(super) whole_audit: bool,
    pub(super) exit: Exit,
}

impl Cycle {
    pub(super) fn run(
        cx: &Context,
        args: &Args,
        dir: &Path,
        config: &Config,
        console: Option<&OwnConsole>,
    ) -> Outcome<Self> {
        let order = Order {
            sources: config.sources.iter().collect(),
            config,
            dry_run: false,
            allow_empty: false,
            accept_server: false,
            run: crate::commands::backup::new_run()?,
            on_source: None,
        };
        let run = backing::run(cx.ui, &order)?;
        reporting::keep_runs(cx.ui, config, reporting::of_run(config, &run, 1));
        backing::print_human(cx.ui, &run);
        let stopped = matches!(exit_of(&run), Exit::Signal(_));
        let proofs = if stopped { Vec::new() } else { prove(cx, args, dir, config, &run)? };
        let whole_audit = args.paths.is_empty();
        let scope = if whole_audit { Scope::Everything } else { Scope::Plan };
        let audit = if stopped { None } else { Some(audit(cx, config, scope)?) };
        tell(cx, config, console);
        let exit = exit(&run, &proofs, audit.as_ref());
        Ok(Self { run, proofs, audit, whole_audit, exit })
    }
}

/// Proves each snapshot of the run from each level, when there is something to open it with.
fn prove(cx: &Context, args: &Args, dir: &Path, config: &Config, run: &Run) -> Outcome<Vec<Proven>> {
    let names: Vec<_> = made(run).map(|source| source.source.clone()).collect();
    let kit = layout::recovery_file(dir);
    let identity = match identity::given(args.identity.as_deref())? {
        Some(identity) => identity,
        None if kit.exists() => identity::read_file(&kit)?,
        None => return Ok(Vec::new()),
    };
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let config = Config::read(&config.file, config.origin)?;
    of_plan(cx, config, identity, &names, Sample::Bytes(SAMPLE_BYTES))
}

/// The sources of which a vault has a snapshot now.
pub(super) fn made(run: &Run) -> impl Iterator<Item = &SourceRun> {
    run.sources.iter().filter(|source| {
        source.result.as_ref().is_ok_and(|report| report.snapshot.is_some())
            && source.levels.iter().any(|(_, outcome)| outcome.is_ok())
    })
}

/// The reports wait on this host until they were taken: what fails here is tried again by the next command.
fn tell(cx: &Context, config: &Config, console: Option<&OwnConsole>) {
    match console {
        None => reporting::post(cx.ui, config),
        Some(console) => {
            if let Err(failure) = console.take_reports(cx.ui, config) {
                cx.ui.warn(&failure.line());
            }
        }
    }
}

/// Done means proven: every source captured whole, on every level, and every one of these copies compared.
fn exit(run: &Run, proofs: &[Proven], audit: Option<&Audited>) -> Exit {
    let captured = exit_of(run);
    if !matches!(captured, Exit::Done | Exit::Partial) {
        return captured;
    }
    let any = |verdict: Verdict| proofs.iter().any(|proof| proof.drilled.report.verdict == verdict);
    let broken = |audit: &Audited| audit.open.iter().any(|finding| finding.severity == Severity::Critical);
    if any(Verdict::Failed) || any(Verdict::Broken) || audit.is_some_and(broken) {
        return Exit::Problems;
    }
    let proven = !proofs.is_empty() && !any(Verdict::Blocked);
    if proven && status_of(run) == "ok" { Exit::Done } else { Exit::Partial }
}
