//! Carries an audit out within a transaction: findings, tickets, the day.

use super::checks::{self, Answer, Checked};
use super::collect::{facts, policy_of};
use super::facts::{HostFact, TenantFacts};
use super::host::{HostAudit, HostFinding};
use super::judge::{host_judged, tenant_judged};
use super::policy::Policy;
use super::score::{points_of_host, score};
use crate::db::audits::{self, AuditDay, Audited, NewFinding, Origin};
use crate::db::hosts::{self, KnownHost};
use crate::db::tickets::{InTransaction, rank};
use crate::db::{DbError, day_of};
use crate::ingest::Judge;
use crate::records::{Severity, Ticket};
use std::collections::{BTreeMap, BTreeSet};

/// What an audit of a tenant came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was agreed, or the ready-made policy.
    pub policy: Policy,
    /// Whether it was agreed: without, nothing becomes a ticket.
    pub agreed: bool,
    /// What it said.
    pub result: Audited,
    /// Tickets that changed.
    pub tickets: Vec<Ticket>,
}

/// Takes in what a host's own audit found.
pub async fn take_host(
    store: &InTransaction,
    judge: &Judge,
    known: &KnownHost,
    audit: &HostAudit,
    now: i64,
) -> Result<Vec<Ticket>, DbError> {
    let found: Vec<_> = audit.findings.iter().map(|one| of_host(known.host_id, one, now)).collect();
    let of = (known.tenant_id, Some(known.host_id));
    audits::keep_findings(&mut *store.lock().await, of, Origin::Host, &found, now).await?;
    judge.ticket(store, &host_judged(&known.tenant, &known.host, audit, now), now).await
}

fn of_host(host_id: i64, one: &HostFinding, now: i64) -> NewFinding {
    NewFinding {
        host_id: Some(host_id),
        name: one.finding.clone(),
        severity: rank(one.severity),
        waived: one.is_waived(now),
        sentence: one.text.clone(),
        body: serde_json::json!({
            "check": one.check, "next_step": one.hint, "offer": one.offer,
            "waiver": one.waived.as_ref().map(|waiver| format!("accepted by {} until {}: {}", waiver.by, waiver.until, waiver.reason)),
        }),
    }
}

/// Audits a tenant: holds it against its policy, keeps the day, makes tickets say so.
pub async fn audit_tenant(
    store: &InTransaction,
    judge: &Judge,
    (tenant_id, tenant): (i64, &str),
    now: i64,
) -> Result<Outcome, DbError> {
    let channels: BTreeSet<String> = judge.routes.routes.iter().map(|route| route.channel.clone()).collect();
    let (facts, policy, agreed) = {
        let mut conn = store.lock().await;
        // Findings of hosts may change below; what is read of them is then the newest.
        hosts::hold_all(&mut conn, tenant_id).await?;
        let kept = audits::kept(&mut conn, tenant_id).await?;
        let (policy, agreed) = policy_of(&kept);
        (facts(&mut conn, (tenant_id, tenant), &kept, channels).await?, policy, agreed)
    };
    let checked = checks::all(&facts, &policy, now);
    let of = |host: &HostFact| points_of_host(host, &checked, &policy, now);
    let points: BTreeMap<String, i64> =
        facts.hosts.iter().filter_map(|host| Some((host.name.clone(), of(host)?))).collect();
    let result = Audited { score: score(&facts.hosts, &checked, &policy, now), points, checked };
    let judged = match agreed {
        true => tenant_judged(tenant, &result.checked),
        false => tenant_judged(tenant, &[]),
    };
    let mut tickets = judge.ticket(store, &judged, now).await?;
    tickets.extend(ended_waivers(store, judge, &facts, tenant_id, now).await?);
    let mut conn = store.lock().await;
    let ids: BTreeMap<&str, i64> = facts.hosts.iter().map(|host| (host.name.as_str(), host.id)).collect();
    let kept = result.checked.iter().filter(|one| one.answer != Answer::Pass && one.check != "coverage");
    let found: Vec<_> = kept.map(|one| of_policy(&ids, one)).collect();
    audits::keep_findings(&mut conn, (tenant_id, None), Origin::Policy, &found, now).await?;
    audits::keep_day(&mut conn, tenant_id, day(&facts, &result, now)).await?;
    audits::keep_result(&mut conn, tenant_id, &result, now).await?;
    drop(conn);
    Ok(Outcome { policy, agreed, result, tickets })
}

/// A host that says nothing more keeps no waiver alive.
async fn ended_waivers(
    store: &InTransaction,
    judge: &Judge,
    facts: &TenantFacts,
    tenant_id: i64,
    now: i64,
) -> Result<Vec<Ticket>, DbError> {
    let mut tickets = Vec::new();
    let living = facts.hosts.iter().filter(|host| host.closed_secs.is_none());
    for host in living {
        let Some(audit) = &host.audit else { continue };
        if audit.findings.iter().any(|one| one.waived.is_some() && !one.is_waived(now)) {
            let known = KnownHost {
                host_id: host.id,
                tenant_id,
                tenant: facts.tenant.clone(),
                host: host.name.clone(),
            };
            tickets.extend(take_host(store, judge, &known, audit, now).await?);
        }
    }
    Ok(tickets)
}

fn of_policy(ids: &BTreeMap<&str, i64>, one: &Checked) -> NewFinding {
    NewFinding {
        host_id: ids.get(one.host.as_str()).copied(),
        name: one.name(),
        severity: rank(if one.answer == Answer::Unknown { Severity::Notice } else { one.severity }),
        waived: one.answer == Answer::Waived,
        sentence: one.sentence.clone(),
        body: serde_json::json!({
            "check": one.check, "answer": one.answer, "next_step": one.next_step, "evidence": one.evidence, "waiver": one.waiver,
        }),
    }
}

fn day(facts: &TenantFacts, result: &Audited, now: i64) -> AuditDay {
    let number = |wanted: &dyn Fn(&Checked) -> bool| {
        i64::try_from(result.checked.iter().filter(|one| wanted(one)).count()).unwrap_or(i64::MAX)
    };
    let is = |answer: Answer| move |one: &Checked| one.answer == answer;
    AuditDay {
        day: day_of(now),
        score: result.score,
        hosts: i64::try_from(facts.hosts.iter().filter(|host| host.record.gone_secs.is_none()).count())
            .unwrap_or(i64::MAX),
        passed: number(&is(Answer::Pass)),
        found: number(&is(Answer::Finding)),
        critical: number(&|one| one.answer == Answer::Finding && one.severity == Severity::Critical),
        unknown: number(&is(Answer::Unknown)),
        waived: number(&is(Answer::Waived)),
    }
}
