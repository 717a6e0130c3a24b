//! The double on a port of this machine.

use super::bucket::Bucket;
use super::faults::Faults;
use super::handlers::{BUCKET, Handlers};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use vow_vault::storage::s3::{S3Options, S3Storage};

const KEY: &str = "AKIAVOWTEST";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI-secret-of-the-test";
pub(crate) const TOKEN: &str = "FwoGZXIvYXdzE-token-of-the-test";

pub(crate) struct Double {
    pub(crate) faults: Arc<Faults>,
    bucket: Arc<Mutex<Bucket>>,
    requests: Arc<Mutex<Vec<String>>>,
    crowds: Crowds,
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Double {
    /// With versions and locks, as a bucket should be.
    pub(crate) fn start() -> Self {
        Self::with(true, true, 1000)
    }

    pub(crate) fn with(versioning: bool, lock: bool, page_size: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads");
        let bucket = Arc::new(Mutex::new(Bucket { versioning, lock, ..Bucket::default() }));
        let faults = Arc::new(Faults::default());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let handlers = Handlers { bucket: bucket.clone(), faults: faults.clone(), page_size };
        let mut builder = S3ServiceBuilder::new(handlers);
        builder.set_auth(s3s::auth::SimpleAuth::from_single(KEY, SECRET));
        let (service, bucket_too) = (builder.build(), bucket.clone());
        let crowds = Crowds::default();
        let front = Front {
            service,
            faults: faults.clone(),
            requests: requests.clone(),
            crowds: crowds.clone(),
            bucket: bucket_too,
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let front = front.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| front.clone().answer(request));
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { faults, bucket, requests, crowds, address, _runtime: runtime }
    }

    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn url(prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Its storage at a prefix, with little patience.
    pub(crate) fn storage(&self, prefix: &str) -> S3Storage {
        self.storage_with(prefix, options())
    }

    pub(crate) fn storage_with(&self, prefix: &str, options: S3Options) -> S3Storage {
        S3Storage::open(&Self::url(prefix), self.env(), options).expect("it opens")
    }

    pub(crate) fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().expect("nobody panicked")
    }

    /// The requests since the last time, as `METHOD key?query`.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().expect("nobody panicked"))
    }

    /// How many objects of this folder were ever asked for at the same time.
    pub(crate) fn most_at_once(&self, folder: &str) -> usize {
        self.crowds.0.lock().expect("nobody panicked").get(folder).map_or(0, |(_, most)| *most)
    }
}

/// Requests that are being answered, by the folder above the object: how many, and how many there ever were.
#[derive(Clone, Default)]
struct Crowds(Arc<Mutex<HashMap<String, (usize, usize)>>>);

/// One of a crowd.
struct Member(Crowds, String);

impl Crowds {
    fn enter(&self, target: &str) -> Member {
        let folder = target.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let mut crowds = self.0.lock().expect("nobody panicked");
        let (now, most) = crowds.entry(folder.clone()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        Member(self.clone(), folder)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some((now, _)) = self.0.0.lock().expect("nobody panicked").get_mut(&self.1) {
            *now -= 1;
        }
    }
}

pub(crate) fn options() -> S3Options {
    S3Options { patience: Duration::from_secs(3), ..S3Options::default() }
}

/// Stands before the service, for what goes wrong on the way.
#[derive(Clone)]
struct Front {
    service: S3Service,
    faults: Arc<Faults>,
    requests: Arc<Mutex<Vec<String>>>,
    crowds: Crowds,
    bucket: Arc<Mutex<Bucket>>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

impl Front {
    async fn answer(self, request: hyper::Request<hyper::body::Incoming>) -> Result<HttpResponse, HungUp> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let target = target.trim_start_matches(&format!("/{BUCKET}/")).to_owned();
        self.requests.lock().expect("nobody panicked").push(format!("{method} {target}"));
        let _member = self.crowds.enter(&target);
        let slow = self.faults.slow_ms.load(std::sync::atomic::Ordering::SeqCst);
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow as u64)).await;
        }
        let passes = Faults::counts_down(&self.faults.pass);
        if !passes && Faults::counts_down(&self.faults.hang_up) {
            return Err(HungUp);
        }
        if !passes && Faults::counts_down(&self.faults.slow_down) {
            return Ok(error(503, "SlowDown", "Please reduce your request rate."));
        }
        if !passes && Faults::counts_down(&self.faults.internal_error) {
            return Ok(error(500, "InternalError", "We encountered an internal error. Please try again."));
        }
        if let Some(refused) = self.refused(&method, uri.query().unwrap_or_default()) {
            return Ok(error(403, "AccessDenied", refused));
        }
        let is_listing =
            uri.query().is_some_and(|query| query.contains("list-type") || query.contains("versions"));
        if is_listing && Faults::counts_down(&self.faults.error_in_200) {
            return Ok(error(200, "InternalError", "We encountered an internal error. Please try again."));
        }
        let service = self.service.clone();
        let mut answered = hyper::service::Service::call(&service, request).await.map_err(|_| HungUp)?;
        answered.headers_mut().insert("date", self.date());
        if !passes
            && method == http::Method::PUT
            && answered.status().is_success()
            && Faults::counts_down(&self.faults.lose_answer)
        {
            return Err(HungUp);
        }
        if method == http::Method::GET
            && answered.status().is_success()
            && Faults::counts_down(&self.faults.cut)
        {
            return Ok(cut(answered).await);
        }
        Ok(answered)
    }
}

impl Front {
    /// Why these credentials may not do this.
    fn refused(&self, method: &http::Method, query: &str) -> Option<&'static str> {
        let asks_for = |names: &[&str]| {
            names.iter().any(|name| query.split('&').any(|part| part.split('=').next() == Some(name)))
        };
        if Faults::on(&self.faults.read_only) {
            if !matches!(*method, http::Method::GET | http::Method::HEAD) {
                return Some("these credentials only read");
            }
            if asks_for(&["versioning", "object-lock", "lifecycle", "policy"]) {
                return Some("these credentials see no settings");
            }
        }
        (Faults::on(&self.faults.hide_versions) && asks_for(&["versions", "versionId"]))
            .then_some("these credentials see the newest versions only")
    }

    fn date(&self) -> http::HeaderValue {
        let now = Timestamp::from(self.bucket.lock().expect("nobody panicked").now());
        let mut text = Vec::new();
        now.format(TimestampFormat::HttpDate, &mut text).expect("a date");
        http::HeaderValue::from_bytes(&text).expect("a header")
    }
}

fn error(status: u16, code: &str, message: &str) -> HttpResponse {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>1</RequestId><Resource>{TOKEN}</Resource></Error>"
    );
    let response = http::Response::builder().status(status).header("content-type", "application/xml");
    response.body(Body::from(text)).expect("a response")
}

/// Half of the body under the length of the whole.
async fn cut(answered: HttpResponse) -> HttpResponse {
    use http_body_util::BodyExt;
    let (mut parts, body) = answered.into_parts();
    let bytes = body.collect().await.map(|it| it.to_bytes()).unwrap_or_default();
    parts.headers.insert("content-length", bytes.len().into());
    parts.headers.remove("transfer-encoding");
    let half = bytes.slice(..bytes.len() / 2);
    let stream = futures_util::stream::iter([
        Ok(http_body::Frame::<Bytes>::data(half)),
        Err(std::io::Error::other("cut")),
    ]);
    let body = http_body_util::StreamBody::new(stream);
    let _: Option<Infallible> = None;
    HttpResponse::from_parts(parts, Body::http_body_unsync(body))
}
