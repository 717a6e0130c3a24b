//! The hosts that a key may see.

use super::{Answer, NoQuery};
use crate::access::{Target, Verb, may};
use crate::server::app::App;
use crate::server::error::json;
use crate::server::gate::Caller;
use axum::extract::State;
use std::sync::Arc;
use vow_protocol::limits::HOSTS_MAX;
use vow_protocol::wire::{Hex, HostEntry, Hosts};

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
