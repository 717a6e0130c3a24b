//! What can be read.

use super::gate::{Answer, Asked, Known, List, Named};
use crate::auth::Right;
use crate::db::hosts::{self as host_rows, Document, Host, HostDay, HostKey, Tenant};
use crate::db::proofs::ProofRow;
use crate::db::runs::{RunRow, SourceDay};
use crate::db::snapshots::Snapshot;
use crate::db::sources::{Debt, Level, Source};
use crate::db::tickets::Leads;
use crate::db::vaults::{Vault, VaultHost};
use crate::db::{self, audit as audit_rows, day_of};
use crate::ingest::judge::RULES;
use crate::records::{Ticket, TicketEvent, Usage};
use crate::server::App;
use crate::server::error::Error;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const OPENAPI: &str = include_str!("../../../../docs/console-openapi.json");

pub(super) async fn openapi(_: Known) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

/// How much of a list.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    limit: i64,
    offset: i64,
    q: String,
    least: i64,
    closed: bool,
    before: Option<i64>,
    days: i64,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 50, offset: 0, q: String::new(), least: 0, closed: false, before: None, days: 90 }
    }
}

impl Page {
    fn limit(&self) -> i64 {
        self.limit.clamp(1, 500)
    }

    fn offset(&self) -> i64 {
        self.offset.clamp(0, 10_000_000)
    }
}

#[derive(Serialize)]
pub(super) struct Me {
    name: String,
    role: crate::auth::Role,
    tenant_id: Option<i64>,
}

pub(super) async fn me(who: Known) -> Answer<Me> {
    Ok(Json(Me { name: who.name.clone(), role: who.role, tenant_id: who.scope.tenant() }))
}

#[derive(Serialize)]
pub(super) struct Overview {
    /// None, notice, warning, critical.
    hosts: [i64; 4],
    /// Those without a ticket that were never heard of.
    unheard: i64,
    /// Notices, warnings, critical ones.
    tickets: [i64; 3],
    proven: db::sources::Proven,
}

pub(super) async fn overview(State(app): State<Arc<App>>, who: Known) -> Answer<Overview> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    Ok(Json(Overview {
        hosts: host_rows::severities(&mut conn, who.scope).await?,
        unheard: host_rows::unheard(&mut conn, who.scope).await?,
        tickets: db::tickets::severities(&mut conn, who.scope).await?,
        proven: db::sources::proven(&mut conn, who.scope, app.now() - 35 * 86_400).await?,
    }))
}

pub(super) async fn tenants(State(app): State<Arc<App>>, who: Known) -> Answer<List<Tenant>> {
    who.need(Right::See)?;
    Ok(Json(List::of(host_rows::tenants(&mut app.read().await?, who.scope).await?)))
}

pub(super) async fn hosts(
    State(app): State<Arc<App>>,
    who: Known,
    Asked(page): Asked<Page>,
) -> Answer<List<Host>> {
    who.need(Right::See)?;
    let wanted = host_rows::Wanted { text: page.q.clone(), severity: page.least, closed: page.closed };
    let mut conn = app.read().await?;
    let items = host_rows::list(&mut conn, who.scope, &wanted, page.limit(), page.offset()).await?;
    Ok(Json(List { items, total: Some(host_rows::count(&mut conn, who.scope, &wanted).await?) }))
}

#[derive(Serialize)]
pub(super) struct WholeHost {
    host: Host,
    sources: Vec<Source>,
    levels: Vec<Level>,
    days: Vec<HostDay>,
    keys: Vec<HostKey>,
    inventory: Option<(i64, serde_json::Value)>,
    audit: Option<(i64, serde_json::Value)>,
}

pub(super) async fn host(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<WholeHost> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    let host = host_rows::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let sources = db::sources::of_host(&mut conn, id).await?;
    let ids: Vec<i64> = sources.iter().map(|source| source.id).collect();
    Ok(Json(WholeHost {
        levels: db::sources::levels(&mut conn, &ids).await?,
        days: host_rows::days(&mut conn, &[id], day_of(app.now()) - 31).await?,
        keys: host_rows::keys(&mut conn, id).await?,
        inventory: host_rows::document(&mut conn, id, Document::Inventory).await?,
        audit: host_rows::document(&mut conn, id, Document::Audit).await?,
        host,
        sources,
    }))
}

#[derive(Serialize)]
pub(super) struct WholeSource {
    source: Source,
    levels: Vec<Level>,
    adjusted: Option<serde_json::Value>,
}

pub(super) async fn source(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<WholeSource> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    let source = db::sources::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let levels = db::sources::levels(&mut conn, &[id]).await?;
    Ok(Json(WholeSource { source, levels, adjusted: db::sources::adjusted(&mut conn, id).await? }))
}

async fn known_source(app: &App, who: &Known, id: i64) -> Result<db::Conn, Error> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    db::sources::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    Ok(conn)
}

pub(super) async fn days(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Asked(page): Asked<Page>,
) -> Answer<List<SourceDay>> {
    let mut conn = known_source(&app, &who, id).await?;
    let first = day_of(app.now()) - page.days.clamp(1, 1000);
    Ok(Json(List::of(db::runs::days(&mut conn, id, first).await?)))
}

pub(super) async fn runs(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Asked(page): Asked<Page>,
) -> Answer<List<RunRow>> {
    let mut conn = known_source(&app, &who, id).await?;
    Ok(Json(List::of(
        db::runs::of_source(&mut conn, id, page.before.unwrap_or(i64::MAX), page.limit()).await?,
    )))
}

pub(super) async fn snapshots(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Asked(page): Asked<Page>,
) -> Answer<List<Snapshot>> {
    let mut conn = known_source(&app, &who, id).await?;
    Ok(Json(List::of(db::snapshots::of_source(&mut conn, id, page.limit()).await?)))
}

#[derive(Serialize)]
pub(super) struct WholeRun {
    run: RunRow,
    report: Option<vow_protocol::report::RunReport>,
    output: Option<String>,
}

pub(super) async fn run(State(app): State<Arc<App>>, who: Known, Named(id): Named<i64>) -> Answer<WholeRun> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    let run = db::runs::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let (report, output) = db::runs::details(&mut conn, id)
        .await?
        .map_or((None, None), |(report, output)| (Some(report), output));
    Ok(Json(WholeRun { run, report, output }))
}

pub(super) async fn tickets(
    State(app): State<Arc<App>>,
    who: Known,
    Asked(page): Asked<Page>,
) -> Answer<List<Ticket>> {
    who.need(Right::See)?;
    let wanted = db::tickets::Wanted { closed: page.closed, ..db::tickets::Wanted::default() };
    let mut conn = app.read().await?;
    let items = db::tickets::list(&mut conn, who.scope, &wanted, page.limit(), page.offset()).await?;
    Ok(Json(List { items, total: Some(db::tickets::count(&mut conn, who.scope, &wanted).await?) }))
}

#[derive(Serialize)]
pub(super) struct WholeTicket {
    ticket: Ticket,
    #[serde(flatten)]
    leads: Leads,
    events: Vec<TicketEvent>,
}

pub(super) async fn ticket(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<String>,
) -> Answer<WholeTicket> {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    let (ticket, leads) = db::tickets::get(&mut conn, who.scope, &id).await?.ok_or(Error::Absent)?;
    Ok(Json(WholeTicket { ticket, leads, events: db::tickets::events(&mut conn, &id, 500).await? }))
}

pub(super) async fn proofs(
    State(app): State<Arc<App>>,
    who: Known,
    Asked(page): Asked<Page>,
) -> Answer<List<ProofRow>> {
    who.need(Right::See)?;
    Ok(Json(List::of(db::proofs::list(&mut app.read().await?, who.scope, page.limit()).await?)))
}

pub(super) async fn proof(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<ProofRow> {
    who.need(Right::See)?;
    Ok(Json(db::proofs::get(&mut app.read().await?, who.scope, id).await?.ok_or(Error::Absent)?))
}

pub(super) async fn debts(
    State(app): State<Arc<App>>,
    who: Known,
    Asked(page): Asked<Page>,
) -> Answer<List<Debt>> {
    who.need(Right::See)?;
    Ok(Json(List::of(db::sources::debts(&mut app.read().await?, who.scope, page.limit()).await?)))
}

pub(super) async fn vaults(State(app): State<Arc<App>>, who: Known) -> Answer<List<Vault>> {
    who.need(Right::SeeVaults)?;
    Ok(Json(List::of(db::vaults::list(&mut app.read().await?, who.scope).await?)))
}

#[derive(Serialize)]
pub(super) struct WholeVault {
    vault: Vault,
    usage: Vec<Usage>,
    hosts: Vec<VaultHost>,
}

pub(super) async fn vault(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<WholeVault> {
    who.need(Right::SeeVaults)?;
    let mut conn = app.read().await?;
    let vault = db::vaults::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let usage = db::vaults::usage(&mut conn, id, day_of(app.now()) - 400).await?;
    Ok(Json(WholeVault { vault, usage, hosts: db::vaults::hosts(&mut conn, id, 1000).await? }))
}

pub(super) async fn audit(
    State(app): State<Arc<App>>,
    who: Known,
    Asked(page): Asked<Page>,
) -> Answer<List<audit_rows::Entry>> {
    who.need(Right::SeeAudit)?;
    let before = page.before.unwrap_or(i64::MAX);
    Ok(Json(List::of(audit_rows::list(&mut app.read().await?, who.scope, before, page.limit()).await?)))
}

pub(super) async fn rules(State(app): State<Arc<App>>, who: Known) -> Answer<serde_json::Value> {
    who.need(Right::SeeVaults)?;
    let set: Option<serde_json::Value> = db::settings::get(&mut app.read().await?, RULES).await?;
    Ok(Json(set.unwrap_or_else(|| serde_json::json!({}))))
}
