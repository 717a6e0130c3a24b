//! Health and figures.

use super::{Answer, NoQuery};
use crate::server::app::{App, Noted};
use crate::server::error::json;
use crate::server::figures::Figures;
use crate::server::gate::Caller;
use crate::server::status::status_of;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use std::sync::Arc;

/// The text format of OpenMetrics, which Prometheus reads.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /v1/status`.
pub(crate) async fn status(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
    let status = app.work(&caller.share, |app| status_of(app).noted(app)).await?;
    Ok(json(200, &status))
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>, caller: Caller, _: NoQuery) -> Answer {
    let text = app.work(&caller.share, |app| Figures::text(app).noted(app)).await?;
    Ok(([(CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}
