//! What there is to say of the bucket that a vault lies in.

use crate::app::Context;
use crate::commands::vault::bucket::InBucket;
use crate::failure::Outcome;
use serde_json::{Value, json};
use vow_base::vault::VaultError;
use vow_vault::chores::duties;
use vow_vault::storage::s3::{Protection, Weight};

/// A bucket: what its settings say, and what a probe found when one was asked for.
pub(super) struct BucketFacts {
    says: Protection,
    /// What was tried, and what came of it.
    tried: Option<String>,
    /// What somebody must look at.
    pub(super) problem: Option<String>,
}

impl BucketFacts {
    pub(super) fn of(bucket: &InBucket, probe: bool) -> Outcome<Self> {
        let says = bucket.storage.protection();
        let unlocked = "the bucket locks nothing: whoever has its credentials can empty it".to_owned();
        let mut facts =
            Self { says, tried: None, problem: (bucket.must_lock && !says.locks).then_some(unlocked) };
        if !probe {
            let harmful = bucket.storage.look_at_settings().map_err(VaultError::Disk)?;
            let harmful = harmful.iter().filter(|finding| finding.weight() >= Weight::Harmful);
            facts.problem = facts
                .problem
                .into_iter()
                .chain(harmful.map(ToString::to_string))
                .reduce(|a, b| format!("{a}; {b}"));
            return Ok(facts);
        }
        match duties::probed(&bucket.storage.probe(), bucket.must_lock) {
            Ok(said) => facts.tried = Some(said),
            Err(why) => (facts.tried, facts.problem) = (Some(why.clone()), Some(why)),
        }
        Ok(facts)
    }

    fn says(&self) -> &'static str {
        match (self.says.versions, self.says.locks) {
            (true, true) => "keeps versions and locks them",
            (true, false) => "keeps versions, locks nothing",
            (false, _) => "keeps no versions, locks nothing",
        }
    }

    pub(super) fn print(&self, cx: &Context) {
        let untried = "as it says itself; --probe tries it";
        let tried = self.tried.as_deref().unwrap_or(untried);
        cx.ui.line(&format!("{:<12}{} ({tried})", "bucket", self.says()));
    }

    pub(super) fn value(&self) -> Value {
        json!({"versions": self.says.versions, "locks": self.says.locks, "probe": self.tried, "problem": self.problem})
    }
}
