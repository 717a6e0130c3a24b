//! `vow restore`.

mod into;
mod log;

use crate::app::Context;
use crate::commands::snapshots::group_shown;
use crate::entries::{shown, snapshot_line};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading};
use crate::ui::{self, Problems, Task};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vow_sources::adapter::{Replay, adapter};
use vow_store::archive::Snapshot;
use vow_store::archive::Spec;
use vow_store::restore::{RestoreOptions, RestoreReport, restore};

/// Restore a snapshot, or a part of it, into a folder or a database server
///
/// A whole snapshot goes to DIR/etc/…, DIR/home/… and so on; `--target /` restores to the original places and writes only
/// what differs. Of SNAPSHOT:/a/folder the contents go directly into DIR, and SNAPSHOT:/a/file becomes DIR/file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// SNAPSHOT[:PATH]: an id or its beginning, SOURCE@latest or SOURCE@2026-11-20, and an absolute path in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    /// The folder to restore into
    #[arg(long, short, value_name = "DIR", required_unless_present = "into")]
    target: Option<PathBuf>,
    /// The database server to restore into, as a URL without a password
    ///
    /// All of the snapshot, or one database, or one table with its indexes, keys, sequences and triggers. What is there already
    /// stays: a database or table of the same name is restored beside it.
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "keep_path", "dry_run"])]
    into: Option<String>,
    #[command(flatten)]
    server: into::Args,
    /// Go to this moment, such as '2026-11-20 10:00:00Z', or to the end of the log with `latest`
    ///
    /// Of a base backup of PostgreSQL whose log was received by `vow wal-receive`: with --target the data directory is DIR/base, and a
    /// server that is started from it goes there by itself. Of any snapshot of MariaDB whose binary log was received by
    /// `vow binlog-receive`: with --target the data directory is DIR/data, at that moment already. With --into a database or a table is
    /// brought back as it was then.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["keep_path", "dry_run"])]
    time: Option<log::Until>,
    /// Keep the full path below DIR when a PATH is given
    #[arg(long)]
    keep_path: bool,
    /// Say what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    #[command(flatten)]
    read: ReadArgs,
}

const PROBLEMS_SHOWN: usize = 20;

/// Restores.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let spec = Spec::parse(args.snapshot.as_encoded_bytes())?;
    if let Some(url) = &args.into {
        if spec.path.is_some() {
            let failure = Failure::new(Exit::Usage, "a path cannot be restored into a server");
            return Err(failure.hint("leave the path out, and say which part with --database and --table"));
        }
        let reading = Reading::open(cx, &args.read, Need::Identity)?;
        let snapshot = reading.snapshot(cx, &spec.snapshot)?;
        warn_of_gaps(cx, &snapshot);
        return into::run(cx, &reading, &snapshot, url, args.time, &args.server);
    }
    let Some(target) = args.target.as_ref() else {
        return Err(Failure::new(Exit::Usage, "no target was given").hint("name a folder with --target DIR"));
    };
    if target.as_os_str().is_empty() {
        return Err(Failure::new(Exit::Usage, "the target is empty").hint("name a folder with --target DIR"));
    }
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let snapshot = reading.snapshot(cx, &spec.snapshot)?;
    let under = spec.path.filter(|path| !path.is_empty());
    if under.is_some() && args.time.is_some() {
        let failure = Failure::new(
            Exit::Usage,
            "a path cannot be brought to a moment: the log is that of all of the server",
        );
        return Err(failure.hint("leave the path out"));
    }
    // Before anything is written: what is missing of the log is no surprise at the end then.
    let of_all = adapter(&snapshot.info().manifest.source_type).filter(|_| under.is_none() && !args.dry_run);
    let replay = match (args.time, of_all) {
        (Some(until), Some(adapter)) => log::gather(cx, &reading, &snapshot, adapter, until, target)?,
        _ => Replay::default(),
    };
    if let Some(path) = &under {
        snapshot.entry(path)?;
    }
    warn_of_gaps(cx, &snapshot);
    let options = RestoreOptions {
        target: target.clone(),
        strip: under.is_some() && !args.keep_path,
        under,
        dry_run: args.dry_run,
        threads: args.threads,
    };
    if let Some(adapter) = adapter(&snapshot.info().manifest.source_type) {
        let place = |path: &[u8]| place_of(&options, path);
        adapter
            .check_place(&snapshot, &place)
            .map_err(|error| Failure::failed("nothing was restored").because(&error))?;
    }
    let began = Instant::now();
    let task = Task::new(cx.ui, if args.dry_run { "comparing" } else { "restoring" });
    let restored = restore(&snapshot, &options, &task.monitor);
    let problems = task.finish();
    if restored.is_err() {
        show(cx, &problems);
    }
    let report = restored?;
    let settled = match of_all {
        Some(adapter) => adapter.settle(&snapshot, target, &replay).map_err(|e| {
            Failure::failed("the files were restored, but are not ready to be used").because(&e)
        })?,
        None => None,
    };
    let secs = began.elapsed().as_secs_f64();
    show(cx, &problems);
    settled.iter().flatten().for_each(|note| cx.ui.note(note));
    print_human(cx, (args, target), &snapshot, &report, secs);
    if let Some(adapter) = adapter(&snapshot.info().manifest.source_type).filter(|_| !args.dry_run) {
        adapter.instructions().iter().for_each(|line| cx.ui.say(&format!("  {line}")));
    }
    cx.ui.json(&summary(&snapshot, &report, &problems, args.dry_run, secs));
    Ok(if report.errors == 0 { Exit::Done } else { Exit::Partial })
}

/// Where a path of the snapshot would be written, when it is among what is wanted.
fn place_of(options: &RestoreOptions, path: &[u8]) -> Option<PathBuf> {
    let rest = match options.under.as_deref() {
        None => path,
        Some(under) if path == under && options.strip => path.rsplit(|byte| *byte == b'/').next()?,
        Some(under) if path == under => path,
        Some(under) => {
            let rest = path.strip_prefix(under)?.strip_prefix(b"/")?;
            if options.strip { rest } else { path }
        }
    };
    Some(options.target.join(OsStr::from_bytes(rest)))
}

/// What a snapshot lacks, no restore brings back.
fn warn_of_gaps(cx: &Context, snapshot: &Snapshot) {
    if let Some(group) = &snapshot.info().manifest.group {
        cx.ui.note(&format!(
            "it is of the group {}, captured {}: what belongs to it has the same in `vow snapshots`",
            group_shown(group),
            ui::local_time(group.moment),
        ));
    }
    let gaps = &snapshot.root().problems;
    if let Some((path, text)) = gaps.first() {
        cx.ui.warn(&format!(
            "this snapshot is partial: {} could not be captured then (the first: {}: {})",
            ui::plural(snapshot.info().manifest.counts.errors.max(gaps.len() as u64), "path"),
            shown(path),
            ui::plain(text),
        ));
    }
}

fn show(cx: &Context, problems: &Problems) {
    problems.notes.iter().for_each(|note| cx.ui.note(note));
    if problems.count > 0 {
        cx.ui.warn(&format!("{} could not be restored fully:", ui::plural(problems.count, "path")));
        problems.lines(PROBLEMS_SHOWN).iter().for_each(|line| ui::diagnose(&format!("  {line}")));
        ui::diagnose(
            "  next step: mend what these lines name and run the same command again: what is right already stays. Where the vault is \
             damaged, `vow check --read-data` says how much, and another one may have a good copy (--vault NAME)",
        );
    }
}

fn print_human(
    cx: &Context,
    (args, target): (&Args, &Path),
    snapshot: &Snapshot,
    report: &RestoreReport,
    secs: f64,
) {
    let verb = if args.dry_run { "would restore" } else { "restored" };
    let ui = cx.ui;
    ui.say(&format!("{verb} {} to {}", snapshot_line(snapshot.info()), target.display()));
    ui.say(&format!(
        "  {}, {}, {} others, {}; {} {}, {} right already; {}",
        ui::plural(report.files, "file"),
        ui::plural(report.dirs, "dir"),
        ui::count(report.others),
        ui::bytes(report.bytes),
        if args.dry_run { "to write:" } else { "written:" },
        ui::bytes(report.written_bytes),
        ui::plural(report.unchanged_files, "file"),
        ui::duration(secs),
    ));
}

fn summary(
    snapshot: &Snapshot,
    report: &RestoreReport,
    problems: &Problems,
    dry_run: bool,
    secs: f64,
) -> Value {
    json!({
        "message_type": "summary",
        "status": if report.errors == 0 { "ok" } else { "partial" },
        "snapshot": snapshot.info().id.to_string(),
        "dry_run": dry_run,
        "files": report.files,
        "dirs": report.dirs,
        "others": report.others,
        "bytes": report.bytes,
        "written_bytes": report.written_bytes,
        "unchanged_files": report.unchanged_files,
        "created": report.created,
        "changed": report.changed,
        "errors": report.errors,
        "notes": problems.notes,
        "duration_secs": secs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_where_it_will_be_written() {
        let place = |under: Option<&str>, strip: bool, path: &str| {
            let options = RestoreOptions {
                target: "/t".into(),
                under: under.map(|under| under.as_bytes().to_vec()),
                strip,
                dry_run: false,
                threads: 1,
            };
            place_of(&options, path.as_bytes())
        };
        let path = "files/srv/a.db";
        for (under, strip, expected) in [
            (None, false, Some("/t/files/srv/a.db")),
            (Some("files"), true, Some("/t/srv/a.db")),
            (Some("files"), false, Some("/t/files/srv/a.db")),
            (Some(path), true, Some("/t/a.db")),
            (Some(path), false, Some("/t/files/srv/a.db")),
            (Some("files/sr"), true, None),
            (Some("other"), true, None),
        ] {
            assert_eq!(place(under, strip, path), expected.map(PathBuf::from), "{under:?} {strip}");
        }
    }
}
