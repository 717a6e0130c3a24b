//! Who asks, and what they send, for programs: errors are JSON.

use crate::server::App;
use crate::server::caller::{Caller, caller, same_origin};
use crate::server::error::Error;
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What a handler gives.
pub(super) type Answer<T> = Result<Json<T>, ApiError>;

/// An error, as JSON.
pub(crate) struct ApiError(pub(crate) Error);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.0.json()
    }
}

/// A known person or program.
pub(crate) struct Known(pub(crate) Caller);

impl std::ops::Deref for Known {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequestParts<Arc<App>> for Known {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let found = caller(app, parts).await?.ok_or(Error::Nobody)?;
        // A browser sends its cookie whoever made it ask: a change needs what only a page of ours knows.
        if found.session.is_some() && parts.method != http::Method::GET && parts.method != http::Method::HEAD
        {
            let token =
                parts.headers.get("x-form-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !same_origin(&parts.headers) || !crate::auth::secret::same(token, found.form_token()) {
                return Err(Error::Form.into());
            }
        }
        Ok(Self(found))
    }
}

/// A body in JSON.
pub(super) struct Sent<T>(pub(super) T);

const BODY_BYTES_MAX: usize = 256 << 10;

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Sent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, ApiError> {
        let malformed = |why: String| Error::Malformed(why);
        let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX);
        let bytes = bytes.await.map_err(|_| malformed("the body is too long or broke off".into()))?;
        let value = serde_json::from_slice(&bytes);
        // A password may be in it: only where it is wrong is said.
        Ok(Self(value.map_err(|error| {
            malformed(format!(
                "the body is not what is expected: line {}, column {}",
                error.line(),
                error.column()
            ))
        })?))
    }
}

/// A part of the path.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        // What is no number names nothing.
        Path::from_request_parts(parts, app)
            .await
            .map(|Path(value)| Self(value))
            .map_err(|_| Error::Absent.into())
    }
}

/// A query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let read = Query::from_request_parts(parts, app).await;
        read.map(|Query(value)| Self(value)).map_err(|error| Error::Malformed(error.body_text()).into())
    }
}

/// A list, which may go on.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    /// What it holds.
    pub(super) items: Vec<T>,
    /// How many there are in all, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<i64>,
}

impl<T> List<T> {
    pub(super) fn of(items: Vec<T>) -> Self {
        Self { items, total: None }
    }
}

pub(super) async fn absent(_: Known) -> ApiError {
    Error::Absent.into()
}
