//! Figures for Prometheus.

use super::gate::{ApiError, Known};
use crate::auth::Right;
use crate::db::{Scope, hosts, outbox, sources, tickets, vaults};
use crate::server::error::Error;
use crate::server::{App, Stand};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use std::sync::Arc;

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>, who: Known) -> Result<impl IntoResponse, ApiError> {
    who.need(Right::SeeVaults)?;
    if who.scope != Scope::All {
        return Err(Error::Forbidden.into());
    }
    let now = app.now();
    let mut conn = app.read().await?;
    let named = |words: &[&str], numbers: &[i64]| {
        words.iter().zip(numbers).map(|(word, number)| ((*word).to_owned(), *number)).collect()
    };
    let proven = sources::proven(&mut conn, Scope::All, now - 35 * 86_400).await?;
    let all = vaults::list(&mut conn, Scope::All).await?;
    let of = |value: fn(&vaults::Vault) -> Option<i64>| {
        all.iter().filter_map(|vault| Some((vault.name.clone(), value(vault)?))).collect()
    };
    let waiting = outbox::backlog(&mut conn).await?;
    let unheard = hosts::unheard(&mut conn, Scope::All).await?;
    let [none, notice, warning, critical] = hosts::severities(&mut conn, Scope::All).await?;
    let stand = Stand {
        hosts: named(
            &["well", "unheard", "notice", "warning", "critical"],
            &[none - unheard, unheard, notice, warning, critical],
        ),
        tickets: named(
            &["notice", "warning", "critical"],
            &tickets::severities(&mut conn, Scope::All).await?,
        ),
        sources: named(&["all", "proven"], &[proven.sources, proven.proven]),
        vault_free: of(|vault| vault.free_bytes),
        vault_total: of(|vault| vault.total_bytes),
        vault_answered: of(|vault| vault.answered_secs),
        outbox: waiting
            .into_iter()
            // What waits for a channel that was taken out of the settings waits for nobody.
            .filter(|backlog| app.channels.iter().any(|channel| channel.name == backlog.channel))
            .map(|channel| (channel.channel, i64::try_from(channel.waiting).unwrap_or(i64::MAX)))
            .collect(),
        now_secs: now,
    };
    let text = app.figures.text(&stand).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
