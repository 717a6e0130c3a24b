//! `vow vault`.

mod at;
mod bucket;
mod hosts;
mod init;
pub(crate) mod join;
mod join_token;
mod keeper;
mod mark;
mod naming;
mod peer;
mod rebuild;
mod replica;
mod replicate;
mod retain;
mod revoke;
mod scrub;
pub(crate) mod serve;
mod status;
mod sweep;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;

/// Make vaults, admit this host to them, and look after them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Serve(serve::Args),
    JoinToken(join_token::Args),
    Join(join::Args),
    Hosts(hosts::Args),
    Revoke(revoke::Args),
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
        Command::Serve(args) => serve::run(cx, args),
        Command::JoinToken(args) => join_token::run(cx, args),
        Command::Join(args) => join::run(cx, args),
        Command::Hosts(args) => hosts::run(cx, args),
        Command::Revoke(args) => revoke::run(cx, args),
        Command::Status(args) => status::run(cx, args),
        Command::Mark(args) => mark::run(cx, args),
        Command::Retain(args) => retain::run(cx, args),
        Command::Sweep(args) => sweep::run(cx, args),
        Command::Scrub(args) => scrub::run(cx, args),
        Command::Replicate(args) => replicate::run(cx, args),
        Command::Rebuild(args) => rebuild::run(cx, args),
    }
}
