//! Ledger entries: receipts of a host, every entry for those who watch, heads of other vaults as evidence.

use super::{AfterPosition, Answer, NoQuery, OfHost};
use crate::access::Access;
use crate::server::app::{App, Noted};
use crate::server::body::read_whole;
use crate::server::error::{ApiError, json};
use crate::server::gate::Caller;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use std::sync::Arc;
use vow_base::receipt::ENVELOPE;
use vow_base::vault::Watch;
use vow_protocol::limits::ENTRIES_PAGE_MAX;
use vow_protocol::wire::{Base64, Entries};

/// What stored bytes are sent as.
pub(super) const OCTETS: &str = "application/octet-stream";

/// `GET /v1/hosts/{host}/receipts`.
pub(crate) async fn receipts(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfHost,
    AfterPosition(after): AfterPosition,
) -> Answer {
    page(&app, &caller, of, after, false).await
}

/// `GET /v1/hosts/{host}/snapshots`.
pub(crate) async fn snapshots(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfHost,
    AfterPosition(after): AfterPosition,
) -> Answer {
    page(&app, &caller, of, after, true).await
}

async fn page(app: &Arc<App>, caller: &Caller, of: OfHost, after: u64, kept: bool) -> Answer {
    let page = app.work(&caller.share, move |app| {
        app.vault.receipts_after(&of.host, after, kept, ENTRIES_PAGE_MAX).noted(app)
    });
    let (entries, more) = page.await?;
    Ok(json(200, &Entries { entries: entries.into_iter().map(Base64).collect(), more }))
}

/// `GET /v1/ledger`.
pub(crate) async fn entries(
    State(app): State<Arc<App>>,
    caller: Caller,
    AfterPosition(after): AfterPosition,
) -> Answer {
    let page = app.work(&caller.share, move |app| {
        let entries = app.vault.entries(after).noted(app)?;
        let newest = app.vault.state().noted(app)?.position;
        let more = after.saturating_add(entries.len() as u64) < newest && !entries.is_empty();
        Ok(Entries { entries: entries.into_iter().map(Base64).collect(), more })
    });
    Ok(json(200, &page.await?))
}

/// `GET /v1/head`.
pub(crate) async fn head(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
    let head = app.work(&caller.share, |app| app.vault.head().noted(app)).await?;
    Ok(match head {
        Some(head) => ([(CONTENT_TYPE, OCTETS)], head).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `POST /v1/witness`.
pub(crate) async fn witness(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: NoQuery,
    request: Request,
) -> Answer {
    let limit = ENVELOPE.limit_bytes as u64;
    // A host shows heads of its other vaults; only who may read everything is trusted to name many.
    let trusted = !matches!(caller.access, Access::Host(_));
    let (head, _memory) =
        read_whole(&app, caller.share.clone(), caller.received.clone(), request, limit).await?;
    app.work(&caller.share, move |app| app.vault.witness_from(&head, trusted).noted(app)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/witness`: what is kept here of the vault that asks, so that it can see whether it was set back.
pub(crate) async fn seen(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
    let Some(key) = caller.peer.key else { return Err(ApiError::absent()) };
    let heads = app.work(&caller.share, move |app| app.vault.heads_of(&key).noted(app)).await?;
    Ok(json(200, &Entries { entries: heads.into_iter().map(Base64).collect(), more: false }))
}
