//! What is run at set times: crontabs, and timers that an administrator has added. A job that dumps something shows what somebody
//! thought worth keeping.

use super::machine::{Machine, shown};
use serde::Serialize;
use std::path::Path;

/// A line of a crontab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CronJob {
    /// The file.
    pub file: String,
    /// When.
    pub when: String,
    /// As whom, when the file says.
    pub user: Option<String>,
    /// The program, without its arguments: they may hold secrets.
    pub program: String,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timer {
    /// Its unit.
    pub unit: String,
    /// When.
    pub when: Vec<String>,
}

const JOBS_MAX: usize = 2000;

/// What cron runs here.
pub(super) fn look(machine: &Machine) -> Vec<CronJob> {
    let mut jobs = Vec::new();
    let mut take = |file: &Path, with_user: bool| {
        if let Some(text) = machine.text(file) {
            jobs.extend(parse(&shown(file), &text, with_user));
        }
    };
    take(Path::new("/etc/crontab"), true);
    for name in machine.names("/etc/cron.d") {
        take(&Path::new("/etc/cron.d").join(name), true);
    }
    for folder in ["/var/spool/cron/crontabs", "/var/spool/cron"] {
        for name in machine.names(folder) {
            take(&Path::new(folder).join(name), false);
        }
    }
    jobs.truncate(JOBS_MAX);
    jobs
}

/// Reads a crontab.
pub(super) fn parse(file: &str, text: &str, with_user: bool) -> Vec<CronJob> {
    let one = |line: &str| {
        let line = line.trim();
        let mut words = line.split_ascii_whitespace();
        let first = words.next()?;
        if first.starts_with('#') || first.contains('=') {
            return None;
        }
        let fields = if first.starts_with('@') { 0 } else { 4 };
        let mut when = vec![first];
        when.extend(words.by_ref().take(fields));
        if when.len() != fields + 1 {
            return None;
        }
        let user = if with_user { Some(words.next()?.to_owned()) } else { None };
        let program = words.find(|word| !word.contains('='))?;
        Some(CronJob { file: file.to_owned(), when: when.join(" "), user, program: program.to_owned() })
    };
    text.lines().filter_map(one).take(JOBS_MAX).collect()
}

/// Timers in `/etc/systemd/system`: those of packages lie elsewhere.
pub(super) fn timers(machine: &Machine) -> Vec<Timer> {
    let folder = Path::new("/etc/systemd/system");
    let mut timers = Vec::new();
    for name in machine.names(folder) {
        let unit = name.to_string_lossy().into_owned();
        if unit.ends_with(".timer") {
            let text = machine.text(folder.join(&name)).unwrap_or_default();
            let when = text.lines().filter(|line| line.trim_start().starts_with("On"));
            timers.push(Timer { unit, when: when.map(|line| line.trim().to_owned()).collect() });
        }
    }
    timers.truncate(JOBS_MAX);
    timers
}
