//! A vault at the other end of a network, used like one in a directory.
//!
//! The vault is believed only what can be checked: objects by their names, receipts by the pinned key, lengths by the limits of
//! the format. What cannot be checked, it can withhold, no more.

mod attack;
mod body;
mod connect;
mod console;
mod deposit;
mod limit;
mod link;
mod pages;
mod peer;
mod problem;
mod retrieve;
mod retry;
mod watch;

pub use attack::{Attacked, Attempt, Prey};
pub use console::{ConsoleError, JoinedConsole, REPORTS, RemoteConsole};
pub use limit::RATE_LEAST;
pub use pages::{Entry, LedgerPage};
pub use retry::{RealTiming, Retry, Timing};

use crate::limits::{ANSWER_JSON_LIMIT_BYTES, PACE_WINDOW, PROTOCOL};
use crate::path::{Route, Spot};
use crate::tls;
use crate::token::{Address, JoinSecret};
use crate::wire::{About, Join, Joined, Status};
use bytes::Bytes;
use connect::Dialer;
use http::{Method, StatusCode};
use link::{Answer, Link, Request};
use problem::{Problem, Saying};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use vow_base::sign::SigningKey;
use vow_base::vault::VaultError;
use vow_base::{Fingerprint, HostId, ObjectId};

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
/// The longest answer that is nothing but a few words, in bytes.
const SHORT_LIMIT_BYTES: u64 = 64 << 10;

/// How a vault is used.
#[derive(Clone)]
pub struct Options {
    /// Bytes per second that all uploads together may take; not below [`RATE_LEAST`].
    pub upload_bytes_per_sec: Option<u64>,
    /// Bytes per second that all downloads together may take; not below [`RATE_LEAST`].
    pub download_bytes_per_sec: Option<u64>,
    /// At most this many connections at once.
    pub connections: usize,
    /// When to try again, and when to give up.
    pub retry: Retry,
    /// Connecting may take this long, and the handshake again.
    pub connect: Duration,
    /// In each window of this length, at least 32 KiB must move while something moves at all.
    pub window: Duration,
    /// A vault may work this long on a request before it answers.
    pub patience: Duration,
    /// Likewise on a commit: it looks at every object of the snapshot, and waits for its turn.
    pub commit_patience: Duration,
    /// What this program calls itself.
    pub software: String,
    /// Time and chance.
    pub timing: Arc<dyn Timing>,
}

impl Options {
    /// The usual ones. Whoever sets `cancelled` stops what is being waited for.
    pub fn new(cancelled: Arc<AtomicBool>) -> Self {
        Self {
            upload_bytes_per_sec: None,
            download_bytes_per_sec: None,
            connections: 16,
            retry: Retry::default(),
            connect: Duration::from_secs(10),
            window: PACE_WINDOW,
            patience: Duration::from_secs(90),
            commit_patience: Duration::from_mins(10),
            software: concat!("vow/", env!("CARGO_PKG_VERSION")).to_owned(),
            timing: Arc::new(RealTiming::new(cancelled)),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

/// A vault, seen with one key. Its connections are shared by all clones and all threads.
#[derive(Clone)]
pub struct RemoteVault {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    place: String,
    pin: Fingerprint,
    /// The host whose key it is, if it is a host's.
    own: HostId,
}

impl RemoteVault {
    /// The vault with this fingerprint at this address. Nothing is sent yet: [`RemoteVault::about`] is the first contact.
    pub fn new(
        address: &Address,
        pin: Fingerprint,
        key: &SigningKey,
        options: Options,
    ) -> Result<Self, VaultError> {
        let place = address.to_string();
        let cannot = |why: &dyn fmt::Display| VaultError::Refused(format!("{place} cannot be used: {why}"));
        let tls = tls::client_config(pin, Some(key)).map_err(|e| cannot(&e))?;
        let dialer = Dialer::new(address.clone(), tls, options.connect);
        let link = Link::new(dialer, address.authority(), options).map_err(|e| cannot(&e))?;
        Ok(Self { inner: Arc::new(Inner { link, place, pin, own: key.public().host_id() }) })
    }

    /// Its address, for people.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// The fingerprint of its key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.pin
    }

    /// Who answers, and what this key may do. Tries only briefly: a vault that is away should not hold up the others.
    pub fn about(&self) -> Result<About, VaultError> {
        let what = "description of itself";
        let request = self.inner.get(Route::Vault, None);
        let answer = self.inner.link.ask_within(&self.inner.link.options().retry.brief(), &request);
        let about: About = self.inner.read_json(answer.map_err(|e| self.inner.error(e, what))?, what)?;
        if about.protocol != PROTOCOL {
            let reason =
                format!("it speaks version {} of it, this program version {PROTOCOL}", about.protocol);
            return Err(VaultError::Protocol { place: self.inner.place.clone(), reason });
        }
        self.inner.expect_pin(&about.vault.0, what)?;
        Ok(about)
    }

    /// Joins with the key this vault is seen with. The same token may be used again by the same key.
    pub fn join(&self, secret: &JoinSecret, join: JoinAs<'_>) -> Result<Joined, VaultError> {
        let what = "place for this host";
        let request = self.inner.post_json(Route::Join, &join_body(secret, join))?;
        // Somebody sits before it and waits.
        let brief = self.inner.link.options().retry.brief();
        let answer = self.inner.link.ask_within(&brief, &request).map_err(|problem| match problem {
            Problem::Said(Saying { word: crate::Word::Absent, .. }) => VaultError::Refused(
                "the vault does not take this token: it was used by another key, it has expired, or it was never given out"
                    .into(),
            ),
            other => self.inner.error(other, what),
        })?;
        let joined: Joined = self.inner.read_json(answer, what)?;
        self.inner.expect_pin(&joined.vault.0, what)?;
        Ok(joined)
    }

    /// Says, signed, what a host that joined without it has to say of itself. The same may be sent again.
    pub fn introduce(&self, stored: &[u8]) -> Result<(), VaultError> {
        let route = Route::Host(self.inner.own, Spot::Introduction);
        let posted = self.inner.post(route, Bytes::copy_from_slice(stored), OCTETS);
        let request = Request { method: Method::PUT, limit_bytes: SHORT_LIMIT_BYTES, ..posted };
        let good = [StatusCode::OK, StatusCode::CREATED];
        self.inner.ask(&request, "use for an introduction", &good).map(|_| ())
    }

    /// The newest ledger entry, verified; `None` when there is none yet.
    pub fn head(&self) -> Result<Option<Entry>, VaultError> {
        let what = "ledger";
        let limit_bytes = vow_base::receipt::ENVELOPE.limit_bytes as u64;
        let request = Request { limit_bytes, ..self.inner.get(Route::Head, None) };
        let answer = self.inner.ask(&request, what, &[StatusCode::OK, StatusCode::NO_CONTENT])?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(None),
            _ => self.inner.entry(answer.body, what).map(Some),
        }
    }

    /// Shows it the newest entry of another vault's ledger.
    pub fn witness(&self, stored: &[u8]) -> Result<(), VaultError> {
        let request = self.inner.post(Route::Witness, Bytes::copy_from_slice(stored), OCTETS);
        self.inner.ask(&request, "use for another vault's head", &[StatusCode::NO_CONTENT]).map(|_| ())
    }

    /// Adds a signed proof of a snapshot of this host; gives the entry of the ledger that has it. The same proof may be sent again.
    pub fn prove(&self, host: &HostId, stored: &[u8]) -> Result<Entry, VaultError> {
        let what = "use for a proof";
        let route = Route::Host(*host, Spot::Proof(ObjectId::of(stored)));
        let limit_bytes = vow_base::receipt::ENVELOPE.limit_bytes as u64;
        let posted = self.inner.post(route, Bytes::copy_from_slice(stored), OCTETS);
        let request = Request { method: Method::PUT, limit_bytes, ..posted };
        let answer = self.inner.ask(&request, what, &[StatusCode::OK, StatusCode::CREATED])?;
        self.inner.entry(answer.body, what)
    }

    /// Its health.
    pub fn status(&self) -> Result<Status, VaultError> {
        self.inner.get_json(Route::Status, None, "status")
    }
}

fn join_body(secret: &JoinSecret, join: JoinAs<'_>) -> Join {
    Join {
        secret: secret.clone(),
        tenant: join.tenant.map(str::to_owned),
        name: join.name.to_owned(),
        readers: join.readers.iter().map(|key| crate::wire::Hex(*key)).collect(),
        introduction: join.introduction.map(|stored| crate::wire::Base64(stored.to_vec())),
    }
}

/// How a host introduces itself when it joins.
#[derive(Debug, Clone, Copy)]
pub struct JoinAs<'a> {
    /// The customer, when the token does not say.
    pub tenant: Option<&'a str>,
    /// The name it is known by.
    pub name: &'a str,
    /// Keys that may read what it sends.
    pub readers: &'a [vow_base::sign::PublicKey],
    /// A host: the same, signed with its key, for vaults that copy from this one.
    pub introduction: Option<&'a [u8]>,
}

impl fmt::Debug for RemoteVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteVault({}, {})", self.inner.place, self.inner.pin)
    }
}

impl Inner {
    fn get(&self, route: Route, query: Option<String>) -> Request {
        let target = match query {
            Some(query) => format!("{route}?{query}"),
            None => route.to_string(),
        };
        Request {
            method: Method::GET,
            target,
            body: None,
            range: None,
            limit_bytes: ANSWER_JSON_LIMIT_BYTES as u64,
            patience: self.link.options().patience,
        }
    }

    fn post(&self, route: Route, body: Bytes, content_type: &'static str) -> Request {
        Request { method: Method::POST, body: Some((body, content_type)), ..self.get(route, None) }
    }

    fn post_json(&self, route: Route, body: &impl serde::Serialize) -> Result<Request, VaultError> {
        let bytes = serde_json::to_vec(body).map_err(|e| VaultError::Refused(e.to_string()))?;
        Ok(self.post(route, bytes.into(), JSON))
    }

    fn get_json<T: DeserializeOwned>(
        &self,
        route: Route,
        query: Option<String>,
        what: &str,
    ) -> Result<T, VaultError> {
        let answer = self.ask(&self.get(route, query), what, &[StatusCode::OK])?;
        self.read_json(answer, what)
    }

    /// Asks, where a success has one of these statuses.
    fn ask(&self, request: &Request, what: &str, good: &[StatusCode]) -> Result<Answer, VaultError> {
        let answer = self.link.ask(request).map_err(|problem| self.error(problem, what))?;
        self.expect(answer, what, good)
    }

    fn expect(&self, answer: Answer, what: &str, good: &[StatusCode]) -> Result<Answer, VaultError> {
        if good.contains(&answer.status) {
            return Ok(answer);
        }
        Err(self.nonsense(what, format!("status {} has no meaning here", answer.status.as_u16())))
    }

    fn read_json<T: DeserializeOwned>(&self, answer: Answer, what: &str) -> Result<T, VaultError> {
        let answer = self.expect(answer, what, &[StatusCode::OK])?;
        serde_json::from_slice(&answer.body).map_err(|e| self.nonsense(what, e.to_string()))
    }

    /// The key that an answer names as the vault's must be the pinned one, like that of the handshake.
    fn expect_pin(&self, key: &vow_base::sign::PublicKey, what: &str) -> Result<(), VaultError> {
        if Fingerprint::of(key) == self.pin {
            return Ok(());
        }
        Err(self.nonsense(what, "it names another vault's key".into()))
    }

    fn nonsense(&self, what: &str, reason: String) -> VaultError {
        Problem::Nonsense(reason).into_error(&self.place, self.own, what)
    }

    fn error(&self, problem: Problem, what: &str) -> VaultError {
        problem.into_error(&self.place, self.own, what)
    }
}
