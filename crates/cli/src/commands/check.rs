//! `vow check`.

use crate::app::Context;
use crate::evidence::Evidence;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, UNTRUE};
use crate::hostkeys;
use crate::level;
use crate::reading::{Need, Place, ReadArgs, Reading};
use crate::ui::{self, Task, plain};
use serde_json::{Value, json};
use vow_agent::plan::VaultPlan;
use vow_base::ObjectId;
use vow_store::check::{CheckOptions, CheckReport, check};

/// Check that vaults hold everything their snapshots need, undamaged
///
/// Works without an identity; with one it also opens every listing. Exit code 4 when anything is wrong.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Read every object and compare it with its name, and with an identity every record with its id
    #[arg(long)]
    read_data: bool,
    #[command(flatten)]
    read: ReadArgs,
}

const SNAPSHOTS_SHOWN: usize = 8;

/// Checks.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let reading = Reading::open(cx, &args.read, Need::Optional)?;
    let options = CheckOptions { read_data: args.read_data, ..CheckOptions::default() };
    let mut reports = Vec::new();
    for place in &reading.places {
        let task = Task::new(cx.ui, &format!("checking {}", place.name));
        let checked = check(&place.archive, &options, &task.monitor);
        let problems = task.finish();
        match checked.map_err(Failure::from) {
            Ok(report) => reports.push((place, Ok(report))),
            Err(failure) if matches!(failure.exit, Exit::Signal(_)) => return Err(failure),
            Err(failure) => {
                problems.lines(SNAPSHOTS_SHOWN).iter().for_each(|line| cx.ui.warn(line));
                reports.push((place, Err(failure)));
            }
        }
    }
    for (place, report) in &reports {
        match report {
            Ok(report) => print_human(cx, place, report, args.read_data),
            Err(failure) => {
                cx.ui.warn(&format!("{}: {}", place.name, failure.line()));
                if let Some(hint) = &failure.hint {
                    ui::diagnose(&format!("  next step: {hint}"));
                }
            }
        }
    }
    let findings = contradictions(&reading);
    for (name, failure) in &findings {
        cx.ui.warn(&format!("{name} contradicts itself: {}", failure.line()));
        if let Some(hint) = &failure.hint {
            ui::diagnose(&format!("  next step: {hint}"));
        }
    }
    let exit = if findings.is_empty() { exit_of(&reading, &reports) } else { Exit::Problems };
    let mut summary = summary(&reading, &reports, exit);
    let finding = |(level, failure): &(String, Failure)| json!({"level": level, "message": failure.line(), "hint": failure.hint});
    summary["findings"] = findings.iter().map(finding).collect();
    cx.ui.json(&summary);
    Ok(exit)
}

/// Vaults that do not show any more what they signed for this host; on the host itself, which holds their receipts.
fn contradictions(reading: &Reading) -> Vec<(String, Failure)> {
    let Some((config, keys)) =
        reading.config.as_ref().and_then(|config| Some((config, hostkeys::load(config).ok()?)))
    else {
        return Vec::new();
    };
    let host = keys.signing.public().host_id();
    let one = |plan: &VaultPlan| {
        let level = level::open_as_host(plan, &keys.signing).ok()?;
        let mut evidence = Evidence::load(&config.state, &plan.name, host).ok()?;
        evidence.compare(&*level.notary, plan.fingerprint.is_some()).ok()?;
        Some((plan.name.clone(), evidence.contradiction()?))
    };
    let read = |plan: &&VaultPlan| reading.places.iter().any(|place| place.name == plan.name);
    config.vaults.iter().filter(read).filter_map(one).collect()
}

type Checked<'r> = (&'r Place, Result<CheckReport, Failure>);

fn is_wrong(report: &CheckReport) -> bool {
    !(report.damaged.is_empty() && report.ledger.is_empty())
}

/// Damage weighs most, then what could not be checked, then what an identity did not open.
fn exit_of(reading: &Reading, reports: &[Checked<'_>]) -> Exit {
    let checked: Vec<_> = reports.iter().filter_map(|(_, report)| report.as_ref().ok()).collect();
    if checked.iter().any(|report| is_wrong(report)) {
        return Exit::Problems;
    }
    if let Some(failure) = reports.iter().find_map(|(_, report)| report.as_ref().err()) {
        return failure.exit;
    }
    let opened_none = |report: &&CheckReport| report.listings == 0 && !report.unopened.is_empty();
    if checked.iter().any(opened_none) {
        return Exit::Identity;
    }
    let gaps = |report: &&CheckReport| !report.unopened.is_empty();
    if !reading.unreachable.is_empty() || checked.iter().any(gaps) {
        return Exit::Partial;
    }
    Exit::Done
}

fn print_human(cx: &Context, place: &Place, report: &CheckReport, read_data: bool) {
    let ui = cx.ui;
    let depth = match (read_data, place.archive.has_identity()) {
        (true, _) => format!("{} of {} read", ui::count(report.packs_read), ui::plural(report.packs, "pack")),
        (false, _) => format!("{} there; --read-data reads them", ui::plural(report.packs, "pack")),
    };
    let listings = match place.archive.has_identity() {
        true => format!("{} opened", ui::plural(report.listings, "listing")),
        false => "listings not opened (no identity)".to_owned(),
    };
    let verdict = match report.damaged.len() {
        0 => "no damage".to_owned(),
        damaged => format!("{damaged} DAMAGED"),
    };
    ui.say(&format!(
        "{}: {verdict}; {}, {listings}, {depth}, {}",
        place.name,
        ui::plural(report.snapshots, "snapshot"),
        ui::bytes(report.stored_bytes),
    ));
    for damage in &report.damaged {
        ui.warn(&format!("{}: {} {}: {}", place.name, damage.kind, damage.id, plain(&damage.reason)));
        if !damage.snapshots.is_empty() {
            ui::diagnose(&format!("  affects {}", shorts(&damage.snapshots)));
        }
    }
    for text in &report.ledger {
        ui.warn(&format!("{}: {}", place.name, plain(text)));
        ui::diagnose(&format!("  next step: {UNTRUE}"));
    }
    if !report.damaged.is_empty() {
        ui::diagnose(
            "  next step: leave this vault as it is; restore the snapshots affected from another vault (--vault NAME), and run \
             `vow backup`: it sends again what is missing",
        );
    }
    if !report.unopened.is_empty() {
        ui.warn(&format!("{}: the identity does not open {}", place.name, shorts(&report.unopened)));
    }
    for host in &report.untrusted {
        ui.note(&format!("{}: not checked, its key is not known here: {}", place.name, plain(host)));
    }
}

fn shorts(ids: &[ObjectId]) -> String {
    let shown: Vec<_> = ids.iter().take(SNAPSHOTS_SHOWN).map(ObjectId::short).collect();
    let more = ids.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("snapshot {}{rest}", shown.join(", "))
}

fn summary(reading: &Reading, reports: &[Checked<'_>], exit: Exit) -> Value {
    let sum = |number: fn(&CheckReport) -> u64| -> u64 {
        reports.iter().filter_map(|(_, report)| report.as_ref().ok()).map(number).sum()
    };
    let vaults: Vec<_> = reports
        .iter()
        .map(|(place, report)| match report {
            Ok(report) => vault_value(&place.name, report),
            Err(failure) => json!({"name": place.name, "status": "failed", "error": failure.line()}),
        })
        .chain(reading.unreachable.iter().map(|(name, failure)| {
            json!({"name": name, "status": "failed", "error": failure.line(), "hint": failure.hint})
        }))
        .collect();
    let status = match exit {
        Exit::Done => "ok",
        Exit::Partial => "partial",
        Exit::Problems => "problems",
        _ => "failed",
    };
    json!({
        "message_type": "summary",
        "status": status,
        "snapshots": sum(|report| report.snapshots),
        "listings": sum(|report| report.listings),
        "packs": sum(|report| report.packs),
        "packs_read": sum(|report| report.packs_read),
        "bytes": sum(|report| report.stored_bytes),
        "damaged": sum(|report| report.damaged.len() as u64),
        "errors": sum(|report| (report.damaged.len() + report.ledger.len() + report.unopened.len()) as u64),
        "vaults": vaults,
    })
}

fn vault_value(name: &str, report: &CheckReport) -> Value {
    let ids = |ids: &[ObjectId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let damaged: Vec<_> = report
        .damaged
        .iter()
        .map(|damage| {
            json!({
                "kind": damage.kind.to_string(),
                "id": damage.id.to_string(),
                "reason": damage.reason,
                "snapshots": ids(&damage.snapshots),
            })
        })
        .collect();
    json!({
        "name": name,
        "status": if is_wrong(report) { "problems" } else { "ok" },
        "snapshots": report.snapshots,
        "listings": report.listings,
        "packs": report.packs,
        "packs_read": report.packs_read,
        "bytes": report.stored_bytes,
        "damaged": damaged,
        "ledger": report.ledger,
        "unopened": ids(&report.unopened),
        "untrusted": report.untrusted,
    })
}
