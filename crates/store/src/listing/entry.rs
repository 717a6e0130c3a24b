//! One entry of a listing, as the engine handles it.

use crate::keys::SliceDigest;
use crate::record::ChunkRef;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File = 0,
    /// A directory.
    Dir = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A character device.
    CharDevice = 3,
    /// A block device.
    BlockDevice = 4,
    /// A FIFO.
    Fifo = 5,
}

impl Kind {
    /// The kind with this number.
    pub fn from_tag(tag: u8) -> Option<Self> {
        use Kind::{BlockDevice, CharDevice, Dir, Fifo, File, Symlink};
        [File, Dir, Symlink, CharDevice, BlockDevice, Fifo].into_iter().find(|kind| *kind as u8 == tag)
    }
}

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub secs: i64,
    /// Nanoseconds, below 10⁹.
    pub nanos: u32,
}

/// Extended attributes: name and value, sorted by name.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// The data of a file. `P` names packs as in [`ChunkRef`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<P> {
    /// None: the file has no data.
    Empty,
    /// A slice of a bundle.
    Slice {
        /// The bundle.
        chunk: ChunkRef<P>,
        /// Where in the bundle's content it starts, in bytes.
        offset: u32,
        /// The digest of the slice.
        digest: SliceDigest,
    },
    /// Chunks one after the other.
    Chunks(Vec<ChunkRef<P>>),
    /// Chunk lists, whose chunks one after the other are the file.
    Lists(Vec<ChunkRef<P>>),
}

/// An entry: everything about one name in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<P> {
    /// Path, relative to the root of the file system.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits (mode & 0o7777).
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// Size in bytes; files only.
    pub size: u64,
    /// The data; files only.
    pub content: Content<P>,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Extended attributes, sorted by name.
    pub xattrs: Attributes,
    /// Device and inode of a file with several links.
    pub link: Option<(u64, u64)>,
    /// Data extents of a sparse file: offset and length in bytes.
    pub extents: Option<Vec<(u64, u64)>>,
    /// It changed while it was read.
    pub changed: bool,
    /// A parent of a root, kept for its metadata only.
    pub ancestor: bool,
}

impl<P> Entry<P> {
    /// Bytes of data that the content must have: the size, or the sum of the extents.
    pub fn data_bytes(&self) -> u64 {
        match &self.extents {
            Some(extents) => extents.iter().map(|(_, length)| length).sum(),
            None => self.size,
        }
    }

    /// The path for people: with a leading slash, bytes that are not text escaped.
    pub fn display(&self) -> String {
        display_path(&self.path)
    }

    /// The same entry with another content.
    pub fn with_content<Q>(self, content: Content<Q>) -> Entry<Q> {
        let Self { path, kind, mode, uid, gid, mtime, size, target, device, xattrs, link, extents, .. } =
            self;
        let (changed, ancestor) = (self.changed, self.ancestor);
        Entry {
            path,
            kind,
            mode,
            uid,
            gid,
            mtime,
            size,
            content,
            target,
            device,
            xattrs,
            link,
            extents,
            changed,
            ancestor,
        }
    }
}

impl<P: Copy> Content<P> {
    /// The same content with its packs named differently; `None` when a name is not known.
    pub fn with_packs<Q>(&self, mut name: impl FnMut(P) -> Option<Q>) -> Option<Content<Q>> {
        let mut one = |chunk: &ChunkRef<P>| Some(chunk.with_pack(name(chunk.place.pack)?));
        Some(match self {
            Self::Empty => Content::Empty,
            Self::Slice { chunk, offset, digest } => {
                Content::Slice { chunk: one(chunk)?, offset: *offset, digest: *digest }
            }
            Self::Chunks(chunks) => Content::Chunks(chunks.iter().map(one).collect::<Option<_>>()?),
            Self::Lists(chunks) => Content::Lists(chunks.iter().map(one).collect::<Option<_>>()?),
        })
    }

    /// The chunks referred to directly.
    pub fn chunks(&self) -> &[ChunkRef<P>] {
        match self {
            Self::Empty => &[],
            Self::Slice { chunk, .. } => std::slice::from_ref(chunk),
            Self::Chunks(chunks) | Self::Lists(chunks) => chunks,
        }
    }
}

/// A listing path for people: with a leading slash, bytes that are not text escaped.
pub fn display_path(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.chars().any(char::is_control) => format!("/{text}"),
        _ => format!("/{}", path.escape_ascii()),
    }
}
