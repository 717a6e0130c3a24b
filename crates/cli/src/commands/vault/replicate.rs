//! `vow vault replicate`.

use super::at::At;
use super::peer;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::{self, Task};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use vow_vault::replicate::{ReplicateOptions, Replication};

/// Pull the snapshots of another vault into this one
///
/// This vault verifies everything and keeps its own retention: what is deleted there stays here. The other vault lets this one in
/// by its key: join it once with a token of role `replicate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The other vault: its folder, or https://HOST:PORT#FINGERPRINT
    #[arg(long, value_name = "DIR|URL")]
    from: String,
    /// Objects under way at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    threads: usize,
    /// Say how many snapshots are lacking here, copy nothing
    #[arg(long)]
    dry_run: bool,
}

/// Replicates. Exit code 4 when the other vault contradicts what it showed before, 3 when something could not be copied.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let vault = args.at.open_to_change()?;
    let from = peer::open(&args.from, &vault)?;
    let task = Task::new(cx.ui, "replicating");
    let options =
        ReplicateOptions { threads: args.threads, dry_run: args.dry_run, ..ReplicateOptions::default() };
    let progress = |bytes| {
        task.monitor.counters.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        if task.monitor.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let replicated = vault.replicate(&*from, &options, &progress);
    task.finish();
    let report = replicated?;
    let exit = exit_of(&report);
    cx.ui.json(&summary(&report, args.dry_run, exit));
    print_human(cx, &report, args.dry_run);
    Ok(exit)
}

fn exit_of(report: &Replication) -> Exit {
    if report.contradicted() || report.own_story.is_some() {
        Exit::Problems
    } else if report.stopped {
        Failure::interrupted().exit
    } else if report.failed.is_empty() {
        Exit::Done
    } else {
        Exit::Partial
    }
}

fn print_human(cx: &Context, report: &Replication, dry_run: bool) {
    if let Some(story) = &report.story {
        cx.ui.say(&format!("the other vault: {story}"));
    }
    if let Some(story) = &report.own_story {
        cx.ui.warn(&format!("THIS vault, as the other one has seen it: {story}"));
        if !cx.ui.json {
            ui::diagnose(
                "  next step: find out who put this vault's storage back, and when; what the other one has was copied all the same",
            );
        }
    }
    if report.contradicted() {
        if !cx.ui.json {
            ui::diagnose(
                "  next step: nothing was copied; find out what happened to the other vault before this one follows it again",
            );
        }
        return;
    }
    for (host, snapshot, error) in &report.failed {
        let what =
            snapshot.map_or_else(|| "its snapshots".to_owned(), |id| format!("snapshot {}", id.short()));
        cx.ui.warn(&format!("host {}: {what} could not be copied: {error}", host.short()));
    }
    let hosts = ui::plural(report.hosts, "host");
    cx.ui.say(&match dry_run {
        true => format!("dry run: {hosts}, {} lacking here", ui::plural(report.lacking, "snapshot")),
        false => format!(
            "{hosts}, {} copied ({}), {} still lacking",
            ui::plural(report.copied.snapshots, "snapshot"),
            ui::bytes(report.copied.bytes),
            ui::count(report.lacking)
        ),
    });
}

fn summary(report: &Replication, dry_run: bool, exit: Exit) -> Value {
    let failed: Vec<_> = report
        .failed
        .iter()
        .map(|(host, snapshot, error)| {
            json!({
                "host": host.to_string(),
                "snapshot": snapshot.map(|id| id.to_string()),
                "error": error.to_string(),
            })
        })
        .collect();
    json!({
        "message_type": "summary",
        "status": match exit { Exit::Done => "ok", Exit::Partial => "partial", Exit::Problems => "problems", _ => "failed" },
        "dry_run": dry_run,
        "hosts": report.hosts,
        "snapshots": report.copied.snapshots,
        "packs": report.copied.packs,
        "bytes": report.copied.bytes,
        "lacking": report.lacking,
        "failed": failed,
        "story": report.story.as_ref().map(ToString::to_string),
        "own_story": report.own_story.as_ref().map(ToString::to_string),
        "contradicted": report.contradicted(),
    })
}
