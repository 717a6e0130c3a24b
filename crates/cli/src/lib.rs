//! The `vow` command. Only `main` is public: the command line is the interface.

mod app;
mod backing;
mod commands;
mod entries;
mod evidence;
mod exit;
mod failure;
mod hostkeys;
mod identity;
mod kit;
mod layout;
mod level;
mod looking;
mod mounted;
mod owner;
mod reading;
mod receiving;
mod reporting;
mod sent;
mod signals;
mod ui;

/// Runs the command that the process was started with.
pub fn main() -> std::process::ExitCode {
    app::main().into()
}
