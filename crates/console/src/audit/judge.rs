//! From findings to tickets: what a host's audit found has one ticket for each finding, what the policy lacks has one for each check and host.

use super::checks::{Answer, Checked};
use super::host::HostAudit;
use crate::records::{Evidence, Judged, Key, Problem, RuleName, Severity, Subject};
use std::collections::BTreeMap;

/// Things that one ticket of a check names.
const NAMED_MAX: usize = 20;

/// What a host's audit says, for tickets.
pub fn host_judged(tenant: &str, host: &str, audit: &HostAudit, now_secs: i64) -> Judged {
    let problem = |finding: String, severity, sentence: String, next_step: String, evidence| Problem {
        key: Key {
            tenant: tenant.to_owned(),
            rule: RuleName::Audit,
            subject: Subject::Finding { host: host.to_owned(), finding },
        },
        severity,
        sentence,
        next_step,
        evidence,
        reports: Vec::new(),
    };
    let mut problems: Vec<_> = audit
        .findings
        .iter()
        .filter(|one| !one.is_waived(now_secs))
        // One cause, one ticket: the rule `failed` has judged that run already.
        .filter(|one| !one.finding.starts_with("run:"))
        .map(|one| {
            let mut evidence = Vec::new();
            let mut put = |label: &str, value: &str| {
                evidence.push(Evidence { label: label.into(), value: value.to_owned() });
            };
            put("finding", &one.finding);
            if let Some(offer) = &one.offer {
                put("add to vow.toml", offer);
            }
            if let Some(waiver) = &one.waived {
                put(
                    "its waiver has ended",
                    &format!("{}, by {}: {}", waiver.until, waiver.by, waiver.reason),
                );
            }
            problem(one.finding.clone(), one.severity, one.text.clone(), one.hint.clone(), evidence)
        })
        .collect();
    if audit.more > 0 {
        problems.push(problem(
            "more".into(),
            Severity::Warning,
            format!("The audit of {host} has {} findings more than are kept here.", audit.more),
            "Close or accept those that are shown, and run `vow audit` there for all of them.".into(),
            Vec::new(),
        ));
    }
    Judged {
        tenant: tenant.to_owned(),
        subject: Subject::Audit { host: host.to_owned() },
        rules: vec![RuleName::Audit],
        problems,
    }
}

/// What the checks of a policy say, for tickets. `coverage` has tickets by its findings, of each host.
pub fn tenant_judged(tenant: &str, checked: &[Checked]) -> Judged {
    let mut groups: BTreeMap<(&str, &str), Vec<&Checked>> = BTreeMap::new();
    let is_open =
        |one: &&Checked| matches!(one.answer, Answer::Finding | Answer::Unknown) && one.check != "coverage";
    for one in checked.iter().filter(is_open) {
        groups.entry((&one.check, &one.host)).or_default().push(one);
    }
    let problems = groups
        .into_iter()
        .filter_map(|((check, host), mut ones)| {
            ones.sort_by_key(|one| (std::cmp::Reverse(weight(one)), &one.about));
            let worst = ones.first()?;
            let more = ones.len() - 1;
            let sentence = match more {
                0 => worst.sentence.clone(),
                more => format!("{} And {more} more of the same kind.", worst.sentence),
            };
            let severity = if worst.answer == Answer::Unknown { Severity::Notice } else { worst.severity };
            let mut evidence = worst.evidence.clone();
            let others =
                ones.iter().take(NAMED_MAX).map(|one| Evidence { label: one.name(), value: said(one) });
            evidence.extend(others);
            Some(Problem {
                key: Key {
                    tenant: tenant.to_owned(),
                    rule: RuleName::Policy,
                    subject: Subject::Policy { check: check.to_owned(), host: host.to_owned() },
                },
                severity,
                sentence,
                next_step: worst.next_step.clone(),
                evidence,
                reports: Vec::new(),
            })
        })
        .collect();
    Judged { tenant: tenant.to_owned(), subject: Subject::Tenant, rules: vec![RuleName::Policy], problems }
}

fn weight(one: &Checked) -> (bool, Severity) {
    (one.answer == Answer::Finding, one.severity)
}

fn said(one: &Checked) -> String {
    match &one.waiver {
        Some(waiver) => format!("{} ({waiver})", one.sentence),
        None => one.sentence.clone(),
    }
}
