//! The one way in which anything becomes durable under its final name.

use crate::disk::{Disk, DiskError, DiskFile};
use crate::id::{ObjectId, Sha256Stream};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// Publishes `bytes` as `path`, durably, never replacing anything: [`Publishing`] in one call.
pub fn publish(
    disk: &dyn Disk,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    expected: Option<&ObjectId>,
    secret: bool,
) -> Result<Published, PublishError> {
    let mut publishing = Publishing::begin(Handle::Borrowed(disk), temporary, path, expected, secret)?;
    for piece in bytes.chunks(PIECE_BYTES) {
        publishing.write(piece)?;
    }
    publishing.finish()
}

/// Something that is being published, as its bytes arrive.
///
/// Unique temporary file, hashed while written and compared with the name, fsync, rename without replacing, fsync of the folder
/// (and of the parents of folders made for it). Only then [`Publishing::finish`] returns. Dropped before that, nothing stays.
///
/// What stands under the name already is left as it is, and compared: this is rare (a repeated request, a shared list segment), and
/// an acknowledgement must mean these bytes, not a damaged object of the same length.
pub struct Publishing<'d> {
    disk: Handle<'d>,
    path: PathBuf,
    expected: Option<ObjectId>,
    hash: Sha256Stream,
    length: u64,
    /// The unfinished file; `None` when something stands under the name already.
    unfinished: Option<(PathBuf, Box<dyn DiskFile>)>,
}

/// A disk, borrowed for a while or shared for as long as it takes.
pub enum Handle<'d> {
    /// Borrowed.
    Borrowed(&'d dyn Disk),
    /// Shared.
    Shared(Arc<dyn Disk>),
}

impl<'d> Deref for Handle<'d> {
    type Target = dyn Disk + 'd;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Borrowed(disk) => *disk,
            Self::Shared(disk) => &**disk,
        }
    }
}

impl<'d> Publishing<'d> {
    /// Begins: makes the folder, and the temporary file unless the name is taken.
    pub fn begin(
        disk: Handle<'d>,
        temporary: &Path,
        path: &Path,
        expected: Option<&ObjectId>,
        secret: bool,
    ) -> Result<Self, PublishError> {
        create_folders(&*disk, parent(path))?;
        let unfinished = if disk.len(path)?.is_some() {
            None
        } else {
            let unfinished = temporary.join(unique_name());
            let file = disk.create_new(&unfinished, secret)?;
            Some((unfinished, file))
        };
        let (path, expected) = (path.to_owned(), expected.copied());
        Ok(Self { disk, path, expected, hash: Sha256Stream::default(), length: 0, unfinished })
    }

    /// Takes the next bytes: best in pieces that stay in the processor's cache between hashing and writing.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        match &mut self.unfinished {
            Some((_, file)) => file.write(bytes),
            None => Ok(()),
        }
    }

    /// Makes it durable under its name.
    pub fn finish(mut self) -> Result<Published, PublishError> {
        let found = ObjectId(std::mem::take(&mut self.hash).finish());
        if let Some(expected) = self.expected
            && expected != found
        {
            return Err(PublishError::WrongHash { path: self.path.clone(), found });
        }
        let Some((unfinished, file)) = &mut self.unfinished else {
            return self.already_there(&found);
        };
        file.sync()?;
        match self.disk.rename_new(unfinished, &self.path) {
            Ok(()) => self.unfinished = None,
            Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => return self.already_there(&found),
            Err(other) => return Err(other.into()),
        }
        self.disk.sync_dir(parent(&self.path))?;
        Ok(Published::New)
    }

    /// The content needs no sync: it had one before it got this name. The name does: whoever gave it may have died before.
    fn already_there(&self, found: &ObjectId) -> Result<Published, PublishError> {
        let occupied = |reason| PublishError::Occupied { path: self.path.clone(), reason };
        match self.disk.len(&self.path)? {
            None => return Err(occupied("it is not a regular file".into())),
            Some(length) if length != self.length => {
                return Err(occupied(format!("it has {length} bytes instead of {}", self.length)));
            }
            Some(length) => {
                if ObjectId::of(&self.disk.read(&self.path, length)?) != *found {
                    return Err(occupied("its bytes differ".into()));
                }
            }
        }
        self.disk.sync_dir(parent(&self.path))?;
        Ok(Published::AlreadyThere)
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.unfinished {
            // Best effort: whatever stays in the folder of temporaries is nobody's. The first error is the one that matters.
            let _ = self.disk.remove(unfinished);
        }
    }
}

/// Replaces nothing and forgets nothing: makes every missing folder up to `folder` and makes each name durable.
///
/// A folder that is there already counts as durable. Where whoever made it may have died before that, or may not have come to
/// it yet, the caller syncs its parent.
pub fn create_folders(disk: &dyn Disk, folder: &Path) -> Result<(), DiskError> {
    if disk.is_dir(folder)? {
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

fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let time = crate::clock::Clock::now(&crate::clock::SystemClock);
    format!("{}-{time:x}-{count}", std::process::id())
}
