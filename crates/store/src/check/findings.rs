//! What was found, each object once.

use super::Damage;
use crate::archive::ArchiveError;
use std::collections::BTreeMap;
use vow_base::ObjectId;
use vow_base::vault::{Kind, VaultError};

#[derive(Default)]
pub(super) struct Findings {
    damaged: BTreeMap<(Kind, ObjectId), Damage>,
    /// Why nothing more can be looked at.
    gone: Option<ArchiveError>,
}

impl Findings {
    /// Something is wrong with an object. The first reason counts, as long as no other is added.
    pub(super) fn add(&mut self, kind: Kind, id: ObjectId, reason: String) {
        self.damaged.entry((kind, id)).or_insert(Damage { kind, id, reason, snapshots: Vec::new() });
    }

    /// An error while reading for `pack`: the object to blame is the one that the error names, and none when the vault is gone.
    pub(super) fn blame(&mut self, pack: ObjectId, error: ArchiveError) {
        match error {
            gone if gone.is_gone() => _ = self.gone.get_or_insert(gone),
            ArchiveError::Vault(VaultError::Damaged { kind, id, reason }) => self.add(kind, id, reason),
            ArchiveError::Vault(VaultError::Absent { kind, id }) => self.add(kind, id, absent()),
            ArchiveError::Record { pack, record, reason } => {
                self.add(Kind::Pack, pack, format!("record {record}: {reason}"));
            }
            ArchiveError::Listing { pack, record, source } => {
                self.add(Kind::Pack, pack, format!("record {record}: {source}"));
            }
            ArchiveError::Session { pack, source } => self.add(Kind::Pack, pack, source.to_string()),
            ArchiveError::Root { snapshot, reason } => {
                self.add(Kind::Manifest, snapshot, format!("its root is refused: {reason}"));
                self.affects(Kind::Manifest, snapshot, snapshot);
            }
            other => self.add(Kind::Pack, pack, other.to_string()),
        }
    }

    /// Whether there is anything more to look at.
    ///
    /// # Errors
    /// The vault is gone.
    pub(super) fn go_on(&mut self) -> Result<(), ArchiveError> {
        self.gone.take().map_or(Ok(()), Err)
    }

    pub(super) fn is_damaged(&self, kind: Kind, id: &ObjectId) -> bool {
        self.damaged.contains_key(&(kind, *id))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.damaged.is_empty()
    }

    /// A snapshot needs an object; it matters when that is damaged.
    pub(super) fn affects(&mut self, kind: Kind, id: ObjectId, snapshot: ObjectId) {
        if let Some(damage) = self.damaged.get_mut(&(kind, id))
            && !damage.snapshots.contains(&snapshot)
        {
            damage.snapshots.push(snapshot);
        }
    }

    pub(super) fn finish(self) -> Vec<Damage> {
        self.damaged.into_values().collect()
    }
}

pub(super) fn absent() -> String {
    "it is not in the vault".to_owned()
}
