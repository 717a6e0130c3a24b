//! A vault in memory that serves whatever the fuzzer wrote.

use crate::sealed::{ID_SECRET, IDS, Pack, SESSION};
use crate::signing_key;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use vow_base::manifest::{Counts, Manifest, RootRef, Status, VERSION};
use vow_base::pack_list::PackList;
use vow_base::receipt::{Event, Receipt};
use vow_base::sign::PublicKey;
use vow_base::vault::{self, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};
use vow_store::archive::{Archive, ArchiveError, Snapshot, SnapshotInfo};
use vow_store::compress::{DEFAULT_LEVEL, Packer};
use vow_store::listing::tree::{LeafBuilder, write_chunk_list};
use vow_store::listing::{Content, Entry, Kind, Node, Root, Time};
use vow_store::pack::{Held, Part};
use vow_store::record::{ChunkRef, Place};

/// The pack that never changes; the one that holds the input; the one that holds the root (its name is its hash).
pub const FIXED: ObjectId = ObjectId([0xaa; 32]);
pub const INPUT: ObjectId = ObjectId([0xbb; 32]);

/// What a vault in memory holds.
#[derive(Default)]
pub struct Memory {
    pub objects: Mutex<HashMap<ObjectId, Vec<u8>>>,
    pub hosts: Vec<PublicKey>,
    pub receipts: Vec<Receipt>,
}

impl Memory {
    pub fn put(&self, id: ObjectId, bytes: Vec<u8>) {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).insert(id, bytes);
    }

    fn read<T>(&self, id: &ObjectId, part: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, VaultError> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let damaged = || VaultError::Damaged { kind: vault::Kind::Pack, id: *id, reason: "too short".into() };
        let bytes = objects.get(id).ok_or(VaultError::Absent { kind: vault::Kind::Pack, id: *id })?;
        part(bytes).ok_or_else(damaged)
    }
}

impl Retrieve for Memory {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        Ok(self.hosts.clone())
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        Ok(self.receipts.iter().filter(|receipt| receipt.host_id() == *host).cloned().collect())
    }

    fn objects(&self, _: &HostId, _: vault::Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        Ok(Vec::new())
    }

    fn get(&self, _: &HostId, _: vault::Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.read(id, |bytes| Some(bytes.to_vec()))
    }

    fn pack_range(
        &self,
        _: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        let range = |bytes: &[u8]| Some(bytes.get(offset as usize..)?.get(..length)?.to_vec());
        self.read(id, range)
    }
}

/// A manifest of this host and source, and a receipt for it.
pub fn commit(manifest: Manifest, position: u64) -> SnapshotInfo {
    let id = ObjectId::of(&manifest.seal(&signing_key()));
    let receipt = Receipt {
        version: VERSION,
        vault_key: signing_key().public().0,
        position,
        previous: None,
        host: manifest.host_id().0,
        manifest: id,
        sequence: manifest.sequence,
        received: manifest.finished,
        event: Event::Committed,
    };
    SnapshotInfo { id, manifest, receipt }
}

/// A manifest with nothing in it.
pub fn manifest() -> Manifest {
    Manifest {
        version: VERSION,
        host_key: signing_key().public().0,
        tenant: "acme".into(),
        host: "web-1".into(),
        source: "files".into(),
        source_type: "files".into(),
        sequence: 1,
        previous: None,
        run: [4; 16],
        started: 1_795_000_000_000_000_000,
        finished: 1_795_000_001_000_000_000,
        status: Status::Ok,
        counts: Counts::default(),
        recipients: vec![vec![1; 16].into()],
        root: RootRef { pack: INPUT, record: 0, offset: 0, stored: 0, length: 0 },
        packs: PackList { depth: 0, count: 1, ids: vec![0xbb; 32].into() },
        index: Vec::new().into(),
        software: "fuzz".into(),
        group: None,
    }
}

/// A root record with this listing.
pub fn root(top: Node) -> Root {
    Root {
        id_secret: ID_SECRET,
        host_key: signing_key().public().0,
        source: "files".into(),
        source_type: "files".into(),
        roots: vec![b"/srv".to_vec()],
        excludes: vec!["*.tmp".into()],
        top,
        problems: vec![(b"srv/gone".to_vec(), "no such file".into())],
        notes: vec!["left out: 1 socket".into()],
        users: [(0, "root".into())].into(),
        groups: [(0, "root".into())].into(),
    }
}

/// A reference to the first chunk in a record of a pack made here.
pub fn reference(pack: ObjectId, sealed: &Pack, record: usize) -> ChunkRef<ObjectId> {
    references(pack, sealed, record)[0]
}

/// References to all chunks in a record of a pack made here.
pub fn references(pack: ObjectId, sealed: &Pack, record: usize) -> Vec<ChunkRef<ObjectId>> {
    let row = &sealed.rows[record];
    let after: u32 = sealed.rows[record..].iter().map(|row| row.stored).sum();
    let offset = sealed.bytes.len() as u32 - after;
    let place = Place { pack, record: record as u32, offset, stored: row.stored };
    let Held::Group(parts) = &row.held else {
        let Held::Chunk(id) = row.held else { unreachable!("it is a group or a chunk") };
        return vec![ChunkRef::alone(place, row.length, id)];
    };
    let mut start = 0;
    let one = |part: &Part| {
        let chunk = ChunkRef { place, start, length: part.length, whole: row.length, id: part.id };
        start += part.length;
        chunk
    };
    parts.iter().map(one).collect()
}

/// An empty file.
pub fn entry(path: &[u8]) -> Entry<ObjectId> {
    Entry {
        path: path.to_vec(),
        kind: Kind::File,
        mode: 0o644,
        uid: 0,
        gid: 1000,
        mtime: Time { secs: 1_795_000_000, nanos: 5 },
        size: 0,
        content: Content::Empty,
        target: Vec::new(),
        device: None,
        xattrs: Vec::new(),
        link: None,
        extents: None,
        changed: false,
        ancestor: false,
    }
}

/// The pack that never changes: records 0 to 2 are data, 3 and 4 groups (the second is not what it says), 5 a chunk list, 6 and 7
/// leaves, 8 a node above them.
pub fn fixed() -> Pack {
    let mut pack = Pack::default();
    pack.stored(1, &[b'b'; 100]);
    pack.stored(1, &[b'c'; 40]);
    let text = b"all work and no play ".repeat(10);
    let mut packer = Packer::new(DEFAULT_LEVEL).expect("zstd");
    let (codec, payload) = packer.pack(&text);
    pack.record(1, &[&[codec as u8], payload].concat(), text.len() as u32, &text);
    let parts = [&b"one "[..], b"and two ", b"and three"];
    pack.group(&[b"\0", &parts.concat()[..]].concat(), &parts);
    pack.group(b"\0one and twi and three", &parts);
    pack.stored(4, &write_chunk_list(&[reference(FIXED, &pack, 1), reference(FIXED, &pack, 2)]));
    let (one, other) =
        (leaf(&entries(&pack)), leaf(&[Entry { kind: Kind::Dir, ..entry(b"m") }, entry(b"m/x")]));
    pack.stored(2, &one);
    pack.stored(2, &other);
    let node = fixed_node(&pack);
    pack.stored(3, &node.write());
    pack
}

/// The content of a leaf with these entries.
pub fn leaf(entries: &[Entry<ObjectId>]) -> Vec<u8> {
    let mut builder = LeafBuilder::default();
    entries.iter().for_each(|entry| builder.push(entry));
    builder.finish().1
}

/// A node above the two leaves of the pack that never changes.
pub fn fixed_node(pack: &Pack) -> Node {
    let child = |path: &[u8], record| (path.to_vec(), reference(FIXED, pack, record));
    Node { depth: 1, children: vec![child(b"a", 6), child(b"m", 7)] }
}

/// Entries of every kind, whose data lies in the first records of `pack`.
pub fn entries(pack: &Pack) -> Vec<Entry<ObjectId>> {
    let chunk = |record| reference(FIXED, pack, record);
    let chunks = Content::Chunks(vec![chunk(1), chunk(2)]);
    let slice = Content::Slice { chunk: chunk(0), offset: 60, digest: IDS.slice_digest(&[b'b'; 40]) };
    let xattrs = vec![(b"user.a".to_vec(), vec![0, 255]), (b"user.b".to_vec(), Vec::new())];
    let link = Some((7, u64::MAX));
    let parts = references(FIXED, pack, 3);
    // Out of order, and one of them twice.
    let group = vec![parts[2], parts[0], parts[1], parts[1], parts[0]];
    vec![
        Entry { kind: Kind::Dir, xattrs, ancestor: true, ..entry(b"a") },
        Entry { size: 250, content: chunks.clone(), link, ..entry(b"a/big") },
        Entry { kind: Kind::BlockDevice, device: Some((8, 1)), ..entry(b"a/dev") },
        Entry { kind: Kind::Fifo, mtime: Time { secs: -5, nanos: 999_999_999 }, ..entry(b"a/fifo") },
        Entry { size: 33, content: Content::Chunks(group), ..entry(b"a/group") },
        Entry { size: 250, content: chunks.clone(), link, ..entry(b"a/hard") },
        Entry { size: 9000, extents: Some(Vec::new()), ..entry(b"a/hole") },
        Entry { kind: Kind::Symlink, target: b"../b".to_vec(), ..entry(b"a/link") },
        Entry { size: 250, content: Content::Lists(vec![chunk(5)]), changed: true, ..entry(b"a/lists") },
        Entry { size: 21, content: Content::Chunks(references(FIXED, pack, 4)), ..entry(b"a/lying") },
        Entry { size: 40, content: slice, ..entry(b"a/small") },
        Entry {
            size: 9000,
            content: chunks,
            extents: Some(vec![(100, 200), (4096, 50)]),
            ..entry(b"a/sparse")
        },
    ]
}

static VAULT: LazyLock<Arc<Memory>> = LazyLock::new(Arc::default);
static ARCHIVE: LazyLock<Archive> =
    LazyLock::new(|| Archive::new(VAULT.clone(), Some(SESSION.identities.clone()), Vec::new()));

/// Opens a snapshot with this root; `packs` are what else the vault holds.
pub fn open(root: &Root, packs: Vec<(ObjectId, Vec<u8>)>) -> Result<Snapshot, ArchiveError> {
    let mut pack = Pack::default();
    pack.stored(5, &root.write());
    let ChunkRef { place, length, .. } = reference(INPUT, &pack, 0);
    let bytes = pack.finish();
    let id = ObjectId::of(&bytes);
    let root = RootRef { pack: id, record: 0, offset: place.offset, stored: place.stored, length };
    let mut objects = VAULT.objects.lock().unwrap_or_else(PoisonError::into_inner);
    objects.retain(|id, _| *id == FIXED);
    objects.extend(packs);
    objects.insert(id, bytes);
    drop(objects);
    ARCHIVE.open(&commit(Manifest { root, ..manifest() }, 1))
}
