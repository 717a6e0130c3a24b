//! What holds for every request of browsers: headers that keep pages to themselves, and errors as pages.

use super::layout;
use crate::server::App;
use crate::server::caller::{Caller, caller};
use crate::server::error::Error;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use http::request::Parts;
use std::sync::Arc;

/// Nothing but our own style and pictures; forms go to ourselves; nobody frames us; no script runs at all.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    app.figures.request(response.status().as_str());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.config.is_secure() {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Nothing is here. Whoever has not logged in is asked to: what there is, is nobody's business.
pub(super) async fn absent(who: Who) -> PageError {
    PageError(Error::Absent, Some(who.0))
}

/// A person or program that is known: everybody else is sent to the login.
pub(super) struct Who(pub(super) Caller);

impl std::ops::Deref for Who {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequestParts<Arc<App>> for Who {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        match caller(app, parts).await {
            Ok(Some(caller)) => Ok(Self(caller)),
            Ok(None) => Err(Redirect::to("/login").into_response()),
            Err(error) => Err(PageError(error, None).into_response()),
        }
    }
}

/// An error that is shown as a page.
pub(super) struct PageError(Error, Option<Caller>);

impl<E: Into<Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into(), None)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self(error, who) = self;
        if let Error::Db(cause) = &error {
            tracing::error!(error = %cause, "a page could not be made");
        }
        let (_, status) = error.word();
        (status, layout::problem(&error.to_string(), who.as_ref())).into_response()
    }
}

/// What a page gives.
pub(super) type Page = Result<maud::Markup, PageError>;
/// What a form gives.
pub(super) type Done = Result<Redirect, PageError>;
