//! A console at the other end of a network: where a host joins once, and sends its reports.
//!
//! It is pinned by its key like a vault, and the host shows its own. What it answers is believed in one point only: that a report was
//! stored, so that the host need not keep it.

use super::link::Request;
use super::problem::{Problem, Saying};
use super::{Inner, JSON, JoinAs, Link, Options, join_body};
use crate::fault::Word;
use crate::report::{REPORT_LIMIT_BYTES, Report};
use crate::tls;
use crate::token::{Address, JoinSecret};
use crate::wire::Hex;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use std::fmt;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::{Fingerprint, HostId};

/// Where reports go.
pub const REPORTS: &str = "/v1/reports";
/// The path of `POST /v1/join`, as at a vault.
const JOIN: &str = "/v1/join";
/// The longest answer, in bytes.
const ANSWER_LIMIT_BYTES: u64 = 64 << 10;

/// Why a console did not take something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsoleError {
    /// It cannot be used as it stands in the plan.
    #[error("the console at {place} cannot be used: {reason}")]
    Unusable {
        /// Its address.
        place: String,
        /// Why.
        reason: String,
    },
    /// No answer could be had, or it asks for patience: later it may succeed.
    #[error("the console at {place} takes nothing now: {reason}")]
    Away {
        /// Its address.
        place: String,
        /// How the last try ended.
        reason: String,
    },
    /// Another one answers.
    #[error("the console at {place} is another one: its fingerprint is {found}, expected was {expected}")]
    Other {
        /// Its address.
        place: String,
        /// Who answered.
        found: String,
        /// Who should.
        expected: String,
    },
    /// It does not know this host's key.
    #[error("this host has not joined the console at {place}")]
    NotJoined {
        /// Its address.
        place: String,
    },
    /// It does not take this token.
    #[error(
        "the console at {place} does not take this token: it was used by another key, it has expired, or it was never given out"
    )]
    Token {
        /// Its address.
        place: String,
    },
    /// It refuses this very report, for good.
    #[error("the console at {place} refuses this report: {reason}")]
    Refused {
        /// Its address.
        place: String,
        /// What it said.
        reason: String,
    },
    /// It does not keep to the protocol.
    #[error("the console at {place} does not keep to the protocol: {reason}")]
    Protocol {
        /// Its address.
        place: String,
        /// How that was seen.
        reason: String,
    },
}

/// The answer to `POST /v1/join` at a console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedConsole {
    /// The console's key.
    pub console: Hex<PublicKey>,
    /// The customer.
    pub tenant: String,
    /// The name.
    pub name: String,
}

/// The answer to a report.
#[derive(Deserialize)]
struct Stored {
    stored: bool,
}

/// A console, seen with a host's key.
pub struct RemoteConsole {
    inner: Inner,
}

impl RemoteConsole {
    /// The console with this fingerprint at this address. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConsoleError::Unusable`].
    pub fn new(
        address: &Address,
        pin: Fingerprint,
        key: &SigningKey,
        options: Options,
    ) -> Result<Self, ConsoleError> {
        let place = address.to_string();
        let cannot = |reason: String| ConsoleError::Unusable { place: place.clone(), reason };
        let tls = tls::client_config(pin, Some(key)).map_err(|e| cannot(e.to_string()))?;
        let dialer = super::Dialer::new(address.clone(), tls, options.connect);
        let link = Link::new(dialer, address.authority(), options).map_err(|e| cannot(e.to_string()))?;
        Ok(Self { inner: Inner { link, place, pin, own: key.public().host_id() } })
    }

    /// Its address.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// The host that it is seen as.
    pub fn host(&self) -> HostId {
        self.inner.own
    }

    /// Joins with the key this console is seen with. The same token may be used again by the same key.
    ///
    /// # Errors
    /// Why this host has not joined.
    pub fn join(&self, secret: &JoinSecret, join: JoinAs<'_>) -> Result<JoinedConsole, ConsoleError> {
        let body = serde_json::to_vec(&join_body(secret, join)).map_err(|e| self.nonsense(e.to_string()))?;
        let brief = self.inner.link.options().retry.brief();
        let answer = self.inner.link.ask_within(&brief, &self.post(JOIN, body.into())).map_err(
            |problem| match problem {
                Problem::Said(Saying { word: Word::Absent, .. }) => {
                    ConsoleError::Token { place: self.inner.place.clone() }
                }
                other => self.error(other),
            },
        )?;
        let joined: JoinedConsole =
            serde_json::from_slice(&answer.body).map_err(|e| self.nonsense(e.to_string()))?;
        if Fingerprint::of(&joined.console.0) != self.inner.pin {
            return Err(self.nonsense("it names another key than its own".into()));
        }
        Ok(joined)
    }

    /// Sends one report; returns when the console has stored it. Tries only briefly: whoever sends keeps what was not taken.
    ///
    /// # Errors
    /// Why it must be kept, or, for [`ConsoleError::Refused`], why it will never be taken.
    pub fn report(&self, report: &Report) -> Result<(), ConsoleError> {
        let body = serde_json::to_vec(report).map_err(|e| self.refused(e.to_string()))?;
        if body.len() > REPORT_LIMIT_BYTES {
            return Err(
                self.refused(format!("it has {} bytes; {REPORT_LIMIT_BYTES} are allowed", body.len()))
            );
        }
        let request = self.post(REPORTS, body.into());
        let brief = self.inner.link.options().retry.brief();
        let answer = self.inner.link.ask_within(&brief, &request).map_err(|problem| self.error(problem))?;
        if answer.status != StatusCode::OK {
            return Err(self.nonsense(format!("status {} has no meaning here", answer.status.as_u16())));
        }
        match serde_json::from_slice::<Stored>(&answer.body) {
            Ok(Stored { stored: true }) => Ok(()),
            Ok(Stored { stored: false }) => Err(self.away("it did not store the report".into())),
            Err(error) => Err(self.nonsense(error.to_string())),
        }
    }

    fn post(&self, target: &str, body: Bytes) -> Request {
        Request {
            method: Method::POST,
            target: target.to_owned(),
            body: Some((body, JSON)),
            range: None,
            limit_bytes: ANSWER_LIMIT_BYTES,
            patience: self.inner.link.options().patience,
        }
    }

    fn error(&self, problem: Problem) -> ConsoleError {
        let place = self.inner.place.clone();
        match problem {
            Problem::Lost(reason) => ConsoleError::Away { place, reason },
            Problem::OtherVault(wrong) => {
                let (found, expected) = (wrong.found.to_string(), wrong.expected.to_string());
                ConsoleError::Other { place, found, expected }
            }
            Problem::Nonsense(reason) => self.nonsense(reason),
            Problem::Said(said) => match said.word {
                Word::Key | Word::NotJoined => ConsoleError::NotJoined { place },
                Word::Malformed | Word::Refused | Word::Length => self.refused(said.message),
                Word::Absent => self.nonsense(format!("it has no place for this: {}", said.message)),
                word if word.is_passing() => self.away(said.message),
                Word::Full | Word::Storage | Word::Busy | Word::Limit => self.away(said.message),
                word => self.nonsense(format!("it answers {}: {}", word.status(), said.message)),
            },
        }
    }

    fn away(&self, reason: String) -> ConsoleError {
        ConsoleError::Away { place: self.inner.place.clone(), reason }
    }

    fn refused(&self, reason: String) -> ConsoleError {
        ConsoleError::Refused { place: self.inner.place.clone(), reason }
    }

    fn nonsense(&self, reason: String) -> ConsoleError {
        ConsoleError::Protocol { place: self.inner.place.clone(), reason: super::problem::plain(&reason) }
    }
}

impl fmt::Debug for RemoteConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteConsole({}, {})", self.inner.place, self.inner.pin)
    }
}
