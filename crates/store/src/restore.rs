//! Bringing a snapshot back: in parallel, every byte checked, nothing outside the target, and in place only what differs.
//!
//! The planner ([`plan`]) reads the listing, makes folders and fills windows; the workers look at what is there ([`probe`]), read what
//! is needed ([`fetch`]) and write it ([`job`]); folders get their metadata when nothing is left to do in them ([`window`]). While one
//! window is worked on the next one is planned.

mod context;
mod dirs;
mod fetch;
mod folders;
mod handle;
mod holes;
mod job;
mod links;
mod meta;
mod nodes;
pub(crate) mod parallel;
mod plan;
mod probe;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod window;
mod xattrs;

use crate::archive::{ArchiveError, Snapshot};
use crate::monitor::Monitor;
use context::Context;
use dirs::Dirs;
use plan::{Planner, Scope};
use rustix::process::{Resource, getrlimit};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;

/// What to restore, and how.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// The folder to restore into; created when missing.
    pub target: PathBuf,
    /// Only this path of the snapshot, and what is below it.
    pub under: Option<Vec<u8>>,
    /// Place the contents of `under` directly in the target (a file: under its name), not under its full path.
    pub strip: bool,
    /// Report what would be done, and write nothing.
    pub dry_run: bool,
    /// Worker threads; 0 for one per processor.
    pub threads: usize,
}

/// What was restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Regular files that are now as the snapshot has them (or would be, after a dry run).
    pub files: u64,
    /// Directories, likewise.
    pub dirs: u64,
    /// Symbolic links, devices and FIFOs, likewise.
    pub others: u64,
    /// Bytes of content of these files.
    pub bytes: u64,
    /// Bytes of content that had to be written.
    pub written_bytes: u64,
    /// Files whose content was already right.
    pub unchanged_files: u64,
    /// Entries that were not there before.
    pub created: u64,
    /// Entries that were there and of which anything had to be changed.
    pub changed: u64,
    /// Problems: what could not be restored, or not fully.
    pub errors: u64,
}

/// Why a restore stopped. What was restored until then stays, and running again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The target cannot be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Target {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target's file system, or a quota on it, is full.
    #[error(
        "the target is full: {path} could not be written; make room and run the same command again, it goes on from here"
    )]
    Full {
        /// What was being written.
        path: String,
    },
    /// Somebody asked it to stop.
    #[error("stopped; run the same command again to go on")]
    Cancelled,
}

/// Restores a snapshot, or part of it, into a folder. In place, only what differs is written.
///
/// What cannot be restored is reported to the monitor and counted; everything else is restored nevertheless.
///
/// # Errors
/// What makes going on useless: no such path in the snapshot, a vault that is gone, a target that cannot be used or is full, a request
/// to stop.
pub fn restore(
    snapshot: &Snapshot,
    options: &RestoreOptions,
    monitor: &Monitor,
) -> Result<RestoreReport, RestoreError> {
    let scope = scope(snapshot, options)?;
    let (target, made) = open_target(&options.target, options.dry_run)?;
    let files = getrlimit(Resource::Nofile).current.unwrap_or(1024).clamp(64, 4096) as usize;
    let mut ctx = Context::new(snapshot, monitor, Dirs::new(target, files / 8), options.dry_run);
    ctx.threads = parallel::threads(options.threads);
    ctx.open_files_max = files / 4;
    if scope.under.is_empty() {
        let counts = &snapshot.info().manifest.counts;
        monitor.counters.total_bytes.store(counts.bytes, Relaxed);
        monitor.counters.total_files.store(counts.files, Relaxed);
    }
    std::thread::scope(|threads| {
        // No window waits in the channel: one is worked on, one is being planned.
        let (out, windows) = sync_channel(0);
        let planner = Planner::new(&ctx, scope, made, out);
        threads.spawn(|| planner.run());
        for window in windows {
            window.run(&ctx);
            if ctx.is_stopped() {
                break;
            }
        }
    });
    ctx.finish()
}

fn scope(snapshot: &Snapshot, options: &RestoreOptions) -> Result<Scope, RestoreError> {
    let under = options.under.clone().unwrap_or_default();
    let mut strip = Vec::new();
    let mut own_target = under.is_empty();
    if !under.is_empty() {
        let entry = snapshot.entry(&under)?;
        if options.strip && entry.kind == crate::listing::Kind::Dir {
            strip.clone_from(&under);
            // In place the folder itself is part of what is restored; elsewhere the target is the user's.
            let original = Path::new("/").join(OsStr::from_bytes(&under));
            own_target = options.target.canonicalize().is_ok_and(|target| target == original);
        } else if options.strip {
            strip = crate::listing::path::parent(&under).unwrap_or_default().to_vec();
            own_target = false;
        }
    }
    Ok(Scope { under, strip, own_target })
}

/// Opens the target, making it when it is not there; says whether it was made.
fn open_target(path: &Path, dry_run: bool) -> Result<(Option<OwnedFd>, bool), RestoreError> {
    let failed = |action| move |source| RestoreError::Target { action, path: path.to_owned(), source };
    let made = match std::fs::metadata(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if dry_run {
                return Ok((None, true));
            }
            std::fs::create_dir_all(path).map_err(failed("create"))?;
            true
        }
        Err(error) => return Err(failed("look at")(error)),
    };
    use rustix::fs::OFlags;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
    Ok((Some(opened.map_err(|error| failed("open")(error.into()))?), made))
}
