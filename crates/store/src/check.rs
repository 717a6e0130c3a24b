//! Whether a vault still has everything that its manifests promise, and whether it is what it should be.
//!
//! Without an identity: manifests, receipts, pack lists, presence and plausible length of every object; with `read_data` the hash of
//! every object. With an identity also every listing, each reference against the trailer of its pack; with `read_data` every record.
//! Memory is bounded by the number of packs and leaves of one host (some tens of bytes each), not by entries or bytes.

mod findings;
mod host;
mod listing;
mod packs;
#[cfg(test)]
mod tests;
mod trailers;

use crate::archive::{Archive, ArchiveError, SnapshotInfo};
use crate::monitor::Monitor;
use findings::Findings;
use host::Host;
use vow_base::ObjectId;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, VaultError};

/// How thoroughly to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckOptions {
    /// Read every object and compare it with its name; with an identity, every record with its id.
    pub read_data: bool,
    /// Worker threads; 0 for one per processor.
    pub threads: usize,
}

/// An object that is missing, damaged or not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: ObjectId,
    /// What is wrong with it.
    pub reason: String,
    /// The snapshots that need it.
    pub snapshots: Vec<ObjectId>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Snapshots whose listing was read and checked.
    pub listings: u64,
    /// Packs in the vault.
    pub packs: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Bytes of all objects.
    pub stored_bytes: u64,
    /// Everything that is wrong, by kind and id.
    pub damaged: Vec<Damage>,
    /// Snapshots that the identities given do not open.
    pub unopened: Vec<ObjectId>,
    /// Hosts whose key is not one of those given; nothing of theirs was checked.
    pub untrusted: Vec<String>,
    /// What is wrong with the vault's own word: its ledger, or what it signed. What hosts signed was checked all the same.
    pub ledger: Vec<String>,
}

/// Why a check could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The vault cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Somebody asked it to stop.
    #[error("stopped before everything was checked")]
    Cancelled,
}

/// Checks everything in a vault, host by host.
///
/// # Errors
/// The vault cannot say what it has, or the check was stopped. Damage is no error: it is what the report is for.
pub fn check(
    archive: &Archive,
    options: &CheckOptions,
    monitor: &Monitor,
) -> Result<CheckReport, CheckError> {
    let mut report = CheckReport::default();
    let mut findings = Findings::default();
    let (snapshots, errors) = archive.snapshots_lenient()?;
    let mut foreign = Vec::new();
    for error in errors {
        match error {
            ArchiveError::Untrusted { key } => {
                report.untrusted.push(key.host_id().to_string());
                foreign.push(key);
            }
            ArchiveError::Manifest { id, reason, .. } => {
                report.snapshots += 1;
                findings.add(Kind::Manifest, id, reason);
                findings.affects(Kind::Manifest, id, id);
            }
            ArchiveError::Vault(error @ (VaultError::Ledger { .. } | VaultError::Signed { .. })) => {
                let text = error.to_string();
                if !report.ledger.contains(&text) {
                    report.ledger.push(text);
                }
            }
            other => return Err(other.into()),
        }
    }
    let keys = archive.vault().hosts().map_err(ArchiveError::from)?;
    for key in keys.into_iter().filter(|key| !foreign.contains(key)) {
        let own: Vec<_> = snapshots.iter().filter(|info| info.manifest.public_key() == key).collect();
        check_host(archive, options, monitor, &key, &own, &mut findings, &mut report)?;
    }
    report.damaged = findings.finish();
    Ok(report)
}

fn check_host(
    archive: &Archive,
    options: &CheckOptions,
    monitor: &Monitor,
    key: &PublicKey,
    snapshots: &[&SnapshotInfo],
    findings: &mut Findings,
    report: &mut CheckReport,
) -> Result<(), CheckError> {
    let mut host = Host::new(archive, key.host_id(), monitor)?;
    report.snapshots += snapshots.len() as u64;
    report.packs += host.packs.len() as u64;
    report.stored_bytes += host.stored_bytes();
    host.manifests(snapshots, findings)?;
    let mut keys = Vec::new();
    if archive.has_identity() {
        keys = host.listings(snapshots, findings, report)?;
    }
    if options.read_data {
        report.packs_read += host.read_everything(options.threads, &keys, findings)?;
    }
    host.affected(snapshots, findings)
}
