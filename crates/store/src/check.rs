//! Check.
use crate::archive::{Archive, ArchiveError};
use crate::monitor::Monitor;
use vow_base::ObjectId;
use vow_base::vault::Kind;

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

/// Checks everything in a vault.
pub fn check(
    archive: &Archive,
    options: &CheckOptions,
    monitor: &Monitor,
) -> Result<CheckReport, CheckError> {
    let _ = (archive, options, monitor);
    Err(CheckError::Cancelled)
}
