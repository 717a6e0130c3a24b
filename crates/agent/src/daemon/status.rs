//! How the agent is: a file for `vow agent status`, a line for the service manager, a sign of life for the console.

use super::courier::Courier;
use super::lock::folder;
use super::{Daemon, now_secs};
use crate::schedule::JobMemory;
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use vow_protocol::report::Alive;

/// Where the status lies.
pub fn status_path(state: &Path) -> PathBuf {
    folder(state).join("status.json")
}

/// How an agent is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Since when it runs, in seconds since 1970.
    pub since_secs: i64,
    /// When this was written.
    pub written_secs: i64,
    /// SHA-256 of the plan in force.
    pub plan: String,
    /// What is wrong.
    pub problems: Vec<String>,
    /// Reports that wait for the console.
    pub waiting: u64,
    /// What runs.
    pub running: Vec<Running>,
    /// Every job.
    pub jobs: Vec<JobStatus>,
}

/// Something that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    /// The job.
    pub job: String,
    /// Its process.
    pub pid: u32,
    /// Since when.
    pub since_secs: i64,
    /// Which try it is.
    pub attempt: u32,
}

/// One job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its name.
    pub job: String,
    /// What it does.
    pub what: String,
    /// Its schedule.
    pub schedule: Option<String>,
    /// When it is due next.
    pub next_secs: Option<i64>,
    /// What is remembered of it.
    #[serde(flatten)]
    pub memory: JobMemory,
}

impl Daemon<'_> {
    pub(super) fn status(&self, courier: &Courier) -> Status {
        let spool = Spool::new(&self.state);
        let job = |job: &crate::schedule::Job| JobStatus {
            job: job.key.clone(),
            what: job.what.word().to_owned(),
            schedule: job.calendar.as_ref().map(|calendar| calendar.text().to_owned()),
            next_secs: self.next.get(&job.key).copied(),
            memory: self.memory.jobs.get(&job.key).cloned().unwrap_or_default(),
        };
        let running = |child: &super::Child| Running {
            job: child.start.key.clone(),
            pid: child.pid(),
            since_secs: child.began_secs(),
            attempt: child.start.attempt,
        };
        Status {
            pid: std::process::id(),
            since_secs: self.since_secs,
            written_secs: now_secs(),
            plan: self.orders.hash.clone(),
            problems: self.problems().into_iter().chain(courier.problem()).collect(),
            waiting: spool.waiting().map_or(0, |waiting| waiting.len() as u64),
            running: self.children.iter().map(running).collect(),
            jobs: self.orders.plan.jobs.iter().map(job).collect(),
        }
    }

    pub(super) fn write_status(&self, courier: &Courier) {
        let text = serde_json::to_vec_pretty(&self.status(courier)).unwrap_or_default();
        let path = status_path(&self.state);
        let unfinished = path.with_extension("new");
        // Nobody depends on it: what is due does not stop for a status that cannot be written.
        let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &path));
        if let Err(error) = written {
            tracing::warn!("{} cannot be written: {error}", path.display());
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let running: Vec<_> = self.children.iter().map(|child| child.start.key.as_str()).collect();
        let failing = self.memory.jobs.values().filter(|job| job.failures > 0).count();
        let now = match running.as_slice() {
            [] => "idle".to_owned(),
            running => format!("running {}", running.join(", ")),
        };
        let trouble = match failing {
            0 => String::new(),
            failing => format!(", {failing} failing"),
        };
        format!("{now}, {} planned{trouble}", self.orders.plan.jobs.len())
    }

    /// What the console may know.
    pub(super) fn alive(&self) -> Alive {
        let mut sources = self.orders.expected.clone();
        for expected in &mut sources {
            expected.next_secs = self.next.get(&expected.source).copied().or(expected.next_secs);
        }
        Alive {
            since_secs: self.since_secs,
            waiting: 0,
            spooled_snapshots: 0,
            plan: Some(self.orders.hash.clone()),
            sources,
            problems: self.problems(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let lost = Spool::new(&self.state).lost();
        let lost = (lost > 0).then(|| format!("{lost} reports could not be kept for the console"));
        self.problems.values().cloned().chain(lost).collect()
    }
}
