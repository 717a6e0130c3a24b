//! Appending to the ledger what is no receipt.

use crate::state::Object;
use crate::vault::Inner;
use vow_base::detail::Detail;
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::VaultError;
use vow_base::{HostId, ObjectId};

/// What stands where an entry is about no host, or has no subject.
const NOBODY: [u8; 32] = [0; 32];

impl Inner {
    /// Appends an entry about `detail` after the one at `position`; `None` when that is not the last one any more.
    pub(crate) fn append_event(
        &self,
        position: u64,
        event: Event,
        host: Option<HostId>,
        detail: &Detail,
    ) -> Result<Option<Receipt>, VaultError> {
        let key = self.signing_key()?;
        let count = detail.objects().len() as u64;
        self.ledger.append_detail(&key, position, detail, |position, previous, subject| {
            self.entry(event, position, previous, host, subject, count)
        })
    }

    /// Appends an entry that has no detail of its own: [`Event::Deleted`] names the one of [`Event::Deleting`], [`Event::Clock`] none.
    pub(crate) fn append_bare(
        &self,
        position: u64,
        event: Event,
        host: Option<HostId>,
        subject: Option<ObjectId>,
    ) -> Result<Option<Receipt>, VaultError> {
        let key = self.signing_key()?;
        let subject = subject.unwrap_or(ObjectId(NOBODY));
        self.ledger.append(&key, position, |position, previous| {
            self.entry(event, position, previous, host, subject, 0)
        })
    }

    fn entry(
        &self,
        event: Event,
        position: u64,
        previous: Option<ObjectId>,
        host: Option<HostId>,
        manifest: ObjectId,
        count: u64,
    ) -> Receipt {
        Receipt {
            version: 1,
            vault_key: self.key.0,
            position,
            previous,
            host: host.map_or(NOBODY, |host| host.0),
            manifest,
            sequence: count,
            received: self.clock.now(),
            event,
        }
    }

    /// A condemned object that was sent again lives; one that is being removed has to wait until it is gone.
    pub(crate) fn revive(&self, host: &HostId, object: Object) -> Result<(), VaultError> {
        loop {
            let state = self.ledger.state()?;
            let known = state.of_host(host);
            if known.deleting.contains_key(&object) {
                return Err(VaultError::Busy { place: self.storage.place() });
            }
            if !known.condemned.contains_key(&object) {
                return Ok(());
            }
            let detail = Detail::new("sent again").about(&[object]);
            let appended = self.append_event(state.position, Event::Revived, Some(*host), &detail)?;
            if appended.is_some() {
                return Ok(());
            }
        }
    }
}
