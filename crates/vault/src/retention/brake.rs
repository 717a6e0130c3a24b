//! The brake: a plan that would take away too much at once is not carried out; a person looks at it first.

use super::plan::{Decision, Plan};
use super::policy::Version;
use std::collections::BTreeMap;
use vow_base::HostId;

/// Why a plan is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Braked {
    /// Too many snapshots of a host.
    #[error("{expired} of {all} snapshots of host {} would expire at once; its rules allow {percent} %", .host.short())]
    Snapshots {
        /// The host.
        host: HostId,
        /// How many would expire.
        expired: usize,
        /// Of how many.
        all: usize,
        /// What its rules allow.
        percent: u32,
    },
    /// Snapshots with too large a share of what a host's snapshots count as content.
    #[error(
        "snapshots with {} of {} of host {} would expire at once; its rules allow {percent} %",
        size(.expired), size(.all), .host.short()
    )]
    Bytes {
        /// The host.
        host: HostId,
        /// Bytes of content of those that would expire.
        expired: u128,
        /// Of how many.
        all: u128,
        /// What its rules allow.
        percent: u32,
    },
    /// Every snapshot of a source.
    #[error("every snapshot of source {source_name:?} of host {} would expire", .host.short())]
    Source {
        /// The host.
        host: HostId,
        /// The source.
        source_name: String,
    },
}

/// Whether the plan stays below the share that the rules of each tenant allow.
///
/// One snapshot of a host may always expire: a host with three would otherwise never get rid of any. The share is that of the
/// strictest rules that still protect.
pub fn brake(plan: &Plan, versions: &[Version]) -> Result<(), Braked> {
    let mut hosts: BTreeMap<HostId, Vec<&Decision>> = BTreeMap::new();
    for decision in &plan.decisions {
        hosts.entry(decision.snapshot.host).or_default().push(decision);
    }
    for (host, decisions) in hosts {
        whole_sources(host, &decisions)?;
        let Some(last) = decisions.last() else { continue };
        let deciding = Version::deciding(versions, &last.snapshot.tenant, plan.now);
        let percent = deciding.iter().map(|held| held.rules.share_percent).min().unwrap_or(0);
        let expired: Vec<_> = decisions.iter().filter(|decision| !decision.is_kept()).collect();
        if expired.len() <= 1 {
            continue;
        }
        if !is_within_share(expired.len() as u128, decisions.len() as u128, percent) {
            return Err(Braked::Snapshots { host, expired: expired.len(), all: decisions.len(), percent });
        }
        let bytes = |decision: &&Decision| u128::from(decision.snapshot.bytes);
        let (gone, all) = (expired.into_iter().map(bytes).sum(), decisions.iter().map(bytes).sum());
        if !is_within_share(gone, all, percent) {
            return Err(Braked::Bytes { host, expired: gone, all, percent });
        }
    }
    Ok(())
}

/// The plan itself never does this: it keeps the newest of each source. This does not rely on it.
fn whole_sources(host: HostId, decisions: &[&Decision]) -> Result<(), Braked> {
    let mut kept: BTreeMap<&str, bool> = BTreeMap::new();
    for decision in decisions {
        *kept.entry(&decision.snapshot.source).or_default() |= decision.is_kept();
    }
    match kept.into_iter().find(|(_, kept)| !kept) {
        Some((source, _)) => Err(Braked::Source { host, source_name: source.to_owned() }),
        None => Ok(()),
    }
}

/// Whether `part` is at most so many percent of `all`.
pub(crate) fn is_within_share(part: u128, all: u128, percent: u32) -> bool {
    part.saturating_mul(100) <= all.saturating_mul(percent.into())
}

fn size(bytes: &u128) -> String {
    vow_base::amount::readable(u64::try_from(*bytes).unwrap_or(u64::MAX))
}
