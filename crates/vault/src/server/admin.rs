//! Administration, on a local socket that only the vault's own user can open: tokens, hosts, grants, revocations, health.
//!
//! `docs/vault.md`, "Serving", has the requests. None of them deletes or replaces anything either.

mod client;
mod wire;

pub use client::{AdminError, Client};
pub use wire::{AdminGrant, AdminHost, NewJoinToken, Revocation, Revoked, Secret};

use super::app::{App, Noted};
use super::body::{declared_length, too_long};
use super::error::{ApiError, json};
use super::share::{Network, Share, Whose};
use super::status::status_of;
use crate::access::{NewToken, Right};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Limited};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_service::Service;

/// The longest body of a request, in bytes.
const BODY_LIMIT_BYTES: usize = 64 << 10;
/// Heads and bodies arrive within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time.
const CONNECTIONS: usize = 32;

type Answer = Result<Response, ApiError>;

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/join-token", post(join_token))
        .route("/v1/hosts", get(hosts))
        .route("/v1/grants", get(grants))
        .route("/v1/revoke", post(revoke))
        .route("/v1/status", get(status))
        .fallback(absent)
        .method_not_allowed_fallback(absent)
        .with_state(app)
}

/// Serves the local socket until told to stop.
pub(super) async fn serve(listener: UnixListener, app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let router = router(app);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) if is_trusted(&stream) => {
                connections.spawn(speak(stream, router.clone(), stop.clone()));
            }
            Ok(_) => tracing::warn!("somebody who is not the vault's user tried the local socket"),
            Err(error) => {
                tracing::warn!(%error, "a local connection cannot be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// The socket's mode says the same; this holds even when somebody changes it.
fn is_trusted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn speak(stream: UnixStream, router: Router, mut stop: watch::Receiver<bool>) {
    type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| -> Answer {
        let mut router = router.clone();
        Box::pin(async move { router.call(request.map(Body::new)).await })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut closing = *stop.borrow();
    if closing {
        Pin::new(&mut connection).graceful_shutdown();
    }
    loop {
        tokio::select! {
            _ = &mut connection => return,
            _ = stop.changed(), if !closing => {
                closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}

async fn join_token(State(app): State<Arc<App>>, request: Request) -> Answer {
    let asked: NewJoinToken = body(request).await?;
    let right: Right =
        asked.right.parse().map_err(|bad: crate::access::BadRight| ApiError::malformed(bad.to_string()))?;
    let new = NewToken {
        right,
        tenant: asked.tenant,
        name: asked.name,
        term: asked.term_secs.map_or(crate::access::TOKEN_TERM, Duration::from_secs),
    };
    let share = own_share(&app);
    let made = app.work(&share, move |app| {
        let secret = app.vault.join_token(&new).noted(app)?;
        tracing::info!(right = %new.right, tenant = ?new.tenant, name = ?new.name, "a join token was made");
        Ok(Secret { secret, fingerprint: app.vault.fingerprint() })
    });
    Ok(json(200, &made.await?))
}

async fn hosts(State(app): State<Arc<App>>) -> Answer {
    let hosts = app.work(&own_share(&app), |app| app.vault.hosts_admitted().noted(app)).await?;
    Ok(json(200, &hosts.into_iter().map(AdminHost::from).collect::<Vec<_>>()))
}

async fn grants(State(app): State<Arc<App>>) -> Answer {
    let grants = app.work(&own_share(&app), |app| app.vault.grants().noted(app)).await?;
    Ok(json(200, &grants.into_iter().map(AdminGrant::from).collect::<Vec<_>>()))
}

async fn revoke(State(app): State<Arc<App>>, request: Request) -> Answer {
    let asked: Revocation = body(request).await?;
    let right = asked.right.as_deref().map(str::parse::<Right>).transpose();
    let right = right.map_err(|bad| ApiError::malformed(bad.to_string()))?;
    let vow_protocol::wire::Hex(key) = asked.key;
    let share = own_share(&app);
    let revoked = app.work(&share, move |app| {
        let revoked = app.vault.revoke(&key, right.as_ref(), &asked.note).noted(app)?;
        app.book.forget();
        app.book.look_at(&key).noted(app)?;
        tracing::info!(key = %key.short(), ?revoked, "rights were taken away");
        Ok(Revoked { rights: revoked.iter().map(ToString::to_string).collect() })
    });
    Ok(json(200, &revoked.await?))
}

async fn status(State(app): State<Arc<App>>) -> Answer {
    let status = app.work(&own_share(&app), |app| status_of(app).noted(app)).await?;
    Ok(json(200, &status))
}

async fn absent() -> Response {
    ApiError::absent().into_response()
}

/// Whoever runs the vault has a share like anybody; no stranger comes from this address.
fn own_share(app: &App) -> Arc<Share> {
    app.shares.of(Whose::Strangers(Network::of(std::net::Ipv4Addr::BROADCAST.into())))
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let limit = BODY_LIMIT_BYTES as u64;
    if declared_length(request.headers())? > limit {
        return Err(too_long(limit));
    }
    let body = Limited::new(request.into_body(), BODY_LIMIT_BYTES);
    let read = tokio::time::timeout(PATIENCE, body.collect()).await;
    let Ok(Ok(read)) = read else { return Err(ApiError::hang_up("the body did not arrive")) };
    let bytes = read.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| ApiError::malformed(error.to_string()))
}
