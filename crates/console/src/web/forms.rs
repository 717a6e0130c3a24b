//! Forms: read once the session's own token is found in them.

use super::guard::{PageError, Who};
use crate::server::App;
use crate::server::caller::same_origin;
use crate::server::error::Error;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest form, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;

/// The fields of a form that a page of ours made for this session, and who sends it.
pub(super) struct Posted {
    pub(super) who: Who,
    fields: BTreeMap<String, String>,
}

impl Posted {
    /// A field; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }

    /// A field that must not be empty.
    pub(super) fn needed(&self, name: &str, what: &str) -> Result<&str, Error> {
        Some(self.field(name))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Error::Malformed(format!("{what} is missing")))
    }

    /// A field as it was typed, blanks and all.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The fields of a form.
pub(super) async fn fields(request: Request) -> Result<BTreeMap<String, String>, Error> {
    if !same_origin(request.headers()) {
        return Err(Error::Form);
    }
    let too_long = |_| Error::Malformed("the form is too long".into());
    let body: Bytes = axum::body::to_bytes(request.into_body(), FORM_BYTES_MAX).await.map_err(too_long)?;
    let axum::Form(pairs) = axum::Form::<Vec<(String, String)>>::from_request(
        Request::builder()
            .method("POST")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into())
            .map_err(|error| Error::Internal(error.to_string()))?,
        &(),
    )
    .await
    .map_err(|_| Error::Malformed("this is no form".into()))?;
    Ok(pairs.into_iter().collect())
}

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who = Who::from_request_parts(&mut parts, app).await?;
        let fields = fields(Request::from_parts(parts, body)).await.map_err(refused)?;
        let token = fields.get("form_token").map_or("", String::as_str);
        if token.is_empty() || !crate::auth::secret::same(token, who.form_token()) {
            return Err(refused(Error::Form));
        }
        Ok(Self { who, fields })
    }
}

fn refused(error: Error) -> Response {
    PageError::from(error).into_response()
}
