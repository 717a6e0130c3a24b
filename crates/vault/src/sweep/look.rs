//! Looking at one host: what its kept snapshots name, what lies there, and what of it nothing names. Nothing is changed here.

use super::known;
use super::mark::Marked;
use crate::remembered::Remembered;
use crate::retention::{Plan, Rules, Snapshot, Term, Version, plan};
use crate::state::{Condemned, HostState, Object, State};
use crate::storage::Stat;
use crate::vault::Inner;
use std::collections::{HashMap, HashSet};
use vow_base::clock::Nanos;
use vow_base::manifest::Manifest;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

const KINDS: [Kind; 4] = [Kind::Manifest, Kind::List, Kind::Index, Kind::Pack];

/// Manifests that are read at once; a manifest has at most a mebibyte.
const MANIFESTS_AT_ONCE: usize = 32;
/// A commit puts its manifest and appends its entry within this time.
const COMMIT_MAX: Term = Term::hours(1);
/// How far ahead of the vault's clock that of its storage may be.
const SKEW: Term = Term::days(1);

/// What was seen of one host.
pub(super) struct Look {
    pub(super) host: HostId,
    pub(super) tenant: String,
    pub(super) name: String,
    /// What is known of each snapshot that was kept.
    infos: HashMap<ObjectId, Remembered>,
    marked: Marked,
    /// What manifests name that no entry of the ledger is about.
    protected: Marked,
    /// Objects that nothing named, with how they were seen.
    pub(super) unnamed: Vec<(Object, Stat)>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    /// Manifests that no entry of the ledger is about.
    pub(super) unreceipted: usize,
    pub(super) lacking: Option<Lacking>,
}

/// Objects that kept snapshots name and that were not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lacking {
    /// How many.
    pub count: u64,
    /// One of them.
    pub example: Object,
}

impl Look {
    /// Nothing seen yet.
    pub(super) fn new(vault: &Inner, host: HostId) -> Result<Self, VaultError> {
        let (tenant, name) = known::called(vault, &host)?;
        Ok(Self {
            host,
            tenant,
            name,
            infos: HashMap::new(),
            marked: Marked::default(),
            protected: Marked::default(),
            unnamed: Vec::new(),
            objects: 0,
            bytes: 0,
            unreceipted: 0,
            lacking: None,
        })
    }

    /// Reads the manifest of every snapshot that is kept and was not read yet.
    pub(super) fn read_manifests(&mut self, vault: &Inner, state: &State) -> Result<(), VaultError> {
        let host = state.of_host(&self.host);
        let kept = host.kept().map(|snapshot| snapshot.receipt.manifest);
        let new: Vec<_> = kept.filter(|id| !self.infos.contains_key(id)).collect();
        for ids in new.chunks(MANIFESTS_AT_ONCE) {
            for (id, stored) in ids.iter().zip(vault.gets(&self.host, Kind::Manifest, ids)?) {
                self.infos.insert(*id, known::opened(id, &stored)?.0);
            }
        }
        Ok(())
    }

    /// Every snapshot that is kept or remembered.
    pub(super) fn snapshots(&self, state: &State) -> Vec<Snapshot> {
        known::snapshots(state, &self.host, &self.tenant, &self.infos)
    }

    /// What retention decides about this host.
    pub(super) fn plan(&self, state: &State, versions: &[Version], now: Nanos) -> Plan {
        plan(&self.snapshots(state), versions, now)
    }

    /// What is remembered of a snapshot that was read.
    pub(super) fn info(&self, manifest: &ObjectId) -> Option<&Remembered> {
        self.infos.get(manifest)
    }

    /// Marks every kept snapshot but those that are about to expire.
    pub(super) fn mark(
        &mut self,
        vault: &Inner,
        state: &State,
        expiring: &HashSet<ObjectId>,
    ) -> Result<(), VaultError> {
        for snapshot in state.of_host(&self.host).kept() {
            let id = snapshot.receipt.manifest;
            if !expiring.contains(&id) && !self.marked.has_snapshot(&id) {
                let (info, manifest) = known::read(vault, &self.host, &id)?;
                self.marked.add(vault, &self.host, id, &manifest)?;
                self.infos.insert(id, info);
            }
        }
        Ok(())
    }

    /// Lists everything that lies there. What is named and is not there is noted, and so is what lies there unnamed.
    ///
    /// `tell` hears of every folder's objects.
    pub(super) fn list(
        &mut self,
        vault: &Inner,
        known: &HostState,
        now: Nanos,
        tell: &dyn Fn(u64) -> bool,
    ) -> Result<bool, VaultError> {
        // Manifests first: those that the ledger does not know are marked before anything is compared.
        for kind in KINDS {
            let listed = vault.objects(&self.host, kind)?;
            if kind == Kind::Manifest {
                for (id, stat) in &listed {
                    // One that came just now is being committed.
                    let counts = now >= COMMIT_MAX.after(stat.stored);
                    self.mark_unreceipted(vault, known, id, counts)?;
                }
            }
            self.objects += listed.len() as u64;
            self.bytes = listed.iter().fold(self.bytes, |sum, (_, stat)| sum.saturating_add(stat.length));
            self.note_lacking(kind, &listed);
            let unnamed = listed.iter().filter(|(id, _)| !self.is_named(&(kind, *id)));
            let unnamed: Vec<_> = unnamed.map(|(id, stat)| ((kind, *id), stat.clone())).collect();
            self.unnamed.extend(unnamed);
            if !tell(listed.len() as u64) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a snapshot needs this object, as far as was marked.
    pub(super) fn is_named(&self, object: &Object) -> bool {
        self.marked.contains(object) || self.protected.contains(object)
    }

    fn note_lacking(&mut self, kind: Kind, listed: &[(ObjectId, Stat)]) {
        // Folders are listed by name, so ids come in order.
        let there = |id: &ObjectId| listed.binary_search_by_key(id, |(id, _)| *id).is_ok();
        let named = listed.iter().filter(|(id, _)| self.marked.contains(&(kind, *id))).count();
        let lacking = self.marked.count(kind).saturating_sub(named) as u64;
        if let Some(example) = self.marked.lacking(kind, there).filter(|_| lacking > 0) {
            let found = self.lacking.get_or_insert(Lacking { count: 0, example: (kind, example) });
            found.count += lacking;
        }
    }

    /// A manifest that the ledger does not know is of a commit that was cut short, or of one whose entry is lost: a ledger that was
    /// rolled back must not cost anybody a snapshot. What it names stays, until its number in the host's sequence is taken by another.
    fn mark_unreceipted(
        &mut self,
        vault: &Inner,
        known: &HostState,
        id: &ObjectId,
        counts: bool,
    ) -> Result<(), VaultError> {
        if known.snapshot(id).is_some() || !known.accepts(&(Kind::Manifest, *id)) {
            return Ok(());
        }
        let (_, manifest) = known::read(vault, &self.host, id)?;
        if is_superseded(known, &manifest) {
            return Ok(());
        }
        self.unreceipted += usize::from(counts);
        match self.protected.add(vault, &self.host, *id, &manifest) {
            // It never was whole, or is not any more.
            Err(VaultError::Absent { .. }) => Ok(()),
            other => other,
        }
    }

    /// Objects that lie there unnamed for so long that they may be condemned.
    pub(super) fn condemnable(&self, state: &State, rules: &Rules, now: Nanos) -> Vec<(Object, u64)> {
        let known = state.of_host(&self.host);
        let receipt = known.snapshots.last().map(|snapshot| &snapshot.receipt);
        let last_commit = receipt.map(|receipt| state.settled(receipt.position, receipt.received));
        let newest = self
            .unnamed
            .iter()
            .map(|(_, stat)| stat.stored)
            .filter(|stored| *stored <= SKEW.after(now))
            .max();
        let sending = newest.is_some_and(|newest| now < rules.grace.after(newest));
        let stale = |stat: &Stat| {
            // What came after the last commit may be part of a long first backup, as long as the host goes on sending.
            let unfinished = sending && last_commit.is_none_or(|last| stat.stored > last);
            // From the future: it came while the clock was ahead, so that nobody knows how old it is. Its grace begins now.
            stat.stored > SKEW.after(now) || now >= rules.grace.after(stat.stored) && !unfinished
        };
        let free = |object: &Object| known.accepts(object) && !self.is_named(object);
        let due = self.unnamed.iter().filter(|(object, stat)| stale(stat) && free(object));
        due.map(|(object, stat)| (*object, stat.length)).collect()
    }

    /// Objects that were condemned a grace ago, by an earlier pass, and that still nothing names; with how they were seen.
    pub(super) fn deletable(&self, state: &State, rules: &Rules, now: Nanos) -> Vec<(Object, Option<Stat>)> {
        let known = state.of_host(&self.host);
        let over = |(object, condemned): &(&Object, &Condemned)| {
            is_over(state, condemned, rules.grace, now) && !self.is_named(object)
        };
        let objects: Vec<&Object> = known.condemned.iter().filter(over).map(|(object, _)| object).collect();
        if objects.is_empty() {
            return Vec::new();
        }
        let seen: HashMap<&Object, &Stat> =
            self.unnamed.iter().map(|(object, stat)| (object, stat)).collect();
        let seen = |object: &Object| seen.get(object).map(|stat| (*stat).clone());
        let mut due: Vec<_> = objects.into_iter().map(|object| (*object, seen(object))).collect();
        due.sort_by_key(|(object, _)| *object);
        due
    }
}

/// Whether it was condemned a grace ago, by a pass that came to its end.
pub(super) fn is_over(state: &State, condemned: &Condemned, grace: Term, now: Nanos) -> bool {
    let last_pass = state.passes.last().map_or(0, |(position, _)| *position);
    let since = state.settled(condemned.position, condemned.since);
    condemned.position <= last_pass && now >= grace.after(since)
}

/// Whether another manifest of this host has the same number: then this one can never be committed.
fn is_superseded(known: &HostState, manifest: &Manifest) -> bool {
    known.snapshots.iter().any(|snapshot| snapshot.receipt.sequence == manifest.sequence)
}
