//! `vow vault hosts`.

use super::at::At;
use super::keeper::{Keeper, Standing};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{Table, count, local_time, plain, rfc3339};
use serde_json::json;
use std::path::PathBuf;
use vow_vault::access::{Right, Scope};
use vow_vault::server::admin::AdminHost;

/// List the hosts that joined, when each last sent a snapshot, and the keys that may read
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
    let (hosts, grants, standing) = (keeper.hosts()?, keeper.grants()?, keeper.standing()?);
    let of = |host: &AdminHost| standing.get(&host.host.0).copied().unwrap_or_default();
    cx.ui.json(&json!({
        "message_type": "hosts",
        "hosts": hosts.iter().map(|host| json!({
            "id": host.host.0.to_string(), "tenant": host.tenant, "name": host.name, "revoked": host.revoked,
            "snapshots": of(host).snapshots, "last_snapshot": of(host).last.map(rfc3339),
        })).collect::<Vec<_>>(),
        "grants": grants.iter().map(|grant| json!({
            "id": grant.key_id.0.to_string(), "right": grant.right, "name": grant.name,
            "revoked": grant.revoked.map(rfc3339),
        })).collect::<Vec<_>>(),
    }));
    if hosts.is_empty() && grants.is_empty() {
        cx.ui.line("nobody has joined yet");
        return Ok(Exit::Done);
    }
    let revoked = |is: bool| if is { "REVOKED" } else { "" }.to_owned();
    let mut table = Table::new(&["id", "role", "tenant", "name", "snapshots", "last snapshot", ""], &[4]);
    for host in &hosts {
        let Standing { snapshots, last } = of(host);
        let last = last.map_or_else(|| "never".into(), local_time);
        let (tenant, name) = (plain(&host.tenant), plain(&host.name));
        let cells = [host.host.0.short(), "write".into(), tenant, name, count(snapshots), last];
        table.row(cells.into_iter().chain([revoked(host.revoked)]).collect());
    }
    for grant in &grants {
        let right = match grant.right.parse() {
            Ok(Right::Restore(Scope::Host(host))) => format!("restore=host={}", host.short()),
            Ok(Right::Prove(Scope::Host(host))) => format!("prove=host={}", host.short()),
            _ => plain(&grant.right),
        };
        let cells = [grant.key_id.0.short(), right, String::new(), plain(&grant.name)];
        let rest = [String::new(), String::new(), revoked(grant.revoked.is_some())];
        table.row(cells.into_iter().chain(rest).collect());
    }
    table.lines().iter().for_each(|line| cx.ui.line(line));
    Ok(Exit::Done)
}
