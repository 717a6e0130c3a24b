//! Errors as they travel: a word for programs, a sentence for people, and the HTTP status that goes with the word.

use crate::wire::{Hex, KindWord};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::vault::Kind;

/// What kind of error it is. [`Word::status`] is the one place where words meet HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The request is not one of this protocol.
    Malformed,
    /// No client key where one is needed.
    Key,
    /// Absent, foreign or not allowed: which of these is not said.
    Absent,
    /// The host of this key has not joined. Said on its own paths only.
    NotJoined,
    /// A commit names objects that are not there.
    Missing,
    /// Refused for good.
    Refused,
    /// A body without a length.
    NoLength,
    /// A body above the limit of its kind.
    Length,
    /// The range asked for is not inside the object.
    Range,
    /// The bytes do not hash to the name.
    Hash,
    /// Too many requests, bytes or snapshots of this host.
    Limit,
    /// The storage failed; nothing was acknowledged.
    Storage,
    /// Lock held, object being deleted, starting, stopping.
    Busy,
    /// Disk, reserve or quota is full.
    Full,
}

impl Word {
    /// Every word.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Key,
        Self::Absent,
        Self::NotJoined,
        Self::Missing,
        Self::Refused,
        Self::NoLength,
        Self::Length,
        Self::Range,
        Self::Hash,
        Self::Limit,
        Self::Storage,
        Self::Busy,
        Self::Full,
    ];

    /// The HTTP status it is sent with.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Key => 401,
            Self::Absent | Self::NotJoined => 404,
            Self::Missing | Self::Refused => 409,
            Self::NoLength => 411,
            Self::Length => 413,
            Self::Range => 416,
            Self::Hash => 422,
            Self::Limit => 429,
            Self::Storage => 500,
            Self::Busy => 503,
            Self::Full => 507,
        }
    }

    /// What a bare status means, when the body with the word got lost. `None` for statuses that this protocol does not use.
    pub fn of_status(status: u16) -> Option<Self> {
        // 409 alone does not say whether sending something would help.
        let plain = |word: &Self| !matches!(word, Self::NotJoined | Self::Missing) && word.status() == status;
        Self::ALL.into_iter().find(plain)
    }

    /// Whether the same request may succeed later, or when sent again.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Hash | Self::Limit | Self::Storage | Self::Busy | Self::Full)
    }
}

/// The body of every answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What kind of error it is.
    pub error: Word,
    /// A sentence for people.
    pub message: String,
    /// [`Word::Missing`]: what is not there, at most [`MISSING_MAX`](crate::limits::MISSING_MAX) of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<(KindWord, Hex<ObjectId>)>,
    /// [`Word::Missing`]: how many are not there, with those that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl ErrorBody {
    /// An error with nothing but a sentence.
    pub fn new(error: Word, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), missing: Vec::new(), count: None }
    }

    /// The answer to a commit that names these objects, which are not there. Lists as many as an answer holds.
    pub fn missing(objects: &[(Kind, ObjectId)]) -> Self {
        let count = objects.len();
        let listed = objects.iter().take(crate::limits::MISSING_MAX);
        Self {
            error: Word::Missing,
            message: format!("{count} objects that the manifest names are not in the vault"),
            missing: listed.map(|(kind, id)| (KindWord(*kind), Hex(*id))).collect(),
            count: Some(count as u64),
        }
    }
}

/// The value of `Retry-After`: whole seconds, rounded up, at least one.
pub fn retry_after_text(pause: Duration) -> String {
    pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0)).max(1).to_string()
}

/// Reads `Retry-After`; `None` for dates and anything else that is not a number of seconds.
pub fn parse_retry_after(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok().map(Duration::from_secs))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_document() {
        let document = include_str!("../../../docs/protocol.md");
        for word in Word::ALL {
            let text = serde_json::to_value(word).expect("a word");
            let text = text.as_str().expect("a text");
            let row = document.lines().find(|line| {
                line.starts_with(&format!("| {} |", word.status())) && line.contains(&format!("| {text} |"))
            });
            let beside = document.contains(&format!("`\"error\": \"{text}\"`"));
            assert!(row.is_some() || beside, "{text} is not in the table");
        }
    }

    #[test]
    fn a_bare_status_is_never_taken_for_success_or_for_something_to_send() {
        for status in 0..600 {
            let word = Word::of_status(status);
            assert!(word.is_none_or(|word| word.status() == status));
            assert!(!matches!(word, Some(Word::Missing | Word::NotJoined)));
            assert!(status >= 400 || word.is_none(), "{status}");
        }
    }

    #[test]
    fn an_error_reads_as_it_was_written() {
        let mut body = ErrorBody::missing(&vec![(Kind::Pack, ObjectId([1; 32])); 20_000]);
        assert_eq!((body.missing.len(), body.count), (10_000, Some(20_000)));
        body.missing.truncate(1);
        let text = serde_json::to_string(&body).expect("JSON");
        assert!(text.contains(&format!(r#""missing":[["packs","{}"]],"count":20000"#, "01".repeat(32))));
        assert_eq!(serde_json::from_str::<ErrorBody>(&text).expect("the same"), body);
        let plain = serde_json::to_string(&ErrorBody::new(Word::NotJoined, "no")).expect("JSON");
        assert_eq!(plain, r#"{"error":"not-joined","message":"no"}"#);
    }

    #[test]
    fn only_seconds_are_a_pause() {
        assert_eq!(parse_retry_after("120"), Some(Duration::from_secs(120)));
        for bad in ["", "-1", "+1", "1.5", "1e3", "9999999999", "Wed, 21 Oct 2015 07:28:00 GMT", " 1"] {
            assert_eq!(parse_retry_after(bad), None, "{bad}");
        }
        assert_eq!(retry_after_text(Duration::from_millis(1200)), "2");
        assert_eq!(retry_after_text(Duration::ZERO), "1");
    }
}
