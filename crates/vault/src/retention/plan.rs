//! The decision: which snapshots are kept, which expire, and every reason. A pure function; nothing is carried out here.
//!
//! What holds for it, and is tested: loosening rules expires nothing more; time that passes keeps nothing more; carrying a plan out
//! often ends with the same snapshots as carrying it out once at the end; what does not count changes nothing for what does.

use super::healthy::{Uncounted, judge};
use super::policy::{InForce, Version};
use super::reason::{Expire, Keep};
use super::rules::Rules;
use super::slots::{Period, Slot};
use super::snapshot::{Snapshot, never_back};
use std::collections::{BTreeMap, HashMap};
use vow_base::clock::Nanos;
use vow_base::{HostId, ObjectId};

/// What retention decided about every snapshot that has not expired yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// When, by the vault's clock.
    pub now: Nanos,
    /// By host, source, and ledger order.
    pub decisions: Vec<Decision>,
}

/// What was decided about one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The snapshot; its time is never before that of the one before it in the ledger.
    pub snapshot: Snapshot,
    /// Why it does not count under the rules in force, if it does not.
    pub uncounted: Option<Uncounted>,
    /// Why the rules in force keep it.
    pub keep: Vec<Keep>,
    /// Why rules keep it that were replaced and still protect, until when; only what `keep` does not say.
    pub older: Vec<(Keep, Nanos)>,
    /// Why the rules in force do not keep it; empty when they do.
    pub expire: Vec<Expire>,
}

impl Decision {
    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        !(self.keep.is_empty() && self.older.is_empty())
    }
}

impl Plan {
    /// The snapshots that expire.
    pub fn expired(&self) -> impl Iterator<Item = &Snapshot> {
        self.decisions.iter().filter(|decision| !decision.is_kept()).map(|decision| &decision.snapshot)
    }

    /// The snapshots that are kept.
    pub fn kept(&self) -> impl Iterator<Item = &Snapshot> {
        self.decisions.iter().filter(|decision| decision.is_kept()).map(|decision| &decision.snapshot)
    }
}

/// Decides about all snapshots of a vault, given in any order, those that expired earlier included.
///
/// `versions` are the policies in ledger order, the one in force last; [`Version::first`] stands for a vault that was given none.
pub fn plan(snapshots: &[Snapshot], versions: &[Version], now: Nanos) -> Plan {
    let mut snapshots = snapshots.to_vec();
    snapshots.sort_by_key(|snapshot| snapshot.position);
    never_back(snapshots.iter_mut().map(|snapshot| &mut snapshot.received));

    let living = snapshots.iter().filter(|snapshot| !snapshot.gone);
    let newest_of_hosts: HashMap<HostId, u64> =
        living.map(|snapshot| (snapshot.host, snapshot.position)).collect();
    let mut sources: BTreeMap<(HostId, &str), Vec<&Snapshot>> = BTreeMap::new();
    for snapshot in &snapshots {
        sources.entry((snapshot.host, &snapshot.source)).or_default().push(snapshot);
    }
    let mut deciding: HashMap<&str, Vec<InForce>> = HashMap::new();
    let mut decisions = Vec::new();
    for ((host, _), history) in &sources {
        // A host has one tenant. If it ever had two, the newest holds.
        let Some(tenant) = history.last().map(|snapshot| snapshot.tenant.as_str()) else { continue };
        let rules = deciding.entry(tenant).or_insert_with(|| Version::deciding(versions, tenant, now));
        let newest_of_host = newest_of_hosts.get(host).copied();
        decisions.extend(decide(history, rules, newest_of_host, now));
    }
    Plan { now, decisions }
}

/// Decides about one source. The first rules are those in force.
fn decide(
    history: &[&Snapshot],
    rules: &[InForce],
    newest_of_host: Option<u64>,
    now: Nanos,
) -> Vec<Decision> {
    let living = history.iter().filter(|snapshot| !snapshot.gone);
    let blank = |snapshot: &&Snapshot| Decision {
        snapshot: (*snapshot).clone(),
        uncounted: None,
        keep: Vec::new(),
        older: Vec::new(),
        expire: Vec::new(),
    };
    let mut decisions: Vec<Decision> = living.map(blank).collect();
    for held in rules {
        let source = Source::new(history, &held.rules, newest_of_host, now);
        for (at, decision) in decisions.iter_mut().enumerate() {
            let keep = source.keep(at);
            match held.until {
                None => {
                    decision.uncounted = source.uncounted[at];
                    if keep.is_empty() {
                        decision.expire = source.expire(at);
                    }
                    decision.keep = keep;
                }
                Some(until) => {
                    let said = |keep: &Keep| {
                        decision.keep.contains(keep) || decision.older.iter().any(|(older, _)| older == keep)
                    };
                    let new: Vec<_> = keep.into_iter().filter(|keep| !said(keep)).collect();
                    decision.older.extend(new.into_iter().map(|keep| (keep, until)));
                }
            }
        }
    }
    decisions
}

/// The living snapshots of one source, seen through one version of the rules.
struct Source<'s> {
    living: Vec<&'s Snapshot>,
    uncounted: Vec<Option<Uncounted>>,
    /// How many that count are newer, for those that count.
    newer_counted: Vec<usize>,
    newest_counted: Option<usize>,
    last_proven: Option<usize>,
    last_attested: Option<usize>,
    newest_of_host: Option<u64>,
    slots: Vec<Slots>,
    rules: &'s Rules,
    now: Nanos,
}

/// One slot rule: in which of the newest slots which snapshot is the first.
struct Slots {
    period: Period,
    count: u32,
    firsts: BTreeMap<Slot, usize>,
}

impl<'s> Source<'s> {
    fn new(history: &[&'s Snapshot], rules: &'s Rules, newest_of_host: Option<u64>, now: Nanos) -> Self {
        let judged = judge(history, rules.spacing);
        let both = history.iter().zip(judged).filter(|(snapshot, _)| !snapshot.gone);
        let (living, uncounted): (Vec<&Snapshot>, Vec<_>) =
            both.map(|(snapshot, why)| (*snapshot, why)).unzip();

        let counted: Vec<usize> = (0..living.len()).filter(|at| uncounted[*at].is_none()).collect();
        let mut newer_counted = vec![0; living.len()];
        for (newer, at) in counted.iter().rev().enumerate() {
            newer_counted[*at] = newer;
        }
        let proven = |at: &usize| living[*at].marks.proven.is_some();
        let undoubted = |at: &usize| proven(at) && !living[*at].marks.is_doubted();
        let mut all = 0..living.len();
        let last_proven = all.clone().rfind(undoubted).or_else(|| all.clone().rfind(proven));
        // Beside the last proven one, never in its place: whoever forges this keeps one snapshot more, and loses none.
        let last_attested = all.rfind(|at| living[*at].marks.attested.is_some());
        let slots = slot_rules(rules).map(|(period, count)| {
            // Going back in time, the last one to fill a slot is its first.
            let mut firsts = BTreeMap::new();
            for at in counted.iter().rev() {
                let slot = period.slot(living[*at].received);
                if firsts.len() == count as usize && !firsts.contains_key(&slot) {
                    break;
                }
                firsts.insert(slot, *at);
            }
            Slots { period, count, firsts }
        });
        let (slots, newest_counted) = (slots.collect(), counted.last().copied());
        Self {
            living,
            uncounted,
            newer_counted,
            newest_counted,
            last_proven,
            last_attested,
            newest_of_host,
            slots,
            rules,
            now,
        }
    }

    /// Every reason to keep it.
    fn keep(&self, at: usize) -> Vec<Keep> {
        let (snapshot, rules, now) = (self.living[at], self.rules, self.now);
        let mut keep = Vec::new();
        let mut add = |reason: Option<Keep>| keep.extend(reason);
        add(snapshot.marks.pin.keeps(now, rules.tighten_after).map(Keep::Pinned));
        add(snapshot.marks.hold.keeps(now, rules.tighten_after).map(Keep::Held));
        add((self.last_proven == Some(at)).then_some(Keep::LastProven));
        add((self.last_attested == Some(at)).then_some(Keep::LastAttested));
        add((at + 1 == self.living.len()).then_some(Keep::Newest));
        add((self.newest_counted == Some(at)).then_some(Keep::NewestCounted));
        add((self.newest_of_host == Some(snapshot.position)).then_some(Keep::NewestOfHost));
        let locked = rules.lock.after(snapshot.received);
        add((now < locked).then_some(Keep::Locked(locked)));
        if self.uncounted[at].is_some() {
            add(self.newest_counted.is_none_or(|newest| newest < at).then_some(Keep::NothingBetterSince));
            return keep;
        }
        let within = rules.keep_within.after(snapshot.received);
        add((now < within).then_some(Keep::Within(rules.keep_within, within)));
        add((self.newer_counted[at] < rules.keep_last as usize).then_some(Keep::Last(rules.keep_last)));
        for Slots { period, count, firsts } in &self.slots {
            let slot = period.slot(snapshot.received);
            add(match firsts.get(&slot) {
                Some(first) if *first == at => Some(Keep::First(slot, *period, *count)),
                Some(_) if self.newest_counted == Some(at) => Some(Keep::NewestIn(slot, *period)),
                _ => None,
            });
        }
        keep
    }

    /// Why no rule keeps it.
    fn expire(&self, at: usize) -> Vec<Expire> {
        if let (Some(why), Some(newest)) = (self.uncounted[at], self.newest_counted) {
            return vec![Expire::Uncounted(why, self.living[newest].manifest)];
        }
        let mut expire = vec![Expire::NotLast(self.rules.keep_last)];
        if self.rules.keep_within.nanos() > 0 {
            expire.push(Expire::NotWithin(self.rules.keep_within));
        }
        expire.extend(self.slots.iter().map(|Slots { period, count, firsts }| {
            let first = firsts.get(&period.slot(self.living[at].received));
            first
                .map_or(Expire::PastSlot(*period, *count), |first| Expire::NotFirst(*period, self.id(*first)))
        }));
        expire
    }

    fn id(&self, at: usize) -> ObjectId {
        self.living[at].manifest
    }
}

/// The slot rules that are not switched off.
fn slot_rules(rules: &Rules) -> impl Iterator<Item = (Period, u32)> {
    let counts =
        [rules.keep_hourly, rules.keep_daily, rules.keep_weekly, rules.keep_monthly, rules.keep_yearly];
    Period::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0)
}
