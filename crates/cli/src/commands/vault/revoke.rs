//! `vow vault revoke`.

use super::at::At;
use super::keeper::Keeper;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::json;
use std::path::PathBuf;
use vow_base::HostId;
use vow_vault::access::Right;

/// Shut out a key: a host adds no more, a restorer reads no more; for good
///
/// What it sent stays, and is kept by the rules. A host that is to go on joins again with new keys.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The id of the host or key, or the beginning of it: `vow vault hosts` lists them
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: At,
    /// Talk to the server behind this socket instead of opening the vault
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Only this right, as `vow vault hosts` shows it [default: all of them]
    #[arg(long, value_name = "RIGHT")]
    right: Option<Right>,
    /// Why, and who says so
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// Revokes.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let keeper = Keeper::open(&args.at, args.socket.as_deref())?;
    let key = find(&keeper, &args.id)?;
    let rights = keeper.revoke(key, args.right.clone(), &args.note)?;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "id": key.to_string(), "revoked": rights}));
    cx.ui.say(&match rights.is_empty() {
        true => format!("{} had nothing that could be taken away", key.short()),
        false => format!("{} may no more: {}", key.short(), rights.join(", ")),
    });
    Ok(Exit::Done)
}

fn find(keeper: &Keeper, prefix: &str) -> Outcome<HostId> {
    let prefix = prefix.to_ascii_lowercase();
    let hosts = keeper.hosts()?.into_iter().map(|host| host.host.0);
    let mut ids: Vec<_> = hosts.chain(keeper.grants()?.into_iter().map(|grant| grant.key_id.0)).collect();
    ids.retain(|id| prefix.len() >= 4 && id.to_string().starts_with(&prefix));
    ids.sort_unstable();
    ids.dedup();
    match ids[..] {
        [one] => Ok(one),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("nobody with an id that begins with {prefix:?} has joined"),
        )
        .hint("`vow vault hosts` lists the ids; give at least 4 digits")),
        _ => {
            Err(Failure::new(Exit::Usage, format!("several ids begin with {prefix}"))
                .hint("give more digits"))
        }
    }
}
