//! What the engine asks of a source of files: entries in listing order, and a way to open them. Adapters live in the crate
//! `vow-sources`.

pub use crate::listing::entry::Attributes;
use crate::listing::{Kind, Time};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// What the file system says about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Permission bits (mode & 0o7777).
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Size in bytes; 0 unless it is a file.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Time of the last change of anything about it.
    pub ctime: Time,
    /// Device it lies on.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Number of hard links.
    pub links: u32,
    /// Major and minor number, for devices.
    pub rdev: (u32, u32),
    /// Bytes really allocated.
    pub allocated: u64,
}

/// An open folder, relative to which its entries are read. No symbolic link is ever followed.
pub trait Folder: Send + Sync {
    /// Opens a regular file for reading, without waiting and without changing its access time where that is allowed.
    fn open_file(&self, name: &[u8]) -> io::Result<File>;
    /// Target of a symbolic link.
    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>>;
    /// All extended attributes of an entry (not of what it links to). Empty where the file system has none.
    fn attributes(&self, name: &[u8]) -> io::Result<Attributes>;
    /// All extended attributes of a file that [`Self::open_file`] opened.
    fn attributes_of(&self, file: &File) -> io::Result<Attributes>;
    /// The stat of an entry as it is now.
    fn stat(&self, name: &[u8]) -> io::Result<Stat>;
}

/// One entry found.
pub struct Item {
    /// Path in the listing: relative to the root of the file system, `listing::path` order.
    pub path: Vec<u8>,
    /// What the file system said.
    pub stat: Stat,
    /// Where it can be opened, and under which name there.
    pub folder: Arc<dyn Folder>,
    /// Length of the part of `path` that is the name in `folder`; for the root of the file system itself the name is ".".
    pub name_bytes: usize,
    /// A parent of a root, kept for its metadata only.
    pub ancestor: bool,
}

impl Item {
    /// Its name in `folder`.
    pub fn name(&self) -> &[u8] {
        if self.path.is_empty() { b"." } else { &self.path[self.path.len() - self.name_bytes..] }
    }
}

/// Bytes that a program or a generator makes while they are read: a dump. Their number is not known before the end.
///
/// Memory stays flat and nothing is stored twice: what is read goes straight into packs. Any error ends the whole run without a
/// snapshot, since a part of a dump may look like all of it.
pub trait Stream: Send {
    /// Reads the next bytes into `buffer`; 0 at the end. Called by one thread at a time.
    ///
    /// It may wait for the program that makes the bytes, and must look at `stop` at least every second while it does. It must not
    /// wait for another stream of the same source: that one may be queued behind this one.
    ///
    /// # Errors
    /// Why there can be no snapshot, as a sentence.
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String>;

    /// The verdict, once the end was read: what is missing although the stream is whole, each of which makes the snapshot partial.
    ///
    /// # Errors
    /// Why what was read is not what it should be: there can be no snapshot.
    fn finish(self: Box<Self>, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String>;
}

/// What a source reports.
pub enum Found {
    /// An entry, in path order.
    Item(Item),
    /// A file whose data comes out of a stream, in path order. The size in its stat counts for nothing.
    Stream(Item, Box<dyn Stream>),
    /// Something that could not be read: the snapshot is partial.
    Problem {
        /// Its path in the listing.
        path: Vec<u8>,
        /// What happened, for a person.
        text: String,
    },
    /// Something left out on purpose.
    Note(String),
}

/// A source of entries in `listing::path` order.
pub trait Source: Send {
    /// The next entries, some hundreds at a time; `None` at the end.
    ///
    /// # Errors
    /// What makes the whole source unusable, as a sentence: a root that is missing, or empty though it used to have content.
    fn next(&mut self) -> Result<Option<Vec<Found>>, String>;
}

impl Stat {
    /// From what `fstat` and `lstat` answer.
    pub fn from_raw(raw: &rustix::fs::Stat) -> Self {
        use rustix::fs::FileType;
        let kind = match FileType::from_raw_mode(raw.st_mode) {
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            _ => Kind::File,
        };
        let is_file = kind == Kind::File;
        Self {
            kind,
            mode: raw.st_mode & 0o7777,
            uid: raw.st_uid,
            gid: raw.st_gid,
            size: if is_file { raw.st_size as u64 } else { 0 },
            mtime: Time { secs: raw.st_mtime, nanos: raw.st_mtime_nsec as u32 },
            ctime: Time { secs: raw.st_ctime, nanos: raw.st_ctime_nsec as u32 },
            device: raw.st_dev,
            inode: raw.st_ino,
            links: u32::try_from(raw.st_nlink).unwrap_or(u32::MAX),
            rdev: (rustix::fs::major(raw.st_rdev), rustix::fs::minor(raw.st_rdev)),
            allocated: raw.st_blocks as u64 * 512,
        }
    }
}
