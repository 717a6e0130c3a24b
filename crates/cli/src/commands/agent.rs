//! `vow agent`.

mod machine;
mod status;
mod vaults;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reporting::ConsoleLink;
use crate::{signals, ui};
use machine::{HostMachine, orders};
use serde_json::json;
use signal_hook::consts::SIGHUP;
use std::sync::Arc;
use std::time::Duration;
use vow_agent::daemon::{Connect, Daemon, DaemonError, Wishes};
use vow_agent::plan::Config;

/// Do what the plan says when it says so: backups, drills, audits, and reports of all of them
///
/// Each run is a process of its own. SIGTERM lets runs end within a time, SIGHUP reads the plan again. Missed runs are caught up.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Do what is due now, and exit: for timers
    #[arg(long)]
    once: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What there is besides running it.
#[derive(clap::Subcommand)]
enum Command {
    /// Show how the agent of this host is, what runs, and what is due
    Status,
}

/// Runs it, or asks how it is.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    match args.command {
        Some(Command::Status) => status::run(cx, &config),
        None => serve(cx, args.once, &config),
    }
}

/// Works until it is told to stop, or, with `once`, until nothing is due.
pub(crate) fn serve(cx: &Context, once: bool, config: &Config) -> Outcome<Exit> {
    ui::log_to_stderr(cx.ui.json);
    let wishes = Wishes { stop: signals::stop_flag(), ..Wishes::default() };
    let hangup = signal_hook::flag::register(SIGHUP, wishes.reload.clone());
    hangup.map_err(|e| Failure::failed("signals cannot be listened for").because(&e))?;
    // The first signal stops this process only where something is held: its runs must end first.
    let _held = signals::hold();
    machine::settle(config.state.clone());
    let machine = HostMachine::new(cx.ui, &config.file, config.origin)?;
    let load = machine.loader();
    let connect: Arc<dyn Connect> = Arc::new(ConsoleLink::new(Box::new(load), signals::stop_flag()));
    let daemon = Daemon::open(&machine, config.state.clone(), orders(config))?;
    cx.ui.json(
        &json!({"message_type": "ready", "pid": std::process::id(), "state": config.state.to_string_lossy()}),
    );
    if config.timings.values().all(|timing| timing.calendar.is_none()) {
        tracing::warn!(
            "no source of {} has a schedule: nothing will be backed up by itself",
            config.file.display()
        );
    }
    // What a timer begins ends soon: that leaves it to whoever stays.
    let keeping = if once { None } else { Some(vaults::Keeping::begin(config)?) };
    let done = daemon.run(&wishes, Some(connect), once)?;
    drop(keeping);
    if !once {
        return Ok(Exit::Done);
    }
    cx.ui.json(&json!({
        "message_type": "summary", "status": if done.failed > 0 { "failed" } else if done.partial > 0 { "partial" } else { "ok" },
        "done": done.good, "partial": done.partial, "failed": done.failed,
    }));
    Ok(match signals::received() {
        Some(signal) => Exit::Signal(signal),
        None if done.failed > 0 => Exit::Failed,
        None if done.partial > 0 => Exit::Partial,
        None => Exit::Done,
    })
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Disk(error) => error.into(),
            DaemonError::Busy(_) => {
                let failure = Self::new(Exit::Busy, error.to_string());
                failure.hint("see `vow agent status`; one agent does everything that a host's plan says")
            }
            DaemonError::Memory(_) | DaemonError::Thread(_) => Self::failed("the agent cannot go on")
                .because(&error)
                .hint("what was due is done when the agent runs again"),
        }
    }
}

/// A length of time as schedules count it.
fn secs(length: Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX)
}
