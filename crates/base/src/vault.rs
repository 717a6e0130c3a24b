//! The two roles in which a vault is used: a host deposits, a restorer retrieves. There is no verb to delete.

use crate::disk::DiskError;
use crate::id::{HostId, ObjectId};
use crate::receipt::Receipt;
use crate::sign::{PublicKey, SignError};
use std::fmt;

/// The longest pack that is stored or read, in bytes.
pub const PACK_LIMIT_BYTES: u64 = 64 << 20;
/// The longest index segment that is stored or read, in bytes.
pub const INDEX_LIMIT_BYTES: u64 = 16 << 20;

/// What kinds of objects a vault keeps for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Encrypted data.
    Pack,
    /// A segment of a pack list.
    List,
    /// A segment of the host's index.
    Index,
    /// A signed manifest.
    Manifest,
}

impl Kind {
    /// Its folder below the host's.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Pack => "packs",
            Self::List => "lists",
            Self::Index => "index",
            Self::Manifest => "manifests",
        }
    }

    /// The longest object of this kind, in bytes.
    pub fn limit_bytes(self) -> u64 {
        match self {
            Self::Pack => PACK_LIMIT_BYTES,
            Self::List => crate::pack_list::SEGMENT_LIMIT_BYTES as u64,
            Self::Index => INDEX_LIMIT_BYTES,
            Self::Manifest => crate::manifest::ENVELOPE.limit_bytes as u64,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pack => "pack",
            Self::List => "list segment",
            Self::Index => "index segment",
            Self::Manifest => "manifest",
        })
    }
}

/// What can go wrong with a vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no vault at this place.
    #[error("there is no vault at {place}")]
    NoVault {
        /// Path or address.
        place: String,
    },
    /// It is a vault, but not the one whose key is on record.
    #[error("the vault at {place} is another one: its fingerprint is {found}, expected {expected}")]
    OtherVault {
        /// Path or address.
        place: String,
        /// The fingerprint seen.
        found: String,
        /// The fingerprint on record.
        expected: String,
    },
    /// It is a vault, but it does not know this host.
    #[error("host {} has not joined the vault at {place}", .host.short())]
    NotJoined {
        /// The host.
        host: HostId,
        /// Path or address.
        place: String,
    },
    /// The object is not there.
    #[error("{kind} {id} is not in the vault")]
    Absent {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: ObjectId,
    },
    /// What is stored is not what its name says.
    #[error("{kind} {id} is damaged: {reason}")]
    Damaged {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// How that was seen.
        reason: String,
    },
    /// A manifest was refused because these objects are not in the vault.
    #[error("the vault lacks {} objects that the manifest names", .0.len())]
    Missing(Vec<(Kind, ObjectId)>),
    /// The bytes that were sent do not hash to the name; nothing was stored.
    #[error("refused: {kind} {id}: the bytes sent hash to {found}")]
    WrongHash {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// What they hash to.
        found: ObjectId,
    },
    /// The vault refuses, for good.
    #[error("refused: {0}")]
    Refused(String),
    /// Somebody else holds the vault's lock.
    #[error("the vault at {place} is busy")]
    Busy {
        /// Path or address.
        place: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something signed does not verify.
    #[error("{what}: {source}")]
    Signed {
        /// What was read.
        what: String,
        /// Why it was refused.
        source: SignError,
    },
    /// The ledger does not hold together.
    #[error("the ledger of the vault at {place} is wrong at position {position}: {reason}")]
    Ledger {
        /// Path or address.
        place: String,
        /// The first position that is wrong.
        position: u64,
        /// How that was seen.
        reason: String,
    },
    /// No answer could be had, however often it was asked.
    #[error("the vault at {place} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        place: String,
        /// How the last try ended.
        reason: String,
    },
    /// It takes no more requests, bytes or snapshots from this key for now.
    #[error("the vault at {place} takes no more for now: {reason}")]
    Limited {
        /// Its address.
        place: String,
        /// What it said.
        reason: String,
    },
    /// Its disk, its reserve or this host's share of it is full.
    #[error("the vault at {place} is full: {reason}")]
    Full {
        /// Its address.
        place: String,
        /// What it said.
        reason: String,
    },
    /// Its storage fails.
    #[error("the storage of the vault at {place} fails: {reason}")]
    Storage {
        /// Its address.
        place: String,
        /// What it said.
        reason: String,
    },
    /// It has nothing of the kind for this key: absent, foreign or not allowed.
    #[error("the vault at {place} has no {what} for this key")]
    NotForThisKey {
        /// Its address.
        place: String,
        /// What was asked for.
        what: String,
    },
    /// It does not keep to the protocol.
    #[error("the vault at {place} does not keep to the protocol: {reason}")]
    Protocol {
        /// Its address.
        place: String,
        /// How that was seen.
        reason: String,
    },
}

impl VaultError {
    /// Whether the place is full, so that freeing space there and running again will help.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Disk(error) => error.is_full(),
            Self::Full { .. } => true,
            _ => false,
        }
    }

    /// Whether nothing is known of the vault because it could not be asked.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// The role of a host: it adds, and sees again only what is of no use to an intruder.
pub trait Deposit: Send + Sync {
    /// Stores an object durably under its id. Idempotent.
    fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<(), VaultError>;
    /// Which of these are not there.
    fn missing(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VaultError>;
    /// Commits a manifest whose objects are all there; the answer is countersigned. Idempotent.
    fn commit(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError>;
    /// The receipts this host has got, in ledger order.
    fn receipts(&self) -> Result<Vec<Receipt>, VaultError>;
    /// Ids of this host's index segments.
    fn index_segments(&self) -> Result<Vec<ObjectId>, VaultError>;
    /// One of this host's index segments.
    fn index_segment(&self, id: &ObjectId) -> Result<Vec<u8>, VaultError>;
}

/// The role of a restorer: it reads everything and changes nothing.
pub trait Retrieve: Send + Sync {
    /// The hosts that ever joined, with their keys.
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError>;
    /// The manifests committed for a host. Their receipts come with them.
    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError>;
    /// Every object of one kind that a host has here, committed or not, with its length in bytes.
    fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError>;
    /// A whole object, verified against its name.
    fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError>;
    /// Part of a pack. It cannot be verified against the name: records carry their own tags.
    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError>;
}

/// What a vault has from a host that joined it, for another vault that copies from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduced {
    /// The stored bytes of the host's [`Introduction`](crate::introduction::Introduction).
    pub stored: Vec<u8>,
    /// Readers in it, by the hash of their keys, that may read no more there.
    pub shut_out: Vec<HostId>,
}

/// A vault that lets others watch over it: its ledger can be followed, and it can be told what was seen elsewhere.
pub trait Watch: Send + Sync {
    /// The vault's key, which fits what was pinned.
    fn vault_key(&self) -> Result<PublicKey, VaultError>;
    /// Stored bytes of the newest ledger entry; `None` when there is none yet.
    fn head(&self) -> Result<Option<Vec<u8>>, VaultError>;
    /// Stored bytes of the entries after this position, in order, as many as fit into one answer; none when there are no more.
    fn entries(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError>;
    /// Shows it the head of another vault, as evidence.
    fn witness(&self, head: &[u8]) -> Result<(), VaultError>;
    /// Stored bytes of the heads that it has seen of the ledger of the vault with this key, which must be the one that asks.
    fn heads_of(&self, asking: &PublicKey) -> Result<Vec<Vec<u8>>, VaultError>;
    /// What a host said of itself when it joined; `None` when it said nothing there.
    fn introduced(&self, host: &HostId) -> Result<Option<Introduced>, VaultError>;
}

/// A vault that can be copied from: read, and watched.
pub trait Peer: Retrieve + Watch {}

impl<T: Retrieve + Watch> Peer for T {}
