//! `vow export`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading};
use crate::ui::{self, Task};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vow_store::archive::Snapshot;
use vow_store::archive::Spec;
use vow_store::export::{ExportError, ExportReport, export};
use vow_store::monitor::Monitor;

/// Write a snapshot, or a part of it, as a tar archive
#[derive(clap::Args)]
pub(crate) struct Args {
    /// SNAPSHOT[:PATH]
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    /// The new file to write [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
}

/// Exports.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let spec = Spec::parse(args.snapshot.as_encoded_bytes())?;
    if args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "an archive is not for a terminal")
            .hint("name a file with -o FILE, or pipe the output to another program"));
    }
    if args.output.is_none() {
        ui::stdout_is_content();
    }
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let snapshot = reading.snapshot(cx, &spec.snapshot)?;
    let under = spec.path.as_deref().filter(|path| !path.is_empty());
    if let Some(path) = under {
        snapshot.entry(path)?;
    }
    // With the archive on stdout, what is said about it goes elsewhere.
    let mut ui = cx.ui;
    ui.json &= args.output.is_some();
    let task = Task::new(ui, "exporting");
    let exported = match &args.output {
        Some(path) => to_file(path, &snapshot, under, &task.monitor),
        None => to_stdout(&snapshot, under, &task.monitor),
    };
    let problems = task.finish();
    let report = exported?;
    problems.lines(20).iter().for_each(|line| ui.warn(line));
    ui.json(&summary(&report));
    if args.output.is_some() {
        ui.say(&format!("exported {}, {}", ui::plural(report.files, "file"), ui::bytes(report.bytes)));
    }
    Ok(if report.errors == 0 { Exit::Done } else { Exit::Partial })
}

fn summary(report: &ExportReport) -> Value {
    json!({
        "message_type": "summary",
        "status": if report.errors == 0 { "ok" } else { "partial" },
        "files": report.files,
        "dirs": report.dirs,
        "others": report.others,
        "bytes": report.bytes,
        "errors": report.errors,
    })
}

fn to_stdout(snapshot: &Snapshot, under: Option<&[u8]>, monitor: &Monitor) -> Outcome<ExportReport> {
    let mut out = BufWriter::with_capacity(256 << 10, std::io::stdout().lock());
    let report = export(snapshot, under, &mut out, monitor)
        .and_then(|report| out.flush().map(|()| report).map_err(ExportError::Write));
    report.map_err(|error| {
        if let ExportError::Write(error) = &error {
            ui::check_stdout(error);
        }
        error.into()
    })
}

/// A file that could not be finished is removed: half an archive would look like one.
fn to_file(
    path: &Path,
    snapshot: &Snapshot,
    under: Option<&[u8]>,
    monitor: &Monitor,
) -> Outcome<ExportReport> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|e| Failure::io("create", path, e))?;
    let written = write(file, snapshot, under, monitor);
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written.map_err(|failure| failure.during(format!("{} was not written", path.display())))
}

fn write(file: File, snapshot: &Snapshot, under: Option<&[u8]>, monitor: &Monitor) -> Outcome<ExportReport> {
    let mut out = BufWriter::with_capacity(256 << 10, file);
    let report = export(snapshot, under, &mut out, monitor)?;
    let file = out.into_inner().map_err(|e| ExportError::Write(e.into_error()))?;
    file.sync_all().map_err(ExportError::Write)?;
    Ok(report)
}
