//! Audits, policies, records and reports.

use super::gate::{Answer, Known, List, Named, Sent};
use crate::audit::desk::{self, HostStep};
use crate::audit::{CHECKS, HostAudit, HostRecord, Place, Policy, Records, VaultRecord};
use crate::auth::Right;
use crate::db::audits::{self, AuditDay, Audited, Finding};
use crate::db::hosts::{self, Document};
use crate::db::{Scope, day_of, vaults};
use crate::server::App;
use crate::server::error::Error;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

const FINDINGS_MAX: i64 = 5000;
const DAYS: i64 = 400;

fn done() -> Json<Value> {
    Json(json!({"done": true}))
}

#[derive(Serialize)]
pub(super) struct TenantAudit {
    tenant: hosts::Tenant,
    /// Whether a policy was agreed; without, the ready-made one is shown and nothing becomes a ticket.
    agreed: bool,
    policy: Policy,
    records: Records,
    audited_secs: Option<i64>,
    result: Option<Audited>,
    days: Vec<AuditDay>,
    /// Every check, and what it asks.
    checks: Vec<[&'static str; 2]>,
}

pub(super) async fn tenant(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<TenantAudit> {
    let mut conn = app.read().await?;
    let seen = desk::see(&mut conn, &who, id).await?;
    let today = day_of(app.now());
    Ok(Json(TenantAudit {
        days: audits::days(&mut conn, id, today - DAYS, today).await?,
        tenant: seen.tenant,
        agreed: seen.agreed,
        policy: seen.policy,
        records: seen.records,
        audited_secs: seen.kept.audited_secs,
        result: seen.kept.result,
        checks: CHECKS.iter().map(|(name, asks)| [*name, *asks]).collect(),
    }))
}

pub(super) async fn audit(State(app): State<Arc<App>>, who: Known, Named(id): Named<i64>) -> Answer<Audited> {
    Ok(Json(desk::audit(&app, &who, id).await?.result))
}

pub(super) async fn policy(State(app): State<Arc<App>>, who: Known, Named(id): Named<i64>) -> Answer<Value> {
    let seen = desk::see(&mut app.read().await?, &who, id).await?;
    Ok(Json(json!({"agreed": seen.agreed, "policy": seen.policy})))
}

pub(super) async fn set_policy(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(wanted): Sent<Value>,
) -> Answer<Value> {
    desk::set_policy(&app, &who, id, wanted).await?;
    Ok(done())
}

pub(super) async fn records(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<Records> {
    Ok(Json(desk::see(&mut app.read().await?, &who, id).await?.records))
}

pub(super) async fn set_records(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(wanted): Sent<Value>,
) -> Answer<Value> {
    desk::set_records(&app, &who, id, wanted).await?;
    Ok(done())
}

pub(super) async fn findings(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<List<Finding>> {
    let mut conn = app.read().await?;
    desk::see(&mut conn, &who, id).await?;
    let wanted = audits::Wanted::default();
    Ok(Json(List::of(audits::findings(&mut conn, Scope::Tenant(id), wanted, FINDINGS_MAX).await?)))
}

#[derive(Serialize)]
pub(super) struct WholeAudit {
    audited_secs: Option<i64>,
    audit: Option<HostAudit>,
    findings: Vec<Finding>,
    closed: Vec<Finding>,
    record: HostRecord,
    plan: Option<String>,
}

pub(super) async fn host(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<WholeAudit> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    let host = hosts::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let document = hosts::document(&mut conn, id, Document::Audit).await?;
    let of = |closed| audits::Wanted { host_id: Some(id), closed, since_secs: 0 };
    let scope = Scope::Tenant(host.tenant_id);
    Ok(Json(WholeAudit {
        audited_secs: document.as_ref().map(|(made, _)| *made),
        audit: document.map(|(_, document)| HostAudit::read(&document)),
        findings: audits::findings(&mut conn, scope, of(false), FINDINGS_MAX).await?,
        closed: audits::findings(&mut conn, scope, of(true), 200).await?,
        record: audits::host_record(&mut conn, id).await?,
        plan: hosts::facts(&mut conn, id).await?.alive.and_then(|alive| alive.plan),
    }))
}

/// What is written down about a host.
#[derive(Debug, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    ApprovePlan { plan: String },
    Place { place: Place },
    Decommission { reason: String },
    Recommission {},
}

pub(super) async fn change_host(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(step): Sent<Step>,
) -> Answer<Value> {
    let step = match step {
        Step::ApprovePlan { plan } => HostStep::ApprovePlan { plan },
        Step::Place { place } => HostStep::Place(place),
        Step::Decommission { reason } => HostStep::Decommission { by: who.name.clone(), reason },
        Step::Recommission {} => HostStep::Recommission,
    };
    desk::change_host(&app, &who, id, step).await?;
    Ok(done())
}

pub(super) async fn vault_record(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<VaultRecord> {
    who.need(Right::SeeVaults)?;
    let mut conn = app.read().await?;
    vaults::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    Ok(Json(audits::vault_records(&mut conn).await?.remove(&id).unwrap_or_default()))
}

pub(super) async fn set_vault_record(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(record): Sent<VaultRecord>,
) -> Answer<Value> {
    desk::set_vault(&app, &who, id, record).await?;
    Ok(done())
}
