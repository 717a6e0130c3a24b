//! `vow vault join`.

mod plan;

use plan::kit_line;
pub(crate) use plan::replace;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::layout;
use crate::{hostkeys, identity, level};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use vow_agent::plan::{Config, Place, VaultPlan, check_name};
use vow_base::introduction::Introduction;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::VaultError;
use vow_protocol::client::JoinAs;
use vow_protocol::wire::Joined;
use vow_protocol::{JoinToken, RemoteVault, Role};
use zeroize::Zeroizing;

/// Join a vault behind an address with a token from it, and add it to the configuration
///
/// On the vault: `vow vault join-token`. This host joins with its own key; whoever reads its backups is told with it (`readers` in
/// vow.toml). With --identity the identity joins as a restorer, with --dir a vault joins to replicate from that one.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The token, in one piece; or - to read it from the standard input
    #[arg(value_name = "TOKEN")]
    token: String,
    /// What this host calls the vault
    #[arg(long, value_name = "NAME", default_value = "remote")]
    name: String,
    /// Join as a restorer, with the identity in this file
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    identity: Option<PathBuf>,
    /// Join as a drill host, with the drill's own key: proofs of what was drilled from there are brought there
    #[arg(long, conflicts_with_all = ["identity", "dir"])]
    drill: bool,
    /// Join as the vault in this folder, to replicate
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const TOKEN_LIMIT_BYTES: u64 = 4096;

/// Reads a token. It holds a secret: no part of it is repeated.
pub(crate) fn read_token(text: &str) -> Outcome<JoinToken> {
    let mut input = Zeroizing::new(String::new());
    let text = if text == "-" {
        let read = std::io::stdin().take(TOKEN_LIMIT_BYTES).read_to_string(&mut input);
        read.map_err(|e| Failure::failed("the token cannot be read from the standard input").because(&e))?;
        input.trim()
    } else {
        text
    };
    text.parse().map_err(|bad| {
        Failure::new(Exit::Usage, "this is not a join token")
            .because(&bad)
            .hint("make one on the vault: `vow vault join-token`")
    })
}

/// Joins.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let token = read_token(&args.token)?;
    check_name("vault", &args.name).map_err(|why| Failure::new(Exit::Usage, why))?;
    if args.drill {
        return as_drill_host(cx, args, &token);
    }
    match (&args.identity, &args.dir) {
        (Some(identity), _) => as_restorer(cx, args, &token, identity),
        (_, Some(dir)) => super::replica::join(cx, &args.name, &token, dir),
        (None, None) => as_host(cx, args, &token),
    }
}

fn as_host(cx: &Context, args: &Args, token: &JoinToken) -> Outcome<Exit> {
    let config = cx.load_config()?;
    refuse_known(&config, &args.name, token)?;
    let keys = hostkeys::load(&config)?;
    let joined = join(token, &keys.signing, Some(&config.tenant), &config.host, &config.readers)?;
    expect(&joined, Role::Write)?;
    plan::add(&config, &args.name, token)?;
    let line = kit_line(&args.name, token);
    let kit = config.file.parent().map(layout::recovery_file).filter(|kit| kit.exists());
    let in_kit = kit.as_deref().is_some_and(|kit| plan::add_to_kit(kit, &line).is_ok());
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "name": args.name, "url": token.address.to_string(),
        "fingerprint": token.fingerprint.to_string(), "role": joined.role.word(), "tenant": joined.tenant,
        "host": joined.name, "readers": config.readers.len(), "kit_line": line, "in_kit": in_kit,
    }));
    cx.ui.say(&format!(
        "{}/{} has joined the vault at {}; it is in {} as {:?}",
        joined.tenant,
        joined.name,
        token.address,
        config.file.display(),
        args.name
    ));
    if config.readers.is_empty() {
        cx.ui.warn(
            "no reader was named: what this host sends there, nobody can read before the vault's operator lets a restorer in \
             (`vow vault join-token --role restore`, then `vow vault join TOKEN --identity FILE`)",
        );
    }
    match kit.filter(|_| in_kit) {
        Some(kit) => cx.ui.say(&format!("the vault was added to the recovery kit {}", kit.display())),
        None => cx.ui.say(&format!("add this line to every recovery kit of this host:\n{line}")),
    }
    cx.ui.say(&format!("next step: vow --config {} backup", config.file.display()));
    Ok(Exit::Done)
}

fn as_restorer(cx: &Context, args: &Args, token: &JoinToken, file: &Path) -> Outcome<Exit> {
    let identity = identity::read_file(file)?;
    let keys = identity.keys.restore_credentials();
    let key = keys.first().ok_or_else(|| {
        Failure::new(Exit::Identity, "this identity has no key that a vault could know")
            .hint("give an age identity whose line begins with AGE-SECRET-KEY-1")
    })?;
    let joined = join(token, key, None, &args.name, &[])?;
    expect(&joined, Role::Restore)?;
    let line = kit_line(&args.name, token);
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "url": token.address.to_string(),
        "fingerprint": token.fingerprint.to_string(), "role": joined.role.word(), "kit_line": line,
    }));
    cx.ui.say(&format!("this identity may read from the vault at {}", token.address));
    cx.ui.say(&format!("add this line to its recovery kit:\n{line}"));
    Ok(Exit::Done)
}

fn as_drill_host(cx: &Context, args: &Args, token: &JoinToken) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let proofs = vow_agent::drill::proofs::Proofs::open(&config.state.join("drill"))?;
    let joined = join(token, proofs.key(), None, &args.name, &[])?;
    expect(&joined, Role::Prove)?;
    let known = config.vaults.iter().find(|plan| plan.fingerprint == Some(token.fingerprint));
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "url": token.address.to_string(),
        "fingerprint": token.fingerprint.to_string(), "role": joined.role.word(), "name": known.map(|plan| &plan.name),
    }));
    cx.ui.say(&format!("drills of this plan may bring their proofs to the vault at {}", token.address));
    if known.is_none() {
        cx.ui.warn(&format!(
            "{} has no vault with this fingerprint: proofs are brought only to vaults that the plan names",
            config.file.display()
        ));
    }
    Ok(Exit::Done)
}

/// Shows the token's secret to the vault that the token names, and to no other.
pub(crate) fn join(
    token: &JoinToken,
    key: &SigningKey,
    tenant: Option<&str>,
    name: &str,
    readers: &[PublicKey],
) -> Outcome<Joined> {
    let plan = VaultPlan::at(name, Place::Address(token.address.clone()));
    let vault = RemoteVault::new(&token.address, token.fingerprint, key, level::options(&plan))?;
    // A host says it once more, signed, for the vaults that copy from this one.
    let introduction = tenant.map(|tenant| introduction(key, tenant, name, readers));
    let introduction = introduction.as_deref();
    let joined = vault.join(&token.secret, JoinAs { tenant, name, readers, introduction });
    joined.map_err(|error| {
        let hint = match &error {
            VaultError::Refused(_) => Some(
                "ask for a new token, and say what it is for: `vow vault join-token --role …` on the vault",
            ),
            VaultError::Unreachable { .. } => Some(
                "check the address in the token, the network, and whether the vault runs; then again: a token stays good until it is used or ends",
            ),
            _ => None,
        };
        let failure = Failure::from(error).during(format!("the vault at {} was not joined", token.address));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// What a host says of itself, signed.
pub(crate) fn introduction(key: &SigningKey, tenant: &str, name: &str, readers: &[PublicKey]) -> Vec<u8> {
    let (tenant, name, readers) = (tenant.to_owned(), name.to_owned(), unique(readers));
    Introduction { host: key.public(), tenant, name, readers }.seal(key)
}

/// Each once, in their order, as a vault takes them.
fn unique(readers: &[PublicKey]) -> Vec<PublicKey> {
    let mut unique: Vec<PublicKey> = Vec::new();
    for reader in readers {
        if !unique.contains(reader) {
            unique.push(*reader);
        }
    }
    unique
}

/// A token for another role was used up: say what it was for.
pub(crate) fn expect(joined: &Joined, role: Role) -> Outcome<()> {
    if joined.role == role {
        return Ok(());
    }
    let (got, wanted) = (joined.role.word(), role.word());
    Err(Failure::failed(format!(
        "the token was one of role {got}, not {wanted}; this key has joined as that now"
    ))
    .hint(format!("have the operator revoke it, and make a token with --role {wanted}")))
}

fn refuse_known(config: &Config, name: &str, token: &JoinToken) -> Outcome<()> {
    let refuse = |why: String, hint: &str| Err(Failure::new(Exit::Usage, why).hint(hint));
    let place = Place::Address(token.address.clone());
    let known =
        config.vaults.iter().find(|plan| plan.fingerprint == Some(token.fingerprint) || plan.place == place);
    if let Some(plan) = known {
        return refuse(
            format!("this vault is in {} already, as {:?}", config.file.display(), plan.name),
            "remove that [[vault]] first, if it is to be joined anew",
        );
    }
    if config.vaults.iter().any(|plan| plan.name == name) {
        return refuse(
            format!("there is a vault {name:?} in {} already", config.file.display()),
            "give this one another name with --name",
        );
    }
    Ok(())
}
