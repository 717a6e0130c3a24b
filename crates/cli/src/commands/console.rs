//! `vow console …`.

pub(crate) mod at;
mod audit;
mod hosts;
mod init;
pub(crate) mod join;
mod join_token;
mod ping;
pub(crate) mod serve;
mod tickets;
mod token;
mod user;
mod vault;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;

/// The console that watches over hosts
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Serve(serve::Args),
    #[command(subcommand)]
    User(user::Command),
    #[command(subcommand)]
    Token(token::Command),
    Join(join::Args),
    JoinToken(join_token::Args),
    Hosts(hosts::Args),
    #[command(subcommand)]
    Vault(vault::Command),
    #[command(subcommand)]
    Ping(ping::Command),
    Audit(audit::Args),
    Policy(audit::PolicyArgs),
    Tickets(tickets::ListArgs),
    Ticket(tickets::ShowArgs),
    Ack(tickets::AckArgs),
    Assign(tickets::AssignArgs),
    Comment(tickets::TextArgs),
    Snooze(tickets::SnoozeArgs),
    Expect(tickets::ExpectArgs),
    Close(tickets::CloseArgs),
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Init(args) => init::run(cx, args),
        Command::Serve(args) => serve::run(cx, args),
        Command::User(command) => user::run(cx, command),
        Command::Token(command) => token::run(cx, command),
        Command::Join(args) => join::run(cx, args),
        Command::JoinToken(args) => join_token::run(cx, args),
        Command::Hosts(args) => hosts::run(cx, args),
        Command::Vault(command) => vault::run(cx, command),
        Command::Ping(command) => ping::run(cx, command),
        Command::Audit(args) => audit::run(cx, args),
        Command::Policy(args) => audit::policy(cx, args),
        Command::Tickets(args) => tickets::list(cx, args),
        Command::Ticket(args) => tickets::show(cx, args),
        Command::Ack(args) => tickets::ack(cx, args),
        Command::Assign(args) => tickets::assign(cx, args),
        Command::Comment(args) => tickets::comment(cx, args),
        Command::Snooze(args) => tickets::snooze(cx, args),
        Command::Expect(args) => tickets::expect(cx, args),
        Command::Close(args) => tickets::close(cx, args),
    }
}
