//! A vault, wherever its names live: opening it, its keys, and what its parts share.

use crate::ledger::Ledger;
use crate::storage::{DirStorage, Storage};
use crate::texts::{self, BadVow, TEXT_LIMIT_BYTES};
use crate::{create, tree};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use vow_base::clock::Clock;
use vow_base::disk::{Disk, DiskError, DiskLock};
use vow_base::id::{hex, sha256};
use vow_base::publish::PublishError;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::VaultError;

/// How long a commit waits for its turn. A commit takes milliseconds; one over millions of packs takes seconds.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// A vault.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
    pub(crate) lock_wait: Duration,
}

/// What a vault and its deposits share.
pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key: PublicKey,
    pub(crate) ledger: Ledger,
    /// The signing key, when it is not kept in the storage.
    signer: Option<SigningKey>,
    /// Whether the name of `VOW` is known to be durable.
    settled: OnceLock<()>,
}

impl Vault {
    /// Makes a vault in a folder that is absent or empty, or completes one whose making was cut short.
    ///
    /// A vault that is whole is left as it is and opened. The folder `lost+found` of a file system's root does not count.
    pub fn create(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, path: &Path) -> Result<Self, VaultError> {
        let storage = DirStorage::new(disk.clone(), path);
        create::in_directory(&*disk, &storage)?;
        let vault = Self::open_on(Arc::new(storage), clock, None)?;
        vault.inner.settle()?;
        Ok(vault)
    }

    /// Opens the vault in the folder `path`. Nothing is written.
    pub fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, path: &Path) -> Result<Self, VaultError> {
        Self::open_on(Arc::new(DirStorage::new(disk, path)), clock, None)
    }

    /// Makes a vault with this key in a storage that holds none; the key stays outside. One with the same key is opened.
    pub fn create_on(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        key: SigningKey,
    ) -> Result<Self, VaultError> {
        create::with_key(&*storage, &key)?;
        Self::open_on(storage, clock, Some(key))
    }

    /// Opens the vault in a storage. Nothing is written. Without `signer` the storage itself keeps the key.
    pub fn open_on(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        signer: Option<SigningKey>,
    ) -> Result<Self, VaultError> {
        let place = storage.place();
        let text = match storage.read(tree::VOW, TEXT_LIMIT_BYTES) {
            Err(error) if error.is_absent() => return Err(VaultError::NoVault { place }),
            other => other?,
        };
        let key = texts::parse_vow(&text).map_err(|bad| {
            VaultError::Refused(match bad {
                BadVow::Version(line) => {
                    format!("{place}/VOW says {line:?}; this program knows only version 1")
                }
                BadVow::Malformed => format!("{place}/VOW is not what a vault says of itself"),
            })
        })?;
        if signer.as_ref().is_some_and(|signer| signer.public() != key) {
            return Err(VaultError::Refused(format!("the key given is not that of the vault at {place}")));
        }
        let ledger = Ledger::new(storage.clone(), key);
        let inner = Inner { storage, clock, key, ledger, signer, settled: OnceLock::new() };
        Ok(Self { inner: Arc::new(inner), lock_wait: LOCK_WAIT })
    }

    /// The same vault, whose commits wait this long for the lock instead of 30 seconds.
    #[must_use]
    pub fn with_lock_wait(self, lock_wait: Duration) -> Self {
        Self { lock_wait, ..self }
    }

    /// The fingerprint of the vault's key, as people compare it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", hex(&sha256(&self.inner.key.0)))
    }

    /// The vault's key.
    pub fn public_key(&self) -> PublicKey {
        self.inner.key
    }

    /// Where it is, for messages.
    pub fn place(&self) -> String {
        self.inner.storage.place()
    }

    /// Refuses a vault that is not the one on record.
    pub fn expect_fingerprint(&self, expected: &str) -> Result<(), VaultError> {
        let found = self.fingerprint();
        if found == expected {
            return Ok(());
        }
        Err(VaultError::OtherVault { place: self.place(), found, expected: expected.to_owned() })
    }

    /// The vault's signing key: what it shows in TLS, and what signs receipts.
    pub fn signing_key(&self) -> Result<SigningKey, VaultError> {
        self.inner.signing_key()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({}, {})", self.place(), self.fingerprint())
    }
}

impl Inner {
    /// Makes the name of `VOW` durable, once: whoever gave it may have died before that.
    pub(crate) fn settle(&self) -> Result<(), VaultError> {
        if self.settled.get().is_none() {
            self.storage.settle("")?;
            let _ = self.settled.set(());
        }
        Ok(())
    }

    /// The vault's signing key, checked against `VOW`.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, VaultError> {
        if let Some(signer) = &self.signer {
            return Ok(SigningKey::from_seed(&signer.seed()));
        }
        let key = read_vault_key(&*self.storage)?;
        if key.public() == self.key {
            return Ok(key);
        }
        let place = self.storage.place();
        Err(VaultError::Refused(format!("{place}/{} is not the key that VOW names", tree::VAULT_KEY)))
    }

    /// The store's lock, or [`VaultError::Busy`].
    pub(crate) fn lock(&self, wait: Duration) -> Result<DiskLock, VaultError> {
        let lock = self.storage.lock(wait)?;
        lock.ok_or_else(|| VaultError::Busy { place: self.storage.place() })
    }
}

/// For errors of publishing something whose name is not its hash.
pub(crate) fn text_error(error: PublishError) -> VaultError {
    match error {
        PublishError::Disk(error) => VaultError::Disk(error),
        other @ (PublishError::WrongHash { .. } | PublishError::Occupied { .. }) => {
            VaultError::Refused(other.to_string())
        }
    }
}

pub(crate) fn read_vault_key(storage: &dyn Storage) -> Result<SigningKey, VaultError> {
    let read: Result<Vec<u8>, DiskError> = storage.read(tree::VAULT_KEY, TEXT_LIMIT_BYTES);
    let text = zeroize::Zeroizing::new(read?);
    texts::parse_vault_key(&text).ok_or_else(|| {
        let place = storage.place();
        VaultError::Refused(format!("{place}/{} does not hold a signing key", tree::VAULT_KEY))
    })
}
