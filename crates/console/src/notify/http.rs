//! A small HTTP client for notifications: one request, one connection, limits on everything, TLS from 1.2 on.
//!
//! No redirects are followed: a receiver that moved is to be written down anew, and a redirect must not carry a secret away.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where Debian keeps the certificates that a machine believes.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// An answer is at most so long.
const ANSWER_LIMIT: usize = 1 << 20;
/// How much of an answer an error quotes.
const QUOTE: usize = 300;
const AGENT: &str = concat!("vow/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none.
    #[error("{0:?} is no address that begins with http:// or https://")]
    Address(String),
    /// A header cannot be sent.
    #[error("the value of the header {0} cannot be sent")]
    Header(String),
    /// Certificates to believe in cannot be read.
    #[error("the certificates in {path} cannot be read: {why}", path = .path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No connection.
    #[error("{host} cannot be reached: {why}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        why: String,
    },
    /// The connection broke, or the answer is none.
    #[error("{host} gave no answer: {why}")]
    Answer {
        /// Host and port.
        host: String,
        /// Why.
        why: String,
    },
    /// It took too long. Whether the receiver has taken it is not known.
    #[error("{host} did not answer within {secs} s")]
    Slow {
        /// Host and port.
        host: String,
        /// How long was waited.
        secs: u64,
    },
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Seconds to wait, when the receiver says so.
    pub retry_after_secs: Option<i64>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Whether it is a yes.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The beginning of the body, in one line, for an error.
    pub fn quote(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|letter| !letter.is_control()).take(QUOTE).collect()
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// The client.
#[derive(Clone)]
pub struct HttpClient {
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

impl HttpClient {
    /// A client that believes the machine's certificates, or only those in `ca_file`.
    pub fn new(ca_file: Option<&Path>, timeout: Duration) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = roots(ca_file)?;
        let failed = |error: rustls::Error| HttpError::Roots {
            path: ca_file.unwrap_or(Path::new(SYSTEM_ROOTS)).to_owned(),
            why: error.to_string(),
        };
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls), timeout })
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, HttpError> {
        let uri: Uri = address.parse().map_err(|_| HttpError::Address(shown(address)))?;
        let authority = uri.authority().ok_or_else(|| HttpError::Address(shown(address)))?.clone();
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(HttpError::Address(shown(address))),
        };
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = format!("{}:{port}", authority.host());
        let request = request(method, &uri, headers, body.into())?;
        let work = self.exchange(&host, port, &name, is_tls, request);
        match tokio::time::timeout(self.timeout, work).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Slow { host: name, secs: self.timeout.as_secs() }),
        }
    }

    async fn exchange(
        &self,
        host: &str,
        port: u16,
        name: &str,
        is_tls: bool,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, HttpError> {
        let failed = |why: String| HttpError::Connect { host: name.to_owned(), why };
        let stream = TcpStream::connect((host, port)).await.map_err(|error| failed(error.to_string()))?;
        if !is_tls {
            return talk(stream, name, request).await;
        }
        let server = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(server, stream).await.map_err(|error| failed(error.to_string()))?;
        talk(stream, name, request).await
    }
}

/// The address without what may be a secret: many receivers put it into path or query.
pub(crate) fn shown(address: &str) -> String {
    match address.parse::<Uri>() {
        Ok(uri) => format!("{}://{}/…", uri.scheme_str().unwrap_or("?"), uri.host().unwrap_or("?")),
        Err(_) => "an address that cannot be read".to_owned(),
    }
}

fn request(
    method: Method,
    uri: &Uri,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, HttpError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Names and passwords in an address are not sent as a host.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let bad = |name: &str| HttpError::Header(name.to_owned());
    let mut all = HeaderMap::new();
    all.insert(HOST, HeaderValue::from_str(host).map_err(|_| bad("host"))?);
    all.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if !body.is_empty() {
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(name))?;
        all.insert(header, HeaderValue::from_str(value).map_err(|_| bad(name))?);
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| HttpError::Address(shown(&uri.to_string())))?;
    *request.headers_mut() = all;
    Ok(request)
}

async fn talk<S>(stream: S, name: &str, request: Request<Full<Bytes>>) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed =
        |why: &dyn std::fmt::Display| HttpError::Answer { host: name.to_owned(), why: why.to_string() };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // Both are awaited together and dropped together: nothing runs on after a timeout.
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let retry_after_secs = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse::<i64>().ok())
            .filter(|secs| *secs >= 0);
        let body =
            Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await.map_err(|error| failed(&error))?;
        Ok(Answer { status, retry_after_secs, body: body.to_bytes() })
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // The answer may have come whole before the end of the connection.
            Ok(()) => exchange.await,
            Err(error) => Err(failed(&error)),
        },
    }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, HttpError> {
    let mut store = RootCertStore::empty();
    let system = Path::new(SYSTEM_ROOTS);
    let path = match ca_file {
        Some(path) => path,
        None if system.exists() => system,
        None => {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            return Ok(store);
        }
    };
    let failed = |why: String| HttpError::Roots { path: path.to_owned(), why };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        // The machine's list may name what this library does not take; a list that was given must be right.
        match (store.add(certificate), ca_file) {
            (Err(error), Some(_)) => return Err(failed(error.to_string())),
            _ => continue,
        }
    }
    if store.is_empty() { Err(failed("there is none in it".to_owned())) } else { Ok(store) }
}
