//! `vow serve`.

use crate::app::Context;
use crate::commands::{console, vault};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::signals;
use std::path::PathBuf;

/// Serve a vault and a console in one process, each from its own folder
///
/// When one of them ends, the other is told to stop: whoever looks after the process starts both again.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder of the vault
    #[arg(long, value_name = "DIR")]
    vault: PathBuf,
    /// The folder of the console
    #[arg(long, value_name = "DIR")]
    console: PathBuf,
}

/// Serves both.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let (of_vault, of_console) =
        (vault::serve::Args::of(&args.vault), console::serve::Args::of(&args.console));
    std::thread::scope(|scope| {
        let begun = std::thread::Builder::new().name("vault".into()).spawn_scoped(scope, || {
            let served = vault::serve::run(cx, &of_vault);
            stop_the_other();
            served
        });
        let serving = begun.map_err(|e| Failure::failed("a thread cannot be started").because(&e))?;
        let console = console::serve::run(cx, &of_console);
        stop_the_other();
        let vault =
            serving.join().unwrap_or_else(|_| Err(Failure::failed("the vault stopped because of a fault")));
        console.and(vault)
    })
}

/// One has ended. When nobody asked for that, the other is asked now, as it would be from outside.
fn stop_the_other() {
    if signals::received().is_none() {
        signals::ask_to_stop();
    }
}
