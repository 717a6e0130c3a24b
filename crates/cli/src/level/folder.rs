//! A vault in a folder of this machine.

use super::{HostLevel, Notary};
use crate::failure::Outcome;
use std::path::Path;
use std::sync::Arc;
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::sign::PublicKey;
use vow_base::vault::{Deposit, Introduced, VaultError, Watch};
use vow_vault::Vault;

/// Opens the folder of a vault and checks that it is the one expected.
pub(crate) fn open_vault(path: &Path, fingerprint: Option<Fingerprint>) -> Outcome<Vault> {
    Ok(open(path, fingerprint)?)
}

fn open(path: &Path, fingerprint: Option<Fingerprint>) -> Result<Vault, VaultError> {
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), path)?;
    if let Some(expected) = fingerprint {
        vault.expect_fingerprint(&expected.to_string())?;
    }
    Ok(vault)
}

pub(super) fn open_as_host(
    path: &Path,
    fingerprint: Option<Fingerprint>,
    host: &PublicKey,
) -> Result<HostLevel, VaultError> {
    let vault = open(path, fingerprint)?;
    let deposit: Arc<dyn Deposit> = Arc::new(vault.deposit(host)?);
    let introduced = vault.is_introduced(&host.host_id())?;
    let notary = FolderNotary { vault: vault.clone(), host: *host, deposit: deposit.clone() };
    Ok(HostLevel { deposit, retrieve: Some(Arc::new(vault)), notary: Arc::new(notary), introduced })
}

struct FolderNotary {
    vault: Vault,
    host: PublicKey,
    deposit: Arc<dyn Deposit>,
}

impl Notary for FolderNotary {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.vault.public_key())
    }

    fn receipts_after(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError> {
        // What a deposit shows is durable; the ledger alone may be ahead of that.
        let receipts = self.deposit.receipts()?.into_iter().filter(|receipt| receipt.position > after);
        receipts.map(|receipt| self.vault.entry(receipt.position)).collect()
    }

    fn head(&self) -> Result<Option<Vec<u8>>, VaultError> {
        self.vault.head()
    }

    fn witness(&self, head: &[u8]) -> Result<(), VaultError> {
        self.vault.witness_head(head)
    }

    fn introduce(&self, introduction: &[u8]) -> Result<(), VaultError> {
        // Nobody has let it in with a token: whoever may write to the folder decides, and that is this host. The vault takes its word as it
        // would from another vault.
        let said = Introduced { stored: introduction.to_vec(), shut_out: Vec::new() };
        if self.vault.adopt(&self.host, &said)? {
            return Ok(());
        }
        self.vault.introduce(&self.host, introduction).map(|_| ())
    }
}
