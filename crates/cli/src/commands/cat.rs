//! `vow cat`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading};
use crate::ui;
use std::ffi::OsString;
use std::io::Write;
use vow_store::archive::ArchiveError;
use vow_store::archive::Spec;
use vow_store::listing::entry::Kind;

/// Write a file of a snapshot to the standard output
#[derive(clap::Args)]
pub(crate) struct Args {
    /// SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT:PATH")]
    file: OsString,
    #[command(flatten)]
    read: ReadArgs,
}

/// Writes it.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    ui::stdout_is_content();
    let (spec, path) = Spec::parse_with_path(args.file.as_encoded_bytes())?;
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let snapshot = reading.snapshot(cx, &spec)?;
    let entry = snapshot.entry(&path)?;
    if entry.kind != Kind::File {
        return Err(Failure::failed(format!("{} is {}, not a file", entry.display(), called(entry.kind)))
            .hint("`vow restore` and `vow export` take folders and everything else"));
    }
    let mut stdout = std::io::BufWriter::with_capacity(256 << 10, std::io::stdout().lock());
    let written =
        snapshot.content(&entry, &mut stdout).and_then(|_| stdout.flush().map_err(ArchiveError::Write));
    if let Err(error) = written {
        if let ArchiveError::Write(error) = &error {
            ui::check_stdout(error);
        }
        return Err(error.into());
    }
    Ok(Exit::Done)
}

fn called(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Dir => "a folder",
        Kind::Symlink => "a symbolic link",
        Kind::CharDevice | Kind::BlockDevice => "a device",
        Kind::Fifo => "a FIFO",
    }
}
