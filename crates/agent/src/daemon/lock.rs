//! One agent per state folder.

use super::DaemonError;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_base::disk::DiskError;

const TRIES: u32 = 5;
const MOMENT: Duration = Duration::from_millis(50);

/// The folder of the agent.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("agent")
}

/// Held as long as an agent runs.
#[derive(Debug)]
pub struct AgentLock(#[allow(dead_code, reason = "it is held, not used")] File);

impl AgentLock {
    /// Takes it; makes the folder when it is missing.
    ///
    /// # Errors
    /// When another agent holds it, or the disk refuses.
    pub fn take(state: &Path) -> Result<Self, DaemonError> {
        let folder = folder(state);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(DiskError::at("create", &folder))?;
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(DiskError::at("open", &path))?;
        // Whoever asks whether an agent runs holds it for a moment: that is no other agent.
        for again in (0..TRIES).rev() {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if again > 0 => std::thread::sleep(MOMENT),
                Err(rustix::io::Errno::WOULDBLOCK) => break,
                Err(error) => return Err(DiskError::at("lock", &path)(error.into()).into()),
            }
        }
        Err(DaemonError::Busy(path))
    }

    /// Whether an agent runs on this state folder now.
    pub fn is_held(state: &Path) -> bool {
        let Ok(file) = File::open(folder(state).join("lock")) else { return false };
        // Shared, and given back at once: nobody who wants it for good is refused for more than this moment.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err()
    }
}
