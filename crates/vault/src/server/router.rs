//! The table of contents: every request that is known here, and who answers it. Who may ask is decided before, in `gate`.

use super::app::App;
use super::error::ApiError;
use super::gate::gate;
use super::handlers::{about, hosts, join, ledger, objects, proofs, put, watch};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put as routing_put};
use std::sync::Arc;

/// The routes of `docs/protocol.md`, "Paths".
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(about::health))
        .route("/metrics", get(watch::metrics))
        .route("/v1/vault", get(about::vault))
        .route("/v1/join", post(join::join))
        .route("/v1/hosts", get(hosts::hosts))
        .route("/v1/head", get(ledger::head))
        .route("/v1/ledger", get(ledger::entries))
        .route("/v1/witness", get(ledger::seen).post(ledger::witness))
        .route("/v1/status", get(watch::status))
        .route("/v1/hosts/{host}/receipts", get(ledger::receipts))
        .route("/v1/hosts/{host}/snapshots", get(ledger::snapshots))
        .route("/v1/hosts/{host}/introduction", get(hosts::introduction).put(hosts::introduce))
        .route("/v1/hosts/{host}/{kind}", get(objects::list))
        .route("/v1/hosts/{host}/{kind}/missing", post(objects::missing))
        .route("/v1/hosts/{host}/manifests/{id}", get(objects::read).put(put::commit))
        .route("/v1/hosts/{host}/proofs/{id}", routing_put(proofs::prove))
        .route("/v1/hosts/{host}/{kind}/{id}", get(objects::read).put(put::put))
        .fallback(absent)
        .method_not_allowed_fallback(absent)
        .layer(axum::middleware::from_fn_with_state(app.clone(), gate))
        .with_state(app)
}

/// Nothing gets here: the gate knows the same table.
async fn absent() -> Response {
    ApiError::absent().into_response()
}
