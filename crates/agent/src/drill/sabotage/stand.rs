//! Something that stands before a vault and serves one thing wrong.

use std::sync::Arc;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// What is served wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    /// A bit of a pack.
    Bit {
        /// The pack.
        pack: ObjectId,
        /// Which byte of it.
        at: u64,
    },
    /// A pack is not there.
    Gone {
        /// The pack.
        pack: ObjectId,
    },
    /// A pack ends too early.
    Cut {
        /// The pack.
        pack: ObjectId,
        /// Where.
        at: u64,
    },
    /// Receipts from this position on are not shown.
    Hidden {
        /// The first of them.
        from: u64,
    },
    /// A manifest with a bit changed.
    Forged {
        /// The manifest.
        manifest: ObjectId,
    },
}

pub(super) struct Stand {
    vault: Arc<dyn Retrieve>,
    wrong: Wrong,
}

impl Stand {
    pub(super) fn new(vault: Arc<dyn Retrieve>, wrong: Wrong) -> Self {
        Self { vault, wrong }
    }

    /// Changes bytes of an object that begin at `offset`.
    fn spoil(
        &self,
        kind: Kind,
        id: &ObjectId,
        offset: u64,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, VaultError> {
        match self.wrong {
            Wrong::Bit { pack, at } if kind == Kind::Pack && pack == *id => {
                let here = at.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
                if let Some(byte) = here.and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 0x10;
                }
            }
            Wrong::Gone { pack } if kind == Kind::Pack && pack == *id => {
                return Err(VaultError::Absent { kind, id: *id });
            }
            Wrong::Cut { pack, at } if kind == Kind::Pack && pack == *id => {
                let keep = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
                bytes.truncate(keep);
            }
            Wrong::Forged { manifest } if kind == Kind::Manifest && manifest == *id => {
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        Ok(bytes)
    }
}

impl Retrieve for Stand {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        self.vault.hosts()
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        let mut receipts = self.vault.committed(host)?;
        if let Wrong::Hidden { from } = self.wrong {
            receipts.retain(|receipt| receipt.position < from);
        }
        Ok(receipts)
    }

    fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        self.vault.objects(host, kind)
    }

    fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.spoil(kind, id, 0, self.vault.get(host, kind, id)?)
    }

    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        self.spoil(Kind::Pack, id, offset, self.vault.pack_range(host, id, offset, length)?)
    }
}
