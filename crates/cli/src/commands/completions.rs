//! `vow completions`.

use crate::app::{Context, command_line};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui;
use clap_complete::Shell;
use std::io::Write as _;

/// Print completions for a shell
///
/// For example: vow completions bash > /usr/share/bash-completion/completions/vow
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints them.
pub(crate) fn run(_cx: &Context, args: &Args) -> Outcome<Exit> {
    ui::stdout_is_content();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command_line(), "vow", &mut script);
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(&script).and_then(|()| stdout.flush()) {
        ui::check_stdout(&error);
    }
    Ok(Exit::Done)
}
