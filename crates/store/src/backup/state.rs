//! What a host remembers of its own snapshots: the lock, the head of its chain, and the index segments it has sent.

use super::BackupError;
use super::packs::LevelState;
use crate::monitor::Monitor;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use vow_base::disk::DiskError;
use vow_base::id::{join_ids, sha256, split_ids};
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
    /// Snapshots that were about to be committed since the last one. A level that is away may have one of them.
    pub(super) intended: Vec<ObjectId>,
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
    /// Snapshots that were about to be committed: a vault may have one though this host does not know yet.
    #[n(4)]
    intended: ByteVec,
}

impl State {
    /// Creates the folder when missing and takes its lock.
    pub(super) fn lock(folder: &Path) -> Result<Self, BackupError> {
        let at = |action| DiskError::at(action, folder);
        // It names the host's files.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(at("create"))?;
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
        let stored = fs::read(self.chain_path()).ok()?;
        // A flipped bit must look like a lost record, not like another machine's.
        let (check, payload) = stored.split_first_chunk::<32>()?;
        let wire: WireChain =
            (sha256(payload) == *check).then(|| vow_base::cbor::decode(payload).ok()).flatten()?;
        let segments = split_ids(&wire.segments)?;
        let manifest = (wire.sequence > 0).then_some(wire.manifest);
        let intended = split_ids(&wire.intended)?;
        let chain = Chain { sequence: wire.sequence, manifest, segments, intended };
        (wire.host == host.0).then_some(chain)
    }

    /// Records the head durably.
    pub(super) fn record(&self, host: &HostId, chain: &Chain) -> Result<(), DiskError> {
        let segments = join_ids(&chain.segments).into();
        // Before the first snapshot there is no manifest, and the sequence number says so.
        let manifest = chain.manifest.unwrap_or(ObjectId([0; 32]));
        let wire = WireChain {
            host: host.0,
            sequence: chain.sequence,
            manifest,
            segments,
            intended: join_ids(&chain.intended).into(),
        };
        let path = self.chain_path();
        let payload = vow_base::cbor::encode(&wire);
        let stored = [&sha256(&payload)[..], &payload].concat();
        replace(&path, &stored).map_err(DiskError::at("write", &path))
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
/// The vaults' receipts decide: a host that lost power after a commit learns here that it happened, and a host whose state was lost
/// starts from what the vaults have. But a snapshot that this state knows nothing of was made by another machine with the same
/// keys, or by this one before its state was set back: two machines must not continue one chain, so that is refused.
pub(super) fn continue_chain(
    state: &State,
    key: &PublicKey,
    levels: &[LevelState],
    monitor: &Monitor,
) -> Result<(Chain, bool), BackupError> {
    let recorded = state.recorded(&key.host_id());
    let newest = newest_receipt(levels, recorded.as_ref(), monitor);
    let Some(head) = newest else {
        return Ok((recorded.map(nothing_sent).unwrap_or_default(), false));
    };
    let adopted = Chain { sequence: head.sequence, manifest: Some(head.manifest), ..Chain::default() };
    match recorded {
        Some(chain) if chain.manifest == Some(head.manifest) => Ok((past_intended(chain), true)),
        Some(chain) if chain.intended.contains(&head.manifest) => {
            let intended = chain.intended.into_iter().filter(|id| *id != head.manifest).collect();
            let sequence = head.sequence.max(chain.sequence);
            Ok((past_intended(Chain { sequence, intended, ..adopted }), false))
        }
        // The vaults are behind, or new: sequence numbers never go back, but nothing sent before may be relied on.
        Some(chain) if head.sequence < chain.sequence => Ok((nothing_sent(chain), false)),
        Some(_) => Err(BackupError::OtherMachine { sequence: head.sequence, record: state.chain_path() }),
        None => Ok((adopted, false)),
    }
}

fn nothing_sent(chain: Chain) -> Chain {
    past_intended(Chain { segments: Vec::new(), ..chain })
}

/// The number of a snapshot that a level may have, which is not there to ask, stays taken: two with one number would be a fork.
fn past_intended(chain: Chain) -> Chain {
    Chain { sequence: chain.sequence + u64::from(!chain.intended.is_empty()), ..chain }
}

/// The receipt with the highest sequence number of any level. Levels that are behind the record are reported.
fn newest_receipt(levels: &[LevelState], recorded: Option<&Chain>, monitor: &Monitor) -> Option<Receipt> {
    let mut newest: Option<Receipt> = None;
    for level in levels {
        let receipts = match level.level.deposit.receipts() {
            Ok(receipts) => receipts,
            Err(error) => {
                level.fail(error);
                continue;
            }
        };
        let head = receipts.into_iter().max_by_key(|receipt| receipt.sequence);
        let shown = head.as_ref().map_or(0, |head| head.sequence);
        let is_behind = |recorded: &&Chain| {
            recorded.sequence > shown && recorded.manifest != head.as_ref().map(|head| head.manifest)
        };
        if let Some(recorded) = recorded.filter(is_behind) {
            monitor.note(&format!(
                "vault {} is behind: it shows snapshot number {shown} of this host as the last, this host remembers \
                 number {}. If the vault is not new or freshly restored, find out what happened to it",
                level.level.name, recorded.sequence
            ));
        }
        let newer = head.filter(|head| newest.as_ref().is_none_or(|newest| newest.sequence < head.sequence));
        newest = newer.or(newest);
    }
    newest
}
