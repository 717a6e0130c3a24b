//! Reading every object, each once.

use super::CheckError;
use super::findings::Findings;
use super::host::Host;
use crate::archive::ArchiveError;
use crate::keys::IdKeys;
use crate::monitor::add;
use crate::pack::{PackView, ViewError};
use crate::restore::parallel;
use crate::seal::Header;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use vow_base::ObjectId;
use vow_base::vault::{Kind, VaultError};

impl Host<'_> {
    /// Reads every object and compares it with its name; packs also record by record, when there are keys for that. Returns how many
    /// packs were read.
    pub(super) fn read_everything(
        &self,
        threads: usize,
        keys: &[IdKeys],
        findings: &mut Findings,
    ) -> Result<u64, CheckError> {
        let counters = &self.monitor.counters;
        add(&counters.total_bytes, self.stored_bytes());
        let small: Vec<_> = self.small.keys().collect();
        let found = Mutex::new(Vec::new());
        let gone = AtomicBool::new(false);
        parallel::for_each(parallel::threads(threads), self.packs.len() + small.len(), |number| {
            if self.monitor.is_cancelled() || gone.load(Relaxed) {
                return;
            }
            let (kind, id) = match self.packs.get(number) {
                Some((pack, _)) => (Kind::Pack, *pack),
                None => *small[number - self.packs.len()],
            };
            let read = self.archive.vault().get(&self.id, kind, &id).map_err(ArchiveError::from);
            let read = read.and_then(|bytes| {
                add(&counters.stored_bytes, bytes.len() as u64);
                if kind != Kind::Pack {
                    return Ok(());
                }
                add(&counters.packs, 1);
                self.verify(&id, &bytes, keys)
            });
            if let Err(error) = read {
                gone.fetch_or(error.is_gone(), Relaxed);
                found.lock().unwrap_or_else(PoisonError::into_inner).push((kind, id, error));
            }
        });
        self.go_on()?;
        for (kind, id, error) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match error {
                ArchiveError::Vault(VaultError::Damaged { .. } | VaultError::Absent { .. }) => {
                    findings.blame(id, error);
                }
                gone if gone.is_gone() => return Err(gone.into()),
                other => findings.add(kind, id, other.to_string()),
            }
        }
        Ok(self.packs.len() as u64)
    }

    /// Decrypts, unpacks and re-hashes every record of a pack.
    fn verify(&self, id: &ObjectId, bytes: &[u8], keys: &[IdKeys]) -> Result<(), ArchiveError> {
        let damaged = |reason: &dyn std::fmt::Display| {
            let reason = reason.to_string();
            ArchiveError::from(VaultError::Damaged { kind: Kind::Pack, id: *id, reason })
        };
        if keys.is_empty() {
            return Ok(());
        }
        let header = Header::parse(bytes).map_err(|error| damaged(&error))?;
        let session = match self.archive.openers().session(id, &header) {
            // Sealed to others: its hash has been compared, and that is all that can be done.
            Err(error) if error.is_identity() => return Ok(()),
            session => session?,
        };
        let view = PackView::open(bytes, &session).map_err(|error| damaged(&error))?;
        // A host that got a new secret has packs of both.
        let mut result = Err(ViewError::Id(0));
        for ids in keys {
            result = view.verify(ids, None);
            if !matches!(result, Err(ViewError::Id(_))) {
                break;
            }
        }
        result.map_err(|error| damaged(&error))
    }
}
