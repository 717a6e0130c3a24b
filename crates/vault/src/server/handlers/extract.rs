//! What handlers take: values that the gate has read and decided about, queries, and bodies in JSON.

use crate::server::app::App;
use crate::server::asked::Asked;
use crate::server::body::read_whole;
use crate::server::error::ApiError;
use crate::server::gate::Caller;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};
use vow_protocol::limits::REQUEST_JSON_LIMIT_BYTES;
use vow_protocol::path::{BadQuery, parse_after_id, parse_after_position};
use vow_protocol::{Route, Spot};

/// The host that is asked about, and the kind of objects when one is named.
pub(crate) struct OfHost {
    pub(crate) host: HostId,
    pub(crate) kind: Option<Kind>,
}

/// The object that is asked about.
pub(crate) struct OfObject {
    pub(crate) host: HostId,
    pub(crate) kind: Kind,
    pub(crate) id: ObjectId,
}

/// The proof that is sent.
pub(crate) struct OfProof {
    pub(crate) host: HostId,
    pub(crate) id: ObjectId,
}

/// `?after=N`.
pub(crate) struct AfterPosition(pub(crate) u64);

/// `?after=id`.
pub(crate) struct AfterId(pub(crate) Option<ObjectId>);

/// A body in JSON of at most a mebibyte.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::absent)
    }
}

fn asked(parts: &Parts) -> Result<Asked, ApiError> {
    parts.extensions.get::<Asked>().copied().ok_or_else(ApiError::absent)
}

impl<S: Sync> FromRequestParts<S> for OfHost {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match asked(parts)?.route {
            Route::Host(host, Spot::Objects(kind) | Spot::Missing(kind)) => {
                Ok(Self { host, kind: Some(kind) })
            }
            Route::Host(host, Spot::Receipts | Spot::Snapshots | Spot::Introduction) => {
                Ok(Self { host, kind: None })
            }
            _ => Err(ApiError::absent()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for OfObject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        no_query(parts)?;
        match asked(parts)?.route {
            Route::Host(host, Spot::Object(kind, id)) => Ok(Self { host, kind, id }),
            _ => Err(ApiError::absent()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for OfProof {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        no_query(parts)?;
        match asked(parts)?.route {
            Route::Host(host, Spot::Proof(id)) => Ok(Self { host, id }),
            _ => Err(ApiError::absent()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for AfterPosition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse_after_position(parts.uri.query()).map(Self).map_err(bad_query)
    }
}

impl<S: Sync> FromRequestParts<S> for AfterId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse_after_id(parts.uri.query()).map(Self).map_err(bad_query)
    }
}

/// For requests that have no query.
pub(crate) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        no_query(parts).map(|()| Self)
    }
}

fn no_query(parts: &Parts) -> Result<(), ApiError> {
    if parts.uri.query().is_some() { Err(bad_query(BadQuery)) } else { Ok(()) }
}

fn bad_query(bad: BadQuery) -> ApiError {
    ApiError::malformed(bad.to_string())
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        if request.uri().query().is_some() {
            return Err(bad_query(BadQuery));
        }
        let caller = request.extensions().get::<Caller>().cloned().ok_or_else(ApiError::absent)?;
        let limit = REQUEST_JSON_LIMIT_BYTES as u64;
        let (bytes, _memory) = read_whole(app, caller.share, caller.received, request, limit).await?;
        let value = serde_json::from_slice(&bytes);
        // The message may quote what was sent, and that may be a secret: only where it is wrong is said.
        value.map(Self).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ApiError::malformed(format!(
                "the body is not what is expected here: line {line}, column {column}"
            ))
        })
    }
}
