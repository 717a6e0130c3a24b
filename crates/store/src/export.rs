//! Export.
use crate::archive::{ArchiveError, Snapshot};
use crate::monitor::Monitor;
use std::io::{self, Write};

/// What was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub dirs: u64,
    /// Symbolic links, devices and FIFOs.
    pub others: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Problems: entries that were left out.
    pub errors: u64,
}

/// Why an export stopped. What was written until then is not a whole archive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The snapshot cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The output cannot be written.
    #[error("cannot write the archive: {0}")]
    Write(#[source] io::Error),
    /// Somebody asked it to stop.
    #[error("stopped; the archive is not complete")]
    Cancelled,
}

/// Writes a snapshot, or what is under one path, as a PAX tar archive.
pub fn export(
    snapshot: &Snapshot,
    under: Option<&[u8]>,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<ExportReport, ExportError> {
    let _ = (snapshot, under, out, monitor);
    Err(ExportError::Cancelled)
}
