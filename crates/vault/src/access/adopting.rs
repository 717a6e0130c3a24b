//! Taking over from another vault what a host said of itself when it joined there: its customer, its name, and who may read what it sends.
//!
//! The other vault is not believed. What it shows counts when the host itself signed it, and only the first such word that comes here counts, ever:
//! a host that is taken over later can name no further reader, and a vault that is taken over can name none at all. What the other vault says beside
//! it, that a reader is shut out there, can only take away. What was taken away here stays away, and nothing that is taken away there later
//! reaches this vault: else whoever holds that one could shut out the restorers of this one.

use super::hosts::About;
use super::right::{Right, Scope};
use crate::sweep::known;
use crate::tree;
use crate::vault::{Inner, Vault, text_error};
use vow_base::introduction::{ENVELOPE, Introduction};
use vow_base::publish::PublishError;
use vow_base::sign::PublicKey;
use vow_base::vault::{Introduced, VaultError};
use vow_protocol::limits::is_name;

/// Where the record of a grant has the token of those who joined here.
const INSTEAD_OF_TOKEN: &str = "taken over with the host's introduction";

impl Vault {
    /// Whether nothing is known here yet of whose host this is.
    pub(crate) fn is_unintroduced(&self, host: &PublicKey) -> Result<bool, VaultError> {
        Ok(self.inner.about(&host.host_id())?.is_none())
    }

    /// Takes over what a host said of itself to another vault; whether it counts here.
    ///
    /// # Errors
    /// [`VaultError::Refused`] or [`VaultError::Signed`] when it is not this host's word.
    pub fn adopt(&self, host: &PublicKey, introduced: &Introduced) -> Result<bool, VaultError> {
        let (vault, id) = (&*self.inner, host.host_id());
        if !self.is_unintroduced(host)? {
            // It joined here, or was taken over before.
            return Ok(false);
        }
        let name = tree::introduction(&id);
        word_of(host, &introduced.stored)?;
        let stored = match vault.storage.create(&name, &introduced.stored, None) {
            Ok(_) => introduced.stored.clone(),
            // An earlier attempt was cut short: what came first is what counts.
            Err(PublishError::Occupied { .. }) => vault.storage.read(&name, ENVELOPE.limit_bytes as u64)?,
            Err(error) => return Err(text_error(error)),
        };
        let said = word_of(host, &stored)?;
        for reader in &said.readers {
            let key = reader.host_id();
            let right = Right::Restore(Scope::Host(id));
            let keeps_out = introduced.shut_out.contains(&key) || key == id || !reader.is_sound();
            if keeps_out || vault.host_key(&key)?.is_some() || vault.is_revoked(&key, &right)? {
                continue;
            }
            vault.put_grant(reader, &right, &said.name, INSTEAD_OF_TOKEN)?;
        }
        let tenant = if vault.is_ruled_already(self, &said)? { String::new() } else { said.tenant };
        // Last: with it everything is done.
        let about = About { tenant, name: said.name };
        match vault.storage.create(&tree::about(&id), about.text().as_bytes(), None) {
            Ok(_) | Err(PublishError::Occupied { .. }) => Ok(true),
            Err(error) => Err(text_error(error)),
        }
    }

    /// What a host said of itself, for another vault.
    pub(crate) fn introduction_of(&self, host: &vow_base::HostId) -> Result<Option<Introduced>, VaultError> {
        let vault = &*self.inner;
        let stored = match vault.storage.read(&tree::introduction(host), ENVELOPE.limit_bytes as u64) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        let Ok(said) = Introduction::open(&stored) else { return Ok(None) };
        let mut shut_out = Vec::new();
        for reader in said.readers.iter().map(PublicKey::host_id) {
            if !vault.rights(&reader)?.contains(&Right::Restore(Scope::Host(*host))) {
                shut_out.push(reader);
            }
        }
        Ok(Some(Introduced { stored, shut_out }))
    }
}

impl Inner {
    /// Whether snapshots of this host are here already and this customer has rules of its own: then it would be another vault that decides by which
    /// rules they expire. Such a host keeps the rules it has.
    fn is_ruled_already(&self, vault: &Vault, said: &Introduction) -> Result<bool, VaultError> {
        let state = vault.state()?;
        if said.tenant.is_empty() || state.of_host(&said.host.host_id()).snapshots.is_empty() {
            return Ok(false);
        }
        Ok(known::versions(&state)?.iter().any(|version| version.policy.names(&said.tenant)))
    }
}

/// What a host says of itself, if it is this host that says it, and proper names.
pub(super) fn word_of(host: &PublicKey, stored: &[u8]) -> Result<Introduction, VaultError> {
    let what = || format!("the introduction of host {}", host.host_id().short());
    let said = Introduction::open(stored).map_err(|source| VaultError::Signed { what: what(), source })?;
    let named = is_name(&said.name) && (said.tenant.is_empty() || is_name(&said.tenant));
    if said.host != *host || !named {
        return Err(VaultError::Refused(format!("{} is not its own", what())));
    }
    Ok(said)
}
