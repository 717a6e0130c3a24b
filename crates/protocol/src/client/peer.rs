//! The role of whoever keeps watch over a vault: following its ledger, showing it what others showed.

use super::RemoteVault;
use crate::path::{Route, Spot};
use crate::wire::{self, Base64, Entries, Hex};
use vow_base::HostId;
use vow_base::sign::PublicKey;
use vow_base::vault::{Introduced, VaultError, Watch};

impl Watch for RemoteVault {
    fn vault_key(&self) -> Result<PublicKey, VaultError> {
        Ok(self.about()?.vault.0)
    }

    fn head(&self) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(Self::head(self)?.map(|entry| entry.stored))
    }

    fn entries(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError> {
        let page = self.ledger(after, None)?;
        Ok(page.entries.into_iter().map(|entry| entry.stored).collect())
    }

    fn witness(&self, head: &[u8]) -> Result<(), VaultError> {
        Self::witness(self, head)
    }

    fn heads_of(&self, _: &PublicKey) -> Result<Vec<Vec<u8>>, VaultError> {
        // It knows who asks.
        match self.inner.get_json::<Entries>(Route::Witness, None, "heads of this vault") {
            Ok(seen) => Ok(seen.entries.into_iter().map(|Base64(stored)| stored).collect()),
            // One of an earlier version.
            Err(VaultError::NotForThisKey { .. }) => Ok(Vec::new()),
            Err(other) => Err(other),
        }
    }

    fn introduced(&self, host: &HostId) -> Result<Option<Introduced>, VaultError> {
        let route = Route::Host(*host, Spot::Introduction);
        match self.inner.get_json::<wire::Introduced>(route, None, "introduction of this host") {
            Ok(said) => Ok(Some(Introduced {
                stored: said.introduction.0,
                shut_out: said.shut_out.into_iter().map(|Hex(reader)| reader).collect(),
            })),
            Err(VaultError::NotForThisKey { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
