//! Asking vaults: their ledger, their health, their hosts, what they keep. What a vault says is believed over what hosts say.

mod follow;
mod sync;

pub use sync::{FetchError, sync};

use crate::db::vaults::Vault;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vow_base::sign::SigningKey;
use vow_base::vault::VaultError;
use vow_protocol::RemoteVault;
use vow_protocol::client::Options;

/// The vault as this console sees it: with its own key.
pub fn remote(
    vault: &Vault,
    key: &SigningKey,
    cancelled: Arc<AtomicBool>,
) -> Result<RemoteVault, VaultError> {
    let wrong = |what: &str| VaultError::Refused(format!("the vault {} has no {what}", vault.name));
    let address = vault.address.parse().map_err(|_| wrong("proper address"))?;
    let pin = vault.fingerprint.parse().map_err(|_| wrong("proper fingerprint"))?;
    // It is asked again in a minute: there is no use in being stubborn.
    let usual = Options::new(cancelled);
    RemoteVault::new(&address, pin, key, Options { connections: 2, retry: usual.retry.brief(), ..usual })
}
