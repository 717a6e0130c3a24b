//! The pages: made on the server, whole at once, readable without JavaScript and on a phone.
//!
//! A page reads what it shows, within the scope of whoever asks, and draws it. Forms post to the page they stand on.

mod audit;
mod audits;
mod charts;
mod draw;
pub(crate) use draw::{bytes, plain, stamp};
mod forms;
mod grid;
mod guard;
mod host_audit;
mod hosts;
mod layout;
mod link;
mod login;
mod overview;
mod people;
mod proofs;
mod reports;
mod runs;
mod sources;
mod tickets;
pub use link::add_login_link;
pub use tickets::apply;
mod vaults;

use crate::server::App;
use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::{get, post};
use std::sync::Arc;

const STYLE: &str = include_str!("web/assets/style.css");
const ICON: &str = include_str!("web/assets/icon.svg");

/// Every page. The table of contents; who may see what stands at the head of each handler.
pub(crate) fn router(app: Arc<App>) -> Router {
    let pages = Router::new()
        .route("/", get(overview::fleet))
        .route("/tenants", get(overview::tenants))
        .route("/tenants/{id}", get(overview::tenant))
        .route("/tenants/{id}/audit", get(audits::tenant).post(audits::change))
        .route("/tenants/{id}/reports/{file}", get(reports::report))
        .route("/hosts/{id}", get(hosts::host).post(hosts::change))
        .route("/hosts/{id}/audit", get(host_audit::host).post(host_audit::change))
        .route("/sources/{id}", get(sources::source).post(sources::change))
        .route("/runs/{id}", get(runs::run))
        .route("/tickets", get(tickets::board))
        .route("/tickets/{id}", get(tickets::ticket).post(tickets::act))
        .route("/proofs", get(proofs::list))
        .route("/proofs/{id}", get(proofs::proof))
        .route("/vaults", get(vaults::list))
        .route("/vaults/{id}", get(vaults::vault))
        .route("/vaults/{id}/record", get(host_audit::vault).post(host_audit::change_vault))
        .route("/users", get(people::list).post(people::change))
        .route("/audit", get(audit::list))
        .route("/me", get(login::me).post(login::change))
        .route("/login", get(login::form).post(login::login))
        .route("/login/link", post(link::login))
        .route("/login/link/{secret}", get(link::form))
        .route("/logout", post(login::logout))
        .fallback(guard::absent);
    Router::new()
        .merge(pages)
        .nest("/api/v1", crate::api::router())
        .merge(crate::api::pings())
        .route("/metrics", get(crate::api::metrics))
        .route("/healthz", get(|| async { http::StatusCode::NO_CONTENT }))
        .route("/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/favicon.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

fn asset(kind: &'static str, text: &'static str) -> impl axum::response::IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=3600")], text)
}
