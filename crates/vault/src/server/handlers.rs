//! What answers requests: one file per group, typed values in, an answer or an [`ApiError`](super::error::ApiError) out.

pub(super) mod about;
mod extract;
pub(super) mod hosts;
pub(super) mod join;
pub(super) mod ledger;
pub(super) mod objects;
pub(super) mod proofs;
pub(super) mod put;
pub(super) mod watch;

pub(super) use extract::{AfterId, AfterPosition, JsonBody, NoQuery, OfHost, OfObject, OfProof};

use axum::response::Response;

/// What every handler gives.
pub(super) type Answer = Result<Response, super::error::ApiError>;
