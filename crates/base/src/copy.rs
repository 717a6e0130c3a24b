//! Copying a host's snapshots from one vault to another: sealed objects as they are, no key is needed and no source is read again.

use crate::id::{HostId, ObjectId};
use crate::manifest::Manifest;
use crate::pack_list::{Expanded, ListError};
use crate::receipt::Receipt;
use crate::vault::{Deposit, Kind, Retrieve, VaultError};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What was copied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Snapshots committed.
    pub snapshots: u64,
    /// Packs copied.
    pub packs: u64,
    /// Bytes copied.
    pub bytes: u64,
}

impl Copied {
    /// Adds what else was copied.
    pub fn add(&mut self, more: Self) {
        self.snapshots += more.snapshots;
        self.packs += more.packs;
        self.bytes += more.bytes;
    }
}

/// The snapshots of a host that `from` keeps and `to` never accepted, oldest first.
pub fn lacking(from: &dyn Retrieve, host: &HostId, to: &dyn Deposit) -> Result<Vec<Receipt>, VaultError> {
    let have: HashSet<_> = to.receipts()?.into_iter().map(|receipt| receipt.manifest).collect();
    let mut lacking = from.committed(host)?;
    lacking.retain(|receipt| !have.contains(&receipt.manifest));
    lacking.sort_by_key(|receipt| receipt.sequence);
    Ok(lacking)
}

/// Copies one snapshot, with at most `threads` objects under way at once.
///
/// Nothing that `from` says is believed: objects are compared with their names, the manifest with the host's signature, by `to` or here.
/// `progress` hears of every object's bytes; when it breaks, [`Ended::Stopped`] is the answer and nothing was committed.
pub fn copy_snapshot(
    from: &dyn Retrieve,
    host: &HostId,
    manifest: &ObjectId,
    to: &dyn Deposit,
    threads: usize,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Ended, VaultError> {
    let stored = from.get(host, Kind::Manifest, manifest)?;
    let content = Manifest::open(&stored)
        .map_err(|source| VaultError::Signed { what: format!("manifest {}", manifest.short()), source })?;
    let Expanded { packs, lists } = expand(from, host, &content)?;
    let mut copied = Copied::default();
    for (kind, ids) in [(Kind::Pack, packs), (Kind::List, lists), (Kind::Index, content.index_ids())] {
        let missing = to.missing(kind, &ids)?;
        let Some(bytes) = copy_objects(from, host, kind, &missing, to, threads, progress)? else {
            return Ok(Ended::Stopped(copied));
        };
        copied.bytes += bytes;
        copied.packs += if kind == Kind::Pack { missing.len() as u64 } else { 0 };
    }
    to.commit(manifest, &stored)?;
    copied.snapshots = 1;
    Ok(Ended::Done(copied))
}

/// How copying ended when nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The snapshot is committed.
    Done(Copied),
    /// Somebody asked it to stop. What was copied stays and is not copied again.
    Stopped(Copied),
}

/// The bytes copied, or nothing when it was stopped. The first error ends it.
fn copy_objects(
    from: &dyn Retrieve,
    host: &HostId,
    kind: Kind,
    ids: &[ObjectId],
    to: &dyn Deposit,
    threads: usize,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Option<u64>, VaultError> {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let outcome = Mutex::new((0u64, None));
    let work = || {
        while !stopped.load(Ordering::Relaxed) {
            let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let copied = from.get(host, kind, id).and_then(|bytes| {
                to.put(kind, id, &bytes)?;
                Ok(bytes.len() as u64)
            });
            // A thread that panicked changed nothing here half-way.
            let mut outcome = outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match copied {
                Ok(bytes) => {
                    outcome.0 += bytes;
                    if progress(bytes).is_break() {
                        stopped.store(true, Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    outcome.1.get_or_insert(error);
                    stopped.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, ids.len().max(1)) {
            scope.spawn(work);
        }
    });
    let (bytes, error) = outcome.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match error {
        Some(error) => Err(error),
        None if stopped.load(Ordering::Relaxed) => Ok(None),
        None => Ok(Some(bytes)),
    }
}

/// The pack list of a manifest, read from the vault it is in.
pub fn expand(vault: &dyn Retrieve, host: &HostId, manifest: &Manifest) -> Result<Expanded, VaultError> {
    manifest.packs.expand(|id| vault.get(host, Kind::List, id)).map_err(|error| match error {
        ListError::Fetch(error) => error,
        ListError::Malformed { id, reason } => VaultError::Refused(format!("pack list {id}: {reason}")),
    })
}
