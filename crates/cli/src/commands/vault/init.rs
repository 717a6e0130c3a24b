//! `vow vault init`.

mod in_bucket;
mod served;

use crate::app::Context;
use crate::evidence::Evidence;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_agent::plan::quoted;
use vow_agent::plan::{Config, Place, VaultPlan};
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_protocol::Address;
use vow_vault::Vault;

/// Make a vault where there is none: in a folder of this host, and admit this host to it; or, with --dir, one to be served
///
/// Never done by itself: on a disk that is not mounted, a vault would come to be in the wrong place.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("place").required(true)))]
pub(crate) struct Args {
    /// Name of a vault of the plan, or the path of a new one
    #[arg(value_name = "NAME|PATH", group = "place")]
    vault: Option<PathBuf>,
    /// Make a vault to be served in this folder, with its settings in DIR/vault.toml
    #[arg(long, value_name = "DIR", group = "place")]
    dir: Option<PathBuf>,
    /// With --dir: where hosts reach it [default: https://HOSTNAME:8443]
    #[arg(long, value_name = "URL", requires = "dir")]
    address: Option<Address>,
    /// With --dir: where it listens [default: [::]:8443]
    #[arg(long, value_name = "ADDR:PORT", requires = "dir")]
    listen: Vec<SocketAddr>,
    #[command(flatten)]
    bucket: in_bucket::Options,
}

/// Makes one.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    match (&args.dir, &args.vault) {
        (Some(dir), _) => {
            let plan = served::Plan { dir, address: args.address.as_ref(), listen: &args.listen };
            served::run(cx, &plan, &args.bucket)
        }
        (None, Some(vault)) => for_this_host(cx, vault),
        (None, None) => Err(Failure::new(Exit::Usage, "no place is named")),
    }
}

fn for_this_host(cx: &Context, vault: &Path) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let plan = chosen(&config, vault)?;
    let host = hostkeys::load_public(&config)?;
    let Some(path) = plan.folder() else {
        return Err(Failure::new(Exit::Usage, format!("the vault {} is behind an address", plan.name))
            .hint("make it on the machine that is to serve it, and join it with `vow vault join TOKEN`"));
    };
    let vault = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), path)?;
    if let Some(expected) = &plan.fingerprint {
        vault.expect_fingerprint(&expected.to_string())?;
    }
    vault.join(&host)?;
    let fingerprint = Fingerprint::of(&vault.public_key());
    put_evidence_aside(cx, &config, &plan, &fingerprint)?;
    report(cx, &config, &plan, path, &fingerprint);
    Ok(Exit::Done)
}

/// Somebody made another vault in the place of an old one, and knows it: what is held of the old one is no evidence against the new one.
fn put_evidence_aside(cx: &Context, config: &Config, plan: &VaultPlan, now: &Fingerprint) -> Outcome<()> {
    if plan.name.is_empty() {
        return Ok(());
    }
    let host = hostkeys::load_public(config)?.host_id();
    let mut evidence = Evidence::load(&config.state, &plan.name, host)?;
    if let Some(before) = evidence.vault().filter(|before| before != now) {
        let aside = evidence.put_aside(&before)?;
        cx.ui.note(&format!(
            "the receipts of the vault that was here before ({before}) are in {}",
            aside.display()
        ));
    }
    Ok(())
}

fn report(cx: &Context, config: &Config, plan: &VaultPlan, path: &Path, fingerprint: &Fingerprint) {
    let (path, fingerprint) = (path.display().to_string(), fingerprint.to_string());
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "name": plan.name, "path": path, "fingerprint": fingerprint,
    }));
    cx.ui.say(&format!("the vault at {path} takes backups of this host"));
    if plan.fingerprint.is_none() {
        cx.ui.say(&format!("put this into {}:", config.file.display()));
        let name = if plan.name.is_empty() { "NAME" } else { &plan.name };
        cx.ui.say(&format!(
            "  [[vault]]\n  name = {}\n  path = {}\n  fingerprint = {}",
            quoted(name),
            quoted(&path),
            quoted(&fingerprint)
        ));
    }
}

fn chosen(config: &Config, vault: &Path) -> Outcome<VaultPlan> {
    let text = vault.to_string_lossy();
    if let Some(plan) = config.vaults.iter().find(|plan| plan.name == text) {
        return Ok(plan.clone());
    }
    if !text.contains('/') && !text.starts_with('.') {
        return Err(config.no_vault(&text).into());
    }
    let place = Place::Folder(std::path::absolute(vault).map_err(|e| Failure::io("find", vault, e))?);
    let known = config.vaults.iter().find(|plan| plan.place == place).cloned();
    Ok(known.unwrap_or_else(|| VaultPlan::at("", place)))
}
