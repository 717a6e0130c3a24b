//! `vow man`.

use crate::app::{Context, command_line};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::fs;
use std::path::{Path, PathBuf};

/// Write the manual pages into a folder: vow(1), vow-backup(1), and so on
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder; it is made when it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes them.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let failed = |error: std::io::Error| {
        Failure::failed(format!("the manual pages cannot be written to {}", args.folder.display()))
            .because(&error)
    };
    fs::create_dir_all(&args.folder).map_err(failed)?;
    let mut command = command_line();
    // Gives every command its full name and the global options.
    command.build();
    let pages = write(&command, "vow", &args.folder).map_err(failed)?;
    cx.ui.say(&format!("{} in {}", crate::ui::plural(pages, "manual page"), args.folder.display()));
    Ok(Exit::Done)
}

/// A page for a command and one for each below it; how many.
fn write(command: &clap::Command, name: &str, folder: &Path) -> std::io::Result<u64> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut page)?;
    fs::write(folder.join(format!("{name}.1")), page)?;
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages += write(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(pages)
}
