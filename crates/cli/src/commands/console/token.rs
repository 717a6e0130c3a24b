//! `vow console token`.

use super::at::{At, naming};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{Table, plain, rfc3339};
use serde_json::json;
use vow_console::admin::{self, NewToken};
use vow_console::auth::Role;
use vow_console::db::{Scope, people};

/// Tokens with which programs use the console
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is shown once
    Add {
        #[command(flatten)]
        at: At,
        /// What it is for
        name: String,
        /// administrator, operator, auditor or customer
        #[arg(long, default_value = "auditor")]
        role: Role,
        /// The only tenant that it sees
        #[arg(long)]
        tenant: Option<String>,
        /// How long it lasts; for ever when nothing is said
        #[arg(long)]
        days: Option<i64>,
    },
    /// Revoke a token by its number
    Revoke {
        #[command(flatten)]
        at: At,
        /// The number
        id: i64,
    },
    /// List tokens
    List {
        #[command(flatten)]
        at: At,
    },
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Add { at, name, role, tenant, days } => {
            let new = NewToken { name: name.clone(), role: *role, tenant: tenant.clone(), days: *days };
            let token =
                at.with(
                    |app| async move { Ok(admin::add_token(&app, &admin::at_the_machine(), &new).await?) },
                )?;
            cx.ui.json(&json!({"message_type": "token", "token": *token, "name": name, "role": role}));
            cx.ui.line(&token);
            cx.ui.note("it is shown once; use it as `Authorization: Bearer TOKEN`");
        }
        Command::Revoke { at, id } => {
            at.with(|app| async move {
                let done = admin::revoke_token(&app, &admin::at_the_machine(), *id).await;
                done.map_err(naming(format!("token number {id}")))
            })?;
            cx.ui.json(&json!({"message_type": "summary", "status": "ok", "id": id}));
            cx.ui.say("the token is revoked");
        }
        Command::List { at } => {
            let tokens =
                at.with(|app| async move { Ok(people::tokens(&mut app.read().await?, Scope::All).await?) })?;
            cx.ui.json(&json!({"message_type": "tokens", "tokens": tokens}));
            let mut table = Table::new(&["number", "name", "role", "ends"], &[0]);
            for token in &tokens {
                let ends = token
                    .ends_secs
                    .map_or_else(|| "never".into(), |secs| rfc3339(secs.saturating_mul(1_000_000_000)));
                table.row(vec![token.id.to_string(), plain(&token.name), token.role.to_string(), ends]);
            }
            table.lines().iter().for_each(|line| cx.ui.line(line));
        }
    }
    Ok(Exit::Done)
}
