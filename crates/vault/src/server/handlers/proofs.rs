//! Taking proofs of drill hosts.

use super::ledger::OCTETS;
use super::{Answer, NoQuery, OfProof};
use crate::proofs::Attested;
use crate::server::app::{App, Noted};
use crate::server::body::{commit_turn, read_whole};
use crate::server::error::ApiError;
use crate::server::gate::Caller;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use std::sync::Arc;
use vow_protocol::limits::PROOF_LIMIT_BYTES;

/// `PUT /v1/hosts/{host}/proofs/{id}`.
pub(crate) async fn prove(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfProof,
    _: NoQuery,
    request: Request,
) -> Answer {
    let Some(key) = caller.peer.key else { return Err(ApiError::absent()) };
    let (share, received) = (caller.share.clone(), caller.received.clone());
    let (stored, _memory) = read_whole(&app, share, received, request, PROOF_LIMIT_BYTES as u64).await?;
    let turn = commit_turn(&app, &caller.share).await?;
    let attested = app.work(&caller.share, move |app| {
        let _turn = turn;
        let attested = app.vault.attest(&of.host, &of.id, &stored, &key).noted(app)?;
        let entry = app.vault.entry(attested.position()).noted(app)?;
        Ok((attested, entry))
    });
    let (attested, entry) = attested.await?;
    let status = match attested {
        Attested::New(position) => {
            tracing::info!(host = %of.host.short(), proof = %of.id.short(), position, "attested");
            StatusCode::CREATED
        }
        Attested::Known(_) => StatusCode::OK,
    };
    Ok((status, [(CONTENT_TYPE, OCTETS)], entry).into_response())
}
