//! Runs as the console keeps them, and the history of a source that rules compare with.

use super::key::RuleName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vow_protocol::report::{Outcome, RunReport, Shape};

/// How many earlier runs of a source rules look at: more than a year of daily ones, two weeks of hourly ones.
pub const HISTORY_MAX: usize = 400;

/// A run that was reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The id of its report.
    pub report: String,
    /// The tenant.
    pub tenant: String,
    /// The host.
    pub host: String,
    /// When the report came.
    pub received_secs: i64,
    /// What the host said; its times are by the host's clock.
    pub body: RunReport,
}

/// What rules remember of an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The id of its report.
    pub report: String,
    /// When it began, by the host's clock.
    pub started_secs: i64,
    /// How long it took.
    pub duration_secs: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Files captured.
    pub files: u64,
    /// Bytes that the source had.
    pub bytes: u64,
    /// Bytes that were new.
    pub added_bytes: u64,
    /// Files that changed or went, per million files; `None` when nobody looked.
    pub changed_ppm: Option<u32>,
    /// Files that are not what their names say, per million looked at.
    pub mistyped_ppm: Option<u32>,
    /// Bytes that look random, per million looked at.
    pub random_ppm: Option<u32>,
    /// Rules that spoke against it. A run does not count as usual for a rule that spoke against it.
    #[serde(default)]
    pub spoke: Vec<RuleName>,
}

/// Something of an earlier run that this one is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference<T> {
    /// The id of the report it is from.
    pub report: String,
    /// When that run began, by the host's clock.
    pub started_secs: i64,
    /// The thing.
    pub value: T,
}

/// The history of one source. Small enough to be stored as one document beside the source; [`History::push`] brings it forward.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Earlier runs, oldest first, at most [`HISTORY_MAX`].
    pub past: Vec<Past>,
    /// The shape of the newest run that the rule about trees did not speak against.
    pub shape: Option<Reference<Shape>>,
    /// The objects of the newest run that the rule about objects did not speak against.
    pub objects: Option<Reference<BTreeMap<String, u64>>>,
}

impl Past {
    /// What is remembered of a run that rules have judged.
    pub fn new(run: &Run, spoke: Vec<RuleName>) -> Self {
        let body = &run.body;
        let shape = body.shape.as_ref();
        Self {
            report: run.report.clone(),
            started_secs: body.started_secs,
            duration_secs: body.duration_secs,
            outcome: body.outcome,
            files: body.files,
            bytes: body.bytes,
            added_bytes: body.added_bytes,
            changed_ppm: shape.and_then(|shape| changed_ppm(shape, body.files)),
            mistyped_ppm: shape.and_then(|shape| ppm(shape.mistyped_files, shape.typed_files)),
            random_ppm: shape.and_then(|shape| ppm(shape.random_bytes, shape.sampled_bytes)),
            spoke,
        }
    }
}

impl History {
    /// Adds a judged run. A report that came late takes its place in the order of runs; one that is already there changes nothing.
    pub fn push(&mut self, run: &Run, spoke: Vec<RuleName>) {
        if self.past.iter().any(|past| past.report == run.report) {
            return;
        }
        let made = run.body.outcome != Outcome::Failed;
        if let Some(shape) = run.body.shape.as_ref().filter(|_| made && !spoke.contains(&RuleName::Trees)) {
            newer(&mut self.shape, run, || shape.clone());
        }
        if made && !run.body.objects.is_empty() && !spoke.contains(&RuleName::Objects) {
            newer(&mut self.objects, run, || run.body.objects.clone());
        }
        let place = self.past.partition_point(|past| past.started_secs <= run.body.started_secs);
        self.past.insert(place, Past::new(run, spoke));
        if self.past.len() > HISTORY_MAX {
            self.past.remove(0);
        }
    }

    /// The usual time between the beginnings of two runs: the median of the last thirty gaps, when there were at least six.
    pub fn usual_gap_secs(&self) -> Option<i64> {
        let newest = self.past.get(self.past.len().saturating_sub(31)..).unwrap_or(&[]);
        let mut gaps: Vec<i64> =
            newest.windows(2).map(|two| two[1].started_secs - two[0].started_secs).collect();
        gaps.retain(|gap| *gap > 0);
        gaps.sort_unstable();
        if gaps.len() < 6 { None } else { gaps.get(gaps.len() / 2).copied() }
    }

    /// A person has said that what `rule` spoke against in `run` is expected: from that run on this is usual.
    pub fn accept(&mut self, run: &Run, rule: RuleName) {
        for past in &mut self.past {
            if past.started_secs >= run.body.started_secs {
                past.spoke.retain(|spoke| *spoke != rule);
            }
        }
        match rule {
            RuleName::Trees => {
                if let Some(shape) = &run.body.shape {
                    newer(&mut self.shape, run, || shape.clone());
                }
            }
            RuleName::Objects => newer(&mut self.objects, run, || run.body.objects.clone()),
            _ => {}
        }
    }
}

fn newer<T>(held: &mut Option<Reference<T>>, run: &Run, value: impl FnOnce() -> T) {
    if held.as_ref().is_none_or(|held| held.started_secs <= run.body.started_secs) {
        *held = Some(Reference {
            report: run.report.clone(),
            started_secs: run.body.started_secs,
            value: value(),
        });
    }
}

/// The share of files that changed or went; new files are no sign of harm.
pub(crate) fn changed_ppm(shape: &Shape, files: u64) -> Option<u32> {
    let before = files.saturating_sub(shape.new_files).saturating_add(shape.gone_files);
    ppm(shape.changed_files.saturating_add(shape.gone_files), before)
}

/// `part` of `all`, per million; `None` of nothing.
pub(crate) fn ppm(part: u64, all: u64) -> Option<u32> {
    if all == 0 {
        return None;
    }
    let ppm = u128::from(part.min(all)) * 1_000_000 / u128::from(all);
    u32::try_from(ppm).ok()
}
