//! Retain and sweep: what retention no longer keeps expires, what nothing names is condemned, and after a grace and two passes deleted.
//!
//! `docs/vault.md`, "The ledger decides", says why no commit ever relies on what a sweep removes: every step is an entry of the ledger,
//! appended at the position after the state it was decided from, or decided anew. First everything is looked at, and nothing is
//! changed; only when all of it could be read, anything is appended. Of a host of which too much would go at once, nothing is.

mod act;
pub(crate) mod known;
mod look;
mod mark;
mod report;
pub(crate) mod seen;

pub use look::Lacking;
pub use report::{Held, HostSwept, Stopped, SweepReport, Tally};

use crate::retention::{Plan, Policy, Rules, Term, Version, brake, is_within_share};
use crate::state::{Object, State};
use crate::storage::Stat;
use crate::vault::Vault;
use act::Act;
use look::Look;
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use vow_base::clock::Nanos;
use vow_base::vault::{Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

/// So few bytes of a host may always go: a host with two small snapshots would otherwise never get rid of one. What a small host keeps is
/// guarded by the brake on snapshots.
const FLOOR_BYTES: u64 = 1 << 30;

/// How to sweep.
#[derive(Debug, Clone, Default)]
pub struct SweepOptions {
    /// Look only: append and remove nothing.
    pub dry_run: bool,
    /// A person has seen the plan: go on even if it takes away more than the rules' share.
    pub despite_brake: bool,
    /// A person knows that objects are lacking: sweep those hosts too.
    pub despite_lacking: bool,
}

impl Vault {
    /// What retention decides now, without looking at objects. Nothing is changed.
    ///
    /// # Errors
    /// The ledger, the rules, or the manifest of a kept snapshot cannot be read.
    pub fn retention_plan(&self) -> Result<Plan, VaultError> {
        let state = self.state()?;
        self.plan_by(&state, &known::versions(&state)?)
    }

    /// What these rules would decide alone, when those before them protect nothing any more.
    pub fn retention_plan_by(&self, policy: &Policy) -> Result<Plan, VaultError> {
        self.plan_by(&*self.state()?, &[Version { policy: policy.clone(), ..Version::first() }])
    }

    /// The rules in force.
    pub fn policy(&self) -> Result<Policy, VaultError> {
        Ok(known::versions(&*self.state()?)?.pop().unwrap_or_else(Version::first).policy)
    }

    fn plan_by(&self, state: &State, versions: &[Version]) -> Result<Plan, VaultError> {
        let now = self.inner.clock.now();
        let mut decisions = Vec::new();
        for host in state.hosts.keys() {
            let mut look = Look::new(&self.inner, *host)?;
            look.read_manifests(&self.inner, state)?;
            decisions.extend(look.plan(state, versions, now).decisions);
        }
        Ok(Plan { now, decisions })
    }

    /// Retains and sweeps once; to be done daily. `progress` hears of the number of objects listed, and can ask to stop.
    ///
    /// What has to be looked at by a person is in the report: see [`SweepReport::needs_attention`].
    ///
    /// # Errors
    /// Anything that could not be read, listed, appended or removed. It ends the sweep; nothing is appended after it. The next sweep
    /// finishes a deletion that was announced.
    pub fn sweep(
        &self,
        options: &SweepOptions,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<SweepReport, VaultError> {
        let now = self.inner.clock.now();
        let mut report = SweepReport {
            now,
            plan: Plan { now, decisions: Vec::new() },
            hosts: Vec::new(),
            resumed: 0,
            leftovers: 0,
            stopped: None,
        };
        let state = self.state()?;
        if let Some(doubt) = state.doubt_at(now) {
            report.stopped = Some(Stopped::Clock(doubt));
            if !options.dry_run {
                return Ok(report);
            }
        }
        let versions = known::versions(&state)?;
        let mut looks = Vec::new();
        for host in self.every_host(&state)? {
            let go_on = |objects| progress(objects).is_continue();
            let Some(look) = self.look(host, &state, &versions, &mut report, options, &go_on)? else {
                report.stopped = Some(Stopped::Asked);
                return Ok(report);
            };
            looks.push(look);
        }
        if options.dry_run || report.stopped.is_some() {
            return Ok(report);
        }
        Act { vault: self, now, progress }.run(looks, &mut report)?;
        Ok(report)
    }

    /// Completes deletions that were announced and not finished, as a sweep does first: until then, hosts cannot send these objects again.
    /// For the start of a server. Returns how many objects they are about; nothing is done while the clock is in doubt.
    pub fn resume_deletions(&self) -> Result<u64, VaultError> {
        let now = self.inner.clock.now();
        Act { vault: self, now, progress: &|_| ControlFlow::Continue(()) }.resume()
    }

    /// Hosts with a folder, and those that only the ledger knows.
    fn every_host(&self, state: &State) -> Result<BTreeSet<HostId>, VaultError> {
        let joined = self.hosts()?.into_iter().map(|key| key.host_id());
        Ok(joined.chain(state.hosts.keys().copied()).collect())
    }

    /// Looks at one host and adds what is to be done about it to the report; `None` when asked to stop.
    fn look(
        &self,
        host: HostId,
        state: &State,
        versions: &[Version],
        report: &mut SweepReport,
        options: &SweepOptions,
        go_on: &dyn Fn(u64) -> bool,
    ) -> Result<Option<Seen>, VaultError> {
        let vault = &*self.inner;
        let mut look = Look::new(vault, host)?;
        look.read_manifests(vault, state)?;
        let plan = look.plan(state, versions, report.now);
        let mut expiring: HashSet<ObjectId> = plan.expired().map(|snapshot| snapshot.manifest).collect();
        look.mark(vault, state, &expiring)?;
        let known = state.of_host(&host);
        if !look.list(vault, &known, report.now, go_on)? {
            return Ok(None);
        }
        let rules = deciding(versions, &look.tenant, report.now);
        let (mut condemn, mut delete) =
            (look.condemnable(state, &rules, report.now), look.deletable(state, &rules, report.now));
        let length = |stat: &Option<Stat>| stat.as_ref().map_or(0, |stat| stat.length);
        let mut tallies = (
            Tally::of(condemn.iter().map(|(_, length)| *length)),
            Tally::of(delete.iter().map(|(_, stat)| length(stat))),
        );
        let held =
            (!options.despite_brake).then(|| too_much(&plan, versions, &look, &rules, tallies)).flatten();
        if held.is_some() || look.lacking.is_some() && !options.despite_lacking {
            // Rules that take too much, a listing that is not whole, a host that lost something: nobody takes more away before somebody has looked.
            tallies = Default::default();
            expiring.clear();
            condemn.clear();
            delete.clear();
        }
        report.plan.decisions.extend(plan.decisions);
        report.hosts.push(HostSwept {
            host,
            tenant: look.tenant.clone(),
            name: look.name.clone(),
            expired: expiring.len() as u64,
            objects: Tally { objects: look.objects, bytes: look.bytes },
            condemned: tallies.0,
            deleted: tallies.1,
            locked: 0,
            unreceipted: look.unreceipted,
            lacking: look.lacking,
            held,
        });
        // What is not needed any more makes room for the other hosts.
        look.unnamed = Vec::new();
        Ok(Some(Seen { look, expiring, condemn, delete, grace: rules.grace }))
    }
}

/// Why a person has to look at this host first.
fn too_much(
    plan: &Plan,
    versions: &[Version],
    look: &Look,
    rules: &Rules,
    (condemned, deleted): (Tally, Tally),
) -> Option<Held> {
    if let Err(braked) = brake(plan, versions) {
        return Some(braked.into());
    }
    let (host, all, percent) = (look.host, look.bytes, rules.share_percent);
    [("condemned", condemned.bytes), ("deleted", deleted.bytes)].into_iter().find_map(|(verb, bytes)| {
        let fits = bytes <= FLOOR_BYTES || is_within_share(bytes.into(), all.into(), percent);
        (!fits).then_some(Held::Bytes { host, verb, bytes, all, percent })
    })
}

/// What was seen of a host, and what was decided from it.
struct Seen {
    look: Look,
    expiring: HashSet<ObjectId>,
    condemn: Vec<(Object, u64)>,
    delete: Vec<(Object, Option<Stat>)>,
    grace: Term,
}

/// The rules in force, with the longest grace and the smallest share of those that still protect.
fn deciding(versions: &[Version], tenant: &str, now: Nanos) -> Rules {
    let deciding = Version::deciding(versions, tenant, now);
    let mut rules = deciding.first().map_or(Rules::DEFAULT, |held| held.rules);
    for held in &deciding {
        rules.grace = rules.grace.max(held.rules.grace);
        rules.share_percent = rules.share_percent.min(held.rules.share_percent);
    }
    rules
}
