//! The checks of a tenant's policy, each a pure rule over facts, in a file of its subject.

mod copies;
mod coverage;
mod honesty;
mod keys;
mod ledger;
mod records;
mod tried;

use super::facts::TenantFacts;
use super::policy::Policy;
use super::score::is_vanished;
use crate::records::{Evidence, Severity};
use serde::{Deserialize, Serialize};

/// What a check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is as it was agreed.
    #[default]
    Pass,
    /// It is not.
    Finding,
    /// Nobody knows: never a pass.
    Unknown,
    /// It is not, and somebody accepted that.
    Waived,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The check: one of [`CHECKS`].
    pub check: String,
    /// What it is about: `web-1/orders`, `vault remote`, empty for the tenant.
    pub about: String,
    /// The host that it is about; empty when it is about none.
    pub host: String,
    /// What it says.
    pub answer: Answer,
    /// How bad a finding is.
    pub severity: Severity,
    /// One sentence for a person.
    pub sentence: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// The next step.
    pub next_step: String,
    /// Why it is accepted, by whom, until when; or that this has ended.
    #[serde(default)]
    pub waiver: Option<String>,
}

impl Default for Checked {
    fn default() -> Self {
        Self {
            check: String::new(),
            about: String::new(),
            host: String::new(),
            answer: Answer::Pass,
            severity: Severity::Warning,
            sentence: String::new(),
            evidence: Vec::new(),
            next_step: String::new(),
            waiver: None,
        }
    }
}

impl Checked {
    /// Its name, as a waiver names it: `copies:web-1/orders`.
    pub fn name(&self) -> String {
        match self.about.is_empty() {
            true => self.check.clone(),
            false => format!("{}:{}", self.check, self.about),
        }
    }
}

/// Every check, with what it asks.
pub const CHECKS: [(&str, &str); 19] = [
    ("audited", "Is every host audited in time, and did the audit see all of it?"),
    ("coverage", "Does the host's own audit find nothing that is open?"),
    ("copies", "Are there as many copies, on as many media and places, as agreed?"),
    ("distance", "Is one copy far enough away?"),
    ("age", "Is the newest copy on each level young enough?"),
    ("lock", "Do the vaults lock for as long as agreed, and did they refuse when tried?"),
    ("retention", "Are copies kept as long as agreed?"),
    ("drill", "Was each source proven within its term, without an error?"),
    ("restore", "Is it restored quickly enough?"),
    ("recipients", "Are the newest snapshots sealed to exactly the approved keys?"),
    ("identity", "Was each recovery identity proven within its term?"),
    ("told", "Is there somebody who is told?"),
    ("owner", "Is it written down who answers for it, and was that reviewed?"),
    ("plan", "Is each host's plan the one that was approved?"),
    ("alive", "Is every host heard of, or was it decommissioned by a named person?"),
    ("ledger", "Do the ledgers of the vaults continue what was read before?"),
    ("witness", "Do other vaults agree with the heads of the ledgers?"),
    ("receipts", "Do the hosts' words fit what vaults have received?"),
    ("ports", "Do the hosts' words about open ports fit what other hosts see?"),
];

/// Holds a tenant against its policy. Waivers of the records are applied.
pub fn all(facts: &TenantFacts, policy: &Policy, now_secs: i64) -> Vec<Checked> {
    let mut sheet = Sheet { facts, policy, now_secs, checked: Vec::new() };
    records::look(&mut sheet);
    ledger::look(&mut sheet);
    keys::identities(&mut sheet);
    honesty::ports(&mut sheet);
    for host in &facts.hosts {
        records::host(&mut sheet, host);
        // What is gone has no copies to be judged; a host that only fell silent has.
        if host.record.gone_secs.is_some() || host.closed_secs.is_some() {
            continue;
        }
        coverage::host(&mut sheet, host);
        honesty::receipts(&mut sheet, host);
        for source in &host.sources {
            copies::source(&mut sheet, host, source);
            tried::source(&mut sheet, host, source);
            keys::source(&mut sheet, host, source);
        }
    }
    let mut checked = sheet.checked;
    for one in checked.iter_mut().filter(|one| matches!(one.answer, Answer::Finding | Answer::Unknown)) {
        match facts.records.waiver(&one.name(), now_secs) {
            (Some(waiver), _) => {
                one.answer = Answer::Waived;
                one.waiver =
                    Some(format!("accepted by {} until {}: {}", waiver.by, waiver.until, waiver.reason));
            }
            (None, Some(ended)) => {
                one.answer = Answer::Finding;
                one.waiver = Some(format!("its waiver by {} ended on {}", ended.by, ended.until));
            }
            (None, None) => {}
        }
    }
    checked.sort_by(|a, b| (&a.check, &a.about).cmp(&(&b.check, &b.about)));
    checked
}

/// Collects answers.
struct Sheet<'f> {
    facts: &'f TenantFacts,
    policy: &'f Policy,
    now_secs: i64,
    checked: Vec<Checked>,
}

impl Sheet<'_> {
    fn put(&mut self, check: &str, (host, about): (&str, String), said: Said) {
        debug_assert!(CHECKS.iter().any(|(name, _)| *name == check), "{check} is in no list");
        self.checked.push(Checked {
            check: check.to_owned(),
            host: host.to_owned(),
            about,
            answer: said.answer,
            severity: said.severity,
            sentence: said.sentence,
            evidence: said.evidence,
            next_step: said.next_step,
            waiver: None,
        });
    }

    fn vanished(&self, host: &super::facts::HostFact) -> bool {
        is_vanished(host, self.policy, self.now_secs)
    }
}

/// What a check says, before it has a name.
struct Said {
    answer: Answer,
    severity: Severity,
    sentence: String,
    next_step: String,
    evidence: Vec<Evidence>,
}

impl Said {
    fn pass(sentence: impl Into<String>) -> Self {
        Self {
            answer: Answer::Pass,
            severity: Severity::Notice,
            sentence: sentence.into(),
            next_step: String::new(),
            evidence: Vec::new(),
        }
    }

    fn finding(severity: Severity, sentence: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { answer: Answer::Finding, severity, next_step: next_step.into(), ..Self::pass(sentence) }
    }

    fn unknown(sentence: impl Into<String>, next_step: impl Into<String>) -> Self {
        let severity = Severity::Warning;
        Self { answer: Answer::Unknown, severity, next_step: next_step.into(), ..Self::pass(sentence) }
    }

    fn with(mut self, label: &str, value: impl ToString) -> Self {
        self.evidence.push(Evidence { label: label.to_owned(), value: value.to_string() });
        self
    }
}

/// `3 days`, `5 hours`.
fn span(secs: i64) -> String {
    crate::rules::words::span(secs as f64)
}

#[cfg(test)]
mod tests;
