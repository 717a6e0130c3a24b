//! What the rules of an audit see: plain values, as they are known to the console at one moment.

use super::host::HostAudit;
use super::records::Records;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Everything about a tenant.
#[derive(Debug, Clone, Default)]
pub struct TenantFacts {
    /// Its name.
    pub tenant: String,
    /// Every host that was ever known.
    pub hosts: Vec<HostFact>,
    /// Vaults that are watched, by fingerprint.
    pub vaults: BTreeMap<String, VaultFact>,
    /// What people wrote down.
    pub records: Records,
    /// When each recovery identity was last proven, by fingerprint.
    pub identities: BTreeMap<String, i64>,
    /// Channels of this console.
    pub channels: BTreeSet<String>,
}

/// A host.
#[derive(Debug, Clone, Default)]
pub struct HostFact {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Since when it is known.
    pub since_secs: i64,
    /// When it was last heard of.
    pub heard_secs: Option<i64>,
    /// Since when it is closed.
    pub closed_secs: Option<i64>,
    /// Until when nothing is expected of it.
    pub quiet_until_secs: Option<i64>,
    /// SHA-256 of its plan, as it last reported it.
    pub plan: Option<String>,
    /// What people wrote down about it.
    pub record: HostRecord,
    /// Its newest audit.
    pub audit: Option<HostAudit>,
    /// When that was made.
    pub audited_secs: Option<i64>,
    /// What its inventory says of its network.
    pub inventory: Option<InventoryFact>,
    /// Its sources that are in its plan.
    pub sources: Vec<SourceFact>,
    /// When a vault last received anything of it.
    pub received_secs: Option<i64>,
}

/// What people wrote down about a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostRecord {
    /// SHA-256 of the plan that was approved.
    pub plan: Option<String>,
    /// Who approved it.
    pub plan_by: String,
    /// When.
    pub plan_secs: i64,
    /// Who decommissioned it.
    pub gone_by: String,
    /// Why.
    pub gone_reason: String,
    /// When; absent while it is in use.
    pub gone_secs: Option<i64>,
    /// The points that it had then.
    pub gone_points: i64,
    /// Where it stands.
    pub place: Place,
}

/// A place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// Its name: two things with the same are at the same place.
    pub name: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
}

impl Place {
    /// Kilometres to another one; `None` when one of them is not known so exactly.
    pub fn km_to(&self, other: &Self) -> Option<f64> {
        let (a, b) = (self.latitude?.to_radians(), other.latitude?.to_radians());
        let (across, up) = ((other.longitude? - self.longitude?).to_radians(), b - a);
        let half = (up / 2.0).sin().powi(2) + a.cos() * b.cos() * (across / 2.0).sin().powi(2);
        Some(2.0 * EARTH_KM * half.clamp(0.0, 1.0).sqrt().asin())
    }

    /// Whether degrees are degrees.
    pub fn is_sound(&self) -> bool {
        let within = |value: Option<f64>, most: f64| value.is_none_or(|value| value.abs() <= most);
        within(self.latitude, 90.0) && within(self.longitude, 180.0) && self.name.len() <= 200
    }
}

const EARTH_KM: f64 = 6371.0;

/// What a host's inventory says of its network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InventoryFact {
    /// When it was made.
    pub made_secs: i64,
    /// Its own addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// What listens on it, for others to reach.
    pub listening: BTreeSet<u16>,
    /// Ports of other machines to which it has connections.
    pub peers: BTreeSet<(IpAddr, u16)>,
    /// Whether it could see all of its processes: run by root.
    pub whole: bool,
}

/// A source in a plan.
#[derive(Debug, Clone, Default)]
pub struct SourceFact {
    /// Its name.
    pub name: String,
    /// Since when it is known.
    pub since_secs: i64,
    /// Fingerprints of whom its newest snapshot is sealed to.
    pub recipients: Option<BTreeSet<String>>,
    /// What its plan promises of restoring, in seconds.
    pub restore_target_secs: Option<u64>,
    /// When its newest run began that made a snapshot, as the host says.
    pub good_secs: Option<i64>,
    /// Its levels in the plan.
    pub copies: Vec<CopyFact>,
}

/// A source on one level.
#[derive(Debug, Clone, Default)]
pub struct CopyFact {
    /// The level.
    pub level: String,
    /// The fingerprint of its vault.
    pub vault: Option<String>,
    /// When the newest was received, by the vault's own receipt.
    pub received_secs: Option<i64>,
    /// Whether the host says that the vault has its newest one.
    pub reported: Option<bool>,
    /// When the oldest was received that is still kept.
    pub oldest_secs: Option<i64>,
    /// When one of it was last proven.
    pub proven_secs: Option<i64>,
    /// What the newest drill said.
    pub verdict: Option<String>,
    /// How long restoring took then.
    pub restore_secs: Option<f64>,
}

/// A vault.
#[derive(Debug, Clone, Default)]
pub struct VaultFact {
    /// Its name.
    pub name: String,
    /// What people wrote down about it.
    pub record: VaultRecord,
    /// When it last answered.
    pub answered_secs: Option<i64>,
    /// How its ledger contradicts what was read before.
    pub set_back: Option<String>,
    /// Position and id of the newest entry of its ledger that was read.
    pub head: Option<(i64, String)>,
    /// What other vaults have seen of its ledger, and say that it contradicts.
    pub witnessed: Vec<String>,
    /// What a probe of its bucket said, when it has one: well or not.
    pub probe: Option<Result<String, String>>,
}

/// What people wrote down about a vault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaultRecord {
    /// Where it stands.
    pub place: Place,
    /// What it is stored on: `disk`, `object store`, `tape`, ….
    pub medium: String,
    /// Whether nobody can change it before its time: locked storage, or not connected.
    pub immutable: bool,
    /// For how many days it locks every snapshot.
    pub lock_days: Option<u32>,
}

impl VaultRecord {
    /// Whether it can be meant.
    pub fn is_sound(&self) -> bool {
        self.place.is_sound() && self.medium.len() <= 100 && self.lock_days.is_none_or(|days| days <= 100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_maps() {
        let place = |latitude, longitude| Place {
            latitude: Some(latitude),
            longitude: Some(longitude),
            ..Place::default()
        };
        let (frankfurt, berlin) = (place(50.11, 8.68), place(52.52, 13.40));
        let km = frankfurt.km_to(&berlin).expect("there is one");
        assert!((415.0..435.0).contains(&km), "{km}");
        assert_eq!(frankfurt.km_to(&frankfurt), Some(0.0));
        assert_eq!(frankfurt.km_to(&Place::default()), None);
        let far = place(0.0, 0.0).km_to(&place(0.0, 180.0)).expect("there is one");
        assert!((20_000.0..20_040.0).contains(&far), "{far}");
    }
}
