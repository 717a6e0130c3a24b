//! What can be adjusted, for all, a tenant, a host or a source: later layers replace what they name.

use crate::records::{RuleName, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const MIB: u64 = 1 << 20;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How far a number may be from what is usual. A difference speaks only when it is larger than each of these and than
/// [`Settings::spreads`] allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tolerance {
    /// How much smaller, as a share of the median: 0.25 is a quarter less. 1 never speaks.
    pub down_share: f64,
    /// How much larger, as a share of the median: 0.5 is half as much again.
    pub up_share: f64,
    /// How much smaller, in bytes or seconds.
    pub down_floor: f64,
    /// How much larger, in bytes or seconds.
    pub up_floor: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { down_share: 0.25, up_share: 0.5, down_floor: 4096.0, up_floor: 10.0 * MIB as f64 }
    }
}

/// What rules go by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Rules that say nothing.
    pub off: BTreeSet<RuleName>,
    /// Severities other than the rule's own.
    pub severity: BTreeMap<RuleName, Severity>,
    /// Runs from which on a source is known; before, only what is grossly different speaks.
    pub learning_runs: usize,
    /// How many robust standard deviations (1.4826 × MAD) from the median are usual.
    pub spreads: f64,
    /// Bytes of a source.
    pub size: Tolerance,
    /// New bytes of a run.
    pub new_bytes: Tolerance,
    /// The least share of the whole source that is new before "much is new" speaks.
    pub new_bytes_share: f64,
    /// Seconds of a run.
    pub duration: Tolerance,
    /// The share of changed and gone files above the usual that speaks.
    pub changed_share: f64,
    /// The share of files that are not what their name says, above the usual, that speaks.
    pub types_share: f64,
    /// The share of random bytes above the usual that speaks.
    pub entropy_share: f64,
    /// The share of its files or bytes that a tree must have lost to count as vanished.
    pub tree_lost_share: f64,
    /// The share of the source that a new tree must have to be told.
    pub tree_new_share: f64,
    /// How long after it was due a snapshot may still arrive, besides twice its usual duration; `None` is a quarter of the time
    /// between two runs, at least 15 minutes, at most 3 hours.
    pub grace_secs: Option<i64>,
    /// How often a source without a schedule is expected; `None` is its usual time between two runs.
    pub period_secs: Option<i64>,
    /// How long a level may be behind the others.
    pub out_of_step_secs: i64,
    /// Days until a vault is full from which on it is told.
    pub vault_days: f64,
    /// Days until a vault is full from which on it is critical.
    pub vault_days_critical: f64,
    /// The share of a vault in use from which on it is told whatever the forecast.
    pub vault_share: f64,
    /// How long a vault may be silent.
    pub vault_silent_secs: i64,
    /// How long a host may be silent.
    pub host_silent_secs: i64,
    /// How wrong a clock may be.
    pub clock_skew_secs: i64,
    /// The oldest version that is not old; `None` is one minor version before the console's own.
    pub version_min: Option<String>,
    /// Within which time each source must be proven; `None` when nobody drills it.
    pub drill_term_secs: Option<i64>,
    /// Since when this console listens: nobody is silent before that. Set by the console, not by people.
    #[serde(skip)]
    pub listening_since_secs: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            off: BTreeSet::new(),
            severity: BTreeMap::new(),
            learning_runs: 8,
            spreads: 6.0,
            size: Tolerance::default(),
            new_bytes: Tolerance {
                down_share: 0.95,
                up_share: 4.0,
                down_floor: MIB as f64,
                ..Tolerance::default()
            },
            new_bytes_share: 0.3,
            duration: Tolerance { down_share: 0.8, up_share: 2.0, down_floor: 60.0, up_floor: 600.0 },
            changed_share: 0.2,
            types_share: 0.05,
            entropy_share: 0.35,
            tree_lost_share: 0.9,
            tree_new_share: 0.3,
            grace_secs: None,
            period_secs: None,
            out_of_step_secs: 6 * HOUR,
            vault_days: 30.0,
            vault_days_critical: 7.0,
            vault_share: 0.95,
            vault_silent_secs: HOUR,
            host_silent_secs: HOUR / 2,
            clock_skew_secs: 120,
            version_min: None,
            drill_term_secs: Some(35 * DAY),
            listening_since_secs: 0,
        }
    }
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not what settings look like.
    #[error("the settings of rules are not valid: {0}; docs/rules.md lists them")]
    Form(String),
    /// A number that makes no sense.
    #[error("the setting {name} is {value}, and must be {must}")]
    Range {
        /// Its name.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: &'static str,
    },
}

impl Settings {
    /// The settings from layers of JSON objects, each naming only what it changes: for all, for the tenant, the host, the source.
    pub fn layered<'a>(
        layers: impl IntoIterator<Item = &'a serde_json::Value>,
    ) -> Result<Self, SettingsError> {
        let form = |error: serde_json::Error| SettingsError::Form(error.to_string());
        let mut whole = serde_json::to_value(Self::default()).map_err(form)?;
        for layer in layers {
            if !layer.is_object() {
                return Err(SettingsError::Form("a layer is an object".to_owned()));
            }
            merge(&mut whole, layer);
        }
        let settings: Self = serde_json::from_value(whole).map_err(form)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let refuse = |name, value: &dyn ToString, must| {
            Err(SettingsError::Range { name, value: value.to_string(), must })
        };
        if !(2..=200).contains(&self.learning_runs) {
            return refuse("learning_runs", &self.learning_runs, "from 2 to 200");
        }
        let shares = [
            ("new_bytes_share", self.new_bytes_share),
            ("changed_share", self.changed_share),
            ("types_share", self.types_share),
            ("entropy_share", self.entropy_share),
            ("tree_lost_share", self.tree_lost_share),
            ("tree_new_share", self.tree_new_share),
            ("vault_share", self.vault_share),
            ("size.down_share", self.size.down_share),
            ("new_bytes.down_share", self.new_bytes.down_share),
            ("duration.down_share", self.duration.down_share),
        ];
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return refuse(name, &value, "from 0 to 1");
            }
        }
        let times = [
            ("grace_secs", self.grace_secs),
            ("period_secs", self.period_secs.map(|secs| secs - 1)),
            ("out_of_step_secs", Some(self.out_of_step_secs)),
            ("vault_silent_secs", Some(self.vault_silent_secs)),
            ("host_silent_secs", Some(self.host_silent_secs)),
            ("clock_skew_secs", Some(self.clock_skew_secs)),
            ("drill_term_secs", self.drill_term_secs),
        ];
        for (name, value) in times {
            if value.is_some_and(|value| !(0..=100 * 365 * DAY).contains(&value)) {
                return refuse(name, &value.unwrap_or_default(), "a time in seconds, not negative");
            }
        }
        Ok(())
    }
}

/// Objects are merged, everything else is replaced.
fn merge(into: &mut serde_json::Value, layer: &serde_json::Value) {
    match (into, layer) {
        (serde_json::Value::Object(into), serde_json::Value::Object(layer)) => {
            for (name, value) in layer {
                merge(into.entry(name.clone()).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, layer) => *into = layer.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn later_layers_replace_only_what_they_name() {
        let tenant = json!({"size": {"down_share": 0.1}, "severity": {"partial": "critical"}});
        let source = json!({"size": {"up_share": 3.0}, "off": ["duration"], "severity": {"size": "notice"}});
        let settings = Settings::layered([&tenant, &source]).expect("good settings");
        assert_eq!((settings.size.down_share, settings.size.up_share), (0.1, 3.0));
        assert_eq!(settings.off.into_iter().collect::<Vec<_>>(), [RuleName::Duration]);
        assert_eq!(settings.severity.len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (bad, name) in [
            (json!({"siez": {}}), "siez"),
            (json!({"off": ["nosuch"]}), "nosuch"),
            (json!({"learning_runs": 0}), "learning_runs"),
            (json!({"size": {"down_share": 1.5}}), "size.down_share"),
            (json!({"grace_secs": -1}), "grace_secs"),
            (json!([]), "settings of rules"),
        ] {
            let error = Settings::layered([&bad]).expect_err("bad settings").to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
