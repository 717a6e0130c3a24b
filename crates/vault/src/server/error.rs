//! Errors on their way out: the one place where what went wrong gets a word, and with it a status.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use std::time::Duration;
use vow_base::vault::VaultError;
use vow_protocol::fault::retry_after_text;
use vow_protocol::{ErrorBody, Word};

/// How soon to ask again when nobody knows better.
const PAUSE: Duration = Duration::from_secs(5);

/// What a handler answers when it does not do what was asked.
#[derive(Debug)]
pub(crate) struct ApiError {
    body: Box<ErrorBody>,
    retry_after: Option<Duration>,
    cause: Option<String>,
    hang_up: bool,
}

/// What really happened, for the log; it rides on the answer and is not sent.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

/// The word of the answer, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said(pub(crate) Word);

/// The connection is closed instead of answering: whoever sends too slowly would not read the answer either.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUp;

impl ApiError {
    pub(crate) fn new(word: Word, message: impl Into<String>) -> Self {
        let retry_after = matches!(word, Word::Limit | Word::Busy).then_some(PAUSE);
        Self { body: Box::new(ErrorBody::new(word, message)), retry_after, cause: None, hang_up: false }
    }

    /// The same answer for everything that is absent, foreign or not allowed.
    pub(crate) fn absent() -> Self {
        Self::new(Word::Absent, "there is nothing here for this key")
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Word::Malformed, message)
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(Word::Busy, message)
    }

    /// No answer: the connection is closed, and what was being sent can be sent again.
    pub(crate) fn hang_up(cause: impl Into<String>) -> Self {
        Self { hang_up: true, ..Self::malformed("the body did not arrive whole") }.because(cause)
    }

    /// The same, to be asked again after this time.
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// The same, with what really happened for the log.
    pub(crate) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// What really happened, else what is said.
    pub(crate) fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.body.message)
    }

    #[cfg(test)]
    pub(crate) fn word(&self) -> Word {
        self.body.error
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        use VaultError as E;
        let text = error.to_string();
        match error {
            E::Missing(objects) => {
                Self { body: Box::new(ErrorBody::missing(&objects)), ..Self::new(Word::Missing, "") }
            }
            E::Absent { .. } | E::NotJoined { .. } => Self::absent().because(text),
            E::WrongHash { .. } => Self::new(Word::Hash, text),
            // The one who is told says that it was refused.
            E::Refused(why) => Self::new(Word::Refused, why),
            E::Signed { .. } => Self::new(Word::Refused, text),
            E::Busy { .. } => Self::busy("the vault is busy").because(text),
            E::Disk(disk) if disk.is_full() => Self::new(Word::Full, "the vault is full").because(text),
            E::Full { .. } => Self::new(Word::Full, "the vault is full").because(text),
            E::Limited { .. } => Self::new(Word::Limit, "the vault takes no more for now").because(text),
            // Where the storage lies and what ails it is for those who run it.
            E::Unreachable { .. }
            | E::Storage { .. }
            | E::NotForThisKey { .. }
            | E::Protocol { .. }
            | E::Disk(_)
            | E::Damaged { .. }
            | E::Ledger { .. }
            | E::NoVault { .. }
            | E::OtherVault { .. } => {
                Self::new(Word::Storage, "the vault's storage failed; nothing was acknowledged").because(text)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let word = self.body.error;
        let mut response = json(word.status(), &*self.body);
        if let Some(pause) = self.retry_after
            && let Ok(value) = HeaderValue::try_from(retry_after_text(pause))
        {
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response.extensions_mut().insert(Said(word));
        if self.hang_up {
            response.extensions_mut().insert(HangUp);
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &impl serde::Serialize) -> Response {
    // Every body is a struct of texts and numbers: writing it cannot fail.
    let text = serde_json::to_vec(body).unwrap_or_default();
    let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};
    use vow_base::disk::DiskError;
    use vow_base::vault::Kind;
    use vow_base::{HostId, ObjectId};

    #[test]
    fn every_error_has_its_word_and_says_nothing_of_the_storage() {
        let disk =
            |kind| VaultError::Disk(DiskError::at("write", "/srv/secret/place".as_ref())(Error::from(kind)));
        let (kind, id, place) = (Kind::Pack, ObjectId([1; 32]), || "/srv/secret/place".to_owned());
        let reason = place;
        for (error, word) in [
            (disk(ErrorKind::StorageFull), Word::Full),
            (disk(ErrorKind::QuotaExceeded), Word::Full),
            (disk(ErrorKind::NotFound), Word::Storage),
            (disk(ErrorKind::Other), Word::Storage),
            (VaultError::Busy { place: place() }, Word::Busy),
            (VaultError::Absent { kind, id }, Word::Absent),
            (VaultError::NotJoined { host: HostId([1; 32]), place: place() }, Word::Absent),
            (VaultError::Damaged { kind, id, reason: reason() }, Word::Storage),
            (VaultError::WrongHash { kind, id, found: id }, Word::Hash),
            (VaultError::Missing(vec![(kind, id)]), Word::Missing),
            (VaultError::Refused("a fork".into()), Word::Refused),
            (VaultError::Ledger { place: place(), position: 1, reason: reason() }, Word::Storage),
        ] {
            let api = ApiError::from(error);
            assert_eq!(api.word(), word);
            assert!(!api.body.message.contains("/srv"), "{}", api.body.message);
            assert_eq!(api.into_response().status().as_u16(), word.status());
        }
    }
}
