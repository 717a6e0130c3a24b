//! `vow vault retain`.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vow_base::disk::{Disk, RealDisk};
use vow_vault::Vault;
use vow_vault::retention::{Policy, Report, TEXT_LIMIT_BYTES, table};

/// Show which snapshots retention keeps and which it lets expire, with every reason; or set its rules
///
/// Nothing expires here: `vow vault sweep` carries the plan out.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Set the rules to the text of this file; tighter ones work after a delay
    #[arg(long, value_name = "FILE", requires = "note")]
    set: Option<PathBuf>,
    /// Why, and who says so; it stands in the ledger
    #[arg(long, value_name = "TEXT", requires = "set")]
    note: Option<String>,
    /// Read and check the rules of --set, set nothing
    #[arg(long, requires = "set")]
    dry_run: bool,
}

/// Shows the plan.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    if let (Some(file), Some(note)) = (&args.set, &args.note) {
        return set(cx, args, file, note);
    }
    let vault = args.at.open()?;
    let plan = vault.retention_plan()?;
    let mut report = serde_json::to_value(Report::new(&plan)).unwrap_or_default();
    if let Value::Object(report) = &mut report {
        report.insert("message_type".into(), "retention".into());
    }
    cx.ui.json(&report);
    cx.ui.line(table(&plan, |host| host.short()).trim_end());
    Ok(Exit::Done)
}

fn set(cx: &Context, args: &Args, file: &Path, note: &str) -> Outcome<Exit> {
    let text = RealDisk.read(file, TEXT_LIMIT_BYTES as u64)?;
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("{}: {why}", file.display()))
            .hint("docs/vault.md, \"Retention\", has the rules; nothing was changed")
    };
    let text = String::from_utf8(text).map_err(|_| wrong("it is not text".into()))?;
    Policy::parse(&text).map_err(|bad| wrong(bad.to_string()))?;
    let vault: Vault = args.at.open_to_change()?;
    let position = if args.dry_run { None } else { Some(vault.set_rules(&text, note)?.position) };
    cx.ui.json(
        &json!({"message_type": "summary", "status": "ok", "dry_run": args.dry_run, "position": position}),
    );
    match position {
        Some(position) => {
            cx.ui.say(&format!("these rules hold from now on (entry {position} of the ledger)"))
        }
        None => cx.ui.say("the rules are well-formed; nothing was set"),
    }
    Ok(Exit::Done)
}
