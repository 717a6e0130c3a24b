//! What the ledger amounts to: the fold of its entries, a pure function. `docs/vault.md`, "The ledger decides".

use crate::remembered::{self, Remembered};
use crate::retention::settle_times;
use crate::storage::Stat;
use crate::sweep;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use vow_base::clock::Nanos;
use vow_base::detail::{Detail, Mark};
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};

/// An object of one host.
pub type Object = (Kind, ObjectId);

/// An entry this much after the one before it leaves the clock in doubt.
const GAP_MAX: Nanos = 36 * 3600 * 1_000_000_000;
/// Likewise one this much before it.
const BACK_MAX: Nanos = 3600 * 1_000_000_000;

/// What the ledger amounts to.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Position of the newest entry; 0 when there is none.
    pub position: u64,
    /// Time of the newest entry.
    pub newest: Option<Nanos>,
    /// What is known of each host that has, or had, anything here.
    pub hosts: BTreeMap<HostId, Arc<HostState>>,
    /// Versions of the rules, oldest first.
    pub rules: Vec<RulesVersion>,
    /// Deletions that were announced and not finished, by the id of their detail.
    pub deleting: BTreeMap<ObjectId, Deletion>,
    /// Position and time of every pass of a sweep, oldest first.
    pub passes: Vec<(u64, Nanos)>,
    /// Why the vault's clock cannot be trusted, until a person says that it can.
    pub clock_doubt: Option<ClockDoubt>,
    /// Entries on both sides of each jump of the clock, and those in which a person confirmed it.
    turns: Vec<Turn>,
}

/// A version of the rules of retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesVersion {
    /// Position of the entry that set them.
    pub position: u64,
    /// Since when they are in force.
    pub since: Nanos,
    /// What was set.
    pub text: Arc<str>,
}

/// An entry that tells something about the clock.
#[derive(Debug, Clone, Copy)]
struct Turn {
    position: u64,
    time: Nanos,
    confirmed: bool,
}

/// What the ledger says of one host.
#[derive(Debug, Clone, Default)]
pub struct HostState {
    /// Its snapshots in ledger order, those that expired too.
    pub snapshots: Vec<SnapshotState>,
    by_manifest: HashMap<ObjectId, usize>,
    /// Objects that no commit accepts until they are sent again.
    pub condemned: HashMap<Object, Condemned>,
    /// Objects that are being removed.
    pub deleting: HashMap<Object, ObjectId>,
}

/// A snapshot as the ledger knows it.
#[derive(Debug, Clone)]
pub struct SnapshotState {
    /// Its receipt.
    pub receipt: Receipt,
    /// When it expired, if it did.
    pub expired: Option<Nanos>,
    /// Marks put on it, oldest first.
    pub marks: Vec<Marked>,
    /// Of one that expired: what it was.
    pub remembered: Option<Remembered>,
    /// Signed proofs that marks rest on: the SHA-256 of their stored bytes, and the position of the entry that has each.
    pub proofs: Vec<(ObjectId, u64)>,
}

/// A mark that was put on a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Position of the entry that put it.
    pub position: u64,
    /// When.
    pub time: Nanos,
    /// Which.
    pub mark: Mark,
}

/// Since when an object is condemned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condemned {
    /// The ledger's position.
    pub position: u64,
    /// The vault's time.
    pub since: Nanos,
}

/// A deletion that was announced.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Whose objects.
    pub host: HostId,
    /// Position of the announcement.
    pub position: u64,
    /// When it was announced.
    pub since: Nanos,
    /// Which objects, and as what each was seen; `None` for one that was not there.
    pub objects: Arc<[(Object, Option<Stat>)]>,
}

/// Two entries whose times do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// Position of the later one.
    pub position: u64,
    /// Time of the one before it.
    pub before: Nanos,
    /// Its time.
    pub after: Nanos,
}

impl State {
    /// Whether an entry is about something that its detail names.
    pub(crate) fn needs_detail(event: Event) -> bool {
        use Event::{Clock, Committed, Condemned, Deleted, Deleting, Expired, Healed, Marked, Pass};
        use Event::{Revived, Rules, Witnessed};
        match event {
            Expired | Condemned | Revived | Deleting | Rules | Marked => true,
            Committed | Deleted | Clock | Pass | Witnessed | Healed => false,
        }
    }

    /// Takes the next entry, with its detail where [`State::needs_detail`] says so.
    pub(crate) fn apply(&mut self, entry: &Receipt, detail: Option<&Detail>) {
        let (at, time) = (entry.position, entry.received);
        if let Some(doubt) = self.jump_to(time) {
            self.clock_doubt = Some(doubt);
            self.turns.push(Turn { position: self.position, time: doubt.before, confirmed: false });
            self.turns.push(Turn { position: at, time, confirmed: false });
        }
        self.position = at;
        self.newest = Some(time);
        let objects = detail.map(Detail::objects).unwrap_or_default();
        match entry.event {
            Event::Committed => self.host(entry).commit(entry),
            Event::Expired => {
                let mut remembered = detail.map(|detail| remembered::parse(&detail.text)).unwrap_or_default();
                for snapshot in self.host(entry).named(&objects) {
                    snapshot.expired.get_or_insert(time);
                    snapshot.remembered = remembered.remove(&snapshot.receipt.manifest);
                }
            }
            Event::Condemned => {
                let condemned = Condemned { position: at, since: time };
                self.host(entry).condemned.extend(objects.into_iter().map(|object| (object, condemned)));
            }
            Event::Revived => {
                let host = self.host(entry);
                for object in &objects {
                    host.condemned.remove(object);
                }
            }
            Event::Deleting => {
                let host = self.host(entry);
                for object in &objects {
                    host.condemned.remove(object);
                    host.deleting.insert(*object, entry.manifest);
                }
                let host = entry.host_id();
                let text = detail.map(|detail| detail.text.as_str()).unwrap_or_default();
                let seen = objects.into_iter().zip(sweep::seen::parse(text)).collect();
                let deletion = Deletion { host, position: at, since: time, objects: seen };
                self.deleting.insert(entry.manifest, deletion);
            }
            Event::Deleted => {
                if let Some(deletion) = self.deleting.remove(&entry.manifest) {
                    let host = self.host(entry);
                    for (object, _) in &*deletion.objects {
                        host.deleting.remove(object);
                    }
                }
            }
            Event::Rules => {
                let text = detail.map(|detail| detail.text.as_str()).unwrap_or_default();
                self.rules.push(RulesVersion { position: at, since: time, text: text.into() });
            }
            Event::Marked => {
                if let Some(mark) = detail.and_then(|detail| detail.mark) {
                    let proof =
                        detail.and_then(|detail| detail.proof.as_ref()).map(|stored| ObjectId::of(stored));
                    for snapshot in self.host(entry).named(&objects) {
                        snapshot.proofs.extend(proof.map(|id| (id, at)));
                        snapshot.marks.push(Marked { position: at, time, mark });
                    }
                }
            }
            Event::Clock => {
                self.clock_doubt = None;
                self.turns.push(Turn { position: at, time, confirmed: true });
            }
            Event::Pass => self.passes.push((at, time)),
            Event::Witnessed | Event::Healed => {}
        }
    }

    /// What an entry appended at `time` would put in doubt.
    fn jump_to(&self, time: Nanos) -> Option<ClockDoubt> {
        let before = self.newest?;
        let jumps = time.saturating_sub(before) > GAP_MAX || before.saturating_sub(time) > BACK_MAX;
        jumps.then_some(ClockDoubt { position: self.position + 1, before, after: time })
    }

    /// Why nothing may expire or be deleted at `now`: the clock is in doubt, or would be with the next entry.
    pub fn doubt_at(&self, now: Nanos) -> Option<ClockDoubt> {
        self.clock_doubt.or_else(|| self.jump_to(now))
    }

    /// The time of an entry, as right as it can be known from where the clock jumped and where a person confirmed it.
    pub(crate) fn settled(&self, position: u64, time: Nanos) -> Nanos {
        if self.turns.is_empty() {
            return time;
        }
        let (before, from): (Vec<Turn>, Vec<Turn>) =
            self.turns.iter().partition(|turn| turn.position < position);
        let this = Turn { position, time, confirmed: false };
        let at = before.len();
        let story: Vec<_> =
            before.into_iter().chain([this]).chain(from).map(|turn| (turn.time, turn.confirmed)).collect();
        settle_times(&story)[at]
    }

    fn host(&mut self, entry: &Receipt) -> &mut HostState {
        Arc::make_mut(self.hosts.entry(entry.host_id()).or_default())
    }

    /// What is known of a host; nothing of one that never committed.
    pub fn of_host(&self, host: &HostId) -> Arc<HostState> {
        self.hosts.get(host).cloned().unwrap_or_default()
    }
}

impl HostState {
    fn commit(&mut self, entry: &Receipt) {
        self.by_manifest.insert(entry.manifest, self.snapshots.len());
        self.snapshots.push(SnapshotState {
            receipt: entry.clone(),
            expired: None,
            marks: Vec::new(),
            remembered: None,
            proofs: Vec::new(),
        });
    }

    fn named(&mut self, objects: &[Object]) -> impl Iterator<Item = &mut SnapshotState> {
        let manifests = objects.iter().filter(|(kind, _)| *kind == Kind::Manifest);
        let mut at: Vec<_> = manifests.filter_map(|(_, id)| self.by_manifest.get(id)).copied().collect();
        at.sort_unstable();
        at.dedup();
        self.snapshots
            .iter_mut()
            .enumerate()
            .filter(move |(number, _)| at.binary_search(number).is_ok())
            .map(|(_, snapshot)| snapshot)
    }

    /// The snapshot of this manifest, expired or not.
    pub fn snapshot(&self, manifest: &ObjectId) -> Option<&SnapshotState> {
        self.by_manifest.get(manifest).map(|at| &self.snapshots[*at])
    }

    /// Snapshots that are kept, in ledger order.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &SnapshotState> {
        self.snapshots.iter().filter(|snapshot| snapshot.expired.is_none())
    }

    /// Whether a commit may rely on this object, as far as the ledger knows.
    pub fn accepts(&self, object: &Object) -> bool {
        !self.condemned.contains_key(object) && !self.deleting.contains_key(object)
    }
}

#[cfg(test)]
mod tests;
