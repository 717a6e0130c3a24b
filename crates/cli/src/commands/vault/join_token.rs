//! `vow vault join-token`.

use super::at::At;
use super::keeper::Keeper;
use super::naming;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use vow_agent::plan::check_name;
use vow_base::HostId;
use vow_protocol::{Address, JoinToken};
use vow_vault::access::{Right, Scope};
use vow_vault::server::config::Term;

/// Print a token that lets one key join this vault
///
/// It is shown once and works once, for one key. Carry it to the machine that is to join, and run `vow vault join TOKEN` there.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Talk to the server behind this socket instead of opening the vault
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// What the key may do: add as a host, read as a restorer, bring proofs of drills, copy everything, or watch
    #[arg(long, value_enum, default_value_t = Role::Write)]
    role: Role,
    /// Of a host: the customer it belongs to. Of a restorer or a drill host: whose hosts it is for
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Of a restorer or a drill host: the host it is for, by its id or the beginning of it. Without --tenant and --host it is for all of them
    #[arg(long, value_name = "ID", conflicts_with = "tenant")]
    host: Option<String>,
    /// The name it must join with
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// How long the token can be used
    #[arg(long, value_name = "TIME", default_value = "24h")]
    term: Term,
    /// Where hosts reach this vault [default: `address` in vault.toml]
    #[arg(long, value_name = "URL")]
    address: Option<Address>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    Write,
    Restore,
    Prove,
    Replicate,
    Console,
}

/// Makes one.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    for (what, name) in [("tenant", &args.tenant), ("host", &args.name)] {
        if let Some(name) = name {
            check_name(what, name).map_err(|why| Failure::new(Exit::Usage, why))?;
        }
    }
    let keeper = Keeper::open(&args.at, args.socket.as_deref())?;
    let host = args.host.as_deref().map(|prefix| naming::host(&keeper, prefix)).transpose()?;
    let right = right(args, host)?;
    let address = match &args.address {
        Some(address) => address.clone(),
        None => args.at.settings()?.address.clone().ok_or_else(|| {
            Failure::new(Exit::Usage, "it is not known where hosts reach this vault")
                .hint("write `address = \"https://NAME:8443\"` into vault.toml, or give --address")
        })?,
    };
    let tenant = args.tenant.clone().filter(|_| right == Right::Write);
    let (secret, fingerprint) = keeper.join_token(&right, tenant, args.name.clone(), args.term.0)?;
    let token = JoinToken { address, fingerprint, secret };
    let secs = args.term.0.as_secs();
    cx.ui.json(&json!({
        "message_type": "join_token", "token": &**token.text(), "right": right.to_string(), "term_secs": secs,
    }));
    cx.ui.line(&token.text());
    let (may, command) = meaning(&right);
    cx.ui.note(&format!(
        "it is shown once, and within {} lets one key {may}; there: {command}",
        span(args.term.0)
    ));
    Ok(Exit::Done)
}

/// What a key may do that joins with it, and how it does.
fn meaning(right: &Right) -> (String, &'static str) {
    let of = |scope: &Scope| match scope {
        Scope::Host(host) => format!("of host {}", host.short()),
        Scope::Tenant(tenant) => format!("of every host of {tenant}"),
        Scope::All => "of EVERY host of this vault".to_owned(),
    };
    match right {
        Right::Write => ("add backups of its own as a host".into(), "vow vault join TOKEN"),
        Right::Restore(scope) => {
            (format!("read the backups {}", of(scope)), "vow vault join TOKEN --identity FILE")
        }
        Right::Prove(scope) => (format!("bring proofs {}", of(scope)), "vow vault join TOKEN --drill"),
        Right::Replicate => ("copy everything, as another vault".into(), "vow vault join TOKEN --dir DIR"),
        Right::Console => {
            ("read receipts and health, as a console".into(), "vow console vault add NAME TOKEN")
        }
    }
}

fn right(args: &Args, host: Option<HostId>) -> Outcome<Right> {
    let stray = |option: &str| {
        Failure::new(Exit::Usage, format!("{option} makes no sense for this role")).hint("leave it out")
    };
    Ok(match (args.role, &args.tenant, host) {
        (Role::Write, _, None) => Right::Write,
        (Role::Restore, Some(tenant), None) => Right::Restore(Scope::Tenant(tenant.clone())),
        (Role::Restore, None, Some(host)) => Right::Restore(Scope::Host(host)),
        (Role::Restore, _, _) => Right::Restore(Scope::All),
        (Role::Prove, Some(tenant), None) => Right::Prove(Scope::Tenant(tenant.clone())),
        (Role::Prove, None, Some(host)) => Right::Prove(Scope::Host(host)),
        (Role::Prove, _, _) => Right::Prove(Scope::All),
        (Role::Replicate, None, None) => Right::Replicate,
        (Role::Console, None, None) => Right::Console,
        (_, _, Some(_)) => return Err(stray("--host")),
        (_, Some(_), _) => return Err(stray("--tenant")),
    })
}

fn span(term: Duration) -> String {
    match term.as_secs() {
        secs if secs % 3600 == 0 => crate::ui::plural(secs / 3600, "hour"),
        secs if secs % 60 == 0 => crate::ui::plural(secs / 60, "minute"),
        secs => crate::ui::plural(secs, "second"),
    }
}
