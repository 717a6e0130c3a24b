//! What hosts ask: who this is, to join, to take a report.

use super::app::App;
use super::speak::Peer;
use crate::db::hosts::KnownHost;
use crate::db::{DbError, audit, hosts, people};
use crate::ingest::{Arrived, IngestError};
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use vow_base::id::hex;
use vow_base::sign::PublicKey;
use vow_protocol::limits::is_name;
use vow_protocol::report::{REPORT_LIMIT_BYTES, Report};
use vow_protocol::wire::Join;
use vow_protocol::{ErrorBody, Word};

/// The requests of `docs/console.md`, "What hosts send".
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .route("/v1/console", get(about))
        .route("/v1/join", post(join))
        .route("/v1/reports", post(report))
        .fallback(absent)
        .method_not_allowed_fallback(absent)
        .with_state(app)
}

/// What a handler answers when it does not do what was asked.
struct Refusal {
    word: Word,
    message: String,
}

type Answer = Result<Response, Refusal>;

fn refuse(word: Word, message: impl Into<String>) -> Refusal {
    Refusal { word, message: message.into() }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.word.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(ErrorBody::new(self.word, self.message))).into_response();
        if self.word.is_passing() {
            response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "a host could not be served");
        match error {
            DbError::Busy(_) => refuse(Word::Busy, "the console is busy; nothing was stored"),
            DbError::Full(_) => refuse(Word::Full, "the console's disk is full; nothing was stored"),
            _ => refuse(Word::Storage, "the console's database failed; nothing was stored"),
        }
    }
}

impl From<IngestError> for Refusal {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Malformed(_) => refuse(Word::Malformed, error.to_string()),
            IngestError::Refused(_) => refuse(Word::Refused, error.to_string()),
            IngestError::Crowded => refuse(Word::Busy, "too many reports at once; nothing was stored"),
            IngestError::Broken => refuse(Word::Storage, error.to_string()),
            IngestError::Db(error) => error.into(),
        }
    }
}

async fn absent() -> Response {
    refuse(Word::Absent, "there is nothing here for this key").into_response()
}

fn key_id(key: &PublicKey) -> String {
    key.host_id().to_string()
}

async fn known(app: &App, key: Option<PublicKey>) -> Result<Option<KnownHost>, DbError> {
    match key {
        Some(key) => hosts::by_key(&mut app.read().await?, &key_id(&key)).await,
        None => Ok(None),
    }
}

async fn about(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>) -> Answer {
    let known = known(&app, peer.key).await?;
    let mut body = json!({
        "console": hex(&app.public_key.0),
        "protocol": 1,
        "software": concat!("vow ", env!("CARGO_PKG_VERSION")),
        "time": app.clock.now(),
    });
    if let Some(known) = known {
        body["tenant"] = known.tenant.into();
        body["host"] = known.host.into();
    }
    Ok(Json(body).into_response())
}

const JOIN_BYTES_MAX: usize = 64 << 10;
/// A body arrives within this time.
const BODY_TIME: Duration = Duration::from_secs(60);

async fn join(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, request: Request) -> Answer {
    let key = peer.key.ok_or_else(|| refuse(Word::Key, "show the key that is to join"))?;
    let body = read(&app, request, JOIN_BYTES_MAX).await?;
    let join: Join = serde_json::from_slice(&body).map_err(|error| {
        // What was sent holds a secret: only where it is wrong is said.
        refuse(Word::Malformed, format!("line {}, column {}", error.line(), error.column()))
    })?;
    let now = app.now();
    let address = peer.address.ip().to_string();
    let slot = now.div_euclid(60) * 60;
    if people::failures(&mut app.read().await?, &format!("join {address}"), slot).await? >= JOIN_FAILURES_MAX
    {
        return Err(refuse(Word::Limit, "too many attempts to join from there"));
    }
    let nothing = || refuse(Word::Absent, "this token was used, has expired, or was never given out");
    let mut conn = app.db.write().await?;
    let Some(token) = people::join_token(&mut conn, &join.secret.name(), now).await? else {
        people::count_failure(&mut conn, &format!("join {address}"), slot).await?;
        conn.commit().await?;
        return Err(nothing());
    };
    let (id, name) = (key_id(&key), join.name.as_str());
    let tenant = token.tenant.clone().or(join.tenant.clone()).unwrap_or_default();
    let agree = token.tenant.is_none() || join.tenant.is_none() || token.tenant == join.tenant;
    if !is_name(name)
        || !is_name(&tenant)
        || !agree
        || token.name.as_deref().is_some_and(|wanted| wanted != name)
    {
        return Err(refuse(Word::Refused, "the token is for another tenant or name, or these are no names"));
    }
    if token.used_by.as_deref().is_some_and(|used| used != id) {
        return Err(nothing());
    }
    let tenant_id = hosts::tenant_id(&mut conn, &tenant, now).await?;
    let host_id = hosts::host_id(&mut conn, tenant_id, name, now).await?;
    if hosts::host_of_key(&mut conn, &id).await?.is_some_and(|known| known != host_id) {
        return Err(refuse(Word::Refused, "this key is another host here already"));
    }
    if !people::use_join_token(&mut conn, token.id, &id, now).await? {
        return Err(nothing());
    }
    if hosts::enrol(&mut conn, host_id, &id, &hex(&key.0), "token", now).await? {
        let actor = format!("host {tenant}/{name}");
        let act =
            audit::Act { actor: &actor, address: &address, action: "host.join", object: &actor, detail: &id };
        audit::note(&mut conn, Some(tenant_id), act, now).await?;
    }
    conn.commit().await?;
    Ok(Json(json!({"console": hex(&app.public_key.0), "tenant": tenant, "name": name})).into_response())
}

const JOIN_FAILURES_MAX: i64 = 10;

async fn report(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, request: Request) -> Answer {
    let answer = take(&app, peer, request).await;
    app.figures.report(match &answer {
        Ok(_) => "stored",
        Err(refusal) if refusal.word.is_passing() => "postponed",
        Err(_) => "refused",
    });
    answer
}

async fn take(app: &Arc<App>, peer: Peer, request: Request) -> Answer {
    let key = peer.key.ok_or_else(|| refuse(Word::Key, "show the host's key"))?;
    let Some(known) = known(app, Some(key)).await? else {
        return Err(refuse(
            Word::NotJoined,
            "this key is not known here: join with a token (`vow console join-token`), or join a vault that this console watches",
        ));
    };
    if !app.shares.take(known.host_id) {
        return Err(refuse(Word::Limit, "too many reports of this host"));
    }
    let body = read(app, request, REPORT_LIMIT_BYTES).await?;
    let report: Report = serde_json::from_slice(&body)
        .map_err(|error| refuse(Word::Malformed, format!("this is no report: {error}")))?;
    drop(body);
    app.queue.put(Arrived { known, report, output: None }).await?;
    Ok(Json(json!({"stored": true})).into_response())
}

/// A whole body, whose length is known before.
async fn read(app: &App, request: Request<Body>, limit: usize) -> Result<bytes::Bytes, Refusal> {
    let length =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let length = length.ok_or_else(|| refuse(Word::NoLength, "a body must have its length"))?;
    if length > limit {
        return Err(refuse(Word::Length, format!("a body of this kind has at most {limit} bytes")));
    }
    let kib = u32::try_from(length.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
    let crowded = || refuse(Word::Busy, "too much is being sent at once");
    let waited = tokio::time::timeout(BODY_TIME, app.memory.acquire_many(kib)).await;
    let _room = waited.map_err(|_| crowded())?.map_err(|_| crowded())?;
    let read = tokio::time::timeout(BODY_TIME, Limited::new(request.into_body(), limit).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        _ => Err(refuse(Word::Malformed, "the body did not arrive whole")),
    }
}
