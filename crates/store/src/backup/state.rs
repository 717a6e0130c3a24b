//! What a host remembers of its own snapshots: the lock, the head of its chain, and the index segments it has sent.

use super::BackupError;
use super::packs::LevelState;
use crate::monitor::Monitor;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use vow_base::disk::DiskError;
use vow_base::id::{join_ids, split_ids};
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::{HostId, ObjectId};

/// The state folder, locked for one run.
pub(super) struct State {
    pub(super) folder: PathBuf,
    _lock: File,
}

/// The host's place in its own chain of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Sequence number of the last snapshot; 0 before the first.
    pub(super) sequence: u64,
    /// The last snapshot.
    pub(super) manifest: Option<ObjectId>,
    /// Index segments that name what was sent.
    pub(super) segments: Vec<ObjectId>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireChain {
    #[cbor(n(0), with = "minicbor::bytes")]
    host: [u8; 32],
    #[n(1)]
    sequence: u64,
    #[cbor(n(2), with = "vow_base::manifest::id")]
    manifest: ObjectId,
    #[n(3)]
    segments: ByteVec,
}

impl State {
    /// Creates the folder when missing and takes its lock.
    pub(super) fn lock(folder: &Path) -> Result<Self, BackupError> {
        let at = |action| DiskError::at(action, folder);
        fs::create_dir_all(folder).map_err(at("create"))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(DiskError::at("open", &path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(BackupError::Busy(path)),
            Err(error) => Err(DiskError::at("lock", &path)(error.into()).into()),
        }
    }

    fn chain_path(&self) -> PathBuf {
        self.folder.join("chain")
    }

    /// What the host remembers of its chain; nothing when that is lost or another host's.
    pub(super) fn recorded(&self, host: &HostId) -> Option<Chain> {
        let wire: WireChain = vow_base::cbor::decode(&fs::read(self.chain_path()).ok()?).ok()?;
        let segments = split_ids(&wire.segments)?;
        (wire.host == host.0).then_some(Chain {
            sequence: wire.sequence,
            manifest: Some(wire.manifest),
            segments,
        })
    }

    /// Records the head durably.
    pub(super) fn record(&self, host: &HostId, chain: &Chain) -> Result<(), DiskError> {
        let Some(manifest) = chain.manifest else { return Ok(()) };
        let segments = join_ids(&chain.segments).into();
        let wire = WireChain { host: host.0, sequence: chain.sequence, manifest, segments };
        let path = self.chain_path();
        replace(&path, &vow_base::cbor::encode(&wire)).map_err(DiskError::at("write", &path))
    }
}

/// Replaces a file durably.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// The chain to continue, and whether the host's cache belongs to it.
///
/// The vaults' receipts decide: a host that lost power after a commit learns here that it happened, and a host whose state was
/// lost or copied from another machine starts from what the vaults have.
pub(super) fn continue_chain(
    state: &State,
    key: &PublicKey,
    levels: &[LevelState],
    monitor: &Monitor,
) -> (Chain, bool) {
    let host = key.host_id();
    let recorded = state.recorded(&host);
    let mut newest: Option<Receipt> = None;
    for level in levels {
        let heads = level.level.deposit.receipts();
        let head = heads.map(|receipts| receipts.into_iter().max_by_key(|receipt| receipt.sequence));
        match head {
            Ok(head) => {
                let shown = head.as_ref().map_or(0, |head| head.sequence);
                if let Some(recorded) = recorded.as_ref().filter(|recorded| recorded.sequence > shown) {
                    monitor.note(&format!(
                        "vault {} is behind: it shows snapshot number {shown} of this host as the last, this host remembers \
                         number {}. If the vault is not new or freshly restored, find out what happened to it",
                        level.level.name, recorded.sequence
                    ));
                }
                let newer = head.filter(|head| newest.as_ref().is_none_or(|n| n.sequence < head.sequence));
                newest = newer.or(newest);
            }
            Err(error) => level.fail(error),
        }
    }
    match (recorded, newest) {
        (Some(chain), Some(head)) if chain.manifest == Some(head.manifest) => (chain, true),
        (Some(chain), head) if head.as_ref().is_none_or(|head| head.sequence < chain.sequence) => {
            // The vaults are behind, or new: sequence numbers never go back, but nothing sent before may be relied on.
            (Chain { segments: Vec::new(), ..chain }, false)
        }
        (_, Some(head)) => {
            let chain =
                Chain { sequence: head.sequence, manifest: Some(head.manifest), segments: Vec::new() };
            (chain, false)
        }
        (recorded, None) => (recorded.unwrap_or_default(), false),
    }
}
