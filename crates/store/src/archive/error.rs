//! What can go wrong when a vault is read.

use crate::listing::ListingError;
use crate::session::SessionError;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;
use vow_base::{HostId, ObjectId};

/// Why something could not be read from a vault.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The vault could not give it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A manifest, or its receipt, is not what it should be.
    #[error("manifest {id} of host {}: {reason}", host.short())]
    Manifest {
        /// The manifest.
        id: ObjectId,
        /// The host in whose folder it lies.
        host: HostId,
        /// What the vault says of it; nothing when its ledger cannot be read.
        receipt: Option<Box<Receipt>>,
        /// What is wrong with it.
        reason: String,
    },
    /// The vault has a host whose key is not one of the verification keys given.
    #[error("host {} signs with a key that is not trusted here: {}", key.host_id().short(), vow_base::id::hex(&key.0))]
    Untrusted {
        /// Its key.
        key: PublicKey,
    },
    /// Nothing fits what was asked for.
    #[error("no snapshot is {spec:?}{}", hint(candidates))]
    NoSuchSnapshot {
        /// What was asked for.
        spec: String,
        /// What there is instead.
        candidates: Vec<String>,
    },
    /// Several snapshots fit what was asked for.
    #[error("{spec:?} is not unique{}", hint(candidates))]
    Ambiguous {
        /// What was asked for.
        spec: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// An identity is needed and none was given.
    #[error("an identity is needed to read snapshots, and none was given")]
    NoIdentity,
    /// The key of a pack could not be had.
    #[error("pack {pack}: {source}")]
    Session {
        /// The pack.
        pack: ObjectId,
        /// Why not.
        source: SessionError,
    },
    /// A record is not what the reference to it says.
    #[error("pack {pack}, record {record}: {reason}")]
    Record {
        /// The pack.
        pack: ObjectId,
        /// Number of the record.
        record: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// A record is intact, but what stands in it is not a listing.
    #[error("pack {pack}, record {record}: {source}")]
    Listing {
        /// The pack.
        pack: ObjectId,
        /// Number of the record.
        record: u32,
        /// What is wrong with it.
        source: ListingError,
    },
    /// Part of a listing is missing; what lies after it can still be read.
    #[error("the listing from {from} on cannot be read: {source}")]
    Part {
        /// The first path that is missing.
        from: String,
        /// Why.
        source: Box<ArchiveError>,
    },
    /// The root record does not belong to the manifest.
    #[error("the root of snapshot {} is refused: {reason}", snapshot.short())]
    Root {
        /// The snapshot.
        snapshot: ObjectId,
        /// Why.
        reason: &'static str,
    },
    /// The snapshot has nothing at this path.
    #[error("the snapshot has no {path}")]
    NoEntry {
        /// The path.
        path: String,
    },
    /// The chunks of a file do not add up to it.
    #[error("{path}: {reason}")]
    Content {
        /// The path.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// What was read could not be written on.
    #[error("cannot write: {0}")]
    Write(std::io::Error),
    /// zstd could not be set up.
    #[error("out of memory")]
    Memory,
}

impl ArchiveError {
    /// Whether no identity was given, or none of those given opens it.
    pub fn is_identity(&self) -> bool {
        match self {
            Self::NoIdentity | Self::Session { source: SessionError::WrongIdentity, .. } => true,
            Self::Part { source, .. } => source.is_identity(),
            _ => false,
        }
    }

    /// Whether the vault is away, or lets us read no more: then nothing else can be read either, and nothing is known to be damaged.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Vault(error) => matches!(
                error,
                VaultError::Unreachable { .. }
                    | VaultError::Limited { .. }
                    | VaultError::NotForThisKey { .. }
            ),
            Self::Part { source, .. } => source.is_gone(),
            _ => false,
        }
    }
}

fn hint(candidates: &[String]) -> String {
    const SHOWN: usize = 8;
    match candidates.len() {
        0 => String::new(),
        n if n > SHOWN => format!("; there are {} and {} more", candidates[..SHOWN].join(", "), n - SHOWN),
        _ => format!("; there are {}", candidates.join(", ")),
    }
}
