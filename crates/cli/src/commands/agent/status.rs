//! `vow agent status`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reporting::last_run;
use crate::ui::{Table, local_time, plain};
use serde_json::json;
use vow_agent::daemon::{AgentLock, Status, status_path};
use vow_agent::plan::Config;
use vow_agent::reporting::now_secs;
use vow_protocol::report::Outcome as Ended;

/// A running agent writes its status more often than this, in seconds.
const STALE_SECS: i64 = 120;

/// Shows it. Problems, failing jobs and an agent that does not run end with exit code 4.
pub(super) fn run(cx: &Context, config: &Config) -> Outcome<Exit> {
    let is_running = AgentLock::is_held(&config.state);
    let path = status_path(&config.state);
    let status: Option<Status> = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(Failure::io("read", &path, e)),
    };
    let Some(status) = status else {
        cx.ui.json(&json!({"message_type": "status", "running": is_running, "agent": null}));
        cx.ui.line("no agent has run on this host with this plan yet");
        return Ok(Exit::Problems);
    };
    let stale = is_running && now_secs() - status.written_secs > STALE_SECS;
    let mut problems = status.problems.clone();
    if !is_running {
        problems.insert(0, "the agent does not run".to_owned());
    }
    if stale {
        problems.insert(
            0,
            format!("the agent has not written its status for {} seconds", now_secs() - status.written_secs),
        );
    }
    let failing: Vec<_> = status.jobs.iter().filter(|job| job.memory.failures > 0).collect();
    cx.ui.json(&json!({
        "message_type": "status", "running": is_running, "stale": stale, "problems": problems, "agent": status,
    }));
    let mut table = Table::new(&["job", "last", "ended", "next", "schedule"], &[]);
    for job in &status.jobs {
        let runs = status.running.iter().any(|running| running.job == job.job);
        let last = match (runs, job.memory.code, job.memory.failures) {
            (true, ..) => "running".to_owned(),
            (_, _, failures @ 1..) => format!("FAILED ({failures})"),
            (_, Some(_), _) => "ok".to_owned(),
            _ => "-".to_owned(),
        };
        let partial = last_run(&config.state, &job.job).is_some_and(|run| run.outcome == Ended::Partial);
        let last = if partial && last == "ok" { "partial".to_owned() } else { last };
        let time = |secs: Option<i64>| {
            secs.map_or_else(|| "-".to_owned(), |secs| local_time(secs.saturating_mul(1_000_000_000)))
        };
        let schedule = job.schedule.clone().unwrap_or_else(|| "by hand".to_owned());
        table.row(vec![job.job.clone(), last, time(job.memory.ended_secs), time(job.next_secs), schedule]);
    }
    table.lines().iter().for_each(|line| cx.ui.line(line));
    if status.waiting > 0 {
        cx.ui.line(&format!("{} wait for the console", crate::ui::plural(status.waiting, "report")));
    }
    if !cx.ui.json {
        problems.iter().for_each(|problem| cx.ui.warn(&plain(problem)));
    }
    let sound = problems.is_empty() && failing.is_empty();
    Ok(if sound { Exit::Done } else { Exit::Problems })
}
