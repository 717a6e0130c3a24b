//! What this vault has seen of others, for whoever looks after it.

use crate::tree;
use crate::vault::Vault;
use vow_base::Fingerprint;
use vow_base::id::from_hex;
use vow_base::receipt::{ENVELOPE, Receipt};
use vow_base::vault::VaultError;

/// The heads that were seen of another vault's ledger.
#[derive(Debug, Clone)]
pub struct HeadsSeen {
    /// Which vault.
    pub vault: Fingerprint,
    /// Heads at positions that rise, each with its stored bytes.
    pub heads: Vec<(Receipt, Vec<u8>)>,
    /// Heads that are other ones than those above, at the same position: the vault told two stories.
    pub contradictions: Vec<(Receipt, Vec<u8>)>,
}

impl Vault {
    /// Every head of another vault that is kept here.
    pub fn heads_seen(&self) -> Result<Vec<HeadsSeen>, VaultError> {
        let storage = &*self.inner.storage;
        if !storage.is_folder(tree::WITNESS)? {
            return Ok(Vec::new());
        }
        let mut seen = Vec::new();
        for name in storage.names(tree::WITNESS)? {
            let Some(vault) = from_hex::<32>(&name).map(Fingerprint) else { continue };
            let (mut heads, mut contradictions) = (Vec::new(), Vec::new());
            let folder = tree::witness(&name);
            let names: Vec<_> =
                storage.names(&folder)?.iter().map(|head| format!("{folder}/{head}")).collect();
            // A year of hours are thousands of small objects.
            for (head, stored) in names.iter().zip(storage.reads(&names, ENVELOPE.limit_bytes as u64)?) {
                let what = || head.clone();
                let receipt =
                    Receipt::open(&stored).map_err(|source| VaultError::Signed { what: what(), source })?;
                let list = if head.contains('.') { &mut contradictions } else { &mut heads };
                list.push((receipt, stored));
            }
            seen.push(HeadsSeen { vault, heads, contradictions });
        }
        Ok(seen)
    }
}
