//! What was agreed with a tenant, as data: how many copies, where, how old, how long locked, how often tried, who is told.

use serde::{Deserialize, Serialize};

/// The policy of a tenant. What is absent is not demanded; the default is 3-2-1-1-0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Copies of the data altogether; the original counts as one.
    pub copies: u32,
    /// Different media among these, the host's own counted.
    pub media: u32,
    /// Copies at another place than the host's.
    pub offsite: u32,
    /// Copies that nobody can change or remove before their time: locked, or not connected.
    pub immutable: u32,
    /// Whether the newest drill of each source must have found nothing wrong.
    pub proven: bool,
    /// Kilometres between the host and its furthest copy, at least.
    pub apart_km: Option<u32>,
    /// Hours that the newest copy may be old, on each level of the plan.
    pub age_hours: Option<u32>,
    /// Days for which every vault locks at least.
    pub lock_days: Option<u32>,
    /// Days within which each source is proven.
    pub drill_days: Option<u32>,
    /// Minutes within which a source is restored, unless its plan says less.
    pub restore_minutes: Option<u32>,
    /// Days that copies are kept at least.
    pub keep_days: Option<u32>,
    /// Days within which each recovery identity is proven.
    pub identity_days: Option<u32>,
    /// Recovery identities that every snapshot is sealed to, at least.
    pub identities: u32,
    /// Hours within which each host is audited.
    pub audit_hours: u32,
    /// Days after which a host that is not heard of has vanished.
    pub vanished_days: u32,
    /// Days within which owner and contact are reviewed.
    pub review_days: Option<u32>,
    /// Whether each host's plan must be one that somebody approved.
    pub approved_plans: bool,
    /// Channels of this console that must be there: who is told.
    pub told: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::three_two_one_one_zero()
    }
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy: {0}")]
pub struct PolicyError(String);

const NUMBER_MAX: u32 = 100_000;
const COPIES_MAX: u32 = 20;

impl Policy {
    /// Three copies on two media, one at another place, one that cannot be changed, no error in a drill.
    pub fn three_two_one_one_zero() -> Self {
        Self {
            copies: 3,
            media: 2,
            offsite: 1,
            immutable: 1,
            proven: true,
            apart_km: None,
            age_hours: Some(26),
            lock_days: Some(14),
            drill_days: Some(35),
            restore_minutes: None,
            keep_days: Some(30),
            identity_days: Some(180),
            identities: 2,
            audit_hours: 50,
            vanished_days: 7,
            review_days: Some(365),
            approved_plans: true,
            told: Vec::new(),
        }
    }

    /// Reads one, and says what is wrong with it.
    pub fn parse(value: serde_json::Value) -> Result<Self, PolicyError> {
        if !value.is_object() {
            return Err(PolicyError("it is an object".into()));
        }
        let policy: Self = serde_json::from_value(value).map_err(|error| PolicyError(error.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// Whether the numbers can be meant.
    pub fn check(&self) -> Result<(), PolicyError> {
        let small = [self.copies, self.media, self.offsite, self.immutable, self.identities];
        if small.iter().any(|number| *number > COPIES_MAX) {
            return Err(PolicyError(format!(
                "copies, media, places and identities are at most {COPIES_MAX}"
            )));
        }
        if self.copies == 0 {
            return Err(PolicyError("copies counts the original: it is at least 1".into()));
        }
        if self.offsite.max(self.immutable) >= self.copies.max(1) && self.offsite.max(self.immutable) > 0 {
            return Err(PolicyError(
                "offsite and immutable ask for more copies than copies does; the original is neither".into(),
            ));
        }
        let terms = [
            self.apart_km,
            self.age_hours,
            self.lock_days,
            self.drill_days,
            self.restore_minutes,
            self.keep_days,
            self.identity_days,
            self.review_days,
            Some(self.audit_hours),
            Some(self.vanished_days),
        ];
        if terms.into_iter().flatten().any(|number| number == 0 || number > NUMBER_MAX) {
            return Err(PolicyError(format!(
                "terms and distances are between 1 and {NUMBER_MAX}; leave one out instead of writing 0"
            )));
        }
        if self.told.len() > 20 || self.told.iter().any(|name| name.is_empty() || name.len() > 100) {
            return Err(PolicyError("told names at most 20 channels".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_meant_is_taken() {
        assert_eq!(Policy::parse(serde_json::json!({})), Ok(Policy::three_two_one_one_zero()));
        let good = Policy::parse(serde_json::json!({"copies": 2, "age_hours": null})).expect("there is one");
        assert_eq!((good.copies, good.age_hours, good.media), (2, None, 2));
        for bad in [
            serde_json::json!({"copies": 0}),
            serde_json::json!({"copies": 1, "offsite": 1}),
            serde_json::json!({"age_hours": 0}),
            serde_json::json!({"copys": 3}),
            serde_json::json!({"copies": -1}),
            serde_json::json!({"told": [""]}),
            serde_json::json!([]),
        ] {
            assert!(Policy::parse(bad.clone()).is_err(), "{bad}");
        }
    }
}
