//! Keys that were unwrapped: session keys by key blob, pack keys by pack. Both caches are bounded.

use super::ArchiveError;
use crate::seal::{Header, PREFIX_BYTES, PackOpener};
use crate::session::{Identities, SessionKey};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use vow_base::id::sha256;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// A first look at a pack reads this much: enough for a header with a dozen recipients.
const LOOK_BYTES: usize = 2048;
/// Packs whose keys are remembered.
const PACKS_MAX: usize = 4096;
/// Runs whose keys are remembered.
const SESSIONS_MAX: usize = 1024;

pub(crate) struct Openers {
    identities: Option<Arc<Identities>>,
    sessions: Mutex<Cache<[u8; 32], Arc<SessionKey>>>,
    packs: Mutex<Cache<ObjectId, Opened>>,
}

/// A pack whose key is known.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) opener: Arc<PackOpener>,
    /// Length of its header in bytes.
    pub(crate) header: usize,
}

impl Openers {
    pub(super) fn new(identities: Option<Arc<Identities>>) -> Self {
        Self {
            identities,
            sessions: Mutex::new(Cache::new(SESSIONS_MAX)),
            packs: Mutex::new(Cache::new(PACKS_MAX)),
        }
    }

    pub(super) fn identities(&self) -> Option<Arc<Identities>> {
        self.identities.clone()
    }

    pub(super) fn has_identity(&self) -> bool {
        self.identities.is_some()
    }

    /// The opener of a pack, of which only the header is read, once.
    pub(crate) fn of(
        &self,
        vault: &dyn Retrieve,
        host: &HostId,
        pack: &ObjectId,
    ) -> Result<Opened, ArchiveError> {
        if let Some(opened) = lock(&self.packs).get(pack) {
            return Ok(opened);
        }
        let header = read_header(vault, host, pack)?;
        self.of_bytes(pack, &header)
    }

    /// The opener of a pack that starts with these bytes.
    pub(crate) fn of_bytes(&self, pack: &ObjectId, bytes: &[u8]) -> Result<Opened, ArchiveError> {
        let header = Header::parse(bytes).map_err(|error| damaged(pack, &error))?;
        let session = self.session(pack, &header)?;
        let opener = PackOpener::new(&header, &session).map_err(|error| damaged(pack, &error))?;
        let opened = Opened { opener: Arc::new(opener), header: header.len() };
        lock(&self.packs).insert(*pack, opened.clone());
        Ok(opened)
    }

    /// The session key that a header holds.
    pub(crate) fn session(
        &self,
        pack: &ObjectId,
        header: &Header<'_>,
    ) -> Result<Arc<SessionKey>, ArchiveError> {
        let identities = self.identities.as_ref().ok_or(ArchiveError::NoIdentity)?;
        let name = sha256(header.blob());
        if let Some(session) = lock(&self.sessions).get(&name) {
            return Ok(session);
        }
        let unwrapped = identities.unwrap(header.blob());
        let session = unwrapped.map_err(|source| ArchiveError::Session { pack: *pack, source })?;
        let session = Arc::new(session);
        lock(&self.sessions).insert(name, session.clone());
        Ok(session)
    }
}

/// Reads the header of a pack.
fn read_header(vault: &dyn Retrieve, host: &HostId, pack: &ObjectId) -> Result<Vec<u8>, ArchiveError> {
    let first = match vault.pack_range(host, pack, 0, LOOK_BYTES) {
        Ok(first) => first,
        // A pack that is shorter than the look: packs have at least 4 KiB, but a reader need not insist.
        Err(VaultError::Damaged { .. }) => vault.pack_range(host, pack, 0, PREFIX_BYTES)?,
        Err(error) => return Err(error.into()),
    };
    let length = Header::length(&first).map_err(|error| damaged(pack, &error))?;
    if length <= first.len() {
        return Ok(first);
    }
    Ok(vault.pack_range(host, pack, 0, length)?)
}

fn damaged(pack: &ObjectId, reason: &dyn std::fmt::Display) -> ArchiveError {
    let reason = reason.to_string();
    VaultError::Damaged { kind: Kind::Pack, id: *pack, reason }.into()
}

/// Forgets everything when it is full: refilling costs one read per pack still in use.
struct Cache<K, V> {
    entries: HashMap<K, V>,
    capacity: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key).cloned()
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.len() >= self.capacity {
            self.entries.clear();
        }
        self.entries.insert(key, value);
    }
}

/// The caches are valid after every single operation, so a panic elsewhere does not matter here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
