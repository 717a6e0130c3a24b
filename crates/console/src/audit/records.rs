//! What people wrote down about a tenant: who answers for it, who must be able to open its backups, what was accepted.

use super::day_secs;
use serde::{Deserialize, Serialize};

/// The records of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Records {
    /// Who answers for it.
    pub owner: String,
    /// How they are reached.
    pub contact: String,
    /// The day on which somebody last looked whether this still holds: 2026-11-28.
    pub reviewed: String,
    /// Who looked.
    pub reviewed_by: String,
    /// Whom snapshots must be sealed to: exactly these.
    pub recipients: Vec<Approved>,
    /// Findings of the policy that were accepted.
    pub waivers: Vec<Waiver>,
}

/// A recovery key that was approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approved {
    /// Its fingerprint: 32 hexadecimal digits, as `vow key list` shows them.
    pub fingerprint: String,
    /// Who has the identity, and where.
    pub holder: String,
}

/// A finding that somebody accepted until a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waiver {
    /// The finding's name: `copies:web-1/orders`.
    pub finding: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// The last day.
    pub until: String,
}

/// Why records are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the records: {0}")]
pub struct RecordsError(String);

const LIST_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 1000;

impl Records {
    /// Reads them, and says what is wrong with them.
    pub fn parse(value: serde_json::Value) -> Result<Self, RecordsError> {
        if !value.is_object() {
            return Err(RecordsError("they are an object".into()));
        }
        let records: Self = serde_json::from_value(value).map_err(|error| RecordsError(error.to_string()))?;
        records.check()?;
        Ok(records)
    }

    /// Whether they can be meant.
    pub fn check(&self) -> Result<(), RecordsError> {
        let wrong = |why: &str| Err(RecordsError(why.to_owned()));
        if self.recipients.len() > LIST_MAX || self.waivers.len() > LIST_MAX {
            return wrong("at most 200 recipients and 200 waivers");
        }
        let texts = [&self.owner, &self.contact, &self.reviewed_by].into_iter();
        let texts = texts.chain(self.recipients.iter().map(|one| &one.holder));
        let mut texts = texts.chain(self.waivers.iter().flat_map(|one| [&one.finding, &one.reason, &one.by]));
        if texts.any(|text| text.len() > TEXT_BYTES_MAX) {
            return wrong("a text is longer than 1000 bytes");
        }
        if !self.reviewed.is_empty() && day_secs(&self.reviewed).is_none() {
            return wrong("reviewed is a day, as in 2026-11-28");
        }
        let hex = |text: &str| {
            text.len() == 32 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
        };
        if self.recipients.iter().any(|one| !hex(&one.fingerprint)) {
            return wrong("a recipient is named by its fingerprint, 32 hexadecimal digits (`vow key list`)");
        }
        let complete = |one: &Waiver| {
            !one.finding.is_empty()
                && !one.reason.is_empty()
                && !one.by.is_empty()
                && day_secs(&one.until).is_some()
        };
        if !self.waivers.iter().all(complete) {
            return wrong("a waiver has a finding, a reason, a name and a last day");
        }
        Ok(())
    }

    /// The waiver that holds for a finding at a time; and one that ended, which is said with the finding.
    pub fn waiver(&self, finding: &str, now_secs: i64) -> (Option<&Waiver>, Option<&Waiver>) {
        let ends = |one: &&Waiver| day_secs(&one.until).map_or(0, |day| day + 86_400);
        let meant = self.waivers.iter().filter(|one| one.finding == finding);
        let newest = meant.max_by_key(ends);
        match newest {
            Some(one) if ends(&one) > now_secs => (Some(one), None),
            Some(one) => (None, Some(one)),
            None => (None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_holds_to_the_end_of_its_last_day() {
        let waiver = |until: &str| Waiver {
            finding: "copies:web-1/a".into(),
            reason: "r".into(),
            by: "ann".into(),
            until: until.into(),
        };
        let records =
            Records { waivers: vec![waiver("2026-11-28"), waiver("2026-01-01")], ..Records::default() };
        assert_eq!(records.check(), Ok(()));
        let end = day_secs("2026-11-29").expect("there is one");
        assert!(records.waiver("copies:web-1/a", end - 1).0.is_some());
        assert_eq!(records.waiver("copies:web-1/a", end).1.map(|one| &*one.until), Some("2026-11-28"));
        assert_eq!(records.waiver("copies:web-1/b", end), (None, None));
        for bad in ["", "tomorrow", "2026-02-30"] {
            assert!(Records { waivers: vec![waiver(bad)], ..Records::default() }.check().is_err(), "{bad}");
        }
    }
}
