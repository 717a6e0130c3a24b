//! The `vow` command. Only `main` and the parsers that fuzz targets call are public: the command line is the interface.

mod app;
mod backing;
mod commands;
mod config;
mod entries;
mod evidence;
mod exit;
mod failure;
mod hostkeys;
mod identity;
mod kit;
mod layout;
mod level;
mod mounted;
pub mod parsers;
mod proof;
mod reading;
mod sent;
mod signals;
mod spec;
mod ui;

/// Runs the command that the process was started with.
pub fn main() -> std::process::ExitCode {
    app::main().into()
}
