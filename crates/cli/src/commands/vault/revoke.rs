//! `vow vault revoke`.

use super::at::At;
use super::keeper::Keeper;
use super::naming::one_of;
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
    /// Only this right, as `vow vault hosts` shows it, or the beginning of it [default: all of them]
    #[arg(long, value_name = "RIGHT")]
    right: Option<String>,
    /// Why, and who says so
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// Revokes.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let keeper = Keeper::open(&args.at, args.socket.as_deref())?;
    let key = find(&keeper, &args.id)?;
    let right = args.right.as_deref().map(|text| right_of(&keeper, &key, text)).transpose()?;
    let rights = keeper.revoke(key, right, &args.note)?;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "id": key.to_string(), "revoked": rights}));
    cx.ui.say(&match rights.is_empty() {
        true => format!("{} had nothing that could be taken away", key.short()),
        false => format!("{} may no more: {}", key.short(), rights.join(", ")),
    });
    Ok(Exit::Done)
}

fn find(keeper: &Keeper, prefix: &str) -> Outcome<HostId> {
    let hosts = keeper.hosts()?.into_iter().map(|host| host.host.0);
    one_of(hosts.chain(keeper.grants()?.into_iter().map(|grant| grant.key_id.0)), prefix)
}

/// The one right of this key that begins so.
fn right_of(keeper: &Keeper, key: &HostId, text: &str) -> Outcome<Right> {
    let granted =
        keeper.grants()?.into_iter().filter(|grant| grant.key_id.0 == *key && grant.revoked.is_none());
    let mut rights: Vec<Right> = granted.filter_map(|grant| grant.right.parse().ok()).collect();
    if keeper.hosts()?.iter().any(|host| host.host.0 == *key && !host.revoked) {
        rights.push(Right::Write);
    }
    let whole = rights.iter().find(|right| right.to_string() == text);
    let named: Vec<_> = match whole {
        Some(right) => vec![right],
        None => rights.iter().filter(|right| right.to_string().starts_with(text)).collect(),
    };
    match named[..] {
        [right] => Ok(right.clone()),
        _ => {
            let rights: Vec<_> = rights.iter().map(ToString::to_string).collect();
            let what = if named.is_empty() { "no right" } else { "several rights" };
            Err(Failure::new(Exit::NotFound, format!("{} has {what} that begins with {text:?}", key.short()))
                .hint(format!(
                    "what it has: {}",
                    if rights.is_empty() { "nothing".into() } else { rights.join(", ") }
                )))
        }
    }
}
