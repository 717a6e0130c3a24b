//! `vow audit`.

mod checks;
mod exclusions;

pub(crate) use checks::MOVE_IT;

use crate::app::Context;
use crate::backing::Levels;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::looking::Look;
use crate::ui::{self, Table, plain, plural};
use crate::{hostkeys, reporting};
use serde_json::{Value, json};
use vow_agent::audit::{Finding, Severity, apply, nest, settle};
use vow_agent::plan::Config;
use vow_protocol::report::Body;

/// Hold what is on this host against its plan: is everything covered, do the keys fit, are the vaults still write-only
///
/// Every folder, mount, service, database, web root and volume is covered by a source, accepted by a [[waiver]] of vow.toml, or a
/// finding; the lines that would close it are offered. Every vault behind an address is attacked with this host's own key: deleting,
/// overwriting, reading, listing, other hosts' folders. Findings end with exit code 4.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Look only at this host, contact no vault
    #[arg(long)]
    offline: bool,
}

/// How far an audit looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// At the whole machine, its plan, and the vaults.
    Everything,
    /// The same, but contacts no vault.
    Offline,
    /// At the plan and the vaults; not at what else is on the machine, which takes its time.
    Plan,
}

/// What an audit found.
pub(crate) struct Audited {
    /// What is to be closed or accepted, the worst first.
    pub(crate) open: Vec<Finding>,
    waived: Vec<Finding>,
    notes: Vec<String>,
    exclusions: Vec<exclusions::Exclusion>,
    /// All of it, for programs.
    pub(crate) document: Value,
}

/// Audits.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let audited = audit(cx, &config, if args.offline { Scope::Offline } else { Scope::Everything })?;
    reporting::post(cx.ui, &config);
    cx.ui.json(&audited.document);
    print(cx, &audited.open, &audited.waived, &audited.notes, &audited.exclusions);
    Ok(if audited.open.is_empty() { Exit::Done } else { Exit::Problems })
}

/// Looks, judges, and keeps the report of it for the console.
pub(crate) fn audit(cx: &Context, config: &Config, scope: Scope) -> Outcome<Audited> {
    let watch = std::time::Instant::now();
    let keys = hostkeys::load(config)?;
    let look = (scope != Scope::Plan).then(|| Look::new(Some(config))).transpose()?;
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(look) = &look {
        findings.extend(look.ledger.iter().filter_map(vow_agent::audit::Entry::finding));
        findings.extend(checks::databases(look));
        findings.extend(checks::servers(look));
    }
    findings.extend(checks::last_runs(config));
    findings.extend(checks::recovery_key(config));
    let mut attacks = Vec::new();
    if scope == Scope::Offline {
        findings.extend(checks::recipients(config, &Levels::remembered(config)));
    } else {
        let levels = Levels::open(config, &keys.signing);
        findings.extend(checks::recipients(config, &levels.newest_manifests()));
        findings.extend(checks::levels(config, &levels));
        let (found, tried) = checks::attacks(config, &keys.signing, &levels);
        findings.extend(found);
        attacks = tried;
    }
    nest(&mut findings);
    let mut notes = apply(&mut findings, &config.waivers, jiff::Zoned::now().date());
    notes.extend(look.iter().flat_map(|look| look.notes.iter().cloned()));
    findings.sort_by(|a, b| (b.severity, &a.finding).cmp(&(a.severity, &b.finding)));
    let exclusions = if look.is_some() { exclusions::of(config) } else { Vec::new() };
    let (waived, mut open): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.waived.is_some());
    settle(&mut open, config.sources.iter().map(|source| source.name.as_str()));
    let document = json!({
        "message_type": "summary",
        "status": if open.is_empty() { "ok" } else { "problems" },
        "findings": open,
        "waived": waived,
        "notes": notes,
        "ledger": look.as_ref().map(|look| look.ledger.as_slice()).unwrap_or_default(),
        "exclusions": exclusions.iter().map(exclusions::Exclusion::value).collect::<Vec<_>>(),
        "attacks": attacks,
        "unseen": look.as_ref().map(|look| look.inventory.unseen.as_slice()).unwrap_or_default(),
        "seconds": watch.elapsed().as_secs_f64(),
    });
    if let Some(look) = &look {
        keep(cx, config, look, &document);
    }
    Ok(Audited { open, waived, notes, exclusions, document })
}

/// Keeps it for the console, when there is one. An audit that did not look at the machine is not kept: it would take the place of one that did.
fn keep(cx: &Context, config: &Config, look: &Look<'_>, audit: &Value) {
    let is_uncovered = |cover| u64::from(matches!(cover, super::discover::Cover::Nobody));
    let uncovered = look.databases().map(|(_, _, cover)| is_uncovered(cover)).sum();
    reporting::keep(cx.ui, config, Body::Inventory(Box::new(look.document(uncovered))));
    reporting::keep(cx.ui, config, Body::Audit(Box::new(audit.clone())));
}

fn print(
    cx: &Context,
    open: &[Finding],
    waived: &[Finding],
    notes: &[String],
    exclusions: &[exclusions::Exclusion],
) {
    if cx.ui.json {
        return;
    }
    for finding in open {
        let word = match finding.severity {
            Severity::Critical => "CRITICAL",
            Severity::High => "high",
            Severity::Low => "low",
        };
        cx.ui.line(&format!("{word}: {} [{}]", plain(&finding.text), plain(&finding.finding)));
        cx.ui.say(&format!("  next step: {}", plain(&finding.hint)));
        let offer = finding.offer.as_ref().map(ToString::to_string);
        for line in offer.iter().flat_map(|offer| offer.lines()) {
            cx.ui.say(&format!("    {}", plain(line)));
        }
    }
    for finding in waived {
        if let Some(waived) = &finding.waived {
            let (text, reason, by) = (plain(&finding.text), plain(&waived.reason), plain(&waived.by));
            cx.ui.say(&format!("accepted until {}: {text} ({reason}, {by})", waived.until));
        }
    }
    if !exclusions.is_empty() {
        let mut table = Table::new(&["source", "pattern", "files", "bytes", "newest"], &[2, 3]);
        exclusions.iter().for_each(|exclusion| table.row(exclusion.row()));
        cx.ui.say("left out by patterns:");
        table.lines().iter().for_each(|line| cx.ui.say(line));
    }
    notes.iter().for_each(|note| cx.ui.warn(&plain(note)));
    match open.len() as u64 {
        0 => cx.ui.say("nothing was found that is not covered, accepted or refused"),
        found => ui::diagnose(&format!("{} to close or to accept", plural(found, "finding"))),
    }
}
