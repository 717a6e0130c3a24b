//! What the agent remembers of its jobs, in one file of the state folder, replaced as a whole.

use super::{Decision, Plan, Start};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vow_base::disk::DiskError;

/// The first pause before trying again, in seconds; each further one is twice as long.
const FIRST_PAUSE_SECS: i64 = 300;
/// No pause is longer, in seconds.
const LONGEST_PAUSE_SECS: i64 = 3600;
/// Somebody else's run is waited for in steps of this, in seconds.
const BUSY_PAUSE_SECS: i64 = 60;
const VERSION: u32 = 1;

/// Why the memory could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is not what was written.
    #[error("{} is not what was written there; missed runs are not caught up this time", .0.display())]
    Damaged(PathBuf),
}

/// Everything remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    #[serde(default)]
    version: u32,
    /// By the job's key.
    pub jobs: BTreeMap<String, JobMemory>,
}

/// What is remembered of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMemory {
    /// Slots up to this are dealt with; at first the time when the job was first met.
    pub anchor_secs: i64,
    /// How many times it was begun for the slot at hand.
    #[serde(default)]
    pub attempt: u32,
    /// When it is tried again.
    #[serde(default)]
    pub retry_at_secs: Option<i64>,
    /// Since when it runs.
    #[serde(default)]
    pub running_since_secs: Option<i64>,
    /// When it ended last.
    #[serde(default)]
    pub ended_secs: Option<i64>,
    /// How, as an exit code.
    #[serde(default)]
    pub code: Option<i32>,
    /// When it ended well last.
    #[serde(default)]
    pub ok_secs: Option<i64>,
    /// How often it has failed since.
    #[serde(default)]
    pub failures: u32,
}

/// How a run ended, as far as its next one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Done, even if something is missing from it.
    Done,
    /// Failed: trying again may help.
    Failed,
    /// Failed: trying again would not help before somebody changes something.
    Hopeless,
    /// Somebody else holds the lock: it was not really tried.
    Busy,
    /// It was stopped, or vanished with the agent or the machine.
    CutOff,
}

impl Ending {
    /// The ending of a run with this exit code; `None` when a signal killed it.
    pub fn of_code(code: Option<i32>) -> Self {
        match code {
            Some(0 | 3 | 4) => Self::Done,
            Some(2) => Self::Hopeless,
            Some(11) => Self::Busy,
            Some(129..) => Self::CutOff,
            _ => Self::Failed,
        }
    }
}

impl Memory {
    /// Reads it; nothing is remembered when there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn load(path: &Path) -> Result<Self, MemoryError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(DiskError::at("read", path)(e).into()),
        };
        let read = serde_json::from_slice::<Self>(&text).ok().filter(|memory| memory.version == VERSION);
        read.ok_or_else(|| MemoryError::Damaged(path.to_owned()))
    }

    /// Replaces the file durably.
    ///
    /// # Errors
    /// When the disk refuses; the file is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), MemoryError> {
        let text = serde_json::to_vec_pretty(&Self { version: VERSION, jobs: self.jobs.clone() })
            .unwrap_or_default();
        Ok(replace(path, &text).map_err(DiskError::at("write", path))?)
    }

    /// Takes note of jobs that are new at `now_secs`, and forgets those that are in no plan any more.
    pub fn meet(&mut self, plan: &Plan, now_secs: i64) {
        self.jobs.retain(|key, job| {
            job.running_since_secs.is_some() || plan.jobs.iter().any(|planned| planned.key == *key)
        });
        for job in &plan.jobs {
            let new = || JobMemory { anchor_secs: now_secs, ..JobMemory::default() };
            self.jobs.entry(job.key.clone()).or_insert_with(new);
        }
    }

    /// Moves anchors as was decided.
    pub fn settle(&mut self, decision: &Decision) {
        for settled in &decision.settled {
            if let Some(job) = self.jobs.get_mut(&settled.key) {
                job.anchor_secs = settled.anchor_secs;
                job.retry_at_secs = job.retry_at_secs.filter(|_| settled.why == super::Why::ClockWasWrong);
            }
        }
    }

    /// A run begins.
    pub fn begun(&mut self, start: &Start, now_secs: i64) {
        let job = self.jobs.entry(start.key.clone()).or_default();
        job.anchor_secs = start.slot_secs;
        job.attempt = start.attempt;
        job.retry_at_secs = None;
        job.running_since_secs = Some(now_secs);
    }

    /// A run ended. `retries` is how often the job may be tried again.
    pub fn ended(&mut self, key: &str, ending: Ending, code: Option<i32>, retries: u32, now_secs: i64) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.running_since_secs = None;
        job.ended_secs = Some(now_secs);
        job.code = code;
        job.retry_at_secs = match ending {
            Ending::Done | Ending::Hopeless => None,
            Ending::Busy => {
                job.attempt = job.attempt.saturating_sub(1);
                Some(now_secs + BUSY_PAUSE_SECS)
            }
            Ending::CutOff if job.attempt <= retries => Some(now_secs),
            Ending::Failed if job.attempt <= retries => Some(now_secs + pause_secs(key, job.attempt)),
            Ending::CutOff | Ending::Failed => None,
        };
        match ending {
            Ending::Done => (job.ok_secs, job.failures) = (Some(now_secs), 0),
            Ending::Busy => {}
            _ => job.failures = job.failures.saturating_add(1),
        }
    }

    /// Runs that were under way when the agent, or the machine, ended: their keys.
    pub fn cut_off(&self) -> Vec<String> {
        let running = self.jobs.iter().filter(|(_, job)| job.running_since_secs.is_some());
        running.map(|(key, _)| key.clone()).collect()
    }
}

/// The pause after try number `attempt`: doubling, and different for each job, so that what failed together is not tried together.
fn pause_secs(key: &str, attempt: u32) -> i64 {
    let doubled =
        FIRST_PAUSE_SECS.saturating_mul(1 << attempt.saturating_sub(1).min(8)).min(LONGEST_PAUSE_SECS);
    doubled + super::spread(key, &attempt.to_string(), u32::try_from(doubled / 4).unwrap_or(0))
}

/// Replaces a small file durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let unfinished = path.with_extension("new");
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
