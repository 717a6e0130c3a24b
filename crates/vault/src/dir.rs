//! Creating and opening a vault.

use crate::fuse::Fuse;
use crate::ledger::Ledger;
use crate::lock::LOCK_WAIT;
use crate::texts::{self, BadVow, TEXT_LIMIT_BYTES};
use crate::tree::{TOP_NAMES, Tree};
use std::fmt;
use std::io::ErrorKind::{self, InvalidInput, PermissionDenied, ReadOnlyFilesystem};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use vow_base::clock::Clock;
use vow_base::disk::{Disk, DiskError};
use vow_base::id::{hex, sha256};
use vow_base::publish::{PublishError, create_folders, parent, publish};
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::VaultError;

/// A vault in a directory.
#[derive(Clone)]
pub struct DirVault {
    pub(crate) inner: Arc<Inner>,
    pub(crate) lock_wait: Duration,
}

/// What a vault and its deposits share.
pub(crate) struct Inner {
    pub(crate) disk: Fuse,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tree: Tree,
    pub(crate) key: PublicKey,
    pub(crate) ledger: Ledger,
    /// Whether the name of `VOW` is known to be durable.
    settled: OnceLock<()>,
}

impl DirVault {
    /// Makes a vault in a folder that is absent or empty, or completes one whose making was cut short.
    ///
    /// A vault that is whole is left as it is and opened. The folder `lost+found` of a file system's root does not count.
    pub fn create(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, path: &Path) -> Result<Self, VaultError> {
        let fused = Fuse::new(disk.clone());
        let tree = Tree::new(path);
        create_folders(&fused, path)?;
        if fused.len(&tree.vow())?.is_none() {
            sync_above(&*disk, path)?;
            lay_out(&fused, &tree)?;
        }
        let vault = Self::open(disk, clock, path)?;
        vault.inner.settle()?;
        Ok(vault)
    }

    /// Opens the vault at `path`. Nothing is written.
    pub fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, path: &Path) -> Result<Self, VaultError> {
        let disk = Fuse::new(disk);
        let tree = Tree::new(path);
        if disk.len(&tree.vow())?.is_none() {
            return Err(VaultError::NoVault { place: tree.place() });
        }
        let text = disk.read(&tree.vow(), TEXT_LIMIT_BYTES)?;
        let key = texts::parse_vow(&text).map_err(|bad| {
            VaultError::Refused(match bad {
                BadVow::Version(line) => {
                    format!("{} says {line:?}; this program knows only version 1", tree.vow().display())
                }
                BadVow::Malformed => format!("{} is not what a vault says of itself", tree.vow().display()),
            })
        })?;
        let ledger = Ledger::new(disk.clone(), &tree, key);
        let inner = Inner { disk, clock, tree, key, ledger, settled: OnceLock::new() };
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.inner.tree.root()
    }

    /// Refuses a vault that is not the one on record.
    pub fn expect_fingerprint(&self, expected: &str) -> Result<(), VaultError> {
        let found = self.fingerprint();
        if found == expected {
            return Ok(());
        }
        Err(VaultError::OtherVault { place: self.inner.tree.place(), found, expected: expected.to_owned() })
    }
}

impl fmt::Debug for DirVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirVault({}, {})", self.inner.tree.place(), self.fingerprint())
    }
}

impl Inner {
    /// Makes the name of `VOW` durable, once: whoever gave it may have died before that.
    pub(crate) fn settle(&self) -> Result<(), VaultError> {
        if self.settled.get().is_none() {
            self.disk.sync_dir(self.tree.root())?;
            let _ = self.settled.set(());
        }
        Ok(())
    }

    /// The vault's signing key, checked against `VOW`.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, VaultError> {
        let key = read_vault_key(&self.disk, &self.tree)?;
        if key.public() == self.key {
            return Ok(key);
        }
        Err(VaultError::Refused(format!("{} is not the key that VOW names", self.tree.vault_key().display())))
    }
}

/// Everything but `VOW`, all of it durable; then `VOW`.
fn lay_out(disk: &Fuse, tree: &Tree) -> Result<(), VaultError> {
    refuse_strangers(disk, tree)?;
    for folder in [tree.temporary(), tree.ledger(), tree.hosts()] {
        make_folder(disk, &folder)?;
    }
    if disk.len(&tree.vault_key())?.is_none() {
        let key = SigningKey::generate().map_err(|e| VaultError::Refused(format!("no randomness: {e}")))?;
        match put_text(disk, tree, &tree.vault_key(), texts::vault_key_text(&key).as_bytes(), true) {
            // Somebody who creates the same vault at the same time was first; their key is as good.
            Ok(()) | Err(PublishError::Occupied { .. }) => {}
            Err(error) => return Err(text_error(error)),
        }
    }
    let key = read_vault_key(disk, tree)?;
    // This makes the names of the above durable too, even those that an earlier attempt gave and died before it could.
    put_text(disk, tree, &tree.lock(), b"", false).map_err(text_error)?;
    put_text(disk, tree, &tree.vow(), texts::vow_text(&key.public()).as_bytes(), false).map_err(text_error)
}

fn refuse_strangers(disk: &Fuse, tree: &Tree) -> Result<(), VaultError> {
    let place = tree.place();
    for name in disk.list(tree.root())? {
        if !TOP_NAMES.contains(&name.as_str()) && name != "lost+found" {
            let message = format!("{place} is not a vault and not empty: it holds {name:?}");
            return Err(VaultError::Refused(message));
        }
    }
    // VOW is published before anything comes into these two: a vault that lost it is not to be made anew.
    for folder in [tree.hosts(), tree.ledger()] {
        if disk.is_dir(&folder) && !disk.list(&folder)?.is_empty() {
            let message = format!("{} holds something, but {place} lacks its file VOW", folder.display());
            return Err(VaultError::Refused(message));
        }
    }
    Ok(())
}

/// Makes a folder whose name the caller makes durable.
pub(crate) fn make_folder(disk: &Fuse, folder: &Path) -> Result<(), DiskError> {
    if disk.is_dir(folder) {
        return Ok(());
    }
    match disk.create_dir(folder) {
        Err(e) if e.source.kind() == ErrorKind::AlreadyExists && disk.is_dir(folder) => Ok(()),
        other => other,
    }
}

/// Makes the name of the vault's folder durable, and of those above it: an earlier attempt may have made any of them.
fn sync_above(disk: &dyn Disk, root: &Path) -> Result<(), DiskError> {
    let mut folder = root;
    while parent(folder) != folder {
        folder = parent(folder);
        match disk.sync_dir(folder) {
            // Not ours to write to, so we made no name in it: another's folder, a file system for reading only.
            Err(e) if matches!(e.source.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput) => {}
            other => other?,
        }
    }
    Ok(())
}

fn put_text(disk: &Fuse, tree: &Tree, path: &Path, text: &[u8], secret: bool) -> Result<(), PublishError> {
    publish(disk, &tree.temporary(), path, text, None, secret).map(|_| ())
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

fn read_vault_key(disk: &Fuse, tree: &Tree) -> Result<SigningKey, VaultError> {
    let text = zeroize::Zeroizing::new(disk.read(&tree.vault_key(), TEXT_LIMIT_BYTES)?);
    texts::parse_vault_key(&text).ok_or_else(|| {
        VaultError::Refused(format!("{} does not hold a signing key", tree.vault_key().display()))
    })
}
