//! Why an exchange gave no result, before it is known what was asked for.

use super::retry::Verdict;
use crate::fault::{ErrorBody, Word, parse_retry_after};
use crate::tls::WrongKey;
use std::error::Error;
use std::time::Duration;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// At most this many characters of what a vault says are shown.
const SHOWN_CHARS: usize = 300;

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Problem {
    /// No connection, or it was lost, or nothing moved on it any more.
    Lost(String),
    /// Another vault answers.
    OtherVault(WrongKey),
    /// The vault says no.
    Said(Saying),
    /// What it answers is not of this protocol.
    Nonsense(String),
}

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) word: Word,
    pub(super) message: String,
    pub(super) missing: Vec<(Kind, ObjectId)>,
    pub(super) after: Option<Duration>,
}

impl Problem {
    /// A connection that did not hold, by an error and what caused it.
    pub(super) fn lost(error: &dyn Error) -> Self {
        Self::Lost(chain(error))
    }

    /// What hyper says of an exchange.
    pub(super) fn of_http(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::Nonsense(format!("no answer in HTTP: {}", chain(error)));
        }
        Self::lost(error)
    }

    /// Reads an answer that is not a success.
    pub(super) fn of_answer(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let Some(bare) = Word::of_status(status) else {
            let what = if (300..400).contains(&status) { "a redirect" } else { "an answer" };
            return Self::Nonsense(format!("{what} with status {status}"));
        };
        let read =
            serde_json::from_slice::<ErrorBody>(body).ok().filter(|body| body.error.status() == status);
        let after = retry_after.and_then(parse_retry_after);
        let said = match read {
            Some(ErrorBody { error: word, message, missing, .. }) => {
                let missing = missing.into_iter().map(|(kind, id)| (kind.0, id.0)).collect();
                Saying { word, message: plain(&message), missing, after }
            }
            None => Saying { word: bare, message: format!("status {status}"), missing: Vec::new(), after },
        };
        Self::Said(said)
    }

    /// What it means for the next try.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Lost(_) => Verdict::Passing(None),
            Self::Said(Saying { word: Word::Hash | Word::Full, after, .. }) => Verdict::Stubborn(*after),
            Self::Said(Saying { word, after, .. }) if word.is_passing() => Verdict::Passing(*after),
            Self::Said(_) | Self::OtherVault(_) | Self::Nonsense(_) => Verdict::Final,
        }
    }

    /// What it means to whoever asked `what` of the vault at `place` for `host`.
    pub(super) fn into_error(self, place: &str, host: HostId, what: &str) -> VaultError {
        let place = place.to_owned();
        let said = match self {
            Self::Lost(reason) => return VaultError::Unreachable { place, reason },
            Self::OtherVault(WrongKey { found, expected }) => {
                let (found, expected) = (found.to_string(), expected.to_string());
                return VaultError::OtherVault { place, found, expected };
            }
            Self::Nonsense(reason) => {
                return VaultError::Protocol { place, reason: plain(&format!("{what}: {reason}")) };
            }
            Self::Said(said) => said,
        };
        let reason = said.message;
        match said.word {
            Word::Absent => VaultError::NotForThisKey { place, what: what.to_owned() },
            Word::NotJoined => VaultError::NotJoined { host, place },
            Word::Refused | Word::Length => VaultError::Refused(reason),
            Word::Hash => VaultError::Refused(format!("{what}: it arrives damaged at {place}: {reason}")),
            Word::Limit => VaultError::Limited { place, reason },
            Word::Storage => VaultError::Storage { place, reason },
            Word::Busy => VaultError::Busy { place },
            Word::Full => VaultError::Full { place, reason },
            Word::Missing | Word::Malformed | Word::Key | Word::NoLength | Word::Range => {
                let status = said.word.status();
                VaultError::Protocol { place, reason: format!("{what}: it answers {status}: {reason}") }
            }
        }
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    plain(&text)
}

/// What a stranger wrote, fit for a terminal: no control characters, nothing that turns the line around, not too long.
pub(super) fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let fit = |c: char| if c.is_control() || turns(c) { ' ' } else { c };
    let mut shown: String = text.chars().take(SHOWN_CHARS).map(fit).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> Problem {
        Problem::of_answer(status, Some("7"), body.as_bytes())
    }

    fn word(problem: &Problem) -> Option<Word> {
        match problem {
            Problem::Said(said) => Some(said.word),
            _ => None,
        }
    }

    #[test]
    fn the_word_counts_when_it_fits_the_status() {
        let full = said(507, r#"{"error":"full","message":"quota"}"#);
        assert_eq!(word(&full), Some(Word::Full));
        assert_eq!(full.verdict(), Verdict::Stubborn(Some(Duration::from_secs(7))));
        assert_eq!(word(&said(404, r#"{"error":"not-joined","message":""}"#)), Some(Word::NotJoined));
        assert_eq!(word(&said(404, r#"{"error":"missing","message":""}"#)), Some(Word::Absent));
        assert_eq!(word(&said(500, "<html>")), Some(Word::Storage));
        assert_eq!(word(&said(409, r#"{"error":"new-word","message":""}"#)), Some(Word::Refused));
    }

    #[test]
    fn redirects_and_unknown_statuses_are_no_answers() {
        for status in [100, 301, 302, 307, 308, 402, 418, 505, 599] {
            let problem = said(status, r#"{"error":"busy","message":""}"#);
            assert!(matches!(problem, Problem::Nonsense(_)), "{status}");
            assert_eq!(problem.verdict(), Verdict::Final);
        }
    }

    #[test]
    fn what_a_vault_says_cannot_steer_a_terminal() {
        let shown = plain(&format!("a\x1b[2Jb\u{202e}c\r\n{}", "x".repeat(1000)));
        assert!(shown.starts_with("a [2Jb c  xxx") && shown.chars().count() == SHOWN_CHARS + 1);
    }
}
