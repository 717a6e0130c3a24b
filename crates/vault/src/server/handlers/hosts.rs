//! The hosts that a key may see, and what each said of itself.

use super::{Answer, NoQuery, OfHost};
use crate::access::{Target, Verb, may};
use crate::server::app::{App, Noted};
use crate::server::error::{ApiError, json};
use crate::server::gate::Caller;
use axum::extract::State;
use std::sync::Arc;
use vow_base::vault::Watch;
use vow_protocol::limits::HOSTS_MAX;
use vow_protocol::wire::{Base64, Hex, HostEntry, Hosts, Introduced};

/// `GET /v1/hosts`.
pub(crate) async fn hosts(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
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
