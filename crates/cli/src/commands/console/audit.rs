//! `vow console audit` and `vow console policy`: the same as on the tenant's page.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::plain;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use vow_console::admin;
use vow_console::audit::{Answer, desk};
use vow_console::db::hosts;
use vow_console::server::App;

/// Hold a tenant against its policy now. Exit code 4 when something is open
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The tenant
    #[arg(long)]
    tenant: String,
}

/// Show what was agreed with a tenant; with a file, agree on that
#[derive(clap::Args)]
pub(crate) struct PolicyArgs {
    #[command(flatten)]
    at: At,
    /// The tenant
    #[arg(long)]
    tenant: String,
    /// The policy as JSON (docs/audit.md); {} is 3-2-1-1-0
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// What people wrote down (owner, contact, recipients, waivers), as JSON
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
}

pub(super) async fn tenant_id(app: &Arc<App>, name: &str) -> Outcome<i64> {
    let id = hosts::find_tenant(&mut app.read().await?, name).await?;
    id.ok_or_else(|| Failure::new(Exit::NotFound, format!("there is no tenant {name:?} in this console")))
}

/// Audits.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let outcome = args.at.with(|app| async move {
        let id = tenant_id(&app, &args.tenant).await?;
        Ok(desk::audit(&app, &admin::at_the_machine(), id).await?)
    })?;
    let open: Vec<_> = outcome
        .result
        .checked
        .iter()
        .filter(|one| matches!(one.answer, Answer::Finding | Answer::Unknown))
        .collect();
    cx.ui.json(&json!({
        "message_type": "summary", "status": if open.is_empty() { "ok" } else { "problems" }, "agreed": outcome.agreed, "result": outcome.result,
    }));
    for one in &open {
        let word = if one.answer == Answer::Unknown { "not known" } else { one.severity.word() };
        cx.ui.line(&format!("{word}: {} [{}]", plain(&one.sentence), plain(&one.name())));
        cx.ui.say(&format!("  next step: {}", plain(&one.next_step)));
    }
    if let Some(score) = outcome.result.score {
        cx.ui.line(&format!("{score} of 100 points"));
    }
    Ok(if open.is_empty() { Exit::Done } else { Exit::Problems })
}

fn read(path: &PathBuf) -> Outcome<serde_json::Value> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::io("read", path, e))?;
    serde_json::from_str(&text).map_err(|e| Failure::new(Exit::Usage, format!("{}: {e}", path.display())))
}

/// Shows or sets a policy.
pub(crate) fn policy(cx: &Context, args: &PolicyArgs) -> Outcome<Exit> {
    let wanted = args.set.as_ref().map(read).transpose()?;
    let records = args.records.as_ref().map(read).transpose()?;
    let seen = args.at.with(|app| async move {
        let (who, id) = (admin::at_the_machine(), tenant_id(&app, &args.tenant).await?);
        if let Some(records) = records {
            desk::set_records(&app, &who, id, records).await?;
        }
        if let Some(wanted) = wanted {
            desk::set_policy(&app, &who, id, wanted).await?;
        }
        let mut conn = app.read().await?;
        Ok(desk::see(&mut conn, &who, id).await?)
    })?;
    let shown = json!({"agreed": seen.agreed, "policy": seen.policy, "records": seen.records});
    cx.ui.json(&json!({"message_type": "policy", "agreed": seen.agreed, "policy": seen.policy, "records": seen.records}));
    if !cx.ui.json {
        cx.ui.line(&serde_json::to_string_pretty(&shown).unwrap_or_default());
    }
    Ok(Exit::Done)
}
