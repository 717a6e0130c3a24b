//! Pings of other tools: each is a run of the source that it stands for.

use super::gate::{Answer, ApiError, Known, List, Named, Sent};
use crate::auth::{Right, secret};
use crate::db::hosts::KnownHost;
use crate::db::pings::{self as rows, Ping};
use crate::db::{Scope, hosts, sources};
use crate::import::{self, End, Parser};
use crate::ingest::Arrived;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use vow_protocol::limits::is_name;
use vow_protocol::report::{Body as Said, FORMAT, Report, RunReport, VERSION};

/// A new address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPing {
    /// The tenant.
    pub tenant: String,
    /// The host.
    pub host: String,
    /// The name of the backup.
    pub source: String,
    /// What reads its output; `plain` when nothing is said.
    pub parser: Option<String>,
    /// How often it must come; as often as it usually does when nothing is said, and then nobody waits for the first two.
    pub every_secs: Option<i64>,
}

/// Nobody pings more often than every minute, or is waited for longer than a year.
const EVERY_SECS: std::ops::RangeInclusive<i64> = 60..=366 * 86_400;

/// Output that is kept, in bytes; of more, the end.
const OUTPUT_BYTES_MAX: usize = 100_000;
/// Output that is read at all.
const BODY_BYTES_MAX: usize = 10 << 20;

/// Makes an address, and the host and the source that it stands for.
pub async fn add_ping(app: &App, who: &Caller, new: &NewPing) -> Result<String, Error> {
    who.need(Right::Admit)?;
    if !is_name(&new.tenant) || !is_name(&new.host) {
        return Err(Error::Malformed("tenant and host are 1 to 63 characters of a-z 0-9 . _ -".into()));
    }
    if new.source.is_empty() || new.source.len() > 100 || new.source.chars().any(char::is_control) {
        return Err(Error::Malformed("the backup has a name of 1 to 100 characters".into()));
    }
    if new.every_secs.is_some_and(|secs| !EVERY_SECS.contains(&secs)) {
        return Err(Error::Malformed("a backup is due every minute at most, and every year at least".into()));
    }
    let parser = new.parser.as_deref().unwrap_or("plain");
    let source_type = parser.parse::<Parser>().map_err(Error::Malformed)?.source_type();
    let uuid = secret::random_uuid().map_err(|error| Error::Internal(error.to_string()))?;
    let now = app.now();
    let mut conn = app.db.write().await?;
    let tenant_id = match who.scope {
        Scope::All => hosts::tenant_id(&mut conn, &new.tenant, now).await?,
        Scope::Tenant(own) => {
            let known = hosts::find_tenant(&mut conn, &new.tenant).await?;
            known
                .filter(|id| *id == own)
                .ok_or_else(|| Error::Malformed("the tenant must be your own".into()))?
        }
    };
    let host_id = hosts::host_id(&mut conn, tenant_id, &new.host, now).await?;
    let source_id =
        sources::source_id(&mut conn, (host_id, tenant_id), &new.source, source_type, now).await?;
    if let Some(secs) = new.every_secs {
        let mut adjusted = match sources::adjusted(&mut conn, source_id).await? {
            Some(Value::Object(adjusted)) => adjusted,
            _ => serde_json::Map::new(),
        };
        adjusted.insert("period_secs".to_owned(), secs.into());
        sources::adjust(&mut conn, source_id, Some(&adjusted.into())).await?;
    }
    rows::add(&mut conn, &uuid, (source_id, tenant_id), parser, &who.actor, now).await?;
    let object = format!("source {}/{}/{}", new.tenant, new.host, new.source);
    who.note(&mut conn, Some(tenant_id), "ping.add", &object, parser, now).await?;
    conn.commit().await?;
    Ok(uuid)
}

/// Ends an address.
pub async fn revoke_ping(app: &App, who: &Caller, id: i64) -> Result<(), Error> {
    who.need(Right::Admit)?;
    let mut conn = app.db.write().await?;
    if !rows::revoke(&mut conn, who.scope, id, app.now()).await? {
        return Err(Error::Absent);
    }
    who.note(&mut conn, None, "ping.revoke", &format!("ping number {id}"), "", app.now()).await?;
    conn.commit().await?;
    Ok(())
}

pub(super) async fn list(State(app): State<Arc<App>>, who: Known) -> Answer<List<Ping>> {
    who.need(Right::Admit)?;
    Ok(Json(List::of(rows::list(&mut app.read().await?, who.scope).await?)))
}

pub(super) async fn post_ping(
    State(app): State<Arc<App>>,
    who: Known,
    Sent(new): Sent<NewPing>,
) -> Answer<Value> {
    let uuid = add_ping(&app, &who, &new).await?;
    let base = app.config.web_base();
    Ok(Json(json!({"uuid": uuid, "url": format!("{base}/ping/{uuid}")})))
}

pub(super) async fn post_revoke(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<Value> {
    revoke_ping(&app, &who, id).await?;
    Ok(Json(json!({"done": true})))
}

pub(super) async fn ping(
    State(app): State<Arc<App>>,
    Path(uuid): Path<String>,
    request: Request,
) -> Response {
    answer(take(&app, &uuid, "", request).await)
}

pub(super) async fn ping_what(
    State(app): State<Arc<App>>,
    Path((uuid, what)): Path<(String, String)>,
    request: Request,
) -> Response {
    answer(take(&app, &uuid, &what, request).await)
}

/// What clients of healthchecks expect.
fn answer(taken: Result<(), Error>) -> Response {
    match taken {
        Ok(()) => (StatusCode::OK, "OK").into_response(),
        Err(Error::Absent) => (StatusCode::NOT_FOUND, "not found").into_response(),
        Err(Error::Malformed(_)) => (StatusCode::BAD_REQUEST, "invalid url format").into_response(),
        Err(error) => ApiError(error).into_response(),
    }
}

async fn take(app: &App, uuid: &str, what: &str, request: Request) -> Result<(), Error> {
    let method = request.method().clone();
    if !matches!(method.as_str(), "GET" | "HEAD" | "POST") {
        return Err(Error::Malformed("a ping is GET, HEAD or POST".into()));
    }
    let ping = rows::by_uuid(&mut app.read().await?, uuid).await?.ok_or(Error::Absent)?;
    let output = captured(request.into_body()).await?;
    let now = app.now();
    let end = match what {
        "start" => return start(app, &ping, now).await,
        "log" => return log(app, &ping, output, now).await,
        "" => End::Done,
        "fail" => End::Failed,
        status => End::Exit(status.parse().map_err(|_| Error::Malformed(String::new()))?),
    };
    let logged = rows::log(&mut app.read().await?, ping.id).await?;
    // A tool whose output came while it ran has none left for the end.
    let said = if output.trim().is_empty() { &logged } else { &output };
    let report = report(&ping, end, said, now)?;
    let known = KnownHost {
        host_id: ping.host_id,
        tenant_id: ping.tenant_id,
        tenant: ping.tenant.clone(),
        host: ping.host.clone(),
    };
    let output = Some(last_part(format!("{logged}{output}")));
    let stored = app.queue.put(Arrived { known, report, output }).await;
    stored.map_err(|error| match error {
        crate::ingest::IngestError::Db(error) => Error::Db(error),
        other => Error::Internal(other.to_string()),
    })?;
    let mut conn = app.db.write().await?;
    rows::ended(&mut conn, ping.id, &logged, now).await?;
    Ok(conn.commit().await?)
}

/// A run begins. What was logged by one that never ended is not its own.
async fn start(app: &App, ping: &Ping, now: i64) -> Result<(), Error> {
    let mut conn = app.db.write().await?;
    rows::pinged(&mut conn, ping.id, Some(now), now).await?;
    if ping.started_secs.is_some() {
        rows::keep_log(&mut conn, ping.id, "").await?;
    }
    Ok(conn.commit().await?)
}

/// Something to be kept with the run that ends next. It says nothing of how that run does.
async fn log(app: &App, ping: &Ping, mut text: String, now: i64) -> Result<(), Error> {
    let mut conn = app.db.write().await?;
    // Takes the row: of two that log at once none is lost.
    rows::pinged(&mut conn, ping.id, ping.started_secs, now).await?;
    if !text.is_empty() {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let before = rows::log(&mut conn, ping.id).await?;
        rows::keep_log(&mut conn, ping.id, &last_part(before + &text)).await?;
    }
    Ok(conn.commit().await?)
}

/// A body as text.
async fn captured(body: Body) -> Result<String, Error> {
    let read = http_body_util::Limited::new(body, BODY_BYTES_MAX).collect();
    let read = tokio::time::timeout(std::time::Duration::from_secs(30), read).await;
    let Ok(Ok(read)) = read else { return Err(Error::Malformed("the body is too long or broke off".into())) };
    Ok(String::from_utf8_lossy(&read.to_bytes()).into_owned())
}

/// What is kept of a text: its end, when it is long.
fn last_part(mut text: String) -> String {
    let mut from = text.len().saturating_sub(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.split_off(from)
}

/// The run that a ping stands for, as far as its tool's output tells.
fn report(ping: &Ping, end: End, output: &str, now: i64) -> Result<Report, Error> {
    let id = || secret::random_id().map_err(|error| Error::Internal(error.to_string()));
    let started_secs = ping.started_secs.filter(|started| *started <= now).unwrap_or(now);
    let parser = ping.parser.parse::<Parser>().map_err(Error::Internal)?;
    let mut body = RunReport {
        run: id()?,
        source: ping.source.clone(),
        source_type: parser.source_type().into(),
        started_secs,
        duration_secs: (now - started_secs) as f64,
        outcome: import::outcome(parser, end),
        snapshot: None,
        sequence: None,
        files: 0,
        dirs: 0,
        bytes: 0,
        added_bytes: 0,
        errors: 0,
        error: None,
        hint: None,
        problems: vec![],
        notes: vec![],
        levels: vec![],
        end_marker: None,
        shape: None,
        objects: Default::default(),
        attempt: 1,
        next_secs: None,
        plan: None,
        recipients: vec![],
    };
    import::fill(parser, output, &mut body);
    Ok(Report {
        format: FORMAT.into(),
        version: VERSION,
        id: id()?,
        tenant: ping.tenant.clone(),
        host: ping.host.clone(),
        made_secs: now,
        software: "ping".into(),
        body: Said::Run(Box::new(body)),
    })
}
