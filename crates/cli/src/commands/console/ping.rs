//! `vow console ping`.

use super::at::{At, naming};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{Table, plain, rfc3339};
use serde_json::json;
use vow_base::amount::Term;
use vow_console::admin::{self, NewPing};
use vow_console::db::{Scope, pings};
use vow_console::import::Parser;

/// Addresses that other tools ping when their backups end
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an address for a backup of a host
    Add {
        #[command(flatten)]
        at: At,
        /// The tenant
        tenant: String,
        /// The host
        host: String,
        /// The name of the backup
        source: String,
        /// What makes it: its output is read, when it is posted
        #[arg(long, value_name = "TOOL", default_value = "plain", value_parser = Parser::WORDS)]
        parser: String,
        /// How often it must come, as 1d; otherwise as often as it usually does, once that is known
        #[arg(long, value_name = "TIME")]
        every: Option<Term>,
    },
    /// List the addresses
    List {
        #[command(flatten)]
        at: At,
    },
    /// End an address by its number
    Revoke {
        #[command(flatten)]
        at: At,
        /// The number
        id: i64,
    },
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Add { at, tenant, host, source, parser, every } => {
            let new = NewPing {
                tenant: tenant.clone(),
                host: host.clone(),
                source: source.clone(),
                parser: Some(parser.clone()),
                every_secs: every.map(|term| i64::try_from(term.0.as_secs()).unwrap_or(i64::MAX)),
            };
            let base = at.folder()?.config.web_base();
            let uuid =
                at.with(
                    |app| async move { Ok(admin::add_ping(&app, &admin::at_the_machine(), &new).await?) },
                )?;
            let url = format!("{base}/ping/{uuid}");
            cx.ui.json(&json!({"message_type": "ping", "uuid": uuid, "url": url}));
            cx.ui.line(&url);
            cx.ui.note(&format!("when the backup ends: curl -fsS -m 30 --data-binary @OUTPUT {url}/$?"));
        }
        Command::List { at } => {
            let base = at.folder()?.config.web_base();
            let all =
                at.with(|app| async move { Ok(pings::list(&mut app.read().await?, Scope::All).await?) })?;
            cx.ui.json(&json!({"message_type": "pings", "pings": all}));
            let mut table =
                Table::new(&["number", "tenant", "host", "backup", "tool", "pinged", "address"], &[0]);
            for ping in &all {
                table.row(vec![
                    ping.id.to_string(),
                    plain(&ping.tenant),
                    plain(&ping.host),
                    plain(&ping.source),
                    ping.parser.clone(),
                    ping.pinged_secs
                        .map_or_else(|| "never".into(), |at| rfc3339(at.saturating_mul(1_000_000_000))),
                    format!("{base}/ping/{}", ping.uuid),
                ]);
            }
            table.lines().iter().for_each(|line| cx.ui.line(line));
        }
        Command::Revoke { at, id } => {
            at.with(|app| async move {
                let done = admin::revoke_ping(&app, &admin::at_the_machine(), *id).await;
                done.map_err(naming(format!("address number {id}")))
            })?;
            cx.ui.json(&json!({"message_type": "summary", "status": "ok", "id": id}));
            cx.ui.say("the address is ended");
        }
    }
    Ok(Exit::Done)
}
