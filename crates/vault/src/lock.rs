//! Locks on what a snapshot needs, where the store locks objects: extended before every commit, so that none ends under a snapshot
//! that came later.

use crate::retention::Version;
use crate::state::{Object, State};
use crate::sweep::known;
use crate::tree;
use crate::vault::Inner;
use vow_base::HostId;
use vow_base::vault::VaultError;

/// Objects that are locked with one call of the storage.
const LOCKED_AT_ONCE: usize = 10_000;

impl Inner {
    /// Locks objects of a host for as long as the rules lock a snapshot that comes now.
    pub(crate) fn extend_locks(
        &self,
        host: &HostId,
        state: &State,
        objects: impl Iterator<Item = Object>,
    ) -> Result<(), VaultError> {
        if !self.storage.locks() {
            return Ok(());
        }
        let now = self.clock.now();
        let (tenant, _) = known::called(self, host)?;
        let deciding = Version::deciding(&known::versions(state)?, &tenant, now);
        let lock = deciding.iter().map(|in_force| in_force.rules.lock).max().unwrap_or_default();
        let mut names = objects.map(|(kind, id)| tree::object(host, kind, &id)).peekable();
        while names.peek().is_some() {
            let part: Vec<_> = names.by_ref().take(LOCKED_AT_ONCE).collect();
            self.storage.extend_locks(&part, lock.after(now))?;
        }
        Ok(())
    }
}
