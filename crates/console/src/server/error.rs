//! Errors of pages and of the API on their way out: the one place where they get a status.

use crate::db::DbError;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// What a handler answers when it does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has logged in.
    #[error("log in first")]
    Nobody,
    /// Absent, or outside of the scope.
    #[error("there is nothing here")]
    Absent,
    /// The role does not allow it.
    #[error("your role does not allow this")]
    Forbidden,
    /// The form was not made by this console for this session, or the session is over.
    #[error("this form is too old: go back, load the page again, and repeat it")]
    Form,
    /// What was sent makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// It cannot be done as things are.
    #[error("{0}")]
    Conflict(String),
    /// Too often.
    #[error("too many failed attempts: wait a quarter of an hour")]
    Limit,
    /// The database.
    #[error("{}", of_db(.0))]
    Db(#[from] DbError),
    /// Something in the program or the system.
    #[error("this console has failed: {0}")]
    Internal(String),
}

fn of_db(error: &DbError) -> &'static str {
    match error {
        DbError::Busy(_) => "the database is busy: try again in a moment",
        DbError::Full(_) => "the disk of the console is full: nothing was changed",
        _ => "the database has failed: see the log of the console",
    }
}

impl Error {
    /// The word and the status.
    pub fn word(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Nobody => ("nobody", StatusCode::UNAUTHORIZED),
            Self::Absent => ("absent", StatusCode::NOT_FOUND),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN),
            Self::Form => ("form", StatusCode::FORBIDDEN),
            Self::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST),
            Self::Conflict(_) => ("conflict", StatusCode::CONFLICT),
            Self::Limit => ("limit", StatusCode::TOO_MANY_REQUESTS),
            Self::Db(DbError::Busy(_)) => ("busy", StatusCode::SERVICE_UNAVAILABLE),
            Self::Db(DbError::Full(_)) => ("full", StatusCode::INSUFFICIENT_STORAGE),
            Self::Db(_) | Self::Internal(_) => ("failed", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Response {
        if let Self::Db(error) = self {
            tracing::error!(%error, "a request could not be served");
        }
        let (word, status) = self.word();
        let body = serde_json::json!({"error": word, "message": self.to_string()});
        let mut response = (status, axum::Json(body)).into_response();
        if matches!(status.as_u16(), 429 | 503 | 507) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
