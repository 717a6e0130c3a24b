//! `vow vault hosts`.

use super::at::At;
use super::keeper::Keeper;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{Table, plain, rfc3339};
use serde_json::json;
use std::path::PathBuf;

/// List the hosts that joined, and the keys that may read
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Talk to the server behind this socket instead of opening the vault
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Lists.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let keeper = Keeper::open(&args.at, args.socket.as_deref())?;
    let (hosts, grants) = (keeper.hosts()?, keeper.grants()?);
    cx.ui.json(&json!({
        "message_type": "hosts",
        "hosts": hosts.iter().map(|host| json!({
            "id": host.host.0.to_string(), "tenant": host.tenant, "name": host.name, "revoked": host.revoked,
        })).collect::<Vec<_>>(),
        "grants": grants.iter().map(|grant| json!({
            "id": grant.key_id.0.to_string(), "right": grant.right, "name": grant.name,
            "revoked": grant.revoked.map(rfc3339),
        })).collect::<Vec<_>>(),
    }));
    let mut table = Table::new(&["id", "role", "tenant", "name", ""], &[]);
    for host in &hosts {
        let revoked = if host.revoked { "REVOKED" } else { "" };
        let cells = [&host.host.0.to_string(), "write", &plain(&host.tenant), &plain(&host.name), revoked];
        table.row(cells.map(str::to_owned).into());
    }
    for grant in &grants {
        let revoked = if grant.revoked.is_some() { "REVOKED" } else { "" };
        let cells = [&grant.key_id.0.to_string(), &*grant.right, "", &plain(&grant.name), revoked];
        table.row(cells.map(str::to_owned).into());
    }
    if hosts.is_empty() && grants.is_empty() {
        cx.ui.line("nobody has joined yet");
    } else {
        table.lines().iter().for_each(|line| cx.ui.line(line));
    }
    Ok(Exit::Done)
}
