//! Making a vault: everything it needs, durable, and `VOW` last.

use crate::fuse::Fuse;
use crate::storage::{DirStorage, Storage};
use crate::texts;
use crate::tree::{self, TOP_NAMES};
use crate::vault::{read_vault_key, text_error};
use std::io::ErrorKind::{self, InvalidInput, PermissionDenied, ReadOnlyFilesystem};
use std::path::Path;
use vow_base::disk::{Disk, DiskError};
use vow_base::publish::{PublishError, create_folders, parent};
use vow_base::sign::SigningKey;
use vow_base::vault::VaultError;

/// In a directory, with a new key of its own. A vault that is there is left as it is.
pub(crate) fn in_directory(disk: &dyn Disk, storage: &DirStorage) -> Result<(), VaultError> {
    create_folders(storage.disk(), storage.root())?;
    if storage.stat(tree::VOW)?.is_some() {
        return Ok(());
    }
    sync_above(disk, storage.root())?;
    lay_out(storage)
}

/// In any storage, with a key that stays outside.
pub(crate) fn with_key(storage: &dyn Storage, key: &SigningKey) -> Result<(), VaultError> {
    if storage.stat(tree::VOW)?.is_none() {
        refuse_headless(storage)?;
    }
    for folder in [tree::TEMPORARY, tree::LEDGER, tree::HOSTS, tree::DETAILS] {
        storage.make_folder(folder)?;
    }
    if storage.has_folders() {
        put_text(storage, tree::LOCK, b"", false).map_err(text_error)?;
    }
    put_text(storage, tree::VOW, texts::vow_text(&key.public()).as_bytes(), false).map_err(text_error)
}

/// Everything but `VOW`, all of it durable; then `VOW`.
fn lay_out(storage: &DirStorage) -> Result<(), VaultError> {
    refuse_strangers(storage)?;
    let (disk, root) = (storage.disk(), storage.root());
    for folder in [tree::TEMPORARY, tree::LEDGER, tree::HOSTS] {
        make_folder(disk, &root.join(folder))?;
    }
    if storage.stat(tree::VAULT_KEY)?.is_none() {
        let key = SigningKey::generate().map_err(|e| VaultError::Refused(format!("no randomness: {e}")))?;
        match put_text(storage, tree::VAULT_KEY, texts::vault_key_text(&key).as_bytes(), true) {
            // Somebody who creates the same vault at the same time was first; their key is as good.
            Ok(()) | Err(PublishError::Occupied { .. }) => {}
            Err(error) => return Err(text_error(error)),
        }
    }
    let key = read_vault_key(storage)?;
    // This makes the names of the above durable too, even those that an earlier attempt gave and died before it could.
    put_text(storage, tree::LOCK, b"", false).map_err(text_error)?;
    put_text(storage, tree::VOW, texts::vow_text(&key.public()).as_bytes(), false).map_err(text_error)
}

fn refuse_strangers(storage: &DirStorage) -> Result<(), VaultError> {
    let place = storage.place();
    for name in storage.names("")? {
        if !TOP_NAMES.contains(&name.as_str()) && name != "lost+found" {
            let message = format!("{place} is not a vault and not empty: it holds {name:?}");
            return Err(VaultError::Refused(message));
        }
    }
    refuse_headless(storage)
}

/// VOW is published before anything comes into these two: a vault that lost it is not to be made anew.
fn refuse_headless(storage: &dyn Storage) -> Result<(), VaultError> {
    let place = storage.place();
    for folder in [tree::HOSTS, tree::LEDGER] {
        if storage.is_folder(folder)? && !storage.names(folder)?.is_empty() {
            let message = format!("{place}/{folder} holds something, but {place} lacks its file VOW");
            return Err(VaultError::Refused(message));
        }
    }
    Ok(())
}

/// Makes a folder whose name the caller makes durable.
fn make_folder(disk: &Fuse, folder: &Path) -> Result<(), DiskError> {
    if disk.is_dir(folder)? {
        return Ok(());
    }
    match disk.create_dir(folder) {
        Err(e) if e.source.kind() == ErrorKind::AlreadyExists && disk.is_dir(folder)? => Ok(()),
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

fn put_text(storage: &dyn Storage, name: &str, text: &[u8], secret: bool) -> Result<(), PublishError> {
    let mut upload = storage.begin(name, None, secret)?;
    upload.write(text)?;
    upload.finish().map(|_| ())
}
