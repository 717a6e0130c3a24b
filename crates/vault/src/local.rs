//! What only somebody on the vault's own machine may do, and what everybody who keeps watch over a vault may see.

use crate::retention::Policy;
use crate::state::State;
use crate::vault::Vault;
use std::sync::Arc;
use vow_base::detail::{Detail, Mark};
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// Ledger entries that are given out in one answer.
pub(crate) const ENTRIES_AT_ONCE: u64 = 1000;

impl Vault {
    /// What the ledger amounts to now.
    pub fn state(&self) -> Result<Arc<State>, VaultError> {
        self.inner.ledger.state()
    }

    /// Stored bytes of the ledger entry at a position, from 1.
    pub fn entry(&self, position: u64) -> Result<Vec<u8>, VaultError> {
        self.inner.ledger.stored(position)
    }

    /// Puts a mark on a snapshot, with a sentence that says why and who.
    pub fn mark(
        &self,
        host: &HostId,
        manifest: &ObjectId,
        mark: Mark,
        note: &str,
    ) -> Result<Receipt, VaultError> {
        let detail = Detail::new(note).about(&[(Kind::Manifest, *manifest)]).with_mark(mark);
        self.until_appended(|state| {
            if state.of_host(host).kept().all(|snapshot| snapshot.receipt.manifest != *manifest) {
                return Err(VaultError::Absent { kind: Kind::Manifest, id: *manifest });
            }
            self.inner.append_event(state.position, Event::Marked, Some(*host), &detail)
        })
    }

    /// Sets the rules of retention. Loosening works at once, tightening after a delay: see [`crate::retention`].
    ///
    /// The ledger gets every rule, also those that the text leaves at their defaults: defaults of a later version change nothing.
    pub fn set_rules(&self, text: &str, note: &str) -> Result<Receipt, VaultError> {
        let policy = Policy::parse(text).map_err(|bad| VaultError::Refused(format!("these rules: {bad}")))?;
        let detail = Detail::new(note).with_text(policy.to_string());
        self.until_appended(|state| self.inner.append_event(state.position, Event::Rules, None, &detail))
    }

    /// A person has looked at the vault's clock, and it is right.
    pub fn accept_clock(&self) -> Result<Receipt, VaultError> {
        self.until_appended(|state| self.inner.append_bare(state.position, Event::Clock, None, None))
    }

    /// Tries until nobody else appends in between.
    pub(crate) fn until_appended(
        &self,
        append: impl Fn(&State) -> Result<Option<Receipt>, VaultError>,
    ) -> Result<Receipt, VaultError> {
        let _lock = self.inner.lock(self.lock_wait)?;
        loop {
            if let Some(receipt) = append(&*self.state()?)? {
                return Ok(receipt);
            }
        }
    }
}
