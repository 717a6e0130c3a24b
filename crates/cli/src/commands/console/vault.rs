//! `vow console vault`.

use super::at::At;
use crate::app::Context;
use crate::commands::vault::join::{expect, join, read_token};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::{Table, plain, rfc3339};
use serde_json::json;
use vow_console::admin;
use vow_console::db::{Scope, hosts, vaults};
use vow_console::server::error::Error;
use vow_protocol::Role;

/// Vaults that this console watches
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Watch a vault: join it with a token of its role console
    Add {
        #[command(flatten)]
        at: At,
        /// What it is called here
        name: String,
        /// The token from `vow vault join-token --role console`; or - to read it from the standard input
        token: String,
        /// It serves this tenant only
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List the vaults. Exit code 4 when one does not answer
    List {
        #[command(flatten)]
        at: At,
    },
    /// Watch a vault no more
    Remove {
        #[command(flatten)]
        at: At,
        /// What it is called here
        name: String,
    },
    /// Read a vault's ledger from its beginning: it was made anew, and you know it
    ReadAnew {
        #[command(flatten)]
        at: At,
        /// What it is called here
        name: String,
    },
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Add { at, name, token, tenant } => add(cx, at, name, token, tenant.as_deref()),
        Command::List { at } => list(cx, at),
        Command::Remove { at, name } => change(cx, at, name, Change::Remove),
        Command::ReadAnew { at, name } => change(cx, at, name, Change::ReadAnew),
    }
}

fn add(cx: &Context, at: &At, name: &str, token: &str, tenant: Option<&str>) -> Outcome<Exit> {
    let token = read_token(token)?;
    let key = at.folder()?.key()?;
    let joined = join(&token, &key, None, "console", &[])?;
    expect(&joined, Role::Console)?;
    let (address, fingerprint) = (token.address.to_string(), token.fingerprint.to_string());
    let (told_address, told_print) = (address.clone(), fingerprint.clone());
    at.with(|app| async move {
        let mut conn = app.db.write().await?;
        let now = app.now();
        let tenant_id = match tenant {
            Some(tenant) => Some(hosts::tenant_id(&mut conn, tenant, now).await?),
            None => None,
        };
        vaults::add(&mut conn, name, tenant_id, &address, &fingerprint, now).await?;
        admin::at_the_machine()
            .note(&mut conn, tenant_id, "vault.add", &format!("vault {name}"), &address, now)
            .await?;
        Ok(conn.commit().await?)
    })?;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "name": name, "address": told_address, "fingerprint": told_print}));
    cx.ui.say(&format!("the vault at {told_address} is watched as {}", plain(name)));
    Ok(Exit::Done)
}

fn list(cx: &Context, at: &At) -> Outcome<Exit> {
    let all = at.with(|app| async move { Ok(vaults::list(&mut app.read().await?, Scope::All).await?) })?;
    cx.ui.json(&json!({"message_type": "vaults", "vaults": all}));
    let mut table = Table::new(&["name", "address", "answered", "ledger", ""], &[3]);
    for vault in &all {
        let answered = vault
            .answered_secs
            .map_or_else(|| "never".into(), |secs| rfc3339(secs.saturating_mul(1_000_000_000)));
        let wrong = vault.set_back.clone().or_else(|| vault.error.clone()).unwrap_or_default();
        table.row(vec![
            plain(&vault.name),
            vault.address.clone(),
            answered,
            vault.position.to_string(),
            plain(&wrong),
        ]);
    }
    table.lines().iter().for_each(|line| cx.ui.line(line));
    let ill = all.iter().any(|vault| vault.error.is_some() || vault.set_back.is_some());
    Ok(if ill { Exit::Problems } else { Exit::Done })
}

/// What is done to a vault that is watched.
#[derive(Clone, Copy)]
enum Change {
    Remove,
    ReadAnew,
}

fn change(cx: &Context, at: &At, name: &str, change: Change) -> Outcome<Exit> {
    at.with(|app| async move {
        let me = admin::at_the_machine();
        let done = match change {
            Change::Remove => admin::remove_vault(&app, &me, name).await,
            Change::ReadAnew => admin::read_vault_anew(&app, &me, name).await,
        };
        done.map_err(|error| match error {
            Error::Absent => Failure::new(Exit::NotFound, format!("there is no vault {name:?}")),
            error => error.into(),
        })
    })?;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "name": name}));
    cx.ui.say("done");
    Ok(Exit::Done)
}
