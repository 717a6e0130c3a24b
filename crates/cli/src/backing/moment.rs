//! Sources that are captured at one moment, with the hooks and snapshots of their group.

use super::levels::Levels;
use super::{Order, SourceRun, one_source};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals;
use crate::ui::{Ui, plain};
use std::sync::Arc;
use vow_agent::plan::{Config, GroupPlan, SourcePlan};
use vow_base::clock::Nanos;
use vow_base::manifest::{Group, Status};
use vow_sources::coherence::{self, Begin, CoherenceError, Gathering, Heard, Left, Went};
use vow_sources::files::View;
use vow_store::backup::HostKeys;

/// What is captured together; mostly one source alone.
pub(super) struct Unit<'c> {
    group: Option<&'c GroupPlan>,
    sources: Vec<&'c SourcePlan>,
}

/// When a source is captured, and where it is read.
#[derive(Default)]
pub(super) struct Moment {
    pub(super) views: Vec<View>,
    pub(super) as_of: Option<Nanos>,
    pub(super) group: Option<Group>,
}

/// The sources in their order, each with its group.
pub(super) fn units<'c>(config: &'c Config, sources: &[&'c SourcePlan]) -> Vec<Unit<'c>> {
    let mut units: Vec<Unit<'c>> = Vec::new();
    for source in sources {
        let group = config.group_of(&source.name);
        let known = units.iter_mut().find(|unit| group.is_some() && unit.group == group);
        match known {
            Some(unit) => unit.sources.push(source),
            None => units.push(Unit { group, sources: vec![source] }),
        }
    }
    units
}

/// Closes what runs that were killed have left open, before anything else; gives what could not be closed.
pub(super) fn settle(ui: Ui, config: &Config) -> Vec<String> {
    let _held = (signals::hold(), signals::paired());
    let mut open = Vec::new();
    for left in coherence::settle(&coherence::folder(&config.state)) {
        if left.group.is_empty() {
            // Not even what is open could be looked at.
            left.problems.iter().for_each(|text| ui.warn(&plain(text)));
            open.extend(left.problems);
            continue;
        }
        ui.warn(&format!(
            "{}: a run that was killed had left hooks or snapshots open; they are closed now",
            left.group
        ));
        left.heard.iter().for_each(|heard| ui.warn(&format!("{}: {}", left.group, plain(&heard.line()))));
        left.removed.iter().for_each(|name| ui.note(&format!("{}: removed the snapshot {name}", left.group)));
        let failed = left.heard.iter().filter(|heard| heard.failure.is_some()).map(Heard::line);
        open.extend(
            left.problems.iter().cloned().chain(failed).map(|text| format!("{}: {text}", left.group)),
        );
        left.problems.iter().for_each(|text| ui.warn(&format!("{}: {}", left.group, plain(text))));
    }
    open
}

impl Unit<'_> {
    /// Captures all of it.
    pub(super) fn capture(
        &self,
        ui: Ui,
        order: &Order<'_>,
        keys: &HostKeys,
        levels: &mut Levels,
    ) -> Vec<SourceRun> {
        let mut runs = match self.group {
            Some(group) if !order.dry_run => self.at_one_moment(ui, order, group, keys, levels),
            group => {
                if let Some(group) = group {
                    ui.note(&format!(
                        "{}: dry run: no hook is run, and no snapshot is taken",
                        group.group.name
                    ));
                }
                self.each(ui, order, keys, levels, |_| true, &Moment::default())
            }
        };
        // Hooks and snapshots have ended by now, so whoever is told of a source is told of those as well.
        let at = |run: &SourceRun| self.sources.iter().position(|source| source.name == run.source);
        runs.sort_by_key(at);
        if let Some(on_source) = order.on_source {
            runs.iter().for_each(|run| on_source.ended(run));
        }
        runs
    }

    /// Captures those that are wanted, until a signal comes.
    fn each(
        &self,
        ui: Ui,
        order: &Order<'_>,
        keys: &HostKeys,
        levels: &mut Levels,
        wanted: impl Fn(&SourcePlan) -> bool,
        moment: &Moment,
    ) -> Vec<SourceRun> {
        let mut runs = Vec::new();
        for source in self.sources.iter().filter(|source| wanted(source)) {
            if signals::received().is_some() {
                break;
            }
            if let Some(on_source) = order.on_source {
                on_source.begins(&source.name);
            }
            runs.push(one_source(ui, order, source, keys, levels, moment));
        }
        runs
    }

    fn at_one_moment(
        &self,
        ui: Ui,
        order: &Order<'_>,
        plan: &GroupPlan,
        keys: &HostKeys,
        levels: &mut Levels,
    ) -> Vec<SourceRun> {
        // While this is held a signal does not end the process at once.
        let _held = signals::hold();
        let group = &plan.group;
        let in_snapshot = |source: &SourcePlan| group.snapshot.is_some() && source.capture.reads().is_some();
        let reads = self.sources.iter().filter(|source| in_snapshot(source));
        let begin = Begin {
            group,
            folder: &coherence::folder(&order.config.state),
            host: &keys.signing.public().0,
            run: &order.run,
            reads: reads.filter_map(|source| Some((source.name.as_str(), source.capture.reads()?))).collect(),
        };
        let paired = signals::paired();
        let gathering = match Gathering::begin(&begin, &|| signals::received().is_some()) {
            Ok(gathering) => Arc::new(gathering),
            Err(failed) => return self.not_begun(order, &failed.0, &failed.1),
        };
        let at_exit = {
            let gathering = Arc::clone(&gathering);
            signals::at_exit(move || drop(gathering.close(Went::Interrupted)))
        };
        // From here on a second signal closes it on its way out.
        drop(paired);
        let common = plan.declared.then(|| Group {
            id: gathering.id,
            name: group.name.clone(),
            moment: gathering.moment,
        });
        let live = Moment { group: common.clone(), ..Moment::default() };
        let mut runs = self.each(ui, order, keys, levels, |source| !in_snapshot(source), &live);
        let paired = signals::paired();
        let mut ends = vec![gathering.release(went(&runs), snapshots(&runs))];
        drop(paired);
        let held = Moment { views: gathering.views.clone(), as_of: Some(gathering.moment), group: common };
        runs.extend(self.each(ui, order, keys, levels, in_snapshot, &held));
        let _paired = signals::paired();
        ends.push(gathering.close(went(&runs)));
        drop(at_exit);
        ends.insert(0, Left { problems: gathering.begun.problems.clone(), ..Left::default() });
        let mut heard = gathering.begun.heard.clone();
        heard.extend(ends.iter().flat_map(|end| end.heard.clone()));
        gathering.begun.removed.iter().for_each(|name| {
            ui.note(&format!("{}: removed the snapshot {name}, which a killed run had left", group.name));
        });
        for run in &mut runs {
            run.hooks = heard.iter().map(Heard::line).collect();
            // A hook before it that failed was allowed to: it stands among the notes.
            let failed = heard.iter().filter(|one| one.when == "after" && one.failure.is_some());
            run.troubles.extend(failed.map(|one| {
                format!("{}: see whether everything runs again that it should have set going", one.line())
            }));
            run.troubles.extend(ends.iter().flat_map(|end| end.problems.iter().cloned()));
            let own = gathering.problems.iter().filter(|(source, _)| *source == run.source);
            run.troubles.extend(own.map(|(_, text)| text.clone()));
        }
        runs
    }

    /// Nothing was captured; what was begun has been closed again.
    fn not_begun(&self, order: &Order<'_>, error: &CoherenceError, left: &Left) -> Vec<SourceRun> {
        let one = |source: &&SourcePlan| {
            if let Some(on_source) = order.on_source {
                on_source.begins(&source.name);
            }
            let mut run = SourceRun::without(source, failure(error, &source.name));
            run.hooks = left.heard.iter().map(Heard::line).collect();
            let failed = left.heard.iter().filter(|one| one.when == "after" && one.failure.is_some());
            run.troubles.extend(failed.map(Heard::line).chain(left.problems.iter().cloned()));
            run
        };
        self.sources.iter().map(one).collect()
    }
}

fn failure(error: &CoherenceError, source: &str) -> Failure {
    let during = format!("the source {source} was not backed up");
    match error {
        CoherenceError::Stopped => Failure::interrupted(),
        CoherenceError::Busy(_) => Failure::new(Exit::Busy, error.to_string()).during(during),
        CoherenceError::Hook(_) => Failure::failed(error.to_string())
            .hint("run the hook by hand to see why; before_may_fail = true goes on without it")
            .during(during),
        CoherenceError::NotHeld { .. } => Failure::failed(error.to_string())
            .hint("choose another `snapshot` for it in vow.toml, or none")
            .during(during),
        _ => Failure::failed(error.to_string()).during(during),
    }
}

/// How it went so far.
fn went(runs: &[SourceRun]) -> Went {
    if signals::received().is_some() {
        return Went::Interrupted;
    }
    if runs.iter().any(|run| run.result.is_err()) {
        return Went::Failed;
    }
    let partial = |run: &SourceRun| run.result.as_ref().is_ok_and(|report| report.status == Status::Partial);
    if runs.iter().any(partial) { Went::Partial } else { Went::Ok }
}

/// What was made so far.
fn snapshots(runs: &[SourceRun]) -> Vec<String> {
    runs.iter().filter_map(|run| Some(run.result.as_ref().ok()?.snapshot?.to_string())).collect()
}
