//! One line for every request, when the last byte of its answer is sent or nobody waits for it any more. Never a secret.

use super::app::App;
use super::asked::Asked;
use super::connection::Peer;
use super::gate::words;
use axum::body::{Body, Bytes, HttpBody};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use vow_base::id::hex;
use vow_protocol::Word;

/// What is said of a request.
pub(crate) struct Entry {
    app: Arc<App>,
    peer: Peer,
    method: String,
    verb: &'static str,
    /// Customer and name.
    host: String,
    object: String,
    began: Instant,
    received: Arc<AtomicU64>,
    /// Bytes that the body was said to have.
    announced: u64,
    sent: u64,
    status: Option<StatusCode>,
    word: Option<Word>,
    cause: Option<String>,
    /// Whether the answer was sent to its end.
    whole: bool,
}

/// What a request holds until its answer is sent: its turns.
#[derive(Default)]
pub(crate) struct Kept(#[allow(dead_code)] Vec<OwnedSemaphorePermit>);

impl Kept {
    pub(crate) fn new(permits: Vec<OwnedSemaphorePermit>) -> Self {
        Self(permits)
    }
}

/// How long the body will be; endless when it does not say.
fn announced(headers: &HeaderMap) -> u64 {
    if headers.contains_key(TRANSFER_ENCODING) {
        return u64::MAX;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

impl Entry {
    pub(crate) fn begin(app: Arc<App>, peer: &Peer, request: &Parts, asked: Option<Asked>) -> Self {
        peer.traffic.begin_request();
        app.figures.in_flight.inc();
        let (verb, object) = words(asked, request.uri.path());
        // The host that it is about, else the one that asks.
        let about = asked.and_then(|asked| asked.host()).or_else(|| peer.key.map(|key| key.host_id()));
        let host = about.and_then(|host| app.book.host(&host)).map(|host| match &*host.tenant {
            "" => host.name.clone(),
            tenant => format!("{tenant}/{}", host.name),
        });
        Self {
            app,
            peer: peer.clone(),
            // Methods are chosen by the other side; a long one is cut, and control characters are no part of methods.
            method: request.method.as_str().chars().take(16).collect(),
            verb,
            host: host.unwrap_or_default(),
            object,
            began: Instant::now(),
            received: Arc::default(),
            announced: announced(&request.headers),
            sent: 0,
            status: None,
            word: None,
            cause: None,
            whole: false,
        }
    }

    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        self.received.clone()
    }

    pub(crate) fn answered(&mut self, status: StatusCode, word: Option<Word>, cause: Option<String>) {
        self.status = Some(status);
        self.word = word;
        self.cause = cause;
    }

    /// The body of the answer; when it ends or is dropped, the line is written and the turns are over.
    pub(crate) fn around(mut self, body: Body, kept: Kept) -> Sent {
        self.whole = body.is_end_stream();
        Sent { body, entry: self, _kept: kept }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let received = self.received.load(Ordering::Relaxed);
        let status = self.status.map_or(0, |status| status.as_u16());
        self.app.figures.request(self.verb, status, received, self.sent);
        self.app.figures.in_flight.dec();
        self.peer.traffic.end_request(received < self.announced);
        let outcome = match self.word.and_then(|word| serde_json::to_value(word).ok()) {
            Some(word) => word.as_str().unwrap_or_default().to_owned(),
            None if self.whole => "ok".to_owned(),
            None => "cut off".to_owned(),
        };
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "vow_vault::access",
            peer = %self.peer.address,
            key = %self.peer.key.map(|key| hex(&key.host_id().0[..6])).unwrap_or_default(),
            method = %self.method,
            host = %self.host,
            verb = self.verb,
            object = %self.object,
            status,
            outcome = %outcome,
            received,
            sent = self.sent,
            ms,
            cause = %self.cause.as_deref().unwrap_or_default(),
        );
        if matches!(self.word, Some(Word::Storage)) {
            tracing::error!(verb = self.verb, object = %self.object, cause = %self.cause.as_deref().unwrap_or_default(), "the storage failed");
        }
    }
}

/// The body of an answer on its way out.
pub(crate) struct Sent {
    body: Body,
    entry: Entry,
    _kept: Kept,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.entry.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                // With a length that is known, nobody asks for the end.
                self.entry.whole |= self.body.is_end_stream();
            }
            Poll::Ready(None) => self.entry.whole = true,
            Poll::Ready(Some(Err(error))) => self.entry.cause = Some(error.to_string()),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
