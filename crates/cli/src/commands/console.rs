//! `vow console …`.

mod join;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;

/// The console that watches over hosts
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Join(join::Args),
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Join(args) => join::run(cx, args),
    }
}
