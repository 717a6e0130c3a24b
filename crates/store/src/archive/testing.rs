//! A small writer and an in-memory vault, so that reading is tested against snapshots of any shape, also impossible ones.

use crate::archive::{Archive, Snapshot, SnapshotInfo};
use crate::compress::{DEFAULT_LEVEL, Packer};
use crate::keys::{ChunkId, HostSecret, IdKeys};
use crate::listing::entry::{Content, Entry, Kind, Time};
use crate::listing::tree::{LeafBuilder, Node, Root, write_chunk_list};
use crate::pack::{PackBuilder, Part};
use crate::record::{ChunkRef, Place, RecordType};
use crate::session::{Identities, Recipient, SessionKey, new_identity};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use vow_base::manifest::{Counts, Manifest, RootRef, Status};
use vow_base::pack_list::PackList;
use vow_base::receipt::{Event, Receipt};
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::{Kind as Object, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// Files up to this are bundled.
const BUNDLED: usize = 3000;
/// Chunks of larger files.
pub(crate) const CHUNK: usize = 5000;
/// How many of them share a record; the last of a file may be alone.
pub(crate) const GROUP: usize = 3;
const BUNDLE: usize = 8000;
const PACK: usize = 30_000;
/// Files of more chunks than this get chunk lists.
const DIRECT: usize = 12;
const LEAF: usize = 7;
const NODE: usize = 3;

type Key = (HostId, Object, ObjectId);

/// A vault in memory that keeps its word, and whose objects can be spoilt.
#[derive(Default)]
pub(crate) struct MemVault {
    pub(crate) objects: Mutex<BTreeMap<Key, Vec<u8>>>,
    pub(crate) receipts: Mutex<Vec<Receipt>>,
    pub(crate) hosts: Mutex<Vec<PublicKey>>,
    /// Ranged reads and whole reads of packs.
    pub(crate) reads: Mutex<Vec<(ObjectId, u64, usize)>>,
    /// So many reads are answered; then it is away.
    pub(crate) patience: Mutex<Option<usize>>,
}

impl MemVault {
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<u8>>> {
        self.objects.lock().expect("lock")
    }

    fn read(&self, host: &HostId, kind: Object, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        if let Some(left) = &mut *self.patience.lock().expect("lock") {
            let away = VaultError::Unreachable { place: "memory".into(), reason: "it went away".into() };
            *left = left.checked_sub(1).ok_or(away)?;
        }
        let absent = VaultError::Absent { kind, id: *id };
        self.all().get(&(*host, kind, *id)).cloned().ok_or(absent)
    }

    pub(crate) fn ids(&self, kind: Object) -> Vec<ObjectId> {
        self.all().keys().filter(|key| key.1 == kind).map(|key| key.2).collect()
    }

    /// Changes the stored bytes of an object behind its name.
    pub(crate) fn spoil(&self, kind: Object, id: &ObjectId, change: impl FnOnce(&mut Vec<u8>)) {
        let mut all = self.all();
        let object =
            all.iter_mut().find(|(key, _)| key.1 == kind && key.2 == *id).expect("an object to spoil");
        change(object.1);
    }
}

impl Retrieve for MemVault {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        Ok(self.hosts.lock().expect("lock").clone())
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        let receipts = self.receipts.lock().expect("lock");
        Ok(receipts.iter().filter(|receipt| receipt.host_id() == *host).cloned().collect())
    }

    fn objects(&self, host: &HostId, kind: Object) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        let all = self.all();
        let own = all.iter().filter(|(key, _)| key.0 == *host && key.1 == kind);
        Ok(own.map(|(key, bytes)| (key.2, bytes.len() as u64)).collect())
    }

    fn get(&self, host: &HostId, kind: Object, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let bytes = self.read(host, kind, id)?;
        if ObjectId::of(&bytes) != *id {
            let reason = "its bytes do not hash to its name".to_owned();
            return Err(VaultError::Damaged { kind, id: *id, reason });
        }
        self.reads.lock().expect("lock").push((*id, 0, bytes.len()));
        Ok(bytes)
    }

    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        let kind = Object::Pack;
        let bytes = self.read(host, kind, id)?;
        let range = (offset as usize).checked_add(length).and_then(|end| bytes.get(offset as usize..end));
        let reason = "it ends before".to_owned();
        self.reads.lock().expect("lock").push((*id, offset, length));
        range.map(<[u8]>::to_vec).ok_or(VaultError::Damaged { kind, id: *id, reason })
    }
}

/// A host that makes snapshots.
pub(crate) struct Maker {
    pub(crate) vault: Arc<MemVault>,
    pub(crate) signing: SigningKey,
    pub(crate) secret: HostSecret,
    pub(crate) identity: String,
    pub(crate) recipient: Recipient,
    pub(crate) name: String,
    pub(crate) sequence: u64,
    previous: Option<ObjectId>,
    /// The key that the root record names, when it is to lie.
    pub(crate) root_key: Option<[u8; 32]>,
    /// A larger file of which the listing is to lie, and how.
    pub(crate) lie: Option<(&'static [u8], Lie)>,
    /// Chunks sent before, as a host's index has them.
    known: BTreeMap<ChunkId, ChunkRef<ObjectId>>,
}

/// What is done to the references of a file.
pub(crate) type Lie = fn(&mut [ChunkRef<ObjectId>]);

/// An entry and its data (of a sparse file: without the holes).
pub(crate) type Spec = (Entry<ObjectId>, Vec<u8>);

/// An entry with nothing special about it, owned by whoever runs the tests.
pub(crate) fn entry(path: &[u8], kind: Kind) -> Entry<ObjectId> {
    let mode = if kind == Kind::Dir { 0o755 } else { 0o640 };
    Entry {
        path: path.to_vec(),
        kind,
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Time { secs: 1_600_000_000 + path.len() as i64, nanos: 123_456_789 },
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

pub(crate) fn dir(path: &[u8]) -> Spec {
    (entry(path, Kind::Dir), Vec::new())
}

pub(crate) fn file(path: &[u8], data: &[u8]) -> Spec {
    (Entry { size: data.len() as u64, ..entry(path, Kind::File) }, data.to_vec())
}

pub(crate) fn symlink(path: &[u8], target: &[u8]) -> Spec {
    (Entry { target: target.to_vec(), mode: 0o777, ..entry(path, Kind::Symlink) }, Vec::new())
}

/// Data that does not compress and differs by seed.
pub(crate) fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Records on their way into packs.
struct Packing<'m> {
    maker: &'m mut Maker,
    session: SessionKey,
    blob: Vec<u8>,
    ids: IdKeys,
    open: Option<PackBuilder>,
    /// References into the open pack, by number.
    packs: Vec<ObjectId>,
    used: Vec<ObjectId>,
}

impl Packing<'_> {
    /// Adds a record; when the pack ends the references to it become known.
    fn push(&mut self, kind: RecordType, content: &[u8]) -> ChunkRef<ObjectId> {
        let id = self.ids.id(kind, content);
        if let Some(known) = self.maker.known.get(&id).copied() {
            self.used.push(known.place.pack);
            return known;
        }
        // One pack per few records, each closed at once, so that references need no second pass.
        let mut packer = Packer::new(DEFAULT_LEVEL).expect("zstd");
        let mut builder = self.open.take().unwrap_or_else(|| self.builder());
        let place = builder.push(kind, id, content.len(), packer.pack(content)).expect("push");
        self.open = Some(builder);
        let number = self.packs.len() as u64;
        // The pack has no id yet: a stand-in carries its number until it is sealed.
        let stand_in = stand_in(number);
        let place =
            Place { pack: stand_in, record: place.record, offset: place.offset, stored: place.stored };
        ChunkRef::alone(place, content.len() as u32, id)
    }

    /// Adds chunks of a file, the new ones as one record, with references as [`Self::push`] gives them.
    fn push_group(&mut self, chunks: &[&[u8]]) -> Vec<ChunkRef<ObjectId>> {
        let id = |chunk: &[u8]| self.ids.id(RecordType::Data, chunk);
        let is_known = |chunk: &[u8]| self.maker.known.contains_key(&id(chunk));
        if chunks.len() < 2 || chunks.iter().any(|chunk| is_known(chunk)) {
            return chunks.iter().map(|chunk| self.push(RecordType::Data, chunk)).collect();
        }
        let parts: Box<[_]> =
            chunks.iter().map(|chunk| Part { length: chunk.len() as u32, id: id(chunk) }).collect();
        let whole = chunks.concat();
        let mut packer = Packer::new(DEFAULT_LEVEL).expect("zstd");
        let mut builder = self.open.take().unwrap_or_else(|| self.builder());
        let place = builder.push_group(parts.clone(), packer.pack_fine(&whole)).expect("push");
        self.open = Some(builder);
        let Place { record, offset, stored, .. } = place;
        let place = Place { pack: stand_in(self.packs.len() as u64), record, offset, stored };
        let mut start = 0;
        let one = |part: &Part| {
            let whole = whole.len() as u32;
            let chunk = ChunkRef { place, start, length: part.length, whole, id: part.id };
            start += part.length;
            chunk
        };
        parts.iter().map(one).collect()
    }

    fn builder(&self) -> PackBuilder {
        PackBuilder::new(&self.session, &self.blob).expect("builder")
    }

    /// Seals the open pack when it is long enough, or must.
    fn seal(&mut self, always: bool) {
        let full = self.open.as_ref().is_some_and(|open| open.is_full((16 << 20) - PACK));
        if !(full || always) {
            return;
        }
        let Some(open) = self.open.take() else { return };
        let pack = open.finish(&self.session, &self.ids).expect("finish");
        let host = self.maker.host();
        self.maker.vault.all().insert((host, Object::Pack, pack.id), pack.bytes);
        self.packs.push(pack.id);
        self.used.push(pack.id);
    }

    fn resolve(&self, chunk: &mut ChunkRef<ObjectId>) {
        if let Some(number) = number_of(&chunk.place.pack) {
            chunk.place.pack = self.packs[number];
        }
    }

    fn remember(&mut self, chunk: &ChunkRef<ObjectId>) {
        self.maker.known.insert(chunk.id, *chunk);
    }
}

fn stand_in(number: u64) -> ObjectId {
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    ObjectId(id)
}

fn number_of(id: &ObjectId) -> Option<usize> {
    let number = u64::from_le_bytes(id.0[..8].try_into().ok()?);
    (id.0[8..] == [0xee; 24]).then_some(number as usize)
}

impl Maker {
    pub(crate) fn new(vault: &Arc<MemVault>, seed: u8) -> Self {
        let signing = SigningKey::from_seed(&[seed; 32]);
        vault.hosts.lock().expect("lock").push(signing.public());
        let (identity, recipient) = new_identity();
        Self {
            vault: vault.clone(),
            signing,
            secret: HostSecret::new([seed; 32]),
            identity: identity.to_string(),
            recipient,
            name: format!("host-{seed}"),
            sequence: 0,
            previous: None,
            root_key: None,
            lie: None,
            known: BTreeMap::new(),
        }
    }

    pub(crate) fn host(&self) -> HostId {
        self.signing.public().host_id()
    }

    pub(crate) fn archive(&self) -> Archive {
        let identities = Identities::parse(&self.identity).expect("identity");
        Archive::new(self.vault.clone(), Some(Arc::new(identities)), Vec::new())
    }

    /// Opens the newest snapshot.
    pub(crate) fn newest(&self) -> Snapshot {
        let archive = self.archive();
        let snapshots = archive.snapshots_lenient().expect("snapshots").0;
        let own = snapshots.into_iter().filter(|info| info.receipt.host_id() == self.host());
        let newest = own.max_by_key(|info| info.manifest.sequence).expect("a snapshot");
        archive.open(&newest).expect("opens")
    }

    /// Makes a snapshot of exactly these entries, in exactly this order.
    pub(crate) fn snapshot(&mut self, source: &str, specs: &[Spec]) -> SnapshotInfo {
        let secret = *self.secret.id_secret();
        let session = SessionKey::generate().expect("random");
        let blob = session.wrap(std::slice::from_ref(&self.recipient)).expect("wrap");
        let ids = IdKeys::new(&secret);
        let (root_key, host_key) = (self.root_key, self.signing.public().0);
        let mut packing =
            Packing { maker: self, session, blob, ids, open: None, packs: Vec::new(), used: Vec::new() };
        let mut entries = contents(&mut packing, specs);
        packing.seal(true);
        settle(&mut packing, &mut entries);
        packing.seal(true);
        for entry in &mut entries {
            entry.content = resolved(&packing, &entry.content);
        }
        let top = listing(&mut packing, &entries);
        let root = Root {
            id_secret: secret,
            host_key: root_key.unwrap_or(host_key),
            source: source.into(),
            source_type: "files".into(),
            roots: vec![b"/".to_vec()],
            excludes: Vec::new(),
            top,
            problems: Vec::new(),
            notes: Vec::new(),
            users: [(0, "root".to_owned())].into(),
            groups: BTreeMap::new(),
        };
        let mut root = packing.push(RecordType::Root, &root.write());
        packing.seal(true);
        packing.resolve(&mut root);
        let mut used = packing.used;
        used.sort();
        used.dedup();
        let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count() as u64;
        let counts = Counts {
            files: count(Kind::File),
            dirs: count(Kind::Dir),
            bytes: entries.iter().map(|entry| entry.size).sum(),
            ..Counts::default()
        };
        self.commit(source, &root, &used, counts)
    }

    fn commit(
        &mut self,
        source: &str,
        root: &ChunkRef<ObjectId>,
        packs: &[ObjectId],
        counts: Counts,
    ) -> SnapshotInfo {
        self.sequence += 1;
        let (packs, segments) = PackList::build(packs);
        for (id, bytes) in segments {
            self.vault.all().insert((self.host(), Object::List, id), bytes);
        }
        let manifest = Manifest {
            version: 1,
            host_key: self.signing.public().0,
            tenant: "acme".into(),
            host: self.name.clone(),
            source: source.into(),
            source_type: "files".into(),
            sequence: self.sequence,
            previous: self.previous,
            run: [1; 16],
            started: 0,
            finished: 1,
            status: Status::Ok,
            counts,
            recipients: Vec::new(),
            root: RootRef {
                pack: root.place.pack,
                record: root.place.record,
                offset: root.place.offset,
                stored: root.place.stored,
                length: root.length,
            },
            packs,
            index: Vec::new().into(),
            software: "test".into(),
            group: None,
        };
        self.accept(manifest)
    }

    /// Signs a manifest and has the vault accept it.
    pub(crate) fn accept(&mut self, manifest: Manifest) -> SnapshotInfo {
        let stored = manifest.seal(&self.signing);
        let id = ObjectId::of(&stored);
        self.previous = Some(id);
        self.vault.all().insert((self.host(), Object::Manifest, id), stored);
        let mut receipts = self.vault.receipts.lock().expect("lock");
        let position = receipts.len() as u64 + 1;
        let receipt = Receipt {
            version: 1,
            vault_key: [9; 32],
            position,
            previous: None,
            host: self.host().0,
            manifest: id,
            sequence: manifest.sequence,
            // One a day, from 2026-01-01 12:00 on.
            received: (1_767_268_800 + 86_400 * (position as i64 - 1)) * 1_000_000_000,
            event: Event::Committed,
        };
        receipts.push(receipt.clone());
        SnapshotInfo { id, manifest, receipt }
    }
}

/// The contents of all files as records, with stand-ins for packs that are not sealed yet.
fn contents(packing: &mut Packing<'_>, specs: &[Spec]) -> Vec<Entry<ObjectId>> {
    let mut entries: Vec<_> = specs.iter().map(|(entry, _)| entry.clone()).collect();
    let mut bundle = Vec::new();
    let mut inside: Vec<(usize, u32)> = Vec::new();
    for (number, (entry, data)) in specs.iter().enumerate() {
        if data.is_empty() {
            continue;
        }
        if data.len() <= BUNDLED && entry.extents.is_none() {
            inside.push((number, bundle.len() as u32));
            bundle.extend_from_slice(data);
            if bundle.len() > BUNDLE {
                close_bundle(packing, &mut entries, specs, &mut bundle, &mut inside);
            }
            continue;
        }
        let parts: Vec<_> = data.chunks(CHUNK).collect();
        let mut chunks = Vec::new();
        for group in parts.chunks(GROUP) {
            chunks.extend(packing.push_group(group));
            packing.seal(false);
        }
        if let Some((_, lie)) = packing.maker.lie.filter(|(path, _)| *path == entry.path) {
            lie(&mut chunks);
        }
        entries[number].content = Content::Chunks(chunks);
    }
    close_bundle(packing, &mut entries, specs, &mut bundle, &mut inside);
    entries
}

fn close_bundle(
    packing: &mut Packing<'_>,
    entries: &mut [Entry<ObjectId>],
    specs: &[Spec],
    bundle: &mut Vec<u8>,
    inside: &mut Vec<(usize, u32)>,
) {
    if bundle.is_empty() {
        return;
    }
    let chunk = packing.push(RecordType::Data, bundle);
    packing.seal(false);
    for (number, offset) in inside.drain(..) {
        let digest = packing.ids.slice_digest(&specs[number].1);
        entries[number].content = Content::Slice { chunk, offset, digest };
    }
    bundle.clear();
}

/// Resolves stand-ins, and turns long lists of chunks into chunk lists.
fn settle(packing: &mut Packing<'_>, entries: &mut [Entry<ObjectId>]) {
    for entry in entries {
        entry.content = resolved(packing, &entry.content);
        for chunk in entry.content.chunks() {
            packing.remember(chunk);
        }
        if let Content::Chunks(chunks) = &entry.content
            && chunks.len() > DIRECT
        {
            let parts: Vec<_> = chunks.chunks(DIRECT).map(write_chunk_list).collect();
            let lists = parts.iter().map(|part| packing.push(RecordType::ChunkList, part)).collect();
            entry.content = Content::Lists(lists);
        }
    }
}

fn resolved(packing: &Packing<'_>, content: &Content<ObjectId>) -> Content<ObjectId> {
    let name = |pack: ObjectId| Some(number_of(&pack).map_or(pack, |number| packing.packs[number]));
    content.with_packs(name).expect("every pack is known")
}

/// Leaves and nodes; the top node stays for the root.
fn listing(packing: &mut Packing<'_>, entries: &[Entry<ObjectId>]) -> Node {
    let mut children = Vec::new();
    for part in entries.chunks(LEAF) {
        let mut leaf = LeafBuilder::default();
        part.iter().for_each(|entry| leaf.push(entry));
        let (first, content) = leaf.finish();
        children.push((first, packing.push(RecordType::Leaf, &content)));
    }
    let mut depth = 1;
    loop {
        packing.seal(true);
        for (_, chunk) in &mut children {
            packing.resolve(chunk);
            packing.remember(chunk);
        }
        if children.len() <= NODE {
            return Node { depth, children };
        }
        let mut above = Vec::new();
        for part in children.chunks(NODE) {
            let node = Node { depth, children: part.to_vec() };
            above.push((part[0].0.clone(), packing.push(RecordType::Node, &node.write())));
        }
        children = above;
        depth += 1;
    }
}
