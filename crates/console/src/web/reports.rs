//! Reports as files: each is made and signed when it is asked for.

use super::guard::{PageError, Who};
use crate::auth::Right;
use crate::report::{Format, Month};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use std::sync::Arc;

const MONTHS: usize = 13;

/// The last months.
pub(super) fn links(tenant_id: i64, now: i64) -> Markup {
    let months = std::iter::successors(Some(Month::of(now)), |month| Some(month.before()));
    let link = |month: &Month, kind: &str| format!("/tenants/{tenant_id}/reports/{month}.{kind}");
    html! {
        ul.list { @for month in months.take(MONTHS) {
            li { (month) ": " a href=(link(&month, "html")) { "page of " (month) } ", " a href=(link(&month, "pdf")) { "PDF of " (month) } }
        } }
    }
}

pub(super) async fn report(
    State(app): State<Arc<App>>,
    who: Who,
    Path((id, file)): Path<(i64, String)>,
) -> Result<Response, PageError> {
    who.need(Right::See)?;
    let (month, format, kind) = match file.rsplit_once('.') {
        Some((month, "html")) => (month, Format::Html, "text/html; charset=utf-8"),
        Some((month, "pdf")) => (month, Format::Pdf, "application/pdf"),
        _ => return Err(Error::Absent.into()),
    };
    let month: Month = month.parse().map_err(|_| Error::Absent)?;
    let bytes = app.report(&who, id, month, format).await?;
    // As a file: here its own style would not be let in, and its bytes are what was signed.
    let name = format!("attachment; filename=\"vow-report-{id}-{file}\"");
    Ok(([(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)], bytes).into_response())
}
