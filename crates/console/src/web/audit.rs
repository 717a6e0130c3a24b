//! Who did what, from where.

use super::draw::{plain, stamp};
use super::guard::{Page, Who};
use super::layout;
use crate::auth::Right;
use crate::db::audit;
use crate::server::App;
use axum::extract::{Query, State};
use maud::html;
use serde::Deserialize;
use std::sync::Arc;

/// Where to go on.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    before: i64,
}

impl Default for Asked {
    fn default() -> Self {
        Self { before: i64::MAX }
    }
}

const PAGE_ENTRIES: i64 = 100;

pub(super) async fn list(State(app): State<Arc<App>>, who: Who, Query(asked): Query<Asked>) -> Page {
    who.need(Right::SeeAudit)?;
    let entries = audit::list(&mut app.read().await?, who.scope, asked.before, PAGE_ENTRIES).await?;
    let body = html! {
        h1 { "Log" small { "who did what" } }
        section.card {
            @if entries.is_empty() { p.none { "Nothing yet." } }
            div.scroll { table.wrap {
                thead { tr { th { "When" } th { "Who" } th { "What" } th { "To what" } th { "How" } th { "From" } } }
                tbody { @for entry in &entries {
                    tr {
                        td.keep { (stamp(entry.at_secs)) }
                        td data-label="Who" { (plain(&entry.actor)) }
                        td data-label="What" { code { (entry.action) } }
                        td data-label="To what" { (plain(&entry.object)) }
                        td data-label="How" { (plain(&entry.detail)) }
                        td data-label="From" { (plain(&entry.address)) }
                    }
                } }
            } }
            @if let Some(last) = entries.last().filter(|_| entries.len() as i64 == PAGE_ENTRIES) { div.pages { a href={ "?before=" (last.id) } { "older →" } } }
        }
    };
    Ok(layout::page("Log", "/audit", &who, body))
}
