//! `vow restore --into URL`: into a running database server.

use super::log::{self, Until};
use crate::app::Context;
use crate::entries::snapshot_line;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::Reading;
use crate::ui::{self, Task};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;
use vow_agent::plan::SourcePlan;
use vow_sources::adapter::{Replay, Request, Restored, adapter};
use vow_store::archive::Snapshot;

/// What goes with `--into`.
#[derive(clap::Args)]
#[group(id = "into_server")]
pub(super) struct Args {
    /// Only this database of the snapshot
    #[arg(long, value_name = "NAME", requires = "into")]
    database: Option<String>,
    /// Only this table, NAME or SCHEMA.NAME; through a scratch server
    #[arg(long, value_name = "NAME", requires = "into")]
    table: Option<String>,
    /// The schema to put the table into
    #[arg(long, value_name = "NAME", requires = "table")]
    schema_as: Option<String>,
    /// Replace what is there already
    #[arg(long, requires = "into")]
    replace: bool,
    /// Also make roles and tablespaces that the server lacks; a whole snapshot always brings them
    #[arg(long, requires = "into")]
    with_roles: bool,
    /// The account of the operating system to connect as [default: for root, the owner of a local socket]
    #[arg(long, value_name = "ACCOUNT", requires = "into")]
    run_as: Option<String>,
    /// File whose first line is the password of the database role
    #[arg(long, value_name = "FILE", requires = "into")]
    password_file: Option<PathBuf>,
    /// Folder in which a scratch server may be made [default: $TMPDIR or /var/tmp]
    #[arg(long, value_name = "DIR", requires = "into")]
    scratch: Option<PathBuf>,
}

/// Restores.
pub(super) fn run(
    cx: &Context,
    reading: &Reading,
    snapshot: &Snapshot,
    url: &str,
    until: Option<Until>,
    args: &Args,
) -> Outcome<Exit> {
    let kind = &snapshot.info().manifest.source_type;
    let Some(adapter) = adapter(kind) else {
        return Err(Failure::failed(format!(
            "this version cannot restore sources of type {kind:?} into a server"
        ))
        .hint("restore its files with --target DIR"));
    };
    let scratch = args.scratch.clone().or_else(|| std::env::var_os("TMPDIR").map(PathBuf::from));
    let scratch = scratch.unwrap_or_else(|| PathBuf::from("/var/tmp"));
    let (mut replay, mut folder) = (Replay::default(), None);
    if let Some(until) = until {
        let made = tempfile::Builder::new().prefix("vow-log-").tempdir_in(&scratch);
        let made = made.map_err(|e| Failure::io("make a private folder in", &scratch, e))?;
        // The scratch server's account reads what is below; nobody but who is given it.
        fs::set_permissions(made.path(), fs::Permissions::from_mode(0o711))
            .map_err(|e| Failure::io("prepare", made.path(), e))?;
        replay = log::gather(cx, reading, snapshot, adapter, until, made.path())?;
        folder = Some(made);
    }
    let request = Request {
        replay,
        into: url.to_owned(),
        run_as: args.run_as.clone(),
        password_file: args.password_file.clone(),
        database: args.database.clone(),
        table: args.table.clone(),
        schema_as: args.schema_as.clone(),
        replace: args.replace,
        with_roles: args.with_roles,
        scratch,
    };
    let began = Instant::now();
    let task = Task::new(cx.ui, "restoring");
    let monitor = task.monitor.clone();
    let stop = || monitor.is_cancelled();
    let of_plan = plan_of(cx, snapshot)?.and_then(|plan| plan.capture.restore(snapshot, &request, &stop));
    let restored = of_plan.unwrap_or_else(|| adapter.restore(snapshot, &request, &stop));
    task.finish();
    drop(folder);
    let restored = restored.map_err(|error| match error {
        vow_sources::adapter::AdapterError::Stopped => Failure::interrupted(),
        error => Failure::failed("the snapshot was not restored")
            .because(&error)
            .hint("correct what is named and run the command again; `--target DIR` gives the dumps as files"),
    })?;
    let secs = began.elapsed().as_secs_f64();
    print_human(cx, snapshot, &restored, secs);
    cx.ui.json(&json!({
        "message_type": "summary",
        "status": if restored.problems.is_empty() { "ok" } else { "partial" },
        "snapshot": snapshot.info().id.to_string(),
        "databases": restored.databases.iter().map(|(from, to)| json!({"name": from, "restored_as": to})).collect::<Vec<_>>(),
        "table": restored.table,
        "rows": restored.rows,
        "errors": restored.problems.len(),
        "problems": restored.problems,
        "notes": restored.notes,
        "duration_secs": secs,
    }));
    Ok(if restored.problems.is_empty() { Exit::Done } else { Exit::Partial })
}

/// The source of this host's plan that the snapshot is of, when there is a plan.
fn plan_of(cx: &Context, snapshot: &Snapshot) -> Outcome<Option<SourcePlan>> {
    let config = match cx.load_config() {
        Ok(config) => config,
        // Asked for by name, it must be there; a bare machine has none.
        Err(failure) if cx.config.is_some() => return Err(failure),
        Err(_) => return Ok(None),
    };
    let manifest = &snapshot.info().manifest;
    let is_it = |plan: &SourcePlan| plan.name == manifest.source && plan.kind == manifest.source_type;
    let of_host = manifest.host == config.host && manifest.tenant == config.tenant;
    Ok(config.sources.into_iter().find(|plan| of_host && is_it(plan)))
}

fn print_human(cx: &Context, snapshot: &Snapshot, restored: &Restored, secs: f64) {
    restored.notes.iter().for_each(|note| cx.ui.note(note));
    restored.problems.iter().for_each(|problem| cx.ui.warn(problem));
    cx.ui.say(&format!("restored from {}", snapshot_line(snapshot.info())));
    let kind = snapshot.info().manifest.source_type.as_str();
    for (from, to) in &restored.databases {
        match &restored.table {
            _ if kind == "command" => cx.ui.say(&format!("  given to {to}, which ended well")),
            Some(table) => cx.ui.say(&format!("  table {table} in database {to}")),
            None if from == to => cx.ui.say(&format!("  database {from}")),
            None => cx.ui.say(&format!("  database {from} as {to}")),
        }
    }
    let counted = match kind {
        // What the program made of it only the program knows.
        "command" => String::new(),
        "redis" => format!("{} counted and right; ", ui::plural(restored.rows, "key")),
        _ => format!("{} counted and right; ", ui::plural(restored.rows, "row")),
    };
    cx.ui.say(&format!("  {counted}{}", ui::duration(secs)));
}
