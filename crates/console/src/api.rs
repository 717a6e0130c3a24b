//! Everything the pages show and do, as JSON. `docs/console-openapi.json` describes it; a test keeps it true.

mod audits;
mod figures;
mod gate;
pub(crate) mod people;
mod ping;
mod read;
mod work;

pub(crate) use figures::metrics;
pub use ping::{NewPing, add_ping, revoke_ping};
pub(crate) use work::{quiet_host, snooze_hours};

use crate::server::App;
use axum::Router;
use axum::routing::{any, get, post};
use std::sync::Arc;

/// Every request below `/api/v1`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/me", get(read::me))
        .route("/overview", get(read::overview))
        .route("/tenants", get(read::tenants))
        .route("/tenants/{id}/audit", get(audits::tenant).post(audits::audit))
        .route("/tenants/{id}/policy", get(audits::policy).post(audits::set_policy))
        .route("/tenants/{id}/records", get(audits::records).post(audits::set_records))
        .route("/tenants/{id}/findings", get(audits::findings))
        .route("/hosts", get(read::hosts))
        .route("/hosts/{id}", get(read::host))
        .route("/hosts/{id}/quiet", post(work::quiet))
        .route("/hosts/{id}/close", post(work::close))
        .route("/hosts/{id}/keys/{key}/revoke", post(work::revoke_key))
        .route("/hosts/{id}/audit", get(audits::host).post(audits::change_host))
        .route("/sources/{id}", get(read::source))
        .route("/sources/{id}/days", get(read::days))
        .route("/sources/{id}/runs", get(read::runs))
        .route("/sources/{id}/snapshots", get(read::snapshots))
        .route("/sources/{id}/adjust", post(work::adjust))
        .route("/runs/{id}", get(read::run))
        .route("/tickets", get(read::tickets))
        .route("/tickets/{id}", get(read::ticket).post(work::act))
        .route("/proofs", get(read::proofs))
        .route("/proofs/{id}", get(read::proof))
        .route("/debts", get(read::debts))
        .route("/vaults", get(read::vaults))
        .route("/vaults/{id}", get(read::vault))
        .route("/vaults/{id}/record", get(audits::vault_record).post(audits::set_vault_record))
        .route("/users", get(people::users).post(people::post_user))
        .route("/users/{id}/disable", post(people::post_disable))
        .route("/tokens", get(people::tokens).post(people::post_token))
        .route("/tokens/{id}/revoke", post(people::post_revoke))
        .route("/join-tokens", post(people::post_join_token))
        .route("/pings", get(ping::list).post(ping::post_ping))
        .route("/pings/{id}/revoke", post(ping::post_revoke))
        .route("/audit", get(read::audit))
        .route("/rules", get(read::rules).post(work::set_rules))
        .route("/openapi.json", get(read::openapi))
        .fallback(gate::absent)
        .method_not_allowed_fallback(gate::absent)
}

/// What other tools ping: known by the address alone.
pub(crate) fn pings() -> Router<Arc<App>> {
    Router::new().route("/ping/{uuid}", any(ping::ping)).route("/ping/{uuid}/{what}", any(ping::ping_what))
}
