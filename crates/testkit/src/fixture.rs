//! A host with objects that a vault cannot tell from real ones: it sees lengths and hashes only.

use crate::Dice;
use vow_base::ObjectId;
use vow_base::id::{HostId, join_ids};
use vow_base::manifest::{Counts, Manifest, RootRef, Status, VERSION};
use vow_base::pack_list::PackList;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::{Deposit, Kind, VaultError};

/// The length of a made-up pack, in bytes.
pub const PACK_BYTES: usize = 4096;

/// An object with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub id: ObjectId,
    /// Its stored bytes.
    pub bytes: Vec<u8>,
}

impl Object {
    /// The object with these bytes.
    pub fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        Self { kind, id: ObjectId::of(&bytes), bytes }
    }

    /// A made-up object.
    pub fn random(kind: Kind, length: usize, dice: &mut Dice) -> Self {
        Self::new(kind, dice.bytes(length))
    }
}

/// A made-up host.
pub struct FakeHost {
    key: SigningKey,
}

/// A made-up snapshot: its objects and its manifest.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What has to be put before it can be committed.
    pub objects: Vec<Object>,
    /// Its manifest.
    pub manifest: Object,
    /// The same, read.
    pub content: Manifest,
}

impl FakeHost {
    /// The host whose key has this seed.
    pub fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_seed(&[seed; 32]) }
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Its id.
    pub fn id(&self) -> HostId {
        self.public().host_id()
    }

    /// A snapshot with packs of its own and one index segment. Few packs are listed in one list segment all the same.
    pub fn snapshot(&self, sequence: u64, packs: usize, dice: &mut Dice) -> Snapshot {
        let packs: Vec<_> = (0..packs).map(|_| Object::random(Kind::Pack, PACK_BYTES, dice)).collect();
        self.snapshot_of(sequence, &packs, dice)
    }

    /// A snapshot of these packs.
    pub fn snapshot_of(&self, sequence: u64, packs: &[Object], dice: &mut Dice) -> Snapshot {
        let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
        let index = Object::random(Kind::Index, 300, dice);
        let (list, segments) = pack_list(&ids);
        let content = Manifest {
            version: VERSION,
            host_key: self.public().0,
            tenant: "acme".into(),
            host: "web-1".into(),
            source: "files".into(),
            source_type: "files".into(),
            sequence,
            previous: None,
            run: [0; 16],
            started: 1,
            finished: 2,
            status: Status::Ok,
            counts: Counts::default(),
            recipients: Vec::new(),
            root: RootRef { pack: ids[0], record: 0, offset: 300, stored: 90, length: 120 },
            packs: list,
            index: index.id.0.to_vec().into(),
            software: format!("fixture {}", dice.roll()),
            group: None,
        };
        let objects = packs.iter().cloned().chain(segments).chain([index]).collect();
        Snapshot { objects, manifest: self.seal(&content), content }
    }

    /// The manifest, signed by this host.
    pub fn seal(&self, content: &Manifest) -> Object {
        Object::new(Kind::Manifest, content.seal(&self.key))
    }
}

impl Snapshot {
    /// Puts all its objects.
    pub fn put(&self, deposit: &dyn Deposit) -> Result<(), VaultError> {
        self.objects.iter().try_for_each(|object| deposit.put(object.kind, &object.id, &object.bytes))
    }

    /// Commits its manifest.
    pub fn commit(&self, deposit: &dyn Deposit) -> Result<vow_base::receipt::Receipt, VaultError> {
        deposit.commit(&self.manifest.id, &self.manifest.bytes)
    }

    /// Its objects of one kind.
    pub fn of_kind(&self, kind: Kind) -> Vec<&Object> {
        self.objects.iter().filter(|object| object.kind == kind).collect()
    }
}

/// Up to 255 bytes of ids go into one list segment, written by hand from section 6 of the format document.
fn pack_list(ids: &[ObjectId]) -> (PackList, Vec<Object>) {
    let joined = join_ids(ids);
    let Ok(length) = u8::try_from(joined.len()) else {
        let (list, segments) = PackList::build(ids);
        let objects = segments.into_iter().map(|(_, bytes)| Object::new(Kind::List, bytes));
        return (list, objects.collect());
    };
    let segment = [&b"VOWLIST1\xa2\x00\x00\x01\x58"[..], &[length], &joined].concat();
    let segment = Object::new(Kind::List, segment);
    let list = PackList { depth: 1, count: ids.len() as u64, ids: segment.id.0.to_vec().into() };
    (list, vec![segment])
}
