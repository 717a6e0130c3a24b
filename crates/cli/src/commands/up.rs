//! `vow up`: one machine, everything in one folder.

mod choose;
mod cycle;
mod making;
mod own_console;
mod plan;
mod report;
mod stay;

use super::init::absolute;
use crate::app::Context;
use crate::commands::console::join::join as join_console;
use crate::commands::vault::join::read_token;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::layout;
use cycle::Cycle;
use own_console::OwnConsole;
use std::path::{Path, PathBuf};
use vow_agent::daemon::AgentLock;
use vow_agent::plan::Config;

/// From a fresh machine to a proven backup: keys, vault, discovery, backup, restore test, audit, and a web page that shows it
///
/// The first time, the machine is looked at and everything is made in DIR; with PATHs, these are backed up and nothing else is looked
/// for. Then it backs up, restores for a test (everything, or a sample when it is much), audits, and stays: it serves a page on this
/// machine alone and backs up when the plan says so, until Ctrl-C. Exit code 0 of --once means: proven. Findings of the audit are listed
/// and do not change it, unless a promise is broken (4). Doing it again changes neither plan nor keys.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to back up, the first time [default: what is found on this machine; for others than root what is theirs]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where everything is kept [default: /var/lib/vow for root, ~/.local/share/vow for others]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One cycle, then exit: for scripts
    #[arg(long)]
    once: bool,
    /// File with the identity to prove with [default: the recovery key in DIR, while it is there]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The first time: into the vault that this token is from (`vow vault join-token`), instead of one on this machine; - reads it from the standard input
    #[arg(long, value_name = "TOKEN")]
    join: Option<String>,
    /// The first time: report to the console that this token is from (`vow console join-token`), instead of one on this machine; or -
    #[arg(long, value_name = "TOKEN")]
    console: Option<String>,
    /// The first time: the customer this host belongs to
    #[arg(long, value_name = "T", default_value = "default")]
    tenant: String,
    /// The first time: the name of this host [default: its hostname]
    #[arg(long, value_name = "HOST")]
    name: Option<String>,
}

/// One cycle, and then, unless it is asked for once, as many as the plan wants.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let dir = match &args.dir {
        Some(dir) => absolute(dir)?,
        None => default_dir()?,
    };
    let file = layout::config_file(&dir);
    let first = !file.try_exists().map_err(|e| Failure::io("look at", &file, e))?;
    if first {
        first_time(cx, &dir, args)?;
    } else if args.join.is_some() || args.console.is_some() {
        let advice =
            format!("vow --config {0} vault join TOKEN, vow --config {0} console join TOKEN", file.display());
        return Err(Failure::new(
            Exit::Usage,
            format!("{} is there already; a token is for the first time", file.display()),
        )
        .hint(format!("what is there joins others as well: {advice}")));
    }
    let config = Config::read(&file, "vow up")?;
    refuse_other_paths(&config, if first { &[] } else { &args.paths })?;
    if !args.once && AgentLock::is_held(&config.state) {
        let failure = Failure::new(Exit::Busy, "`vow up` or an agent is at work on this machine already");
        return Err(failure.hint(format!("see `vow --config {} agent status`", file.display())));
    }
    let console = OwnConsole::open(&dir, &config).unwrap_or_else(|failure| {
        cx.ui.warn(&format!("the console is left alone: {}", failure.line()));
        None
    });
    let cycle = Cycle::run(cx, args, &dir, &config, console.as_ref())?;
    report::print(cx, &report::Report { config: &config, dir: &dir, cycle: &cycle, once: args.once });
    if args.once || matches!(cycle.exit, Exit::Signal(_)) {
        if let Some(console) = console {
            console.close();
        }
        return Ok(cycle.exit);
    }
    stay::stay(cx, &dir, &config, console)
}

fn first_time(cx: &Context, dir: &Path, args: &Args) -> Outcome<()> {
    let token = args.console.as_deref().map(read_token).transpose()?;
    let made = making::make(cx, dir, args)?;
    if let Some(token) = token {
        let config = Config::read(&made.config, "vow up")?;
        let joined = join_console(&config, &token);
        joined.map_err(|failure| {
            let again =
                format!("with a new token: vow --config {} console join TOKEN", made.config.display());
            failure
                .during("everything was made, and the vault joined")
                .hint(format!("{again}, then `vow up` again"))
        })?;
    }
    Ok(())
}

fn default_dir() -> Outcome<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/vow"));
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let share = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    share.map(|share| share.join("vow")).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no place to keep everything: $HOME is not set")
            .hint("name one with --dir DIR")
    })
}

/// Later runs do what vow.toml says; paths that it does not have would be forgotten in silence.
fn refuse_other_paths(config: &Config, given: &[PathBuf]) -> Outcome<()> {
    for path in given {
        let path = absolute(path)?;
        if !config.sources.iter().any(|source| source.capture.roots().contains(&path)) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} is not among the paths in {}", path.display(), config.file.display()),
            )
            .hint(format!("add it to a [[source]] in {}, and run `vow up` again", config.file.display())));
        }
    }
    Ok(())
}
