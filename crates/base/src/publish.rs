//! The one way in which anything becomes durable under its final name.

use crate::disk::{Disk, DiskError};
use crate::id::{ObjectId, Sha256Stream};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Pieces in which an object is hashed and written: small enough to stay in the processor's cache between the two.
const PIECE_BYTES: usize = 256 * 1024;

/// Why something was not published. In every case nothing new stands under the final name.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The bytes are not what their name says.
    #[error("{path}: the bytes hash to {found}, not to their name", path = path.display())]
    WrongHash {
        /// The name they were to get.
        path: PathBuf,
        /// What they hash to.
        found: ObjectId,
    },
}

/// Whether the object was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It was written.
    New,
    /// It was there already, with the same length.
    AlreadyThere,
}

/// Publishes `bytes` as `path`, durably, never replacing anything.
///
/// Unique temporary file in `temporary`, hashed while written and compared with `expected`, fsync, rename without replacing,
/// fsync of the folder (and of the parents of folders made for it). Only then it returns.
pub fn publish(
    disk: &dyn Disk,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    expected: Option<&ObjectId>,
    secret: bool,
) -> Result<Published, PublishError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folders(disk, folder)?;
    if disk.len(path)? == Some(bytes.len() as u64) {
        // It may have been renamed by a run that lost power before it made the name durable.
        disk.sync_dir(folder)?;
        return Ok(Published::AlreadyThere);
    }
    let unfinished = temporary.join(unique_name());
    let written = write_hashed(disk, &unfinished, bytes, secret).and_then(|found| match expected {
        Some(expected) if *expected != found => Err(PublishError::WrongHash { path: path.to_owned(), found }),
        _ => Ok(disk.rename_new(&unfinished, path)?),
    });
    if let Err(error) = written {
        // Best effort: whatever stays in the folder of temporaries is nobody's. The first error is the one that matters.
        let _ = disk.remove(&unfinished);
        return Err(error);
    }
    disk.sync_dir(folder)?;
    Ok(Published::New)
}

/// Replaces nothing and forgets nothing: makes every missing folder up to `folder` and makes each name durable.
pub fn create_folders(disk: &dyn Disk, folder: &Path) -> Result<(), DiskError> {
    if folder.as_os_str().is_empty() || disk.is_dir(folder) {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    create_folders(disk, parent)?;
    match disk.create_dir(folder) {
        Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    disk.sync_dir(parent)
}

fn write_hashed(disk: &dyn Disk, path: &Path, bytes: &[u8], secret: bool) -> Result<ObjectId, PublishError> {
    let mut file = disk.create_new(path, secret)?;
    let mut hash = Sha256Stream::default();
    for piece in bytes.chunks(PIECE_BYTES) {
        hash.update(piece);
        file.write(piece)?;
    }
    file.sync()?;
    Ok(ObjectId(hash.finish()))
}

fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let time = crate::clock::Clock::now(&crate::clock::SystemClock);
    format!("{}-{time:x}-{count}", std::process::id())
}
