//! Packs as a running backup sees them: numbered, open in a slot, sealed, published to every level.

use super::Level;
use super::engine::Engine;
use crate::compress::Codec;
use crate::keys::ChunkId;
use crate::monitor::add;
use crate::pack::{BuildError, PackBuilder, Row, SealedPack};
use crate::record::{CONTENT_LIMIT_BYTES, ChunkRef, Place, RecordType};
use crate::seal::SealError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError, RwLock};
use vow_base::ObjectId;
use vow_base::vault::{Kind, VaultError};

/// A pack's number in this run.
pub(super) type PackNo = u32;

/// Numbers for packs: known ones have their id, open ones get it when they are sealed.
#[derive(Default)]
pub(super) struct PackTable {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    ids: Vec<Option<ObjectId>>,
    numbers: HashMap<ObjectId, PackNo>,
}

impl PackTable {
    /// The number of a pack that exists.
    pub(super) fn number(&self, id: &ObjectId) -> PackNo {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = inner.numbers.get(id) {
            return *number;
        }
        let number = inner.ids.len() as PackNo;
        inner.ids.push(Some(*id));
        inner.numbers.insert(*id, number);
        number
    }

    /// The number of a pack if it has one.
    pub(super) fn known(&self, id: &ObjectId) -> Option<PackNo> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).numbers.get(id).copied()
    }

    /// A number for a pack that is about to be filled.
    fn open(&self) -> PackNo {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.ids.push(None);
        inner.ids.len() as PackNo - 1
    }

    fn close(&self, number: PackNo, id: ObjectId) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.ids[number as usize] = Some(id);
        inner.numbers.insert(id, number);
    }

    /// Ids by number; none for packs still open.
    pub(super) fn ids(&self) -> Vec<Option<ObjectId>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).ids.clone()
    }
}

/// A pack being filled.
pub(super) struct OpenPack {
    number: PackNo,
    builder: PackBuilder,
}

/// A sealed pack on its way to the levels.
pub(super) struct Outgoing {
    number: PackNo,
    pack: SealedPack,
}

/// What the collector is told of a pack that at least one level holds durably.
pub(super) struct Landed {
    /// Its number in this run.
    pub(super) number: PackNo,
    /// Its id.
    pub(super) id: ObjectId,
    /// Its stored length.
    pub(super) bytes: u64,
    /// Its records.
    pub(super) records: Vec<(Place<()>, Row)>,
}

/// A level during a run: once it failed it is left alone.
pub(super) struct LevelState {
    pub(super) level: Level,
    alive: AtomicBool,
    failure: Mutex<Option<VaultError>>,
}

impl LevelState {
    pub(super) fn new(level: Level) -> Self {
        Self { level, alive: AtomicBool::new(true), failure: Mutex::default() }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    pub(super) fn fail(&self, error: VaultError) {
        self.alive.store(false, Ordering::Release);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub(super) fn into_failure(self) -> Option<VaultError> {
        self.failure.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an object; a failure ends this level's part in the run.
    pub(super) fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> bool {
        if !self.is_alive() {
            return false;
        }
        let stored = self.level.deposit.put(kind, id, bytes);
        stored.map_err(|error| self.fail(error)).is_ok()
    }
}

impl Engine<'_> {
    /// Makes sure a chunk is stored; says where. `slot` is the caller's own open pack.
    pub(super) fn store(
        &self,
        slot: usize,
        kind: RecordType,
        content: &[u8],
        packer: &mut crate::compress::Packer,
    ) -> Result<ChunkRef<PackNo>, super::BackupError> {
        if content.len() > CONTENT_LIMIT_BYTES {
            return Err(super::BackupError::TooLarge(content.len()));
        }
        let id = self.ids.id(kind, content);
        if let Some(row) = self.find(&id)? {
            return Ok(row);
        }
        let payload = packer.pack(content);
        let place = self.push(slot, payload, |pack| pack.push(kind, id, content.len(), payload))?;
        let row = ChunkRef::alone(place, content.len() as u32, id);
        self.index.insert(row);
        Ok(row)
    }

    /// Where a chunk lies that may be referred to again.
    pub(super) fn find(&self, id: &ChunkId) -> Result<Option<ChunkRef<PackNo>>, super::BackupError> {
        let row = self.index.get(id).map_err(|e| self.state_error("read the index in", e))?;
        Ok(row.filter(|row| self.is_usable(row.place.pack)))
    }

    /// Adds a record with this payload to the caller's open pack, by `push`.
    pub(super) fn push(
        &self,
        slot: usize,
        payload: (Codec, &[u8]),
        push: impl FnOnce(&mut PackBuilder) -> Result<Place<()>, SealError>,
    ) -> Result<Place<PackNo>, super::BackupError> {
        if self.options.dry_run {
            add(&self.monitor.counters.stored_bytes, payload.1.len() as u64 + 17);
            return Ok(Place {
                pack: self.dry_pack,
                record: 0,
                offset: 0,
                stored: payload.1.len() as u32 + 17,
            });
        }
        let mut open = self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|pack| pack.builder.is_full(payload.1.len())) {
            self.seal(open.take())?;
        }
        if open.is_none() {
            let builder = PackBuilder::new(&self.session, &self.blob).map_err(BuildError::from)?;
            *open = Some(OpenPack { number: self.packs.open(), builder });
        }
        let pack = open.as_mut().expect("filled just above");
        let place = push(&mut pack.builder).map_err(BuildError::from)?;
        Ok(Place { pack: pack.number, record: place.record, offset: place.offset, stored: place.stored })
    }

    /// Seals whatever is open in these slots and sends it on its way.
    pub(super) fn flush(&self, slots: std::ops::Range<usize>) -> Result<(), super::BackupError> {
        slots.into_iter().try_for_each(|slot| {
            let open = self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner).take();
            self.seal(open)
        })
    }

    fn seal(&self, open: Option<OpenPack>) -> Result<(), super::BackupError> {
        let Some(OpenPack { number, builder }) = open else { return Ok(()) };
        let pack = builder.finish(&self.session, &self.ids)?;
        self.packs.close(number, pack.id);
        let sent = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = sent.map(|outgoing| outgoing.send(Outgoing { number, pack }));
        // Nobody listens any more: the run has failed already and says why elsewhere.
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(super::BackupError::Worker) }
    }

    /// Publishes sealed packs until there are no more.
    pub(super) fn publish_all(
        &self,
        outgoing: &Mutex<Receiver<Outgoing>>,
        landed: &Sender<super::collect::Message>,
    ) {
        loop {
            let next = outgoing.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Outgoing { number, pack }) = next else { return };
            if self.has_failed() {
                let _ = landed.send(super::collect::Message::BlockDone);
                continue;
            }
            let accepted =
                self.levels.iter().filter(|level| level.put(Kind::Pack, &pack.id, &pack.bytes)).count();
            if accepted == 0 {
                self.fail_without_level();
                let _ = landed.send(super::collect::Message::BlockDone);
                continue;
            }
            let bytes = pack.bytes.len() as u64;
            add(&self.monitor.counters.stored_bytes, bytes);
            add(&self.monitor.counters.packs, 1);
            let message = Landed { number, id: pack.id, bytes, records: pack.records };
            // A collector that is gone has failed and said why.
            let _ = landed.send(super::collect::Message::Landed(message));
        }
    }
}
