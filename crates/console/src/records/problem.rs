//! What a rule says: a problem, and the verdict on a run.

use super::key::{Key, RuleName, Subject};
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be looked at when there is time.
    Notice,
    /// To be looked at today.
    Warning,
    /// To be looked at now: data may be lost.
    Critical,
}

impl Severity {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One number or name that a person can check the sentence with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is: `usually`, `error`, `snapshot`.
    pub label: String,
    /// Its value, for people.
    pub value: String,
}

/// Something that someone must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The same problem has the same.
    pub key: Key,
    /// How bad it is.
    pub severity: Severity,
    /// One plain sentence with numbers.
    pub sentence: String,
    /// What to do.
    pub next_step: String,
    /// What the sentence rests on.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// Ids of the reports of runs or proofs that show it.
    #[serde(default)]
    pub reports: Vec<String>,
}

/// What rules said about one subject: the problems, and which rules could judge at all.
///
/// A ticket heals only when its rule could judge its subject and found nothing: silence of a rule is not health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The tenant.
    pub tenant: String,
    /// What was judged; a source includes its levels.
    pub subject: Subject,
    /// The rules that could judge.
    pub rules: Vec<RuleName>,
    /// What they found.
    pub problems: Vec<Problem>,
}

impl Judged {
    /// Whether a problem with this key would be among the problems if it still were there.
    pub fn decides(&self, key: &Key) -> bool {
        key.tenant == self.tenant && self.rules.contains(&key.rule) && self.subject.covers(&key.subject)
    }
}

/// The verdict on one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What the rules said.
    pub judged: Judged,
    /// Whether it is the newest run of its source: an older one that comes late opens and closes no tickets.
    pub newest: bool,
    /// Whether the snapshot counts as healthy: it is there, and no rule finds a warning or worse about its content.
    pub healthy: bool,
    /// Why rules that compare with earlier runs are not yet sure, for people; `None` when they are.
    pub learning: Option<String>,
}

impl Verdict {
    /// Rules that spoke, to be remembered with the run.
    pub fn spoke(&self) -> Vec<RuleName> {
        let mut rules: Vec<_> = self.judged.problems.iter().map(|problem| problem.key.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}
