//! An open snapshot: its root, and reading what that refers to.

use super::children::Children;
use super::chunks::Chunks;
use super::entries::Entries;
use super::file::FileReader;
use super::openers::Opened;
use super::{Archive, ArchiveError, Reader, SnapshotInfo};
use crate::compress::Unpacker;
use crate::keys::IdKeys;
use crate::listing::entry::{Entry, display_path};
use crate::listing::{ListingError, Root};
use crate::record::{ChunkRef, Place, RecordType};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// A snapshot that was opened with an identity. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    archive: Archive,
    info: SnapshotInfo,
    host: HostId,
    root: Root,
    ids: IdKeys,
    /// Decompressors between uses: each takes some memory and time to set up.
    unpackers: Mutex<Vec<Unpacker>>,
}

impl Snapshot {
    pub(super) fn open(archive: Archive, info: SnapshotInfo) -> Result<Self, ArchiveError> {
        let host = info.manifest.host_id();
        let at = info.manifest.root;
        let refused = |reason| ArchiveError::Root { snapshot: info.id, reason };
        // The root has no id of its own that the manifest could carry: its whole pack must hash to its name, and that is checked
        // here as well as by the vault's own reader, because everything else is believed on the root's word.
        let pack = archive.vault().get(&host, Kind::Pack, &at.pack)?;
        if ObjectId::of(&pack) != at.pack {
            let reason = "its bytes do not hash to its name".to_owned();
            return Err(VaultError::Damaged { kind: Kind::Pack, id: at.pack, reason }.into());
        }
        let opened = archive.openers().of_bytes(&at.pack, &pack)?;
        let end = at.offset.checked_add(at.stored).ok_or_else(|| refused("it lies beyond its pack"))?;
        let stored = pack.get(at.offset as usize..end as usize);
        let mut stored = stored.ok_or_else(|| refused("it lies beyond its pack"))?.to_vec();
        drop(pack);
        let record = |reason: String| ArchiveError::Record { pack: at.pack, record: at.record, reason };
        let plain = opened.opener.open(at.record, RecordType::Root, &mut stored);
        let plain = plain.map_err(|error| record(error.to_string()))?;
        let mut unpacker = Unpacker::new().map_err(|_| ArchiveError::Memory)?;
        let mut content = Vec::new();
        let unpacked = unpacker.unpack(plain, at.length as usize, &mut content);
        unpacked.map_err(|error| record(error.to_string()))?;
        let root = Root::read(&content).map_err(|source| ArchiveError::Listing {
            pack: at.pack,
            record: at.record,
            source,
        })?;
        if root.host_key != info.manifest.host_key {
            return Err(refused("it was made by another host than the manifest"));
        }
        if root.source != info.manifest.source {
            return Err(refused("it is of another source than the manifest"));
        }
        let ids = IdKeys::new(&root.id_secret);
        let unpackers = Mutex::new(vec![unpacker]);
        Ok(Self { inner: Arc::new(Inner { archive, info, host, root, ids, unpackers }) })
    }

    /// What is known without an identity.
    pub fn info(&self) -> &SnapshotInfo {
        &self.inner.info
    }

    /// The root record.
    pub fn root(&self) -> &Root {
        &self.inner.root
    }

    /// The keys of this host's chunk ids.
    pub fn ids(&self) -> &IdKeys {
        &self.inner.ids
    }

    /// The archive it was opened from.
    pub fn archive(&self) -> &Archive {
        &self.inner.archive
    }

    pub(crate) fn host(&self) -> &HostId {
        &self.inner.host
    }

    /// The entries in listing order, leaf by leaf; with `under` only that path and what is below it.
    ///
    /// After an error the next entries are those behind the part that could not be read.
    pub fn entries(&self, under: Option<&[u8]>) -> Entries {
        Entries::new(self.clone(), under)
    }

    /// The entries that lie directly in a folder, in listing order.
    pub fn children(&self, folder: &[u8]) -> Children {
        Children::new(self, folder)
    }

    /// Reads any part of a file.
    pub fn file(&self, entry: Entry<ObjectId>) -> Result<FileReader, ArchiveError> {
        FileReader::new(self, entry)
    }

    /// The entry at `path`.
    ///
    /// # Errors
    /// [`ArchiveError::NoEntry`] when there is none.
    pub fn entry(&self, path: &[u8]) -> Result<Entry<ObjectId>, ArchiveError> {
        match self.entries(Some(path)).next() {
            Some(Ok(entry)) if entry.path == path => Ok(entry),
            Some(Err(error)) => Err(error),
            _ => Err(ArchiveError::NoEntry { path: display_path(path) }),
        }
    }

    /// The data chunks of a file in order (of a small file: its bundle), reading its chunk lists as they are needed.
    pub fn chunks<'s>(&'s self, entry: &'s Entry<ObjectId>) -> Chunks<'s> {
        Chunks::new(self, entry)
    }

    /// Writes a file's data in order, holes as zeros; says how many bytes. For many files use one [`Reader`].
    pub fn content(&self, entry: &Entry<ObjectId>, out: &mut dyn Write) -> Result<u64, ArchiveError> {
        self.reader()?.content(entry, out)
    }

    /// Reads the contents of many files with the same buffers.
    pub fn reader(&self) -> Result<Reader, ArchiveError> {
        Reader::new(self.clone())
    }

    /// Reads one chunk by a ranged read of its record, and checks that it is what the reference says. Chunks of groups are better read by
    /// a [`Reader`], which decodes a group once for all of them.
    pub fn read(
        &self,
        chunk: &ChunkRef<ObjectId>,
        kind: RecordType,
        content: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        self.read_record(chunk, kind, content)?;
        self.proven(chunk, kind, content)?;
        if chunk.is_part() {
            content.truncate(chunk.range().end);
            content.drain(..chunk.range().start);
        }
        Ok(())
    }

    /// Reads the whole content of the record in which a chunk lies, by a ranged read. Whether any chunk of it is what its reference
    /// says is still to be asked, with [`Self::proven`].
    pub(crate) fn read_record(
        &self,
        chunk: &ChunkRef<ObjectId>,
        kind: RecordType,
        content: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let Place { pack, offset, stored, .. } = chunk.place;
        let mut bytes =
            self.inner.archive.vault().pack_range(&self.inner.host, &pack, offset.into(), stored as usize)?;
        let opened = self.opener(&pack)?;
        let mut unpacker = self.take_unpacker()?;
        let decoded = self.decode(&opened, chunk, kind, &mut bytes, &mut unpacker, content);
        let in_place = decoded.map(|decoded| match decoded {
            Decoded::InPlace(from) => Some(from),
            Decoded::Unpacked => None,
        });
        self.give_unpacker(unpacker);
        if let Some(from) = in_place? {
            content.clear();
            content.extend_from_slice(&bytes[from..from + chunk.whole as usize]);
        }
        Ok(())
    }

    pub(crate) fn opener(&self, pack: &ObjectId) -> Result<Opened, ArchiveError> {
        self.inner.archive.openers().of(self.inner.archive.vault(), &self.inner.host, pack)
    }

    /// Decrypts the record in which a chunk lies where it stands, and unpacks it; the content is as long as the reference says. See
    /// [`Self::read_record`].
    pub(crate) fn decode(
        &self,
        opened: &Opened,
        chunk: &ChunkRef<ObjectId>,
        kind: RecordType,
        stored: &mut [u8],
        unpacker: &mut Unpacker,
        content: &mut Vec<u8>,
    ) -> Result<Decoded, ArchiveError> {
        let ChunkRef { place, whole, .. } = chunk;
        let wrong = |reason: String| wrong(chunk, reason);
        if !chunk.is_possible() || stored.len() != place.stored as usize {
            return Err(wrong("its length is not possible".into()));
        }
        if chunk.is_part() && kind != RecordType::Data {
            return Err(wrong("only data can lie in a group".into()));
        }
        let plain = opened.opener.open(place.record, kind, stored);
        let plain =
            plain.map_err(|_| wrong("it does not decrypt: damaged, or not what it is said to be".into()))?;
        match &*plain {
            // Stored as it is: no need to copy.
            [0, payload @ ..] if payload.len() == *whole as usize => Ok(Decoded::InPlace(1)),
            plain => {
                let unpacked = unpacker.unpack(plain, *whole as usize, content);
                unpacked.map_err(|error| wrong(error.to_string()))?;
                Ok(Decoded::Unpacked)
            }
        }
    }

    /// A chunk out of the content of its record, if it is what its reference says.
    pub(crate) fn proven<'c>(
        &self,
        chunk: &ChunkRef<ObjectId>,
        kind: RecordType,
        content: &'c [u8],
    ) -> Result<&'c [u8], ArchiveError> {
        let bytes = content.get(chunk.range()).filter(|bytes| self.inner.ids.id(kind, bytes) == chunk.id);
        bytes.ok_or_else(|| wrong(chunk, "it is not what its id says".into()))
    }

    pub(crate) fn take_unpacker(&self) -> Result<Unpacker, ArchiveError> {
        let pool = self.inner.unpackers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match pool {
            Some(unpacker) => Ok(unpacker),
            None => Unpacker::new().map_err(|_| ArchiveError::Memory),
        }
    }

    pub(crate) fn give_unpacker(&self, unpacker: Unpacker) {
        self.inner.unpackers.lock().unwrap_or_else(PoisonError::into_inner).push(unpacker);
    }

    /// An error about what stands in a record that is itself intact.
    pub(crate) fn listing_error(chunk: &ChunkRef<ObjectId>, source: ListingError) -> ArchiveError {
        ArchiveError::Listing { pack: chunk.place.pack, record: chunk.place.record, source }
    }
}

fn wrong(chunk: &ChunkRef<ObjectId>, reason: String) -> ArchiveError {
    ArchiveError::Record { pack: chunk.place.pack, record: chunk.place.record, reason }
}

/// Where the content of a record that was decoded stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// In the buffer of the stored bytes, from this offset on.
    InPlace(usize),
    /// In the buffer for content.
    Unpacked,
}
