//! Another vault that this one talks to, in a folder or behind an address. A vault shows its own key to others.

use super::at::store;
use crate::config::{Place, VaultPlan};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::level;
use crate::reading::address_and_pin;
use std::path::Path;
use std::sync::Arc;
use vow_base::vault::Peer;
use vow_protocol::{RemoteVault, Role};
use vow_vault::Vault;

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
    level::open_vault(&store(dir)?, None)
}
