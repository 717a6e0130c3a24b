//! What `vow up` says at the end of a cycle.

use super::cycle::{Cycle, made};
use crate::app::Context;
use crate::backing::summary;
use crate::commands::audit::Audited;
use crate::commands::drill::Proven;
use crate::exit::Exit;
use crate::layout;
use crate::ui::{self, plain, plural};
use serde_json::{Value, json};
use std::path::Path;
use vow_agent::audit::Severity;
use vow_agent::plan::Config;
use vow_protocol::report::Verdict;

const PROBLEMS_SHOWN: usize = 10;
const FINDINGS_SHOWN: usize = 10;

/// Everything there is to say.
pub(super) struct Report<'r> {
    pub(super) config: &'r Config,
    pub(super) dir: &'r Path,
    pub(super) cycle: &'r Cycle,
    pub(super) once: bool,
}

pub(super) fn print(cx: &Context, report: &Report<'_>) {
    cx.ui.json(&value(report));
    if cx.ui.json {
        return;
    }
    let cycle = report.cycle;
    cycle.proofs.iter().for_each(|proof| print_proof(cx, proof));
    if cycle.proofs.is_empty() {
        cx.ui.say(&format!("NOTHING WAS PROVEN: {}", why_nothing(cycle)));
    }
    if let Some(audit) = &cycle.audit {
        print_audit(cx, report, audit);
    }
    let file = report.config.file.display();
    let kit = layout::recovery_file(report.dir);
    if kit.exists() {
        print_kit(cx, &kit);
    }
    let source = report.config.sources.first().map_or("SOURCE", |source| source.name.as_str());
    cx.ui.say(&format!(
        "restore with: vow --config {file} restore {source}@latest --target DIR --identity FILE"
    ));
    cx.ui.say(&format!("the plan is {file}: more sources and vaults can be added there"));
    if report.once {
        cx.ui.say(
            "nothing runs from now on: `vow up` stays and shows a page, `vow agent` does what the plan says",
        );
    }
}

fn why_nothing(cycle: &Cycle) -> &'static str {
    if matches!(cycle.exit, Exit::Signal(_)) {
        "it was interrupted. Run it again: it goes on from here"
    } else if made(&cycle.run).next().is_none() {
        "no vault has taken a snapshot; the lines above say why, and what to do"
    } else {
        "without the identity nothing can be restored. To prove it: bring the recovery key to this machine and run \
         `vow up --identity FILE`"
    }
}

/// The secret itself is not printed: terminals are recorded, scrolled back, and shared.
fn print_kit(cx: &Context, kit: &Path) {
    cx.ui.say(&format!("recovery key: {}", kit.display()));
    cx.ui.say(
        "  PUT IT AWAY NOW: it opens every backup, and without it nobody can restore. Copy the file to two safe places off this machine\n  \
         (a password safe, a stick in a drawer, a printed page: it is text), look that the copies can be read, then remove it here:",
    );
    cx.ui.say(&format!("    shred -u {}", kit.display()));
}

fn print_proof(cx: &Context, proof: &Proven) {
    let (source, level, report) = (&proof.source, &proof.level, &proof.drilled.report);
    let problems = &proof.drilled.problems;
    if !problems.is_empty() {
        let count = plural(problems.len() as u64, "thing");
        cx.ui.warn(&format!("{source} on {level}: {count} not as they should be:"));
        problems.iter().take(PROBLEMS_SHOWN).for_each(|text| ui::diagnose(&format!("  {}", plain(text))));
        ui::diagnose("  next step: run `vow check --read-data`, and back up again");
    }
    for why in &report.blocked {
        cx.ui.warn(&format!("{source} on {level} could not be tried here: {}", plain(why)));
    }
    let verdict = if report.verdict == Verdict::Proven { "PROVEN" } else { "NOT PROVEN" };
    let what = if report.source_type == "files" || report.source_type.is_empty() {
        format!(
            "{}, {}, restored and compared byte for byte; the whole is {}, {}",
            plural(report.files_read, "file"),
            ui::bytes(proof.drilled.bytes_read),
            plural(report.files, "file"),
            ui::bytes(report.bytes),
        )
    } else {
        format!(
            "restored into a scratch server, {} compared and right; restoring took {}",
            ui::count(report.compared),
            ui::duration(report.restore_secs)
        )
    };
    cx.ui.say(&format!("{verdict}: {source} on {level}: {what}"));
}

fn print_audit(cx: &Context, report: &Report<'_>, audit: &Audited) {
    let whole = report.cycle.whole_audit;
    let looked = if whole { "this machine, the plan and the vaults" } else { "the plan and the vaults" };
    match audit.open.len() as u64 {
        0 => cx.ui.say(&format!("AUDITED: {looked}: nothing to close")),
        found => {
            cx.ui.say(&format!("AUDITED: {looked}: {} to close or to accept:", plural(found, "finding")))
        }
    }
    for finding in audit.open.iter().take(FINDINGS_SHOWN) {
        let word = match finding.severity {
            Severity::Critical => "CRITICAL",
            Severity::High => "high",
            Severity::Low => "low",
        };
        cx.ui.say(&format!("  {word}: {}", plain(&finding.text)));
    }
    let more = audit.open.len().saturating_sub(FINDINGS_SHOWN);
    if more > 0 {
        cx.ui.say(&format!("  … and {more} more"));
    }
    if !audit.open.is_empty() || !whole {
        let file = report.config.file.display();
        cx.ui.say(&format!("  next step: `vow --config {file} audit` says of each what closes it"));
    }
}

/// The summary of a backup, and what was proven and found.
fn value(report: &Report<'_>) -> Value {
    let cycle = report.cycle;
    let mut value = summary(&cycle.run);
    let kit = layout::recovery_file(report.dir);
    let sum = |number: fn(&Proven) -> u64| cycle.proofs.iter().map(number).sum::<u64>();
    let more = json!({
        "proofs": cycle.proofs.iter().map(proof_value).collect::<Vec<_>>(),
        "proven": cycle.exit == Exit::Done,
        "files": sum(|proof| proof.drilled.report.files_read),
        "bytes": sum(|proof| proof.drilled.bytes_read),
        "audit": cycle.audit.as_ref().map(|audit| json!({
            "whole": cycle.whole_audit,
            "status": audit.document["status"],
            "findings": audit.document["findings"],
        })),
        "recovery_key": kit.exists().then(|| kit.to_string_lossy().into_owned()),
        "config": report.config.file.to_string_lossy(),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    let status = match cycle.exit {
        Exit::Done => "ok",
        Exit::Partial => "partial",
        _ => "failed",
    };
    value["status"] = status.into();
    value
}

/// Scripts read `status`, `compared` and `problems`: `ok` is what `vow drill` calls proven.
fn proof_value(proof: &Proven) -> Value {
    let report = &proof.drilled.report;
    json!({
        "source": proof.source,
        "level": proof.level,
        "status": match report.verdict {
            Verdict::Proven => "ok",
            Verdict::Blocked => "blocked",
            Verdict::Failed | Verdict::Broken => "failed",
        },
        "compared": report.compared,
        "bytes": proof.drilled.bytes_read,
        "of_files": report.files,
        "of_bytes": report.bytes,
        "problems": proof.drilled.problems,
        "blocked": report.blocked,
        "restore_secs": report.restore_secs,
    })
}
