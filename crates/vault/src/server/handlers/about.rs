//! Who answers here, and whether anybody does.

use super::{Answer, NoQuery};
use crate::server::app::{App, Noted};
use crate::server::error::json;
use crate::server::gate::Caller;
use axum::extract::State;
use http::StatusCode;
use std::sync::Arc;
use vow_protocol::limits::PROTOCOL;
use vow_protocol::wire::{About, Hex};

/// The program, as it calls itself.
pub(crate) const SOFTWARE: &str = concat!("vow ", env!("CARGO_PKG_VERSION"));

/// `GET /v1/vault`.
pub(crate) async fn vault(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
    let host = caller.access.host();
    // A host asks this once in a run. What the storage cannot say now, it says in another one.
    let introduced = match host {
        Some(host) => {
            app.work(&caller.share, move |app| app.vault.is_introduced(&host).noted(app)).await.ok()
        }
        None => None,
    };
    let about = About {
        vault: Hex(app.vault.public_key()),
        protocol: PROTOCOL,
        software: SOFTWARE.into(),
        time: app.vault.now(),
        role: caller.access.role(),
        host: host.map(Hex),
        introduced,
    };
    Ok(json(200, &about))
}

/// `GET /healthz`.
pub(crate) async fn health(_: NoQuery) -> StatusCode {
    StatusCode::NO_CONTENT
}
