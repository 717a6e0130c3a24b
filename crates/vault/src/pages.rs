//! Reading a vault in pages and pieces: what a server hands out, without ever holding more than one answer.

use crate::deposit::HostDeposit;
use crate::objects::PACK_MIN_BYTES;
use crate::storage::Space;
use crate::tree;
use crate::vault::Vault;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use vow_base::disk::DiskError;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// A page of something, and whether there is more.
pub type Page<T> = (Vec<T>, bool);

impl Vault {
    /// Stored receipts of a host after a ledger position, in ledger order, at most `most`; with `kept` only of snapshots that are kept.
    /// What is given out is durable.
    pub fn receipts_after(
        &self,
        host: &HostId,
        after: u64,
        kept: bool,
        most: usize,
    ) -> Result<Page<Vec<u8>>, VaultError> {
        let state = self.state()?;
        let known = state.of_host(host);
        let due = known.snapshots.iter().filter(|snapshot| !kept || snapshot.expired.is_none());
        let due = due.map(|snapshot| snapshot.receipt.position).filter(|position| *position > after);
        let mut due: Vec<_> = due.take(most + 1).collect();
        let more = due.len() > most;
        due.truncate(most);
        // To the host this is an acknowledgement, and one that somebody else is writing right now may not be durable yet.
        self.inner.ledger.settle()?;
        let stored = due.into_iter().map(|position| self.inner.ledger.stored(position));
        Ok((stored.collect::<Result<_, _>>()?, more))
    }

    /// Objects of one kind after an id, with their lengths in bytes, by id, at most `most`. [`VaultError::NotJoined`] of a host that is not here.
    pub fn objects_after(
        &self,
        host: &HostId,
        kind: Kind,
        after: Option<&ObjectId>,
        most: usize,
    ) -> Result<Page<(ObjectId, u64)>, VaultError> {
        if self.inner.host_key(host)?.is_none() {
            // Its folders are not there either: that is no failure of the storage.
            return Err(VaultError::NotJoined { host: *host, place: self.place() });
        }
        let mut objects = Vec::new();
        self.inner.each_object(host, kind, after, &mut |id, stat| {
            objects.push((id, stat.length));
            if objects.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        objects.sort_by_key(|(id, _)| *id);
        let more = objects.len() > most;
        objects.truncate(most);
        Ok((objects, more))
    }

    /// How many objects of one kind there are, and how many bytes they have.
    pub(crate) fn stored_in(&self, host: &HostId, kind: Kind) -> Result<(u64, u64), VaultError> {
        let (mut objects, mut bytes) = (0, 0);
        self.inner.each_object(host, kind, None, &mut |_, stat| {
            objects += 1;
            bytes += stat.length;
            ControlFlow::Continue(())
        })?;
        Ok((objects, bytes))
    }

    /// The length of an object in bytes.
    pub fn object_length(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<u64, VaultError> {
        let stat = self.inner.storage.stat(&tree::object(host, kind, id))?;
        stat.map(|stat| stat.length).ok_or(VaultError::Absent { kind, id: *id })
    }

    /// Part of an object. Nobody has compared it with the name: whoever reads the whole does.
    pub fn object_piece(
        &self,
        host: &HostId,
        kind: Kind,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        let name = tree::object(host, kind, id);
        self.inner.storage.read_range(&name, offset, length).map_err(|error| piece_error(kind, id, error))
    }

    /// Bytes in which objects are best read one piece after the other.
    pub fn piece_bytes(&self) -> usize {
        self.inner.storage.piece_bytes()
    }

    /// Whether an upload is held in memory whole until it ends.
    pub fn buffers_uploads(&self) -> bool {
        self.inner.storage.buffers_uploads()
    }

    /// Why nothing is stored any more, when that is so until the program is started anew.
    pub fn halted(&self) -> Option<String> {
        self.inner.storage.halted()
    }

    /// Room for more, where that is known.
    pub fn space(&self) -> Result<Option<Space>, VaultError> {
        Ok(self.inner.storage.space()?)
    }

    /// The time by the vault's clock, in nanoseconds since 1970.
    pub fn now(&self) -> vow_base::clock::Nanos {
        self.inner.clock.now()
    }
}

impl HostDeposit {
    /// The length of an object that stands here already, if it is a plausible one.
    pub fn holds(&self, kind: Kind, id: &ObjectId) -> Result<Option<u64>, VaultError> {
        let stat = self.vault.storage.stat(&tree::object(&self.host, kind, id))?;
        let least = if kind == Kind::Pack { PACK_MIN_BYTES } else { 1 };
        Ok(stat.map(|stat| stat.length).filter(|length| (least..=kind.limit_bytes()).contains(length)))
    }
}

fn piece_error(kind: Kind, id: &ObjectId, error: DiskError) -> VaultError {
    match error.source.kind() {
        ErrorKind::NotFound => VaultError::Absent { kind, id: *id },
        ErrorKind::UnexpectedEof => {
            VaultError::Damaged { kind, id: *id, reason: "it became shorter while it was read".into() }
        }
        _ => error.into(),
    }
}
