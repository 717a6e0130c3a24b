//! `vow vault scrub`.

use super::at::At;
use super::peer;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{self, Task, plain};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use vow_base::vault::Retrieve;
use vow_vault::scrub::{Found, Outcome as Became, ScrubOptions, ScrubReport};
use vow_vault::storage::s3::Hidden;

/// Read everything again, move damage aside, and heal it from other vaults
///
/// Nothing is repaired by deleting: what is damaged goes to the vault's quarantine. A vault that is served does this by itself,
/// a part at a time.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Heal from this vault: its folder, or https://HOST:PORT#FINGERPRINT; may be given several times
    #[arg(long, value_name = "DIR|URL")]
    from: Vec<String>,
    /// Look only: move and heal nothing
    #[arg(long)]
    dry_run: bool,
    /// Objects read at once [default: one per processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
}

/// Scrubs. Exit code 4 when a kept snapshot needs what nobody could heal.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let vault = if args.dry_run { args.at.open()? } else { args.at.open_to_change()? };
    let levels = args.from.iter().map(|from| peer::open(from, &vault)).collect::<Outcome<Vec<_>>>()?;
    let levels: Vec<&dyn Retrieve> = levels.iter().map(|level| &**level as &dyn Retrieve).collect();
    let task = Task::new(cx.ui, "scrubbing");
    let options = ScrubOptions { dry_run: args.dry_run, threads: args.threads, ..ScrubOptions::default() };
    let progress = |bytes| {
        task.monitor.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        if task.monitor.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let scrubbed = vault.scrub(&levels, &options, &progress);
    let hidden = args.at.bucket()?.map(|bucket| bucket.storage.hidden()).transpose();
    let interrupted = task.monitor.is_cancelled();
    task.finish();
    let (report, hidden) = (scrubbed?, hidden?.unwrap_or_default());
    let open = report.open().count();
    let exit = match (interrupted, open + hidden.len()) {
        (true, _) => crate::failure::Failure::interrupted().exit,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Problems,
    };
    cx.ui.json(&summary(&report, &hidden, args.dry_run, exit));
    for found in &report.found {
        cx.ui.warn(&line(found));
    }
    hidden.iter().for_each(|hidden| cx.ui.warn(&plain(&hidden.to_string())));
    cx.ui.say(&format!(
        "{}, {} read; {} found damaged or missing, {open} of them needed and not healed",
        ui::plural(report.objects, "object"),
        ui::bytes(report.bytes),
        ui::plural(report.found.len() as u64, "object"),
    ));
    if !hidden.is_empty() && !cx.ui.json {
        ui::diagnose(
            "  next step: change the credentials of the bucket and find out who had them; a version that hides another can be deleted",
        );
    }
    if open > 0 && !cx.ui.json {
        ui::diagnose(
            "  next step: heal from a vault that has them (--from DIR), or let the hosts run `vow backup`: they send again what they still have",
        );
    }
    Ok(exit)
}

fn became(found: &Found) -> &'static str {
    match found.outcome {
        Became::Healed => "healed",
        Became::Quarantined => "quarantined",
        Became::Left => "left",
    }
}

fn line(found: &Found) -> String {
    let (kind, id) = found.object;
    let needed = if found.needed { "a kept snapshot needs it" } else { "no kept snapshot needs it" };
    format!("host {}: {kind} {id}: {}; {needed}; {}", found.host.short(), plain(&found.reason), became(found))
}

fn summary(report: &ScrubReport, hidden: &[Hidden], dry_run: bool, exit: Exit) -> Value {
    let found: Vec<_> = report
        .found
        .iter()
        .map(|found| {
            let (kind, id) = found.object;
            json!({
                "host": found.host.to_string(), "kind": kind.folder(), "id": id.to_string(), "reason": found.reason,
                "needed": found.needed, "outcome": became(found),
            })
        })
        .collect();
    json!({
        "message_type": "summary",
        "status": match exit { Exit::Done => "ok", Exit::Problems => "problems", _ => "failed" },
        "dry_run": dry_run,
        "objects": report.objects,
        "bytes": report.bytes,
        "found": found,
        "open": report.open().count(),
        "hidden": hidden.iter().map(|hidden| json!({
            "name": hidden.name, "version": hidden.stat.version, "by_marker": hidden.by_marker,
        })).collect::<Vec<_>>(),
    })
}
