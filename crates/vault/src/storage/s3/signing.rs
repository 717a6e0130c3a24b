//! The one place that every request passes on its way out: headers of our own, the signature, a time limit, and what came back.
//!
//! The object store crate signs before a header can be added (locks, the checksum of the name) and shows a store's whole answer in
//! its errors, which can repeat a session token. So its requests arrive here unsigned and leave signed, and answers that are no success are
//! cut down to their code and their sentence. Each try is signed anew.

use super::failure::{Failure, Note, Refusal, repeatable, transport};
use super::xml;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use vow_base::clock::{Clock, SystemClock};

/// How long a store may take to begin its answer, besides the time its request needs on the way.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// No line is slower than this, in bytes a second.
const SLOWEST_LINE: u64 = 64 * 1024;
/// Of an answer that is no success, so much is read.
const REFUSAL_LIMIT_BYTES: usize = 64 * 1024;

/// What a request of the object store crate takes along.
#[derive(Clone)]
pub(super) struct Extra {
    pub(super) headers: HeaderMap,
    /// SHA-256 of the body, when it is known already.
    pub(super) sha256: [u8; 32],
}

/// Makes clients that sign.
pub(super) struct Connector {
    pub(super) credentials: AwsCredentialProvider,
    pub(super) region: String,
    pub(super) skew: Arc<AtomicI64>,
    /// The client made: for the requests that the crate does not know.
    pub(super) made: Arc<OnceLock<HttpClient>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let service = Signing {
            inner,
            credentials: self.credentials.clone(),
            region: self.region.clone(),
            skew: self.skew.clone(),
        };
        let client = HttpClient::new(service);
        // The first one is as good as any later one.
        let _ = self.made.set(client.clone());
        Ok(client)
    }
}

struct Signing {
    inner: HttpClient,
    credentials: AwsCredentialProvider,
    region: String,
    /// How far the store's clock is ahead of ours, in nanoseconds.
    skew: Arc<AtomicI64>,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signing")
    }
}

#[async_trait::async_trait]
impl HttpService for Signing {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let note = request.extensions_mut().remove::<Note>().unwrap_or_default();
        let extra = request.extensions_mut().remove::<Extra>();
        let sent = self.sign(&mut request, extra).await;
        let answered = match sent {
            Ok(()) => self.send(request).await,
            Err(failure) => Err(failure),
        };
        let response = answered.map_err(|failure| {
            note.set(Some(failure.clone()));
            repeatable(failure)
        })?;
        if response.status().is_success() {
            note.set(None);
            return Ok(response);
        }
        let (refusal, response) = cut_down(response).await;
        note.set(Some(Failure::Refused(refusal)));
        Ok(response)
    }
}

impl Signing {
    async fn sign(&self, request: &mut HttpRequest, extra: Option<Extra>) -> Result<(), Failure> {
        let credential = self.credentials.get_credential().await;
        // What a provider of credentials says in detail can hold what it was given.
        let credential =
            credential.map_err(|_| Failure::Broken("no credentials can be had for it".into()))?;
        let digest = extra.map(|extra| {
            request.headers_mut().extend(extra.headers);
            extra.sha256
        });
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(request, digest.as_ref().map(<[u8; 32]>::as_slice))
            .map_err(|_| Failure::Unwanted("the request cannot be signed".into()))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let body_bytes = request.body().content_length() as u64;
        let limit = ANSWER_TIMEOUT + Duration::from_secs(body_bytes / SLOWEST_LINE);
        let response = match tokio::time::timeout(limit, self.inner.execute(request)).await {
            Ok(response) => response.map_err(|error| transport(&error))?,
            Err(_) => return Err(Failure::Broken(format!("nothing came within {} s", limit.as_secs()))),
        };
        self.look_at_clock(response.headers());
        Ok(response)
    }

    fn look_at_clock(&self, headers: &HeaderMap) {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        if let Some(theirs) = date.and_then(|date| i64::try_from(date.timestamp().as_nanosecond()).ok()) {
            self.skew.store(theirs.saturating_sub(SystemClock.now()), Ordering::Relaxed);
        }
    }
}

/// The refusal, and the answer with nothing else in its body.
async fn cut_down(response: HttpResponse) -> (Refusal, HttpResponse) {
    let (parts, body) = response.into_parts();
    let marker = parts.headers.get("x-amz-delete-marker").is_some_and(|value| value == "true");
    let text = xml::collect(body, REFUSAL_LIMIT_BYTES).await.unwrap_or_default();
    let (code, message) = match xml::error(&text) {
        Some(told) => told,
        // As after HEAD.
        None if text.is_empty() => Default::default(),
        // A proxy's page that says 404 is no evidence that an object is not there.
        None => ("Unknown".to_owned(), "the answer is not that of a store".to_owned()),
    };
    let refusal = Refusal { status: parts.status.as_u16(), code, message, marker };
    let told = refusal.to_string();
    (refusal, HttpResponse::from_parts(parts, told.into()))
}
