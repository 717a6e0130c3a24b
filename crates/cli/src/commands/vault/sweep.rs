//! `vow vault sweep`.

use super::at::At;
use super::naming::Names;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::{self, Task};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use vow_vault::retention::{Report, expiring_table};
use vow_vault::sweep::{HostSwept, Stopped, SweepOptions, SweepReport, Tally};

/// Let expire what retention no longer keeps, and delete what nothing names any more
///
/// In steps: expired snapshots count no more; what only they named is condemned, and deleted after a grace, by a later sweep. A vault
/// that is served does this by itself every day.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Say what would be done and why, change nothing
    #[arg(long)]
    dry_run: bool,
    /// I have looked at the vault's clock, and it is right
    #[arg(long)]
    accept_clock: bool,
    /// I have seen the plan: sweep also hosts of which it takes away more than the rules' share
    #[arg(long)]
    despite_brake: bool,
    /// I know that objects are lacking: sweep those hosts too
    #[arg(long)]
    despite_lacking: bool,
}

/// Sweeps. Exit code 4 when a person has to look.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let vault = if args.dry_run { args.at.open()? } else { args.at.open_to_change()? };
    if args.accept_clock && !args.dry_run {
        vault.accept_clock()?;
    }
    let task = Task::new(cx.ui, "sweeping");
    let options = SweepOptions {
        dry_run: args.dry_run,
        despite_brake: args.despite_brake,
        despite_lacking: args.despite_lacking,
    };
    let progress = |objects| {
        task.monitor.counters.packs.store(objects, Ordering::Relaxed);
        if task.monitor.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let swept = vault.sweep(&options, &progress);
    task.finish();
    let report = swept?;
    if report.stopped == Some(Stopped::Asked) {
        return Err(Failure::interrupted());
    }
    let exit = if report.needs_attention() { Exit::Problems } else { Exit::Done };
    cx.ui.json(&summary(&report, args.dry_run, exit));
    if args.dry_run {
        cx.ui.say("dry run: nothing was changed. A sweep now would come to this:");
    }
    if args.dry_run && report.plan.expired().next().is_some() {
        let names = Names::of(&vault)?;
        cx.ui.say(&format!("{}\n", expiring_table(&report.plan, |host| names.of_host(host)).trim_end()));
    }
    cx.ui.say(report.summary().trim_end());
    if exit == Exit::Problems && !cx.ui.json {
        ui::diagnose(&format!("  next step: {}", advice(&report)));
    }
    Ok(exit)
}

fn advice(report: &SweepReport) -> &'static str {
    match &report.stopped {
        Some(Stopped::Clock(_)) => {
            "look at the clock of this machine; when it is right, run `vow vault sweep --accept-clock`"
        }
        Some(Stopped::Asked) | None if report.hosts.iter().any(|host| host.held.is_some()) => {
            "look at what is to go with `vow vault sweep --dry-run`; when that is right, run `vow vault sweep --despite-brake`"
        }
        Some(Stopped::Asked) | None => {
            "run `vow vault scrub`: it says what is damaged or missing, and heals from other vaults"
        }
    }
}

fn summary(report: &SweepReport, dry_run: bool, exit: Exit) -> Value {
    let hosts: Vec<_> = report.hosts.iter().map(host).collect();
    let held = || report.hosts.iter().find_map(|host| host.held.as_ref().map(ToString::to_string));
    json!({
        "message_type": "summary",
        "status": if exit == Exit::Done { "ok" } else { "problems" },
        "dry_run": dry_run,
        "hosts": hosts,
        "resumed": report.resumed,
        "leftovers": report.leftovers,
        "stopped": report.stopped.as_ref().map(ToString::to_string).or_else(held),
        "plan": serde_json::to_value(Report::new(&report.plan)).unwrap_or_default(),
    })
}

fn host(host: &HostSwept) -> Value {
    let tally = |tally: Tally| json!({"objects": tally.objects, "bytes": tally.bytes});
    json!({
        "host": host.host.to_string(),
        "tenant": host.tenant,
        "name": host.name,
        "held": host.held.as_ref().map(ToString::to_string),
        "expired": host.expired,
        "objects": tally(host.objects),
        "condemned": tally(host.condemned),
        "deleted": tally(host.deleted),
        "locked": host.locked,
        "unreceipted": host.unreceipted,
        "lacking": host.lacking.as_ref().map(|lacking| lacking.count),
    })
}
