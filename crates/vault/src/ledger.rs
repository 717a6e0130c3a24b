//! The ledger: entries in order, each naming the hash of the one before it. Section 7 of `docs/format.md`.
//!
//! An entry is created at the next free position or not at all. That alone makes all processes that serve one store agree.

pub(crate) mod ahead;

use crate::chapters::{self, Chapters};
use crate::state::State;
use crate::storage::Storage;
use crate::tree;
use crate::vault::text_error;
use ahead::Details;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vow_base::ObjectId;
use vow_base::detail::Detail;
use vow_base::publish::PublishError;
use vow_base::receipt::{ENVELOPE, Receipt};
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::VaultError;

pub(crate) struct Ledger {
    storage: Arc<dyn Storage>,
    key: PublicKey,
    known: Mutex<Known>,
}

/// What was read and verified. Entries never change, so nothing is read twice.
#[derive(Default)]
struct Known {
    /// Entries read.
    length: u64,
    /// Hash of the last one's stored bytes.
    last: Option<ObjectId>,
    /// Stored bytes of the last one.
    head: Arc<[u8]>,
    /// How many of them are known to have durable names.
    durable: u64,
    state: Arc<State>,
}

impl Ledger {
    pub(crate) fn new(storage: Arc<dyn Storage>, key: PublicKey) -> Self {
        Self { storage, key, known: Mutex::default() }
    }

    /// What the ledger amounts to now.
    pub(crate) fn state(&self) -> Result<Arc<State>, VaultError> {
        Ok(self.refreshed()?.state.clone())
    }

    /// Stored bytes of the newest entry; `None` when there is none yet.
    pub(crate) fn head(&self) -> Result<Option<Arc<[u8]>>, VaultError> {
        let known = self.refreshed()?;
        Ok((known.length > 0).then(|| known.head.clone()))
    }

    /// Stored bytes of an entry.
    pub(crate) fn stored(&self, position: u64) -> Result<Vec<u8>, VaultError> {
        Ok(self.storage.read(&tree::entry(position), ENVELOPE.limit_bytes as u64)?)
    }

    /// Makes every entry that was read durable: whoever wrote it may have died before that.
    pub(crate) fn settle(&self) -> Result<(), VaultError> {
        self.settle_known(&mut self.known())
    }

    /// Appends an entry after the one at `position`, durably; `None` when somebody else did so first.
    pub(crate) fn append(
        &self,
        key: &SigningKey,
        position: u64,
        receipt: impl FnOnce(u64, Option<ObjectId>) -> Receipt,
    ) -> Result<Option<Receipt>, VaultError> {
        let mut known = self.refreshed()?;
        if known.length != position {
            return Ok(None);
        }
        // Else a power cut could keep the new entry and lose the one before it.
        self.settle_known(&mut known)?;
        let receipt = receipt(position + 1, known.last);
        let stored = receipt.seal(key);
        match self.storage.create(&tree::entry(receipt.position), &stored, None) {
            // The same bytes: an earlier request of ours whose answer was lost.
            Ok(_) => {}
            Err(PublishError::Occupied { .. }) => return Ok(None),
            Err(other) => return Err(text_error(other)),
        }
        let detail = self.detail_of(&receipt, &mut Details::default())?;
        Arc::make_mut(&mut known.state).apply(&receipt, detail.as_ref());
        known.last = Some(ObjectId::of(&stored));
        known.head = stored.into();
        known.length = receipt.position;
        known.durable = known.length;
        drop(known);
        if receipt.position.is_multiple_of(chapters::ENTRIES) {
            // It only makes the next start quicker.
            let _ = chapters::write(&*self.storage, receipt.position);
        }
        Ok(Some(receipt))
    }

    /// Stores a detail and appends the entry that is about it, after the one at `position`; `None` when that was not the last.
    pub(crate) fn append_detail(
        &self,
        key: &SigningKey,
        position: u64,
        detail: &Detail,
        receipt: impl FnOnce(u64, Option<ObjectId>, ObjectId) -> Receipt,
    ) -> Result<Option<Receipt>, VaultError> {
        let stored = detail.to_stored();
        let id = ObjectId::of(&stored);
        self.storage.make_folder(tree::DETAILS)?;
        self.storage.create(&tree::detail(&id), &stored, Some(&id)).map_err(text_error)?;
        self.append(key, position, |position, previous| receipt(position, previous, id))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Known is changed only in steps that cannot panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle_known(&self, known: &mut Known) -> Result<(), VaultError> {
        if known.durable < known.length {
            self.storage.settle(tree::LEDGER)?;
            known.durable = known.length;
        }
        Ok(())
    }

    /// Reads what was appended since the last time.
    ///
    /// Only the newest signature is verified: it covers the hash of the entry before it, and that one the next, down to what
    /// was verified earlier. The other signatures are looked at only to name the culprit when a hash does not fit.
    fn refreshed(&self) -> Result<MutexGuard<'_, Known>, VaultError> {
        let mut known = self.known();
        if known.length == 0 {
            let chapters = Chapters::open(&*self.storage)?;
            if chapters.last() > 0 && self.read_on(&mut known, chapters).is_ok() {
                return Ok(known);
            }
            // A cache is never evidence: where chapters do not fit, the entries themselves say what is so.
            self.read_on(&mut known, Chapters::default())?;
        } else {
            let newest = known.length;
            if self.storage.stat(&tree::entry(newest))?.is_none() {
                return Err(self.wrong(newest, "it was here and has vanished".into()));
            }
            self.read_on(&mut known, Chapters::default())?;
        }
        Ok(known)
    }

    /// Reads and verifies what follows what is known. Nothing is known afterwards of what does not hold together.
    fn read_on(&self, known: &mut Known, mut chapters: Chapters) -> Result<(), VaultError> {
        let old = known.length;
        let listed = if old == 0 { Some(self.listed(chapters.last())?) } else { None };
        let mut state = known.state.clone();
        let (mut last, mut before) = (known.last, known.head.to_vec());
        let mut position = old;
        loop {
            let some = self.some_after(position, listed, &mut chapters)?;
            if some.is_empty() {
                break;
            }
            let mut details = Details::of(&some);
            for stored in some {
                let next = position + 1;
                let receipt = self.parse(next, &stored)?;
                if receipt.previous != last {
                    if position > old {
                        self.verify(position, &before)?;
                    }
                    self.verify(next, &stored)?;
                    return Err(self.wrong(next, "it does not name the entry before it".into()));
                }
                let detail = self.detail_of(&receipt, &mut details)?;
                Arc::make_mut(&mut state).apply(&receipt, detail.as_ref());
                last = Some(ObjectId::of(&stored));
                before = stored;
                position = next;
            }
        }
        if position > old {
            self.verify(position, &before)?;
            known.state = state;
            known.last = last;
            known.head = before.into();
            known.length = position;
        }
        Ok(())
    }

    /// Entries that follow the one at `position`, in order, of a ledger that has as many as were listed; none when that was the last one.
    fn some_after(
        &self,
        position: u64,
        listed: Option<u64>,
        chapters: &mut Chapters,
    ) -> Result<Vec<Vec<u8>>, VaultError> {
        let next = position + 1;
        let Some(length) = listed else {
            // Usually there is none, or one.
            return match self.stored(next) {
                Ok(stored) => Ok(vec![stored]),
                Err(VaultError::Disk(error)) if error.is_absent() => Ok(Vec::new()),
                Err(other) => Err(other),
            };
        };
        let last = length.min(position + ahead::ENTRIES);
        let in_chapters: Vec<_> =
            (next..=last).map_while(|position| chapters.take(&*self.storage, position)).collect();
        if in_chapters.is_empty() && next <= last {
            return Ok(ahead::entries(&*self.storage, next, last)?);
        }
        Ok(in_chapters)
    }

    /// How many entries there are; after position `known` nothing else may stand among them.
    fn listed(&self, known: u64) -> Result<u64, VaultError> {
        let names = match known {
            0 => self.storage.names(tree::LEDGER)?,
            _ => self.storage.names_after(tree::LEDGER, &tree::entry_name(known))?,
        };
        for (position, found) in (known + 1..).zip(&names) {
            if *found != tree::entry_name(position) {
                return Err(self.wrong(position, format!("{found:?} stands in its place")));
            }
        }
        Ok(known + names.len() as u64)
    }

    /// What an entry is about, where that matters to the state.
    fn detail_of(&self, receipt: &Receipt, ahead: &mut Details) -> Result<Option<Detail>, VaultError> {
        if !State::needs_detail(receipt.event) {
            return Ok(None);
        }
        self.detail(&receipt.manifest, ahead).map(Some).map_err(|error| {
            self.wrong(receipt.position, format!("what it is about cannot be read: {error}"))
        })
    }

    /// A detail, verified against its name.
    pub(crate) fn detail(&self, id: &ObjectId, ahead: &mut Details) -> Result<Detail, VaultError> {
        let stored = ahead.take(&*self.storage, id)?;
        let found = ObjectId::of(&stored);
        if found != *id {
            return Err(VaultError::Refused(format!("detail {id} hashes to {found}")));
        }
        Detail::from_stored(&stored)
            .map_err(|source| VaultError::Signed { what: format!("detail {id}"), source })
    }

    fn parse(&self, position: u64, stored: &[u8]) -> Result<Receipt, VaultError> {
        let payload = ENVELOPE.payload(stored).map_err(|e| self.wrong(position, e.to_string()))?;
        let receipt: Receipt =
            vow_base::cbor::decode(payload).map_err(|e| self.wrong(position, e.to_string()))?;
        let reason = if receipt.version != 1 {
            format!("its version {} is not known here", receipt.version)
        } else if receipt.vault_key != self.key.0 {
            "it is by another vault".into()
        } else if receipt.position != position {
            format!("it says that its position is {}", receipt.position)
        } else {
            return Ok(receipt);
        };
        Err(self.wrong(position, reason))
    }

    fn verify(&self, position: u64, stored: &[u8]) -> Result<(), VaultError> {
        ENVELOPE.verify(stored, &self.key).map_err(|e| self.wrong(position, e.to_string()))
    }

    fn wrong(&self, position: u64, reason: String) -> VaultError {
        VaultError::Ledger { place: self.storage.place(), position, reason }
    }
}
