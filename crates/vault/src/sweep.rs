//! Retain and sweep: what retention no longer keeps expires, what nothing names is condemned, and after a grace and two passes deleted.
//!
//! `docs/vault.md`, "The ledger decides", says why no commit ever relies on what a sweep removes: every step is an entry of the ledger,
//! appended at the position after the state it was decided from, or decided anew. First everything is looked at, and nothing is
//! changed; only when all of it could be read, and no brake stops it, anything is appended.

mod act;
pub(crate) mod known;
mod look;
mod mark;
mod report;
pub(crate) mod seen;

pub use look::Lacking;
pub use report::{HostSwept, Stopped, SweepReport, Tally};

use crate::retention::{Plan, Rules, Term, Version, brake, is_within_share};
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
        let (now, versions) = (self.inner.clock.now(), known::versions(&state)?);
        let mut decisions = Vec::new();
        for host in state.hosts.keys() {
            let mut look = Look::new(&self.inner, *host)?;
            look.read_manifests(&self.inner, &state)?;
            decisions.extend(look.plan(&state, &versions, now).decisions);
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
        if report.stopped.is_none() && !options.despite_brake {
            report.stopped = self.brake(&report, &versions);
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
        if !look.list(vault, &known, go_on)? {
            return Ok(None);
        }
        let rules = deciding(versions, &look.tenant, report.now);
        let (mut condemn, mut delete) =
            (look.condemnable(state, &rules, report.now), look.deletable(state, &rules, report.now));
        if look.lacking.is_some() && !options.despite_lacking {
            // Either the listing is not whole, or the host lost something: nobody takes more away before somebody has looked.
            expiring.clear();
            condemn.clear();
            delete.clear();
        }
        report.plan.decisions.extend(plan.decisions);
        let length = |stat: &Option<Stat>| stat.as_ref().map_or(0, |stat| stat.length);
        report.hosts.push(HostSwept {
            host,
            tenant: look.tenant.clone(),
            expired: expiring.len() as u64,
            objects: Tally { objects: look.objects, bytes: look.bytes },
            condemned: Tally::of(condemn.iter().map(|(_, length)| *length)),
            deleted: Tally::of(delete.iter().map(|(_, stat)| length(stat))),
            locked: 0,
            unreceipted: look.unreceipted,
            lacking: look.lacking,
        });
        // What is not needed any more makes room for the other hosts.
        look.unnamed = Vec::new();
        Ok(Some(Seen { look, expiring, condemn, delete, grace: rules.grace }))
    }

    /// Why a person has to look at this first.
    fn brake(&self, report: &SweepReport, versions: &[Version]) -> Option<Stopped> {
        if let Err(braked) = brake(&report.plan, versions) {
            return Some(braked.into());
        }
        report.hosts.iter().find_map(|swept| {
            let percent = deciding(versions, &swept.tenant, report.now).share_percent;
            let (host, all) = (swept.host, swept.objects.bytes);
            [("condemned", swept.condemned), ("deleted", swept.deleted)].into_iter().find_map(
                |(verb, tally)| {
                    let bytes = tally.bytes;
                    let fits = bytes <= FLOOR_BYTES || is_within_share(bytes.into(), all.into(), percent);
                    (!fits).then_some(Stopped::Bytes { host, verb, bytes, all, percent })
                },
            )
        })
    }
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
