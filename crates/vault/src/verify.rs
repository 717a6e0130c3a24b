//! Reading a whole ledger again, trusting nothing that is in memory; and making again what only helps.

use crate::chapters;
use crate::ledger::ahead::{self, Details};
use crate::state::State;
use crate::tree;
use crate::vault::Vault;
use std::ops::ControlFlow;
use vow_base::ObjectId;
use vow_base::receipt::Receipt;
use vow_base::vault::{Kind, Retrieve, VaultError};

/// What a ledger holds, verified entry by entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// Entries, each signed by this vault and naming the one before it.
    pub entries: u64,
    /// Hash of the newest one: what other vaults and hosts can be asked about.
    pub head: Option<ObjectId>,
    /// Snapshots that are kept.
    pub kept: u64,
    /// Everything that is wrong, for people. A sound ledger has nothing here.
    pub problems: Vec<String>,
}

/// Manifests that are read at once; each has a mebibyte at most.
const MANIFESTS_AT_ONCE: usize = 32;

impl Vault {
    /// Reads every entry and every detail again and verifies each signature and each link; every kept snapshot's manifest must be there.
    ///
    /// # Errors
    /// The storage cannot be read. What is wrong with the ledger is in the report.
    pub fn verify_ledger(&self) -> Result<LedgerReport, VaultError> {
        let mut report = LedgerReport::default();
        let mut state = State::default();
        let storage = &*self.inner.storage;
        let names = storage.names(tree::LEDGER)?;
        let in_order =
            (1u64..).zip(&names).take_while(|(position, name)| **name == tree::entry_name(*position));
        let length = in_order.count();
        while report.entries < length as u64 {
            let some = ahead::entries(storage, report.entries + 1, length as u64)?;
            if !self.verify_entries(&some, &mut state, &mut report) {
                return Ok(report);
            }
        }
        if let Some(name) = names.get(length) {
            let position = length + 1;
            report.problems.push(format!("position {position} is missing: {name:?} stands in its place"));
            return Ok(report);
        }
        self.verify_manifests(&state, &mut report);
        if let Some(doubt) = state.clock_doubt {
            let hours = doubt.after.saturating_sub(doubt.before) / 3_600_000_000_000;
            report.problems.push(format!(
                "the clock jumped by {hours} hours at position {}: nothing expires before somebody looks at it",
                doubt.position
            ));
        }
        Ok(report)
    }

    /// Verifies the entries that follow those in the report; whether one follows the other to the last of them.
    fn verify_entries(&self, some: &[Vec<u8>], state: &mut State, report: &mut LedgerReport) -> bool {
        let mut details = Details::of(some);
        for stored in some {
            let position = report.entries + 1;
            let entry = match Receipt::open(stored) {
                Ok(entry) if entry.vault_key == self.inner.key.0 => entry,
                Ok(_) => {
                    report.problems.push(format!("position {position} is signed by another vault"));
                    return false;
                }
                Err(error) => {
                    report.problems.push(format!("position {position}: {error}"));
                    return false;
                }
            };
            if entry.position != position || entry.previous != report.head {
                report.problems.push(format!("position {position} does not follow the entry before it"));
                return false;
            }
            let mut detail = None;
            if State::needs_detail(entry.event) {
                match self.inner.ledger.detail(&entry.manifest, &mut details) {
                    Ok(read) => detail = Some(read),
                    Err(error) => report.problems.push(format!("position {position}: {error}")),
                }
            }
            state.apply(&entry, detail.as_ref());
            report.head = Some(ObjectId::of(stored));
            report.entries = position;
        }
        true
    }

    /// Whether every kept snapshot's manifest is there and whole.
    fn verify_manifests(&self, state: &State, report: &mut LedgerReport) {
        for (host, known) in &state.hosts {
            let kept: Vec<_> = known.kept().map(|snapshot| snapshot.receipt.manifest).collect();
            report.kept += kept.len() as u64;
            for ids in kept.chunks(MANIFESTS_AT_ONCE) {
                if self.inner.gets(host, Kind::Manifest, ids).is_ok() {
                    continue;
                }
                for id in ids {
                    if let Err(error) = self.inner.get(host, Kind::Manifest, id) {
                        report.problems.push(format!("snapshot {} is kept, but {error}", id.short()));
                    }
                }
            }
        }
    }

    /// Makes every folder again that a host that has joined needs and that is gone, and forgets every cache. How many folders were made.
    ///
    /// Objects are not made from nothing: a scrub finds what is missing and heals it from another level.
    pub fn rebuild(&self) -> Result<u64, VaultError> {
        let storage = &*self.inner.storage;
        let mut made = 0;
        for folder in [tree::TEMPORARY, tree::LEDGER, tree::HOSTS, tree::DETAILS] {
            if !storage.is_folder(folder)? {
                storage.make_folder(folder)?;
                made += 1;
            }
        }
        for key in self.hosts()? {
            let host = key.host_id();
            for kind in [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest] {
                for folder in tree::folders(&host, kind) {
                    if !storage.is_folder(&folder)? {
                        storage.make_folder(&folder)?;
                        made += 1;
                    }
                }
            }
        }
        self.rebuild_cache()?;
        Ok(made)
    }

    /// Forgets everything in the cache, and writes the chapters of the ledger anew.
    fn rebuild_cache(&self) -> Result<(), VaultError> {
        let storage = &*self.inner.storage;
        let mut known = Vec::new();
        if storage.is_folder(tree::CACHE)? {
            storage.list_below(tree::CACHE, None, &mut |item| {
                known.push(item);
                ControlFlow::Continue(())
            })?;
        }
        for item in known {
            if let Some(stat) = &item.stat {
                storage.remove(&format!("{}/{}", tree::CACHE, item.name), stat)?;
            }
        }
        let chapters = self.state()?.position / chapters::ENTRIES;
        for chapter in 1..=chapters {
            chapters::write(storage, chapter * chapters::ENTRIES).map_err(crate::vault::text_error)?;
        }
        Ok(())
    }
}
