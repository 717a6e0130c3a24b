//! `vow key new`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::kit::{Kit, KitVault};
use crate::level::open_vault;
use serde_json::json;
use std::path::PathBuf;
use vow_agent::plan::VaultPlan;
use vow_base::Fingerprint;
use vow_base::id::hex;
use vow_store::session::{new_identity, restore_credential};

/// Make a new identity and the recipient that belongs to it
///
/// When there is a configuration, the file becomes a recovery kit: it also names the host's key and the vaults.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The new file; it is never overwritten
    #[arg(long, short, value_name = "FILE", default_value = "identity.agekey")]
    output: PathBuf,
}

/// Makes one.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    if std::fs::symlink_metadata(&args.output).is_ok() {
        return Err(Failure::failed(format!(
            "{} is there already; nothing was changed",
            args.output.display()
        ))
        .hint("name a new file with --output FILE"));
    }
    let kit = kit(cx)?;
    let (secret, recipient) = new_identity();
    let reader = hex(&restore_credential(&secret)?.public().0);
    hostkeys::write_secret(&args.output, &kit.text(&secret, &recipient))?;
    cx.ui.json(&json!({
        "message_type": "summary",
        "status": "ok",
        "file": args.output.to_string_lossy(),
        "recipient": recipient.text(),
        "reader": reader,
    }));
    cx.ui.line(recipient.text());
    cx.ui.note(&format!("the identity is in {}: keep it offline", args.output.display()));
    cx.ui.note("add the line above to `recipients` in vow.toml, and this key to `readers`, before the host joins a vault:");
    cx.ui.note(&format!("  {reader}"));
    Ok(Exit::Done)
}

/// What a bare machine needs besides the identity, as far as it is known here.
fn kit(cx: &Context) -> Outcome<Kit> {
    let config = match cx.load_config() {
        Ok(config) => config,
        Err(failure) if cx.config.is_some() => return Err(failure),
        Err(_) => return Ok(Kit::default()),
    };
    let hosts = hostkeys::load_public(&config).map(|key| (config.host.clone(), key)).into_iter().collect();
    let known = |plan: &VaultPlan| {
        let found =
            || open_vault(plan.folder()?, None).ok().map(|vault| Fingerprint::of(&vault.public_key()));
        let fingerprint = plan.fingerprint.or_else(found)?;
        Some(KitVault { name: plan.name.clone(), place: plan.place.clone(), fingerprint })
    };
    Ok(Kit { hosts, vaults: config.vaults.iter().filter_map(known).collect() })
}
