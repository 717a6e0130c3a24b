//! `vow vault`.

use crate::app::Context;
use crate::config::{Config, VaultPlan};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::layout::quoted;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_vault::Vault;

/// Make vaults, and admit this host to them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Init(Init),
}

/// Make a vault where there is none, and admit this host to it
///
/// Never done by itself: on a disk that is not mounted, a vault would come to be in the wrong place.
#[derive(clap::Args)]
pub(crate) struct Init {
    /// Name of a vault of the plan, or the path of a new one
    #[arg(value_name = "NAME|PATH")]
    vault: PathBuf,
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    let Command::Init(args) = command;
    let config = Config::load(cx.config.as_deref())?;
    let plan = chosen(&config, &args.vault)?;
    let host = hostkeys::load_public(&config)?;
    let vault = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &plan.path)?;
    if let Some(expected) = &plan.fingerprint {
        vault.expect_fingerprint(expected)?;
    }
    vault.join(&host)?;
    let (path, fingerprint) = (plan.path.display().to_string(), vault.fingerprint());
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
    Ok(Exit::Done)
}

fn chosen(config: &Config, vault: &Path) -> Outcome<VaultPlan> {
    let text = vault.to_string_lossy();
    if let Some(plan) = config.vaults.iter().find(|plan| plan.name == text) {
        return Ok(plan.clone());
    }
    if !text.contains('/') && !text.starts_with('.') {
        let names: Vec<_> = config.vaults.iter().map(|plan| plan.name.as_str()).collect();
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no vault {text:?} in {}", config.file.display()),
        )
        .hint(format!("name one of these: {}; or give the path of a new one", names.join(", "))));
    }
    let path = std::path::absolute(vault).map_err(|e| Failure::io("find", vault, e))?;
    let known = config.vaults.iter().find(|plan| plan.path == path).cloned();
    Ok(known.unwrap_or(VaultPlan { name: String::new(), path, fingerprint: None }))
}
