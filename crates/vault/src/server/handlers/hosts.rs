//! The hosts that a key may see, and what each said of itself.

use super::{Answer, NoQuery, OfHost};
use crate::access::{Target, Verb, may};
use crate::server::app::{App, Noted};
use crate::server::body::read_whole;
use crate::server::error::{ApiError, json};
use crate::server::gate::Caller;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use std::sync::Arc;
use vow_base::introduction::ENVELOPE;
use vow_base::publish::Published;
use vow_base::vault::Watch;
use vow_protocol::limits::HOSTS_MAX;
use vow_protocol::wire::{Base64, Hex, HostEntry, Hosts, Introduced};

/// `GET /v1/hosts`.
pub(crate) async fn hosts(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
    app.work(&caller.share, |app| app.book.catch_up().noted(app)).await?;
    let all = app.book.hosts();
    let seen = all.iter().filter(|(host, record)| {
        may(&caller.access, Verb::Snapshots, Some(Target { host: **host, tenant: Some(&record.tenant) }))
    });
    let hosts = seen.take(HOSTS_MAX).map(|(_, record)| HostEntry {
        key: Hex(record.key),
        tenant: record.tenant.clone(),
        name: record.name.clone(),
    });
    Ok(json(200, &Hosts { hosts: hosts.collect() }))
}

/// `GET /v1/hosts/{host}/introduction`.
pub(crate) async fn introduction(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfHost,
    _: NoQuery,
) -> Answer {
    let said = app.work(&caller.share, move |app| app.vault.introduced(&of.host).noted(app)).await?;
    let said = said.ok_or_else(ApiError::absent)?;
    let shut_out = said.shut_out.into_iter().map(Hex).collect();
    Ok(json(200, &Introduced { introduction: Base64(said.stored), shut_out }))
}

/// `PUT /v1/hosts/{host}/introduction`, by a host that joined without one.
pub(crate) async fn introduce(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfHost,
    _: NoQuery,
    request: Request,
) -> Answer {
    let Some(key) = caller.peer.key else { return Err(ApiError::absent()) };
    let limit = ENVELOPE.limit_bytes as u64;
    let (stored, _memory) =
        read_whole(&app, caller.share.clone(), caller.received.clone(), request, limit).await?;
    let published = app.work(&caller.share, move |app| app.vault.introduce(&key, &stored).noted(app)).await?;
    Ok(match published {
        Published::New => {
            tracing::info!(host = %of.host.short(), "introduced");
            StatusCode::CREATED
        }
        Published::AlreadyThere => StatusCode::OK,
    }
    .into_response())
}
