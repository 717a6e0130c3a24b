//! The command line: global options, and which command runs.

use crate::commands::{
    agent, audit, backup, binlog_receive, cat, check, completions, config, console, diff, discover, drill,
    export, find, init, key, ls, man, mount, report, restore, serve, snapshots, sqlite_helper, up, vault,
    wal_receive,
};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::signals;
use crate::ui::{self, Ui};
use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use vow_agent::plan::Config;

/// Backups you can swear by
///
/// Files go encrypted and signed into write-only vaults; only the identity, which is kept elsewhere, opens them again.
#[derive(Parser)]
#[command(name = "vow", version, after_help = Exit::HELP, disable_help_subcommand = true)]
struct Cli {
    /// The configuration [default: $VOW_CONFIG, ./vow.toml, ~/.config/vow/vow.toml, /etc/vow/vow.toml]
    #[arg(long, global = true, value_name = "FILE", display_order = 1000)]
    config: Option<PathBuf>,
    /// Write JSON for programs: one document, or lines with message_type
    #[arg(long, global = true, display_order = 1001)]
    json: bool,
    /// Print only results, warnings and errors
    #[arg(long, short, global = true, display_order = 1002)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Args),
    Init(init::Args),
    #[command(subcommand)]
    Config(config::Command),
    Discover(discover::Args),
    Backup(backup::Args),
    Snapshots(snapshots::Args),
    Ls(ls::Args),
    Find(find::Args),
    Diff(diff::Args),
    Cat(cat::Args),
    Restore(restore::Args),
    Export(export::Args),
    Mount(mount::Args),
    Check(check::Args),
    Drill(drill::Args),
    /// The limited child of a drill, in which files are parsed
    #[command(name = "__inspect", hide = true)]
    Inspect,
    /// The inside of a drill that serves a site
    #[command(name = "__site", hide = true)]
    Site,
    WalReceive(wal_receive::Args),
    BinlogReceive(binlog_receive::Args),
    #[command(subcommand)]
    Key(key::Command),
    Audit(audit::Args),
    Agent(agent::Args),
    #[command(subcommand)]
    Vault(vault::Command),
    #[command(subcommand)]
    Console(console::Command),
    #[command(subcommand)]
    Report(report::Command),
    Serve(serve::Args),
    #[command(hide = true)]
    SqliteHelper(sqlite_helper::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What every command gets.
pub(crate) struct Context {
    /// Where it prints.
    pub(crate) ui: Ui,
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
}

impl Context {
    /// The plan of this host.
    pub(crate) fn load_config(&self) -> Outcome<Config> {
        Ok(Config::load(self.config.as_deref())?)
    }
}

/// The whole command line, as clap describes it.
pub(crate) fn command_line() -> clap::Command {
    Cli::command()
}

/// Runs the command that the process was started with.
pub(crate) fn main() -> Exit {
    ui::install_panic_hook();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    signals::install();
    let cx = Context { ui: Ui::new(cli.json, cli.quiet), config: cli.config };
    let exit = match run(&cx, cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            cx.ui.fail(&failure);
            failure.exit
        }
    };
    // Threads that were told to stop may still have some.
    vow_sources::secret::remove_all();
    exit
}

fn run(cx: &Context, command: Command) -> Outcome<Exit> {
    match command {
        Command::Up(args) => up::run(cx, &args),
        Command::Init(args) => init::run(cx, &args),
        Command::Config(command) => config::run(cx, &command),
        Command::Discover(args) => discover::run(cx, &args),
        Command::Backup(args) => backup::run(cx, &args),
        Command::Snapshots(args) => snapshots::run(cx, &args),
        Command::Ls(args) => ls::run(cx, &args),
        Command::Find(args) => find::run(cx, &args),
        Command::Diff(args) => diff::run(cx, &args),
        Command::Cat(args) => cat::run(cx, &args),
        Command::Restore(args) => restore::run(cx, &args),
        Command::Export(args) => export::run(cx, &args),
        Command::Mount(args) => mount::run(cx, &args),
        Command::Check(args) => check::run(cx, &args),
        Command::Drill(args) => drill::run(cx, &args),
        Command::Inspect => drill::inspect(),
        Command::Site => drill::site(),
        Command::WalReceive(args) => wal_receive::run(cx, &args),
        Command::BinlogReceive(args) => binlog_receive::run(cx, &args),
        Command::Key(command) => key::run(cx, &command),
        Command::Audit(args) => audit::run(cx, &args),
        Command::Agent(args) => agent::run(cx, &args),
        Command::Vault(command) => vault::run(cx, &command),
        Command::Console(command) => console::run(cx, &command),
        Command::Report(command) => report::run(cx, &command),
        Command::Serve(args) => serve::run(cx, &args),
        Command::SqliteHelper(args) => sqlite_helper::run(&args),
        Command::Completions(args) => completions::run(cx, &args),
        Command::Man(args) => man::run(cx, &args),
    }
}

/// Help and version are results; everything else that clap says is a usage error.
fn usage(error: &clap::Error) -> Exit {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or("usage").trim_start_matches("error: ").to_owned();
        let failure =
            crate::failure::Failure::new(Exit::Usage, message).hint("`vow --help` explains the command line");
        Ui::new(true, false).fail(&failure);
        return Exit::Usage;
    }
    // Nothing can be done when the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

#[cfg(test)]
mod documents;
