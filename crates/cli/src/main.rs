//! The `vow` command.

mod app;
mod backing;
mod commands;
mod config;
mod entries;
mod exit;
mod failure;
mod hostkeys;
mod identity;
mod kit;
mod layout;
mod proof;
mod reading;
mod signals;
mod spec;
mod ui;

fn main() -> std::process::ExitCode {
    app::main().into()
}
