//! Judging: pure rules over history, a run and facts, each in a file of its own. `docs/rules.md` describes them for people.
//!
//! A rule says `None` when it cannot judge, an empty list when all is well, and otherwise the problems. A run is judged when its
//! report comes; sources, hosts and vaults are watched by the clock, because silence makes no report.

mod case;
mod changed;
mod clock_skew;
mod drill_broken;
mod drill_failed;
mod drill_overdue;
mod due;
mod duration;
mod end_marker;
mod entropy;
mod failed;
mod host_silent;
mod missing;
mod new_bytes;
mod objects;
mod out_of_step;
mod partial;
mod restore_slow;
mod settings;
mod size;
mod trees;
mod types;
mod usual;
mod vault_filling;
mod vault_set_back;
mod vault_silent;
mod version_old;
pub mod words;
mod zero_length;

pub use case::RunCase;
pub use settings::{Settings, SettingsError, Tolerance};
pub use vault_filling::{Forecast, forecast};

use crate::records::{
    Around, Evidence, HostFacts, Judged, Problem, RuleName, Severity, Subject, VaultFacts, Verdict,
};
use vow_protocol::report::Outcome;

/// What a rule finds, before it has a key.
pub(crate) struct Found {
    severity: Severity,
    sentence: String,
    next_step: String,
    evidence: Vec<Evidence>,
    /// The level it is about, when it is about one.
    level: Option<String>,
    reports: Vec<String>,
}

/// `None`: cannot judge. Empty: all is well.
pub(crate) type Said = Option<Vec<Found>>;

impl Found {
    pub(crate) fn new(severity: Severity, sentence: String, next_step: impl Into<String>) -> Self {
        Self {
            severity,
            sentence,
            next_step: next_step.into(),
            evidence: vec![],
            level: None,
            reports: vec![],
        }
    }

    pub(crate) fn with(mut self, label: &str, value: impl ToString) -> Self {
        self.evidence.push(Evidence { label: label.to_owned(), value: value.to_string() });
        self
    }

    pub(crate) fn on(mut self, level: &str) -> Self {
        self.level = Some(level.to_owned());
        self
    }

    pub(crate) fn report(mut self, id: &str) -> Self {
        self.reports.push(id.to_owned());
        self
    }

    fn said(self) -> Said {
        Some(vec![self])
    }
}

/// What judging a run takes.
type Judge = fn(&RunCase) -> Said;

/// Rules that judge a run.
const RUN_RULES: [(RuleName, Judge); 12] = [
    (RuleName::Failed, failed::judge),
    (RuleName::Partial, partial::judge),
    (RuleName::ZeroLength, zero_length::judge),
    (RuleName::EndMarker, end_marker::judge),
    (RuleName::Duration, duration::judge),
    (RuleName::Size, size::judge),
    (RuleName::NewBytes, new_bytes::judge),
    (RuleName::Trees, trees::judge),
    (RuleName::Changed, changed::judge),
    (RuleName::Types, types::judge),
    (RuleName::Entropy, entropy::judge),
    (RuleName::Objects, objects::judge),
];

/// What watching takes: the facts, what is set, the time.
type Watch<F> = fn(&F, &Settings, i64) -> Said;

const SOURCE_RULES: [(RuleName, Watch<Around>); 6] = [
    (RuleName::Missing, missing::watch),
    (RuleName::OutOfStep, out_of_step::watch),
    (RuleName::DrillFailed, drill_failed::watch),
    (RuleName::DrillOverdue, drill_overdue::watch),
    (RuleName::DrillBroken, drill_broken::watch),
    (RuleName::RestoreSlow, restore_slow::watch),
];

const HOST_RULES: [(RuleName, Watch<HostFacts>); 3] = [
    (RuleName::HostSilent, host_silent::watch),
    (RuleName::ClockSkew, clock_skew::watch),
    (RuleName::VersionOld, version_old::watch),
];

const VAULT_RULES: [(RuleName, Watch<VaultFacts>); 3] = [
    (RuleName::VaultSetBack, vault_set_back::watch),
    (RuleName::VaultFilling, vault_filling::watch),
    (RuleName::VaultSilent, vault_silent::watch),
];

/// Rules whose warning means that the content of a snapshot is in doubt: it does not count as healthy.
const CONTENT: [RuleName; 9] = [
    RuleName::Failed,
    RuleName::ZeroLength,
    RuleName::EndMarker,
    RuleName::Size,
    RuleName::Trees,
    RuleName::Changed,
    RuleName::Types,
    RuleName::Entropy,
    RuleName::Objects,
];

/// The verdict on a run.
pub fn judge_run(case: &RunCase) -> Verdict {
    let run = case.run;
    let subject = Subject::Source { host: run.host.clone(), source: run.body.source.clone() };
    let mut sheet = Sheet::new(&run.tenant, subject, case.settings);
    for (rule, judge) in RUN_RULES {
        sheet.enter(rule, || {
            let mut said = judge(case);
            for found in said.iter_mut().flatten() {
                found.reports.insert(0, run.report.clone());
            }
            said
        });
    }
    let judged = sheet.judged;
    let doubted =
        |problem: &Problem| problem.severity >= Severity::Warning && CONTENT.contains(&problem.key.rule);
    let healthy = run.body.outcome != Outcome::Failed && !judged.problems.iter().any(doubted);
    Verdict { judged, newest: case.is_newest(), healthy, learning: case.learning() }
}

/// What the clock says about a source.
pub fn watch_source(around: &Around, settings: &Settings, now_secs: i64) -> Judged {
    let subject = Subject::Source { host: around.host.host.clone(), source: around.source.clone() };
    watch(&around.host.tenant, subject, &SOURCE_RULES, around, settings, now_secs)
}

/// What the clock says about a host.
pub fn watch_host(host: &HostFacts, settings: &Settings, now_secs: i64) -> Judged {
    let subject = Subject::Host { host: host.host.clone() };
    watch(&host.tenant, subject, &HOST_RULES, host, settings, now_secs)
}

/// What the clock says about a vault.
pub fn watch_vault(vault: &VaultFacts, settings: &Settings, now_secs: i64) -> Judged {
    let subject = Subject::Vault { vault: vault.vault.clone() };
    watch(&vault.tenant, subject, &VAULT_RULES, vault, settings, now_secs)
}

fn watch<F>(
    tenant: &str,
    subject: Subject,
    rules: &[(RuleName, Watch<F>)],
    facts: &F,
    settings: &Settings,
    now_secs: i64,
) -> Judged {
    let mut sheet = Sheet::new(tenant, subject, settings);
    for (rule, watch) in rules {
        sheet.enter(*rule, || watch(facts, settings, now_secs));
    }
    sheet.judged
}

/// Collects what rules say.
struct Sheet<'a> {
    settings: &'a Settings,
    judged: Judged,
}

impl<'a> Sheet<'a> {
    fn new(tenant: &str, subject: Subject, settings: &'a Settings) -> Self {
        let judged = Judged { tenant: tenant.to_owned(), subject, rules: vec![], problems: vec![] };
        Self { settings, judged }
    }

    /// A rule that is switched off finds nothing: its tickets close.
    fn enter(&mut self, rule: RuleName, judge: impl FnOnce() -> Said) {
        let said = if self.settings.off.contains(&rule) { Some(vec![]) } else { judge() };
        let Some(found) = said else { return };
        self.judged.rules.push(rule);
        for found in found {
            let subject = match (&self.judged.subject, found.level) {
                (Subject::Source { host, source }, Some(level)) => {
                    Subject::Level { host: host.clone(), source: source.clone(), level }
                }
                (subject, _) => subject.clone(),
            };
            self.judged.problems.push(Problem {
                key: crate::records::Key { tenant: self.judged.tenant.clone(), rule, subject },
                severity: self.settings.severity.get(&rule).copied().unwrap_or(found.severity),
                sentence: found.sentence,
                next_step: found.next_step,
                evidence: found.evidence,
                reports: found.reports,
            });
        }
    }
}

#[cfg(test)]
mod tests;
