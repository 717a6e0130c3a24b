//! The hidden `vow sqlite-helper`: what works with SQLite, in a process of its own.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::path::PathBuf;
use vow_sources::sqlite::helper::{Task, run as help};

/// Used by vow itself
#[derive(clap::Args)]
#[group(id = "sqlite_helper")]
pub(crate) struct Args {
    #[arg(value_enum)]
    task: Asked,
    exact_below_bytes: u64,
    scratch: PathBuf,
    path: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Asked {
    Copy,
    Check,
    Ask,
}

/// Does it.
pub(crate) fn run(args: &Args) -> Outcome<Exit> {
    let task = match args.task {
        Asked::Copy => Task::Copy,
        Asked::Check => Task::Check,
        Asked::Ask => Task::Ask,
    };
    let mut out = std::io::stdout().lock();
    help(task, &args.path, args.exact_below_bytes, &args.scratch, &mut out)
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Exit::Done)
}
