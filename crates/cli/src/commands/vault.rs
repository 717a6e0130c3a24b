//! `vow vault`.

mod at;
mod init;
mod mark;
mod peer;
mod rebuild;
mod replicate;
mod retain;
mod scrub;
mod status;
mod sweep;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;

/// Make vaults, admit this host to them, and look after them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Status(status::Args),
    Mark(mark::Args),
    Retain(retain::Args),
    Sweep(sweep::Args),
    Scrub(scrub::Args),
    Replicate(replicate::Args),
    Rebuild(rebuild::Args),
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Init(args) => init::run(cx, args),
        Command::Status(args) => status::run(cx, args),
        Command::Mark(args) => mark::run(cx, args),
        Command::Retain(args) => retain::run(cx, args),
        Command::Sweep(args) => sweep::run(cx, args),
        Command::Scrub(args) => scrub::run(cx, args),
        Command::Replicate(args) => replicate::run(cx, args),
        Command::Rebuild(args) => rebuild::run(cx, args),
    }
}
