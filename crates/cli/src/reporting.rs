//! What a run of this program tells the console, and whoever watches over single sources.
//!
//! A report is kept on this host before anything is sent; an agent sends it, or this process does in the few moments it waits for
//! that at its end. A console that is away makes nothing fail and nothing slow.

mod next;
mod pings;
mod post;
mod record;

pub(crate) use next::{delay_secs, next_secs};
pub(crate) use pings::Pings;
pub(crate) use post::{ConsoleLink, post, remote};
pub(crate) use record::{last_run, remember_run};

use crate::backing::{Run, SourceRun};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::{Ui, plain};
use std::collections::BTreeMap;
use vow_agent::plan::{Config, SourcePlan};
use vow_agent::reporting::{now_secs, report};
use vow_agent::spool::Spool;
use vow_base::id::hex;
use vow_base::manifest::Status;
use vow_protocol::report::{Body, LevelReport, NAMED_MAX, Outcome, RunReport};

/// Sources whose dumps have an end that was looked for.
const WITH_END_MARKER: [&str; 3] = ["postgres", "mariadb", "mysql"];
/// What a report quotes is at most this long, in characters.
const QUOTED_CHARS: usize = 1000;

/// The reports of a run: one for each source that was begun.
pub(crate) fn of_run(config: &Config, run: &Run, attempt: u32) -> Vec<RunReport> {
    let one = |source: &SourceRun| {
        let plan = config.sources.iter().find(|plan| plan.name == source.source)?;
        Some(of_source(config, plan, run, source, attempt))
    };
    run.sources.iter().filter_map(one).collect()
}

fn of_source(config: &Config, plan: &SourcePlan, run: &Run, source: &SourceRun, attempt: u32) -> RunReport {
    let mut report = RunReport {
        started_secs: source.started_secs,
        duration_secs: source.took_secs,
        shape: source.shape.clone(),
        objects: source.objects.clone(),
        attempt,
        ..empty(config, plan, &hex(&run.run))
    };
    let made = match &source.result {
        Err(failure) => {
            explain(&mut report, failure);
            None
        }
        Ok(made) => {
            report.outcome = match made.status {
                Status::Ok if !source.lacks_level() && !source.spooled && source.troubles.is_empty() => {
                    Outcome::Ok
                }
                _ => Outcome::Partial,
            };
            report.files = made.counts.files;
            report.dirs = made.counts.dirs;
            report.bytes = made.counts.bytes;
            report.added_bytes = made.counts.added_bytes;
            report.errors = made.counts.errors;
            report.notes = made.notes.iter().take(NAMED_MAX).map(|note| quoted(note)).collect();
            let knows_its_end = WITH_END_MARKER.contains(&plan.kind.as_str());
            report.end_marker = knows_its_end.then_some(true);
            report.sequence = source.sequence;
            made.snapshot
        }
    };
    report.snapshot = made.map(|id| id.to_string());
    let problems = source.troubles.iter().cloned().chain(source.problems.lines(NAMED_MAX));
    report.problems = problems.take(NAMED_MAX).map(|line| quoted(&line)).collect();
    let hooks: Vec<_> = source.hooks.iter().map(|line| quoted(line)).collect();
    report.notes = hooks.into_iter().chain(report.notes).take(NAMED_MAX).collect();
    let level = |(name, outcome): &(String, Result<(), Failure>)| LevelReport {
        name: name.clone(),
        vault: run.levels.fingerprint(name).map(|fingerprint| fingerprint.to_string()),
        received: made.map(|_| outcome.is_ok()),
        error: outcome.as_ref().err().map(|failure| quoted(&failure.line())),
    };
    report.levels = source.levels.iter().map(level).collect();
    report
}

/// The reports of a run that could not even begin.
pub(crate) fn of_failure(
    config: &Config,
    sources: &[&SourcePlan],
    run: &[u8; 16],
    attempt: u32,
    failure: &Failure,
) -> Vec<RunReport> {
    let one = |plan: &&SourcePlan| {
        let mut report = RunReport { attempt, ..empty(config, plan, &hex(run)) };
        explain(&mut report, failure);
        report
    };
    sources.iter().map(one).collect()
}

/// The report of a run whose process ended without one.
pub(crate) fn of_lost(
    config: &Config,
    plan: &SourcePlan,
    run: &str,
    attempt: u32,
    started_secs: i64,
    why: &str,
) -> RunReport {
    let duration_secs = (now_secs() - started_secs).max(0) as f64;
    let hint = Some("look into the log of the agent: `journalctl -u vow-agent`".to_owned());
    RunReport {
        started_secs,
        duration_secs,
        attempt,
        error: Some(quoted(why)),
        hint,
        ..empty(config, plan, run)
    }
}

/// A report in which nothing was captured.
fn empty(config: &Config, plan: &SourcePlan, run: &str) -> RunReport {
    RunReport {
        run: run.to_owned(),
        source: plan.name.clone(),
        source_type: plan.kind.clone(),
        started_secs: now_secs(),
        duration_secs: 0.0,
        outcome: Outcome::Failed,
        snapshot: None,
        sequence: None,
        files: 0,
        dirs: 0,
        bytes: 0,
        added_bytes: 0,
        errors: 1,
        error: None,
        hint: None,
        problems: Vec::new(),
        notes: Vec::new(),
        levels: Vec::new(),
        end_marker: None,
        shape: None,
        objects: BTreeMap::new(),
        attempt: 1,
        next_secs: next_secs(config, &plan.name, now_secs()),
        plan: Some(hex(&config.hash)),
        recipients: config.recipients.iter().map(|recipient| hex(&recipient.fingerprint())).collect(),
    }
}

fn explain(report: &mut RunReport, failure: &Failure) {
    report.error = Some(quoted(&failure.line()));
    report.hint = failure.hint.as_deref().map(quoted);
    if let Exit::Signal(signal) = failure.exit {
        report.hint =
            Some(format!("it was stopped by signal {signal}; it is run again when it is due, or by hand"));
    }
}

/// What came from elsewhere, fit to be shown, and not too long.
pub(crate) fn quoted(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}

/// Keeps reports of runs for the console, and remembers the last run of each source. What cannot be kept is said: the backup itself
/// is not touched by it.
pub(crate) fn keep_runs(ui: Ui, config: &Config, runs: Vec<RunReport>) {
    for run in runs {
        if let Err(error) = remember_run(&config.state, &run) {
            ui.warn(
                &Failure::failed(format!("the result of {} is not remembered", run.source))
                    .because(&error)
                    .line(),
            );
        }
        keep(ui, config, Body::Run(Box::new(run)));
    }
}

/// Keeps a report until the console has it; nothing when the plan has no console.
pub(crate) fn keep(ui: Ui, config: &Config, body: Body) {
    if config.console.is_none() {
        return;
    }
    let kept = report(&config.tenant, &config.host, body).map_err(|error| error.to_string());
    let kept =
        kept.and_then(|report| Spool::new(&config.state).put(&report).map_err(|error| error.to_string()));
    if let Err(why) = kept {
        ui.warn(&format!("the report for the console is lost: {why}"));
    }
}
