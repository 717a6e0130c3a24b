//! What can go wrong between here and the store, and how it is told: the object, the bucket, the cause, and no credential.

use super::address::Address;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as _;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use vow_base::disk::DiskError;

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The store answered, and said no.
    Refused(Refusal),
    /// No answer, or only a part of one.
    Broken(String),
    /// An answer that cannot be true.
    Senseless(String),
    /// An object of which more was asked than there is.
    TooShort,
    /// An object that is longer than it may be.
    TooLong(u64),
    /// Not sent: what was asked makes no sense.
    Unwanted(String),
}

/// An answer that is no success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// The store's word for it, as `NoSuchKey`; empty when it gave none.
    pub(super) code: String,
    /// The store's sentence.
    pub(super) message: String,
    /// Whether the store says that a delete marker is why.
    pub(super) marker: bool,
}

impl Failure {
    /// Whether the object is not there. A bucket that is not there is another matter, and so is a page of some proxy.
    pub(super) fn is_absent(&self) -> bool {
        let Self::Refused(refusal) = self else { return false };
        match refusal.status {
            404 => matches!(refusal.code.as_str(), "NoSuchKey" | "NoSuchVersion" | ""),
            // The answer to a question about a version that is a delete marker.
            405 => refusal.marker,
            _ => false,
        }
    }

    pub(super) fn has_status(&self, status: u16) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == status)
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == code)
    }

    /// Whether the same request can have another answer in a moment.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500 | 502..=504),
            Self::Broken(_) => true,
            Self::Senseless(_) | Self::TooShort | Self::TooLong(_) | Self::Unwanted(_) => false,
        }
    }

    /// Of an error of the object store crate, with what was noted while the request was tried.
    pub(super) fn of(error: &object_store::Error, note: &Note) -> Self {
        match note.take() {
            Some(failure) => failure,
            None => Self::Senseless(chain(error)),
        }
    }

    /// As an error about a name.
    pub(super) fn at(self, action: &'static str, address: &Address, name: &str) -> DiskError {
        DiskError { action, path: address.path(name), source: self.into_io() }
    }

    fn into_io(self) -> io::Error {
        let kind = match &self {
            _ if self.is_absent() => ErrorKind::NotFound,
            Self::Refused(refusal) => match (refusal.status, refusal.code.as_str()) {
                (_, "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage") | (507, _) => {
                    ErrorKind::StorageFull
                }
                (401 | 403, _) => ErrorKind::PermissionDenied,
                (408 | 429 | 503, _) => ErrorKind::ResourceBusy,
                _ => ErrorKind::Other,
            },
            Self::Broken(_) => ErrorKind::ConnectionAborted,
            Self::Senseless(_) => ErrorKind::InvalidData,
            Self::TooShort => ErrorKind::UnexpectedEof,
            Self::TooLong(_) => ErrorKind::FileTooLarge,
            Self::Unwanted(_) => ErrorKind::InvalidInput,
        };
        io::Error::new(kind, self.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Broken(text) => write!(f, "the store did not answer: {text}"),
            Self::Senseless(text) => write!(f, "the store's answer makes no sense: {text}"),
            Self::TooShort => f.write_str("the object ends before that"),
            Self::TooLong(length) => write!(f, "its {length} bytes are more than the format allows"),
            Self::Unwanted(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", _) => write!(f, "the store answered with HTTP status {}", self.status)?,
            (code, "") => write!(f, "{code} (HTTP status {})", self.status)?,
            (code, message) => write!(f, "{code}: {message} (HTTP status {})", self.status)?,
        }
        if self.marker { f.write_str(", because of a delete marker") } else { Ok(()) }
    }
}

/// Travels with a request through the object store crate and comes back with what was seen on the wire.
#[derive(Clone, Default)]
pub(super) struct Note(Arc<Mutex<Option<Failure>>>);

impl Note {
    /// How the last try ended; `None` for a success.
    pub(super) fn set(&self, failure: Option<Failure>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An error that the object store crate tries again after: everything that is sent here may be repeated.
pub(super) fn repeatable(failure: Failure) -> HttpError {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(String);
    HttpError::new(HttpErrorKind::Request, Told(failure.to_string()))
}

/// An error with all its causes, of which the last is the one that matters.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// What an HTTP client's error says.
pub(super) fn transport(error: &HttpError) -> Failure {
    let text = error.source().map_or_else(|| error.to_string(), chain);
    Failure::Broken(text)
}
