//! Bringing a level up to date from another: sealed objects are copied as they are, no key is needed and no source is read again.

use crate::monitor::{Monitor, add};
use std::collections::HashSet;
use vow_base::HostId;
use vow_base::manifest::Manifest;
use vow_base::pack_list::{Expanded, ListError};
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};

/// What was copied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CaughtUp {
    /// Snapshots committed.
    pub snapshots: u64,
    /// Packs copied.
    pub packs: u64,
    /// Bytes copied.
    pub bytes: u64,
}

/// Copies every snapshot of `host` that `to` lacks, oldest first. Stops at the first error; what was committed stays.
pub fn catch_up(
    from: &dyn Retrieve,
    host: &HostId,
    to: &dyn Deposit,
    monitor: &Monitor,
) -> Result<CaughtUp, VaultError> {
    let have: HashSet<_> = to.receipts()?.into_iter().map(|receipt| receipt.manifest).collect();
    let mut lacking = from.committed(host)?;
    lacking.retain(|receipt| !have.contains(&receipt.manifest));
    lacking.sort_by_key(|receipt| receipt.sequence);
    let mut done = CaughtUp::default();
    for receipt in lacking {
        if monitor.is_cancelled() {
            break;
        }
        let stored = from.get(host, Kind::Manifest, &receipt.manifest)?;
        let manifest = Manifest::open(&stored).map_err(|source| VaultError::Signed {
            what: format!("manifest {}", receipt.manifest.short()),
            source,
        })?;
        let Expanded { packs, lists } = expand(from, host, &manifest)?;
        for (kind, ids) in [(Kind::Pack, packs), (Kind::List, lists), (Kind::Index, manifest.index_ids())] {
            for id in to.missing(kind, &ids)? {
                let bytes = from.get(host, kind, &id)?;
                to.put(kind, &id, &bytes)?;
                done.bytes += bytes.len() as u64;
                done.packs += u64::from(kind == Kind::Pack);
                add(&monitor.counters.stored_bytes, bytes.len() as u64);
            }
        }
        to.commit(&receipt.manifest, &stored)?;
        done.snapshots += 1;
    }
    Ok(done)
}

/// The pack list of a manifest, read from the vault it is in.
pub fn expand(vault: &dyn Retrieve, host: &HostId, manifest: &Manifest) -> Result<Expanded, VaultError> {
    manifest.packs.expand(|id| vault.get(host, Kind::List, id)).map_err(|error| match error {
        ListError::Fetch(error) => error,
        ListError::Malformed { id, reason } => VaultError::Refused(format!("pack list {id}: {reason}")),
    })
}
