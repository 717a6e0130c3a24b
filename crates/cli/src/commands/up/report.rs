//! What `vow up` says at the end.

use crate::app::Context;
use crate::backing::{Run, summary};
use crate::exit::Exit;
use crate::layout;
use crate::proof::Proof;
use crate::ui;
use serde_json::{Value, json};
use std::path::Path;
use vow_agent::plan::Config;

const PROBLEMS_SHOWN: usize = 10;

/// Everything there is to say.
pub(super) struct Report<'r> {
    pub(super) config: &'r Config,
    pub(super) dir: &'r Path,
    pub(super) run: &'r Run,
    pub(super) proofs: &'r [Proof],
    pub(super) exit: Exit,
}

pub(super) fn print(cx: &Context, report: &Report<'_>) {
    cx.ui.json(&value(report));
    if cx.ui.json {
        return;
    }
    for proof in report.proofs {
        print_proof(cx, proof);
    }
    if report.proofs.is_empty() {
        cx.ui.say(
            "NOTHING WAS PROVEN: without the identity nothing can be restored. \
             To prove it: bring the recovery key to this machine and run `vow up --identity FILE`",
        );
    }
    let kit = layout::recovery_file(report.dir);
    if kit.exists() {
        cx.ui.say(&format!("recovery key: {}", kit.display()));
        cx.ui
            .say("  next step: copy it to two safe places and remove it here; without it nobody can restore");
    }
    let file = report.config.file.display();
    cx.ui
        .say(&format!("restore with: vow --config {file} restore files@latest --target DIR --identity FILE"));
    cx.ui.say(&format!("more sources and vaults can be added in {file}"));
}

fn print_proof(cx: &Context, proof: &Proof) {
    let (source, level) = (&proof.source, &proof.level);
    if !proof.problems.is_empty() {
        cx.ui.warn(&format!(
            "{source} on {level}: {} not as they should be:",
            ui::plural(proof.problems.len() as u64, "file")
        ));
        for problem in proof.problems.iter().take(PROBLEMS_SHOWN) {
            ui::diagnose(&format!("  {}: {}", problem.path, ui::plain(&problem.text)));
        }
        ui::diagnose("  next step: run `vow check --read-data`, and back up again");
    }
    let verdict = if proof.holds() { "PROVEN" } else { "NOT PROVEN" };
    cx.ui.say(&format!(
        "{verdict}: {source} on {level}: {}, {}, restored and compared byte for byte; the whole is {}, {}",
        ui::plural(proof.compared, "file"),
        ui::bytes(proof.bytes),
        ui::plural(proof.of_files, "file"),
        ui::bytes(proof.of_bytes),
    ));
    if proof.changed_since > 0 {
        cx.ui.say(&format!(
            "  {} changed since the backup and prove nothing",
            ui::plural(proof.changed_since, "file")
        ));
    }
}

/// The summary of a backup, and what was proven of it.
fn value(report: &Report<'_>) -> Value {
    let mut value = summary(report.run);
    let kit = layout::recovery_file(report.dir);
    let proofs: Vec<_> = report.proofs.iter().map(Proof::value).collect();
    let sum = |number: fn(&Proof) -> u64| report.proofs.iter().map(number).sum::<u64>();
    let more = json!({
        "proofs": proofs,
        "proven": report.exit == Exit::Done,
        "files": sum(|proof| proof.compared),
        "bytes": sum(|proof| proof.bytes),
        "recovery_key": kit.exists().then(|| kit.to_string_lossy().into_owned()),
        "config": report.config.file.to_string_lossy(),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    let status = match report.exit {
        Exit::Done => "ok",
        Exit::Partial => "partial",
        _ => "failed",
    };
    value["status"] = status.into();
    value
}
