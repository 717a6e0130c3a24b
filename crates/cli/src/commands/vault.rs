//! `vow vault`.

mod init;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;

/// Make vaults, admit this host to them, and look after them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Init(args) => init::run(cx, args),
    }
}
