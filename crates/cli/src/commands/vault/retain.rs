//! `vow vault retain`.

use super::at::At;
use super::naming::Names;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vow_base::disk::{Disk, RealDisk};
use vow_vault::Vault;
use vow_vault::retention::{Plan, Policy, Report, TEXT_LIMIT_BYTES, table};

/// Show which snapshots retention keeps and which it lets expire, with every reason; or show or set its rules
///
/// Nothing expires here: `vow vault sweep` carries the plan out. To change the rules: `vow vault retain --rules > FILE`, edit the file, look
/// at what it would do with `--set FILE --dry-run`, then `--set FILE --note TEXT`. A rule that the file leaves out has its default.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Print the rules in force, as --set reads them
    #[arg(long, conflicts_with = "set")]
    rules: bool,
    /// Set the rules to the text of this file; looser ones work at once, tighter ones after a delay
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// With --set: why, and who says so; it stands in the ledger
    #[arg(long, value_name = "TEXT", requires = "set")]
    note: Option<String>,
    /// With --set: show what these rules alone would keep and let expire; set nothing
    #[arg(long, requires = "set")]
    dry_run: bool,
}

/// Shows the plan, or the rules.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    if let Some(file) = &args.set {
        return set(cx, args, file);
    }
    let vault = args.at.open()?;
    if args.rules {
        let rules = vault.policy()?.to_string();
        cx.ui.json(&json!({"message_type": "rules", "rules": rules}));
        cx.ui.line(rules.trim_end());
        return Ok(Exit::Done);
    }
    let plan = vault.retention_plan()?;
    cx.ui.json(&document(&plan));
    show(cx, &vault, &plan)?;
    Ok(Exit::Done)
}

fn document(plan: &Plan) -> Value {
    let mut report = serde_json::to_value(Report::new(plan)).unwrap_or_default();
    if let Value::Object(report) = &mut report {
        report.insert("message_type".into(), "retention".into());
    }
    report
}

fn show(cx: &Context, vault: &Vault, plan: &Plan) -> Outcome<()> {
    let names = Names::of(vault)?;
    cx.ui.line(table(plan, |host| names.of_host(host)).trim_end());
    Ok(())
}

fn set(cx: &Context, args: &Args, file: &Path) -> Outcome<Exit> {
    let text = RealDisk.read(file, TEXT_LIMIT_BYTES as u64)?;
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("{}: {why}", file.display()))
            .hint("docs/vault.md, \"Retention\", has the rules; nothing was changed")
    };
    let text = String::from_utf8(text).map_err(|_| wrong("it is not text".into()))?;
    let policy = Policy::parse(&text).map_err(|bad| wrong(bad.to_string()))?;
    if args.dry_run {
        let vault = args.at.open()?;
        let plan = vault.retention_plan_by(&policy)?;
        let mut document = document(&plan);
        document["dry_run"] = true.into();
        cx.ui.json(&document);
        show(cx, &vault, &plan)?;
        cx.ui.say(&format!(
            "nothing was set. This is what these rules alone would do; set, they take nothing away that those in force keep, for {}",
            vault.policy()?.rules("").tighten_after
        ));
        return Ok(Exit::Done);
    }
    let note = args.note.as_deref().map(str::trim).filter(|note| !note.is_empty()).ok_or_else(|| {
        Failure::new(Exit::Usage, "a change of the rules needs a note")
            .hint("say why, and who says so: --note TEXT; or look first with --dry-run")
    })?;
    let vault: Vault = args.at.open_to_change()?;
    let before = vault.policy()?.rules("").tighten_after;
    let position = vault.set_rules(&text, note)?.position;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "dry_run": false, "position": position}));
    cx.ui.say(&format!(
        "these rules are entry {position} of the ledger: what they keep longer is kept from now on, what they keep shorter is kept {before} more, \
         as by the rules before"
    ));
    Ok(Exit::Done)
}
