//! `vow console hosts`.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{Table, plain, rfc3339};
use serde_json::json;
use vow_console::db::{Scope, hosts};

/// List the hosts, worst first. Exit code 4 when one has a critical ticket
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Only those whose name or tenant has this in it
    #[arg(long, default_value = "", hide_default_value = true)]
    find: String,
    /// Closed ones too
    #[arg(long)]
    closed: bool,
}

/// In a word. Of one that was never heard of nothing is known.
fn state(host: &hosts::Host) -> &'static str {
    match (host.closed_secs, host.heard_secs, host.severity) {
        (Some(_), ..) => "closed",
        (None, None, 0) => "never heard",
        (None, _, 0) => "well",
        (None, _, 1) => "notice",
        (None, _, 2) => "warning",
        (None, ..) => "critical",
    }
}

/// Lists.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let wanted = hosts::Wanted { text: args.find.clone(), closed: args.closed, severity: 0 };
    let found = args.at.with(|app| async move {
        Ok(hosts::list(&mut app.read().await?, Scope::All, &wanted, 100_000, 0).await?)
    })?;
    cx.ui.json(&json!({"message_type": "hosts", "hosts": found}));
    let mut table = Table::new(&["tenant", "host", "state", "open", "heard"], &[3]);
    for host in &found {
        let heard = host
            .heard_secs
            .map_or_else(|| "never".into(), |secs| rfc3339(secs.saturating_mul(1_000_000_000)));
        table.row(vec![
            plain(&host.tenant),
            plain(&host.name),
            state(host).into(),
            host.open_tickets.to_string(),
            heard,
        ]);
    }
    if found.is_empty() {
        cx.ui.line("no host");
    } else {
        table.lines().iter().for_each(|line| cx.ui.line(line));
    }
    Ok(if found.iter().any(|host| host.severity >= 3) { Exit::Problems } else { Exit::Done })
}
