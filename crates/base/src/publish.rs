//! The one way in which anything becomes durable under its final name.

use crate::disk::{Disk, DiskError, DiskFile};
use crate::id::{ObjectId, Sha256Stream};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Pieces in which an object is hashed and written: small enough to stay in the processor's cache between the two.
const PIECE_BYTES: usize = 256 * 1024;

/// Why something was not published. In every case nothing that stood under the final name was changed.
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
    /// Something else stands under the name already; it was left as it is.
    #[error("{path} is there already, with other content: {reason}", path = path.display())]
    Occupied {
        /// The name the bytes were to get.
        path: PathBuf,
        /// In what it differs.
        reason: String,
    },
}

/// Whether the object was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It was written.
    New,
    /// It was there already, with the same bytes.
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
    let folder = parent(path);
    create_folders(disk, folder)?;
    if disk.len(path)?.is_some() {
        return already_there(disk, path, bytes, expected);
    }
    let unfinished = temporary.join(unique_name());
    let file = disk.create_new(&unfinished, secret)?;
    let written = write_hashed(file, bytes).map_err(PublishError::from).and_then(|found| match expected {
        Some(expected) if *expected != found => Err(PublishError::WrongHash { path: path.to_owned(), found }),
        _ => Ok(disk.rename_new(&unfinished, path)?),
    });
    match written {
        Ok(()) => {
            disk.sync_dir(folder)?;
            Ok(Published::New)
        }
        Err(error) => {
            // Best effort: whatever stays in the folder of temporaries is nobody's. The first error is the one that matters.
            let _ = disk.remove(&unfinished);
            match error {
                PublishError::Disk(e) if e.source.kind() == io::ErrorKind::AlreadyExists => {
                    already_there(disk, path, bytes, expected)
                }
                other => Err(other),
            }
        }
    }
}

/// Replaces nothing and forgets nothing: makes every missing folder up to `folder` and makes each name durable.
///
/// A folder that is there already counts as durable. Where whoever made it may have died before that, or may not have come to
/// it yet, the caller syncs its parent.
pub fn create_folders(disk: &dyn Disk, folder: &Path) -> Result<(), DiskError> {
    if disk.is_dir(folder) {
        return Ok(());
    }
    if parent(folder) != folder {
        create_folders(disk, parent(folder))?;
    }
    match disk.create_dir(folder) {
        Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    disk.sync_dir(parent(folder))
}

/// The folder that a name stands in: "." for a bare name, itself for the root.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// What stands under the name is compared, byte by byte: this is rare (a repeated request, a shared list segment), and an
/// acknowledgement must mean these bytes, not a damaged object of the same length.
///
/// The content needs no sync: it had one before it got this name. The name does: whoever gave it may have died before.
fn already_there(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
    expected: Option<&ObjectId>,
) -> Result<Published, PublishError> {
    if let Some(expected) = expected {
        let found = ObjectId::of(bytes);
        if found != *expected {
            return Err(PublishError::WrongHash { path: path.to_owned(), found });
        }
    }
    let occupied = |reason| PublishError::Occupied { path: path.to_owned(), reason };
    match disk.len(path)? {
        None => return Err(occupied("it is not a regular file".into())),
        Some(length) if length != bytes.len() as u64 => {
            return Err(occupied(format!("it has {length} bytes instead of {}", bytes.len())));
        }
        Some(length) => {
            if disk.read(path, length)? != bytes {
                return Err(occupied("its bytes differ".into()));
            }
        }
    }
    disk.sync_dir(parent(path))?;
    Ok(Published::AlreadyThere)
}

fn write_hashed(mut file: Box<dyn DiskFile>, bytes: &[u8]) -> Result<ObjectId, DiskError> {
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
