//! The role of whoever keeps watch over a vault: following its ledger, showing it what others showed.

use super::RemoteVault;
use vow_base::sign::PublicKey;
use vow_base::vault::{VaultError, Watch};

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
}
