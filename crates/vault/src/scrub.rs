//! Reading everything again. What is damaged is moved aside and fetched from another level; nothing is ever repaired by deleting.

use crate::objects::Put;
use crate::state::{HostState, Object};
use crate::tree;
use crate::vault::Vault;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use vow_base::detail::{Detail, OBJECTS_MAX};
use vow_base::manifest::Manifest;
use vow_base::receipt::Event;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

/// How to scrub.
#[derive(Debug, Clone, Default)]
pub struct ScrubOptions {
    /// Only these hosts; all of them when there are none.
    pub hosts: Vec<HostId>,
    /// Stop after about so many bytes; 0 for all. The next scrub goes on from [`ScrubReport::cursor`].
    pub budget_bytes: u64,
    /// Go on after this object.
    pub cursor: Option<Cursor>,
    /// Objects read at once; 0 for one per processor.
    pub threads: usize,
    /// Look only: move and heal nothing.
    pub dry_run: bool,
}

/// Where a scrub stopped: everything up to and including this object was read.
pub type Cursor = (HostId, Kind, ObjectId);

/// What became of something that was found damaged or missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A good copy from another level stands in its place.
    Healed,
    /// It was moved aside; no other level that was asked has it. The host sends it again when it still can.
    Quarantined,
    /// Nothing was changed.
    Left,
}

/// Something damaged or missing.
#[derive(Debug, Clone)]
pub struct Found {
    /// Whose.
    pub host: HostId,
    /// Which object.
    pub object: Object,
    /// What is wrong with it.
    pub reason: String,
    /// Whether a kept snapshot names it.
    pub needed: bool,
    /// What was done.
    pub outcome: Outcome,
}

/// What a scrub saw.
#[derive(Debug, Clone, Default)]
pub struct ScrubReport {
    /// Objects read.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Everything that is damaged or missing.
    pub found: Vec<Found>,
    /// Where to go on, when the budget ended it.
    pub cursor: Option<Cursor>,
}

impl ScrubReport {
    /// What a kept snapshot needs and does not have any more.
    pub fn open(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| found.needed && found.outcome != Outcome::Healed)
    }
}

impl Vault {
    /// Reads every object of every host and compares it with its name, and looks for objects that kept snapshots name and that are gone.
    ///
    /// Damaged ones are moved to the quarantine and, like missing ones, replaced by a copy from the first of `levels` that has a good one.
    ///
    /// # Errors
    /// A folder cannot be listed, or the storage takes no writes. An object that a disk cannot read is a finding, not an error; a bucket
    /// that does not answer says nothing about its objects.
    pub fn scrub(
        &self,
        levels: &[&dyn Retrieve],
        options: &ScrubOptions,
        progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> Result<ScrubReport, VaultError> {
        let mut report = ScrubReport::default();
        let state = self.state()?;
        let mut hosts: Vec<_> = self.hosts()?.iter().map(|key| key.host_id()).collect();
        hosts.sort_unstable();
        hosts.retain(|host| options.hosts.is_empty() || options.hosts.contains(host));
        for host in hosts {
            if options.cursor.is_some_and(|(after, _, _)| host < after) {
                continue;
            }
            let scrub = Scrub { vault: self, host, known: &state.of_host(&host), levels, options, progress };
            if scrub.run(&mut report)?.is_break() {
                break;
            }
        }
        Ok(report)
    }
}

/// The scrub of one host.
struct Scrub<'s> {
    vault: &'s Vault,
    host: HostId,
    known: &'s HostState,
    levels: &'s [&'s dyn Retrieve],
    options: &'s ScrubOptions,
    progress: &'s (dyn Fn(u64) -> ControlFlow<()> + Sync),
}

impl Scrub<'_> {
    fn run(&self, report: &mut ScrubReport) -> Result<ControlFlow<()>, VaultError> {
        let needed = self.needed();
        let mut healed = Vec::new();
        let mut flow = ControlFlow::Continue(());
        for kind in KINDS {
            let listed = self.vault.inner.objects(&self.host, kind)?;
            let listed: Vec<_> = listed.into_iter().map(|(id, stat)| (id, stat.length)).collect();
            let after = self.options.cursor.map(|(host, kind, id)| (host, rank(kind), id));
            let due: Vec<_> = listed
                .iter()
                .filter(|(id, _)| after.is_none_or(|after| (self.host, rank(kind), *id) > after))
                .collect();
            for batch in due.chunks(256) {
                for (id, reason) in self.read(kind, batch, report)? {
                    self.deal_with((kind, id), reason, &needed, true, report, &mut healed)?;
                }
                let over = self.options.budget_bytes > 0 && report.bytes >= self.options.budget_bytes;
                if over || (self.progress)(0).is_break() {
                    report.cursor = batch.last().map(|(id, _)| (self.host, kind, *id));
                    flow = ControlFlow::Break(());
                    break;
                }
            }
            if flow.is_break() {
                break;
            }
            let there: BTreeSet<_> = listed.into_iter().map(|(id, _)| id).collect();
            let gone = needed.iter().filter(|(of, id)| *of == kind && !there.contains(id));
            for object in gone.copied().collect::<Vec<_>>() {
                self.deal_with(object, "it is gone".into(), &needed, false, report, &mut healed)?;
            }
        }
        self.record(&healed)?;
        Ok(flow)
    }

    /// What kept snapshots name, as far as their manifests and lists can be read; those that cannot are found damaged by themselves.
    fn needed(&self) -> BTreeSet<Object> {
        let mut needed = BTreeSet::new();
        for snapshot in self.known.kept() {
            let id = snapshot.receipt.manifest;
            needed.insert((Kind::Manifest, id));
            let stored = self.vault.inner.get(&self.host, Kind::Manifest, &id);
            let Some(manifest) = stored.ok().and_then(|stored| Manifest::open(&stored).ok()) else {
                continue;
            };
            needed.extend(manifest.index_ids().into_iter().map(|id| (Kind::Index, id)));
            let lists = std::cell::RefCell::new(Vec::new());
            let expanded = manifest.packs.expand(|id| {
                lists.borrow_mut().push(*id);
                self.vault.inner.get(&self.host, Kind::List, id)
            });
            needed.extend(lists.into_inner().into_iter().map(|id| (Kind::List, id)));
            if let Ok(expanded) = expanded {
                needed.extend(expanded.packs.into_iter().map(|id| (Kind::Pack, id)));
            }
        }
        needed
    }

    /// Reads a batch on several threads; the ids of those that are not what they should be, with the reason.
    fn read(
        &self,
        kind: Kind,
        batch: &[&(ObjectId, u64)],
        report: &mut ScrubReport,
    ) -> Result<Vec<(ObjectId, String)>, VaultError> {
        let next = AtomicUsize::new(0);
        let (bad, silent) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let has_folders = self.vault.inner.storage.has_folders();
        let work = || {
            while let Some((id, length)) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                // A second look: bad memory or a bad cable is not the disk's damage.
                let read = || self.vault.inner.get(&self.host, kind, id);
                match read().or_else(|_| read()) {
                    // Removed since it was listed, by a sweep.
                    Ok(_) | Err(VaultError::Absent { .. }) => {}
                    Err(VaultError::Damaged { reason, .. }) => push(&bad, (*id, reason)),
                    // A store that does not answer says nothing about the object.
                    Err(other) if !has_folders => push(&silent, other),
                    Err(other) => push(&bad, (*id, other.to_string())),
                }
                let _ = (self.progress)(*length);
            }
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if self.options.threads == 0 { processors } else { self.options.threads };
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, batch.len().max(1)) {
                scope.spawn(work);
            }
        });
        report.objects += batch.len() as u64;
        report.bytes += batch.iter().map(|(_, length)| length).sum::<u64>();
        if let Some(error) = silent.into_inner().unwrap_or_else(PoisonError::into_inner).pop() {
            return Err(error);
        }
        Ok(bad.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn deal_with(
        &self,
        object: Object,
        reason: String,
        needed: &BTreeSet<Object>,
        stands: bool,
        report: &mut ScrubReport,
        healed: &mut Vec<Object>,
    ) -> Result<(), VaultError> {
        let needed = needed.contains(&object);
        let mut outcome = Outcome::Left;
        if !self.options.dry_run {
            let (kind, id) = object;
            // A good copy first: a damaged object that nobody can replace may still be of use to somebody with patience.
            let good = self.levels.iter().find_map(|level| level.get(&self.host, kind, &id).ok());
            if stands {
                let from = tree::object(&self.host, kind, &id);
                self.vault.inner.storage.quarantine(&from, &tree::quarantine(&self.host, kind, &id))?;
                outcome = Outcome::Quarantined;
            }
            if let Some(bytes) = good {
                let mut put = Put::begin(self.vault.inner.clone(), self.host, kind, id, bytes.len() as u64)?;
                put.write(&bytes)?;
                put.finish()?;
                outcome = Outcome::Healed;
                healed.push(object);
            }
        }
        report.found.push(Found { host: self.host, object, reason, needed, outcome });
        Ok(())
    }

    /// What was healed stands in the ledger, for those who ask later why an object is younger than its snapshot.
    fn record(&self, healed: &[Object]) -> Result<(), VaultError> {
        for part in healed.chunks(OBJECTS_MAX) {
            let detail = Detail::new("a scrub found these damaged or missing; another level had good copies")
                .about(part);
            self.vault.until_appended(|state| {
                self.vault.inner.append_event(state.position, Event::Healed, Some(self.host), &detail)
            })?;
        }
        Ok(())
    }
}

fn push<T>(to: &Mutex<Vec<T>>, item: T) {
    to.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

/// The order in which kinds are read.
fn rank(kind: Kind) -> usize {
    KINDS.iter().position(|of| *of == kind).unwrap_or(0)
}
