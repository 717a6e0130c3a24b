//! When things are due: a pure function of the plan, what is remembered, and the time. Nothing here looks at a clock.
//!
//! A *slot* is a time that a calendar names. A job has an *anchor*: slots up to it are dealt with. Of several missed slots only the
//! newest is run: one backup covers them all. Times are seconds since 1970.

mod calendar;
mod decide;
mod memory;
mod window;

pub use calendar::{Calendar, ScheduleError};
pub use decide::{Decision, Settled, Start, Why, decide};
pub use memory::{Ending, JobMemory, Memory, MemoryError};
pub use window::Window;

use vow_base::id::sha256;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A source is captured.
    Backup,
    /// Snapshots are restored for a test.
    Drill,
    /// The host is looked over: inventory, coverage, attack.
    Audit,
}

impl What {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Drill => "drill",
            Self::Audit => "audit",
        }
    }
}

/// Something that is due again and again.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name: what is remembered of it is found by this.
    pub key: String,
    /// What it does. Of each kind one runs at a time: backups of a host continue one chain.
    pub what: What,
    /// When; `None` when it is only done by hand.
    pub calendar: Option<Calendar>,
    /// The hours in which it may begin.
    pub window: Option<Window>,
    /// It begins this much later than its slots, in seconds: see [`spread`].
    pub delay_secs: i64,
    /// How often it is tried again after a failure.
    pub retries: u32,
    /// How late it may still begin, in seconds; `None` however late.
    pub catch_up_secs: Option<i64>,
}

/// Everything that is due on a host.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// How many run at once, at most; 0 counts as 1.
    pub parallel: usize,
}

/// A delay from 0 to `most_secs`, the same for the same host and job: hosts with the same schedule do not all begin at once.
pub fn spread(host: &str, job: &str, most_secs: u32) -> i64 {
    let digest = sha256(format!("{host}\0{job}").as_bytes());
    let number = digest[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    i64::try_from(number % (u64::from(most_secs) + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
