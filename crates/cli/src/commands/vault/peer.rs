//! Another vault that this one talks to, in a folder or behind an address. A vault shows its own key to others.

use super::at::At;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::level;
use crate::reading::address_and_pin;
use std::path::Path;
use std::sync::Arc;
use vow_agent::plan::{Place, VaultPlan};
use vow_base::vault::Peer;
use vow_protocol::{RemoteVault, Role};
use vow_vault::Vault;
use vow_vault::server::config::PullFrom;

/// Opens the vault that a text names: a path, or `https://HOST:PORT#FINGERPRINT`.
pub(super) fn open(text: &str, own: &Vault) -> Outcome<Arc<dyn Peer>> {
    if !text.contains("://") {
        return Ok(Arc::new(open_folder(text.as_ref())?));
    }
    let (address, pin) = address_and_pin(text)?;
    let pin = pin.ok_or_else(|| level::unpinned(&address))?;
    let plan = VaultPlan::at("", Place::Address(address.clone()));
    let vault = RemoteVault::new(&address, pin, &own.signing_key()?, level::options(&plan))?;
    if vault.about()?.role != Some(Role::Replicate) {
        return Err(Failure::new(
            Exit::NotFound,
            format!("the vault at {address} does not let this one read"),
        )
        .hint("there: `vow vault join-token --role replicate`; here: `vow vault join TOKEN --dir DIR`"));
    }
    Ok(Arc::new(vault))
}

/// Opens the vault in a folder.
pub(super) fn open_folder(dir: &Path) -> Outcome<Vault> {
    At::from(dir).open()
}

/// The vault that settings name. Nothing is asked of it yet: it may be away for now.
pub(super) fn of_settings(from: &PullFrom, own: &Vault) -> Outcome<Arc<dyn Peer>> {
    match (&from.url, &from.path, from.fingerprint) {
        (Some(address), _, Some(pin)) => {
            let plan = VaultPlan::at("", Place::Address(address.clone()));
            Ok(Arc::new(RemoteVault::new(address, pin, &own.signing_key()?, level::options(&plan))?))
        }
        (_, Some(path), pin) => {
            let vault = open_folder(path)?;
            if let Some(pin) = pin {
                vault.expect_fingerprint(&pin.to_string())?;
            }
            Ok(Arc::new(vault))
        }
        (_, None, _) => {
            Err(Failure::new(Exit::Usage, format!("{:?} has neither a url nor a path", from.name)))
        }
    }
}
