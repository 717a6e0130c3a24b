//! The vault's lock: one commit at a time, over all processes.

use crate::dir::Inner;
use std::time::{Duration, Instant};
use vow_base::disk::{Disk, DiskLock};
use vow_base::vault::VaultError;

/// How long a commit waits for its turn. A commit takes milliseconds; one over millions of packs takes seconds.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

impl Inner {
    pub(crate) fn lock(&self, wait: Duration) -> Result<DiskLock, VaultError> {
        let until = Instant::now() + wait;
        loop {
            if let Some(lock) = self.disk.try_lock(&self.tree.lock())? {
                return Ok(lock);
            }
            if Instant::now() >= until {
                return Err(VaultError::Busy { place: self.tree.place() });
            }
            std::thread::sleep(PAUSE);
        }
    }
}
