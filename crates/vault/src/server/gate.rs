//! The gate that every request passes: who asks, what, may they, is it their turn. Behind it everything is decided already.

use super::app::{App, Noted};
use super::asked::Asked;
use super::connection::Peer;
use super::error::{ApiError, Cause, Said};
use super::log::{Entry, Kept};
use super::share::{Network, Share, Whose};
use super::tasks::turns;
use crate::access::{Access, AdmittedHost, Target, Verb, may};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use vow_base::id::sha256;
use vow_protocol::{Route, Spot, Word};

/// A stranger who would have to wait longer than this is sent away.
const STRANGER_WAIT: Duration = Duration::from_secs(2);

/// So much of a path that nobody knows is written into the log.
const PATH_SHOWN_CHARS: usize = 300;

/// Who asks, and what goes with it: for handlers.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) peer: Peer,
    pub(crate) access: Access,
    pub(crate) share: Arc<Share>,
    /// The host that is asked about, when it has joined.
    pub(crate) of: Option<Arc<AdmittedHost>>,
    /// Bytes of the body that have arrived.
    pub(crate) received: Arc<AtomicU64>,
}

/// Lets a request through, or answers it here.
pub(crate) async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().cloned() else {
        // Every connection has one.
        return ApiError::absent().into_response();
    };
    let asked = Asked::read(&parts.method, &parts.uri);
    let mut entry = Entry::begin(app.clone(), &peer, &parts, asked);
    let passed = pass(&app, &peer, &parts.headers, asked, &entry).await;
    let (mut response, kept) = match passed {
        Ok((asked, caller, kept)) => {
            parts.extensions.insert(asked);
            parts.extensions.insert(caller);
            (next.run(Request::from_parts(parts, body)).await, kept)
        }
        Err(error) => (error.into_response(), Kept::default()),
    };
    let cause = response.extensions_mut().remove::<Cause>().map(|cause| cause.0);
    let word = response.extensions().get::<Said>().map(|said| said.0);
    entry.answered(response.status(), word, cause);
    response.map(|body| Body::new(entry.around(body, kept)))
}

async fn pass(
    app: &Arc<App>,
    peer: &Peer,
    headers: &HeaderMap,
    asked: Option<Asked>,
    entry: &Entry,
) -> Result<(Asked, Caller, Kept), ApiError> {
    let strangers = Whose::Strangers(Network::of(peer.address.ip()));
    let own = peer.key.map_or(strangers, Whose::Key);
    // Counted before anything is looked up; by whom the connection was opened is known already.
    let first = app.shares.of(if peer.admitted { own } else { strangers });
    let pause = first.count_request();
    if !peer.admitted && pause > STRANGER_WAIT {
        return Err(ApiError::new(Word::Limit, "too many requests").after(pause));
    }
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let access = access_of(app, peer, &first).await?;
    let known = access.is_known();
    let share = app.shares.of(if known { own } else { strangers });
    let asked = asked.ok_or_else(ApiError::absent)?;
    let mut of = asked.host().and_then(|host| app.book.host(&host));
    if let (Some(host), None, Access::Granted(_)) = (asked.host(), &of, &access) {
        app.work(&share, |app| app.book.catch_up().noted(app)).await?;
        of = app.book.host(&host);
    }
    decide(app, peer, &access, asked, of.as_deref(), headers)?;
    let whole = if known { &app.requests } else { &app.strangers };
    let permits = turns([&share.requests, whole], app.config.limits.wait.0).await?;
    let received = entry.received();
    Ok((asked, Caller { peer: peer.clone(), access, share, of, received }, Kept::new(permits)))
}

/// What the key of a connection may do. Looks at the storage when that is not remembered.
pub(super) async fn access_of(app: &Arc<App>, peer: &Peer, share: &Share) -> Result<Access, ApiError> {
    let Some(key) = peer.key else { return Ok(Access::Nobody) };
    if let Some(access) = app.book.remembered(&key) {
        return Ok(access);
    }
    app.work(share, move |app| app.book.access(&key).noted(app)).await
}

/// Whether this may be asked. Nothing of the storage is looked at: to a host, what is foreign and what is absent take the same time and get
/// the same answer.
fn decide(
    app: &App,
    peer: &Peer,
    access: &Access,
    asked: Asked,
    of: Option<&AdmittedHost>,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let target = asked.host().map(|host| Target { host, tenant: of.map(|of| of.tenant.as_str()) });
    if may(access, asked.verb, target) {
        return Ok(());
    }
    if asked.verb == Verb::Metrics && bears_token(app, headers) {
        return Ok(());
    }
    match (access, peer.key) {
        (Access::Nobody, _) => Err(ApiError::new(Word::Key, "this needs a client key")),
        (Access::Stranger, Some(key))
            if asked.host() == Some(key.host_id())
                && may(&Access::Host(key.host_id()), asked.verb, target)
                && of.is_none() =>
        {
            Err(ApiError::new(Word::NotJoined, "this host has not joined the vault"))
        }
        _ => Err(ApiError::absent()),
    }
}

/// Whether the request bears the token of the file that the vault's operator made.
fn bears_token(app: &App, headers: &HeaderMap) -> bool {
    let Some(expected) = app.metrics_token else { return false };
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Hashes are compared: how long that takes says nothing of the token.
    value
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|token| sha256(token.as_bytes()) == expected)
}

/// What is asked, in words for the log: the verb, and the object. Of what is no request of the protocol, the path as it was sent.
pub(crate) fn words(asked: Option<Asked>, path: &str) -> (&'static str, String) {
    let Some(asked) = asked else {
        // Whoever sent it chose it: nothing of it can end a line or steer a terminal, and it is not long.
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
        return ("unknown", path.chars().take(PATH_SHOWN_CHARS).map(plain).collect());
    };
    let object = match asked.route {
        Route::Host(host, Spot::Object(kind, id)) => format!("{}/{}/{}", host.short(), kind.folder(), id),
        Route::Host(host, Spot::Objects(kind) | Spot::Missing(kind)) => {
            format!("{}/{}", host.short(), kind.folder())
        }
        Route::Host(host, _) => host.short(),
        _ => String::new(),
    };
    (asked.verb.word(), object)
}
