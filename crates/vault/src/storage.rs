//! Where a vault's names live: the one small trait that a directory and a bucket implement, both held to one conformance suite.
//!
//! Names are relative, with `/` between folders: those of `docs/vault.md`. Nothing is ever replaced.

use std::ops::ControlFlow;
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_base::disk::{DiskError, DiskLock};
use vow_base::publish::{PublishError, Published};

mod cached;
mod dir;
pub mod s3;
pub use cached::CachedStorage;
pub use dir::DirStorage;

/// Where a vault's names live. Every error names the object; an error is never an empty answer.
pub trait Storage: Send + Sync {
    /// For messages: a path or a URL.
    fn place(&self) -> String;

    /// Begins an object. When `finish` returns, it is there whole and durable, or nothing is.
    ///
    /// With `expected` the bytes must hash to it. What stands under the name already is left as it is and compared.
    fn begin(
        &self,
        name: &str,
        expected: Option<&ObjectId>,
        secret: bool,
    ) -> Result<Box<dyn Upload>, PublishError>;

    /// Stores a whole object: [`Storage::begin`] in one call.
    fn create(
        &self,
        name: &str,
        bytes: &[u8],
        expected: Option<&ObjectId>,
    ) -> Result<Published, PublishError> {
        let mut upload = self.begin(name, expected, false)?;
        for piece in bytes.chunks(PIECE_BYTES) {
            upload.write(piece)?;
        }
        upload.finish()
    }

    /// Reads an object of at most `limit_bytes`. [`DiskError::is_absent`] when there is none.
    fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, DiskError>;

    /// [`Storage::read`] of many names, all of them and in their order: where that takes a while, of several at once.
    fn reads(&self, names: &[String], limit_bytes: u64) -> Result<Vec<Vec<u8>>, DiskError> {
        names.iter().map(|name| self.read(name, limit_bytes)).collect()
    }

    /// Reads exactly `length` bytes from `offset`; `UnexpectedEof` when the object ends before that.
    fn read_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError>;

    /// What is known of an object without reading it; `None` when there is none.
    fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError>;

    /// [`Storage::stat`] of many names, in their order: where that takes a while, of many at once.
    fn stats(&self, names: &[String]) -> Result<Vec<Option<Stat>>, DiskError> {
        names.iter().map(|name| self.stat(name)).collect()
    }

    /// Everything directly in a folder, objects and folders, sorted by name: whole, or an error.
    ///
    /// A directory says an error when the folder is not there; a bucket, which has no folders, says that it is empty.
    fn list(&self, folder: &str) -> Result<Vec<Item>, DiskError>;

    /// The names directly in a folder: as [`Storage::list`], at less cost.
    fn names(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.list(folder)?.into_iter().map(|item| item.name).collect())
    }

    /// Those of [`Storage::names`] that sort after `name`: where a store can begin there, at the cost of these alone.
    fn names_after(&self, folder: &str, name: &str) -> Result<Vec<String>, DiskError> {
        let mut names = self.names(folder)?;
        names.retain(|other| other.as_str() > name);
        Ok(names)
    }

    /// Everything below a folder, at whatever depth, that sorts after the name `after`, under its name from there, until `sink` has enough.
    /// A bucket does this with one listing, however many folders there seem to be. Sorted by name, but for what a delete marker hides: that comes last.
    fn list_below(
        &self,
        folder: &str,
        after: Option<&str>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        below(self, folder, "", after, sink).map(|_| ())
    }

    /// Whether a folder must exist before anything comes into it, and its absence means that something is lost.
    fn has_folders(&self) -> bool;

    /// Whether this folder is there. Always, where there are no folders.
    fn is_folder(&self, folder: &str) -> Result<bool, DiskError>;

    /// Makes a folder and those above it; durable after [`Storage::settle`] of the folder above.
    fn make_folder(&self, folder: &str) -> Result<(), DiskError>;

    /// Makes every name in a folder durable that some process may have given and died before it was.
    fn settle(&self, folder: &str) -> Result<(), DiskError>;

    /// Removes what was seen as `stat`, and nothing that came under the name later where the store can tell. For the sweep only.
    /// An object that is not there any more is no error.
    fn remove(&self, name: &str, seen: &Stat) -> Result<(), DiskError>;

    /// Moves an object that a scrub found damaged out of the way. An object under `to` is no error: a second copy of damage is dropped.
    fn quarantine(&self, name: &str, to: &str) -> Result<(), DiskError>;

    /// Whether the store locks objects.
    fn locks(&self) -> bool {
        false
    }

    /// [`Storage::extend_lock`] of many objects.
    fn extend_locks(&self, names: &[String], until: Nanos) -> Result<(), DiskError> {
        names.iter().try_for_each(|name| self.extend_lock(name, until))
    }

    /// Where the store can lock: nobody can remove the object before this time. It never shortens a lock. Else nothing.
    fn extend_lock(&self, name: &str, until: Nanos) -> Result<(), DiskError>;

    /// The store's lock against other processes, waiting at most this long; `None` when somebody else holds it all that time.
    ///
    /// It keeps writers from getting into each other's way; what makes them agree is that a ledger position is taken once. A bucket
    /// has no such lock and gives one that holds nobody back.
    fn lock(&self, wait: Duration) -> Result<Option<DiskLock>, DiskError>;

    /// Removes what unfinished writes left more than this long ago; how many. Where nothing can be left over: none.
    fn clear_unfinished(&self, older_than: Duration) -> Result<u64, DiskError>;

    /// Bytes in which a long object is best read one piece after the other.
    fn piece_bytes(&self) -> usize {
        PIECE_BYTES
    }

    /// Whether an [`Upload`] holds all its bytes in memory until it is finished.
    fn buffers_uploads(&self) -> bool {
        false
    }

    /// Why nothing is stored any more, when that is so until the program is started anew.
    fn halted(&self) -> Option<String> {
        None
    }

    /// Free and whole space in bytes, where that is known.
    fn space(&self) -> Result<Option<Space>, DiskError>;
}

/// [`Storage::list_below`], folder by folder.
fn below<S: Storage + ?Sized>(
    storage: &S,
    folder: &str,
    prefix: &str,
    after: Option<&str>,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, DiskError> {
    for Item { name, stat } in storage.list(folder)? {
        let inner = format!("{prefix}{name}");
        let flow = match stat {
            Some(stat) if after.is_none_or(|after| inner.as_str() > after) => {
                sink(Item { name: inner, stat: Some(stat) })
            }
            Some(_) => ControlFlow::Continue(()),
            None => below(storage, &format!("{folder}/{name}"), &format!("{inner}/"), after, sink)?,
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Pieces in which whole objects are handed over, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// An object that is being stored. Dropped before `finish`, nothing stays of it.
pub trait Upload: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError>;
    /// Makes it durable under its name.
    fn finish(self: Box<Self>) -> Result<Published, PublishError>;
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its length in bytes.
    pub length: u64,
    /// When it was stored, by the storage's clock.
    pub stored: Nanos,
    /// Which version of the name this is, where the store keeps several.
    pub version: Option<String>,
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name in the folder.
    pub name: String,
    /// What is known of it; `None` for a folder or anything else that is no object.
    pub stat: Option<Stat>,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be stored.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}
