//! Room on the disk: a reserve is kept for manifests and the ledger, so that what was sent can still be committed.

use super::error::ApiError;
use crate::Vault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vow_base::amount::readable;
use vow_base::clock::Nanos;
use vow_base::vault::Kind;
use vow_protocol::Word;

/// What is free and not promised to a request whose bytes are still on their way.
pub(crate) struct Room {
    reserve_bytes: u64,
    promised: AtomicU64,
    /// When something was refused last, and why.
    refused: Mutex<Option<(Nanos, String)>>,
}

/// Room promised to a request. It is free again when this is dropped: what was written by then the disk itself counts.
pub(crate) struct Place {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    pub(crate) fn new(reserve_bytes: u64) -> Arc<Self> {
        Arc::new(Self { reserve_bytes, promised: AtomicU64::new(0), refused: Mutex::default() })
    }

    /// The reserve, in bytes.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// Promises room for an object. Packs leave the whole reserve, what a commit needs beside them leaves half of it, manifests nothing.
    ///
    /// What is promised and written already counts twice for as long as its request goes on: a little too careful.
    pub(crate) fn promise(
        self: &Arc<Self>,
        vault: &Vault,
        kind: Kind,
        bytes: u64,
    ) -> Result<Place, ApiError> {
        // First promised, then looked at: of two at the same time, none overlooks the other.
        let before = self.promised.fetch_add(bytes, Ordering::SeqCst);
        let place = Place { room: self.clone(), bytes };
        let Some(space) = vault.space()? else { return Ok(place) };
        let floor = match kind {
            Kind::Pack => self.reserve_bytes,
            Kind::List | Kind::Index => self.reserve_bytes / 2,
            Kind::Manifest => 0,
        };
        let needed = before.saturating_add(bytes).saturating_add(floor);
        if space.free_bytes < needed {
            let why = format!(
                "{} are free, {} are needed, with what is on its way and the reserve",
                readable(space.free_bytes),
                readable(needed)
            );
            *self.last_refusal() = Some((vault.now(), why.clone()));
            return Err(ApiError::new(Word::Full, "no room is left on its disk").because(why));
        }
        Ok(place)
    }

    /// A whole snapshot was stored: there is room again.
    pub(crate) fn took(&self) {
        *self.last_refusal() = None;
    }

    /// When something was refused for want of room, and why, unless there was room since.
    pub(crate) fn refused(&self) -> Option<(Nanos, String)> {
        self.last_refusal().clone()
    }

    fn last_refusal(&self) -> MutexGuard<'_, Option<(Nanos, String)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.promised.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}
