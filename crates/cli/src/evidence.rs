//! What a host holds in its hands of each vault: every receipt, countersigned, and the newest head of the ledger. A vault that later shows
//! fewer or others was set back, or tells two stories.

mod kept;
mod log;

pub(crate) use kept::Kept;

use crate::failure::{Failure, Outcome};
use crate::level::Notary;
use crate::ui::plural;
use log::Log;
use std::fs;
use std::path::{Path, PathBuf};
use vow_base::receipt::{Event, Receipt};
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;
use vow_base::{Fingerprint, HostId, ObjectId};

/// What is held of one vault.
pub(crate) struct Evidence {
    folder: PathBuf,
    host: HostId,
    log: Log,
    /// The newest head that was seen, and its hash.
    head: Option<(Receipt, ObjectId)>,
    /// What does not fit, in words.
    contradiction: Option<String>,
    /// What a vault that contradicts itself shows now.
    shown: Vec<Receipt>,
}

const RECEIPTS: &str = "receipts";
const HEAD: &str = "head";

/// The folder of everything that is held of the vaults of a plan.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("vaults")
}

impl Evidence {
    /// What is held of the level of this name.
    pub(crate) fn load(state: &Path, level: &str, host: HostId) -> Outcome<Self> {
        let folder = folder(state).join(level);
        let log = Log::load(&folder.join(RECEIPTS))?;
        let head = fs::read(folder.join(HEAD)).ok();
        let head = head.and_then(|stored| Some((Receipt::open(&stored).ok()?, ObjectId::of(&stored))));
        Ok(Self { folder, host, log, head, contradiction: None, shown: Vec::new() })
    }

    /// Every receipt that is held; of a vault that contradicts itself, what it shows now.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        match self.contradiction {
            Some(_) => self.shown.clone(),
            None => self.log.known.iter().map(|known| known.receipt.clone()).collect(),
        }
    }

    /// Compares what is held with what the vault shows, and takes over what is new.
    ///
    /// `pinned` says that the vault with this key is the one that the plan names: then what is held of another one is put aside.
    pub(crate) fn compare(&mut self, notary: &dyn Notary, pinned: bool) -> Result<(), VaultError> {
        let now = notary.fingerprint();
        if let Some(before) = self.vault().filter(|before| *before != now) {
            if !pinned {
                let text =
                    format!("it is another vault than before: its fingerprint was {before} and is {now}");
                return self.contradicted(notary, text);
            }
            self.put_aside(&before).map_err(|e| VaultError::Refused(e.line()))?;
        }
        self.take_new(notary)?;
        if self.contradiction.is_none() {
            self.compare_head(notary)?;
        }
        Ok(())
    }

    /// Takes over receipts that are newer than those held.
    pub(crate) fn take_new(&mut self, notary: &dyn Notary) -> Result<(), VaultError> {
        if self.contradiction.is_some() {
            self.shown = self.read(notary, 0)?.into_iter().map(|(_, receipt)| receipt).collect();
            return Ok(());
        }
        let Some((position, id)) = self.log.last().map(|last| (last.receipt.position, last.id)) else {
            self.log.append(&self.read(notary, 0)?);
            return Ok(());
        };
        let mut shown = self.read(notary, position - 1)?.into_iter();
        match shown.next() {
            Some((stored, _)) if ObjectId::of(&stored) == id => {
                self.log.append(&shown.collect::<Vec<_>>());
                Ok(())
            }
            _ => self.lost_receipts(notary),
        }
    }

    /// Remembers the newest head of the ledger, and gives it.
    pub(crate) fn take_head(&mut self, notary: &dyn Notary) -> Result<Option<Vec<u8>>, VaultError> {
        let Some(stored) = notary.head()? else { return Ok(None) };
        let head = self.open(&stored, notary)?;
        let newer = self.head.as_ref().is_none_or(|(known, _)| known.position < head.position);
        if self.contradiction.is_none() && newer {
            // Without it only less is noticed later: that the receipts cannot be written is said, and this fails with them.
            let unfinished = self.folder.join("head.new");
            let _ = fs::create_dir_all(&self.folder)
                .and_then(|()| fs::write(&unfinished, &stored))
                .and_then(|()| fs::rename(&unfinished, self.folder.join(HEAD)));
            self.head = Some((head, ObjectId::of(&stored)));
        }
        Ok(Some(stored))
    }

    /// Why what this run learned of the vault could not be kept.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.log.failure()
    }

    /// What does not fit, and what to do about it.
    pub(crate) fn contradiction(&self) -> Option<Failure> {
        let text = self.contradiction.as_ref()?;
        Some(Failure::new(crate::exit::Exit::Problems, text.clone()).hint(format!(
            "find out what happened to this vault; when that is explained, move {} away (it is the evidence): from then on what the \
             vault shows counts again",
            self.folder.display()
        )))
    }

    /// Whether it is of the vault with this fingerprint.
    pub(crate) fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.vault().is_some_and(|vault| vault == *fingerprint)
    }

    /// The vault that the receipts held are of.
    pub(crate) fn vault(&self) -> Option<Fingerprint> {
        let key = self
            .log
            .last()
            .map(|last| last.receipt.vault_key)
            .or(self.head.as_ref().map(|(head, _)| head.vault_key));
        key.map(|key| Fingerprint::of(&PublicKey(key)))
    }

    /// What is held of a vault that the plan does not name any more stays, beside what will be held of the new one.
    pub(crate) fn put_aside(&mut self, before: &Fingerprint) -> Outcome<PathBuf> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let mark = &vow_base::id::hex(&before.0)[..12];
        let aside = self.folder.with_file_name(format!("{name}@{mark}"));
        fs::rename(&self.folder, &aside).map_err(|e| Failure::io("put aside", &self.folder, e))?;
        self.log = Log::load(&self.folder.join(RECEIPTS))?;
        self.head = None;
        Ok(aside)
    }

    fn contradicted(&mut self, notary: &dyn Notary, text: String) -> Result<(), VaultError> {
        self.contradiction = Some(text);
        self.take_new(notary)
    }

    fn lost_receipts(&mut self, notary: &dyn Notary) -> Result<(), VaultError> {
        let shown = self.read(notary, 0)?;
        let ids: std::collections::HashSet<_> =
            shown.iter().map(|(stored, _)| ObjectId::of(stored)).collect();
        let lost: Vec<_> = self.log.known.iter().filter(|known| !ids.contains(&known.id)).collect();
        let first = lost.first().map_or(0, |known| known.receipt.position);
        let text = format!(
            "it does not show {} any more that it signed for this host, the first at position {first} of its ledger: it was set back \
             to an older state, or is another one with the same key",
            plural(lost.len() as u64, "receipt")
        );
        self.contradicted(notary, text)
    }

    fn compare_head(&mut self, notary: &dyn Notary) -> Result<(), VaultError> {
        let Some((seen, id)) = self.head.clone() else { return Ok(()) };
        let now = match notary.head()? {
            Some(stored) => (self.open(&stored, notary)?.position, ObjectId::of(&stored)),
            None => (0, id),
        };
        let text = if now.0 < seen.position {
            let before = seen.position;
            format!(
                "its ledger ends at position {}, and was at {before} before: it was set back to an older state",
                now.0
            )
        } else if now.0 == seen.position && now.1 != id {
            format!("entry {} of its ledger is another one than before: it tells two stories", now.0)
        } else {
            return Ok(());
        };
        self.contradicted(notary, text)
    }

    /// Receipts that the vault shows, verified.
    fn read(&self, notary: &dyn Notary, after: u64) -> Result<Vec<(Vec<u8>, Receipt)>, VaultError> {
        let mut before = after;
        let one = |stored: Vec<u8>| {
            let receipt = self.open(&stored, notary)?;
            let fits = receipt.host_id() == self.host
                && receipt.event == Event::Committed
                && receipt.position > before;
            if !fits {
                let (place, position) = (notary.fingerprint().to_string(), receipt.position);
                return Err(VaultError::Ledger {
                    place,
                    position,
                    reason: "it is no receipt for this host".into(),
                });
            }
            before = receipt.position;
            Ok((stored, receipt))
        };
        notary.receipts_after(after)?.into_iter().map(one).collect()
    }

    /// A ledger entry that the vault signed.
    fn open(&self, stored: &[u8], notary: &dyn Notary) -> Result<Receipt, VaultError> {
        let what = || "an entry of its ledger".to_owned();
        let entry = Receipt::open(stored).map_err(|source| VaultError::Signed { what: what(), source })?;
        if Fingerprint::of(&PublicKey(entry.vault_key)) == notary.fingerprint() {
            return Ok(entry);
        }
        Err(VaultError::Refused("it shows an entry of another vault's ledger as its own".into()))
    }
}

#[cfg(test)]
mod tests;
