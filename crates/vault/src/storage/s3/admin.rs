//! What the object store crate has no word for: versions, retention, the bucket's settings, listings that can be checked.
//! Requests go through the same client as the crate's own, so they are signed alike.

use super::failure::Failure;
use super::signing::Extra;
use super::xml;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use md5::{Digest, Md5};
use object_store::client::{HttpClient, HttpRequest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::{Duration, Instant};
use vow_base::id::sha256;

/// A page of a listing has at most 1,000 entries; with every key as long as it may be, it is shorter than this.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// The first pause before a request is sent again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The second one is how the store answers that the tests run against.
const VERSIONING: [&str; 2] = ["VersioningConfiguration", "GetBucketVersioningResponse"];
const LIFECYCLE: [&str; 1] = ["LifecycleConfiguration"];
/// What stays as it is in a query.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stays as it is in a path, as in those of the object store crate: what is signed is what is sent.
const ENCODED_IN_PATH: AsciiSet = ENCODED.remove(b'/');

/// The bucket's own requests.
pub(super) struct Admin {
    pub(super) client: HttpClient,
    /// Where the bucket is, without a `/` at the end.
    pub(super) endpoint: String,
    /// How long a request is tried again.
    pub(super) patience: Duration,
}

/// An answer that is a success.
pub(super) struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What nobody can delete before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retention {
    /// Whether nobody at all can: compliance mode.
    pub(super) strict: bool,
    pub(super) until: Timestamp,
}

type Query<'a> = [(&'static str, Option<&'a str>)];

impl Admin {
    /// Whether the bucket keeps every version of a name.
    pub(super) async fn versioning(&self) -> Result<bool, Failure> {
        let answer = self.send(Method::GET, "", &[("versioning", Some(""))], HeaderMap::new(), None).await?;
        let versioning: xml::Versioning = xml::document(&answer.body, &VERSIONING)?;
        Ok(versioning.status.as_deref() == Some("Enabled"))
    }

    /// Whether these credentials may see versions. The first page of whatever is there says so.
    pub(super) async fn shows_versions(&self) -> Result<bool, Failure> {
        match self.versions(&[("max-keys", Some("1"))]).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.has_status(403) || failure.has_status(501) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Whether the bucket can lock objects.
    pub(super) async fn lock_enabled(&self) -> Result<bool, Failure> {
        let answer = self.send(Method::GET, "", &[("object-lock", Some(""))], HeaderMap::new(), None).await;
        let answer = match answer {
            Err(failure) if failure.has_code("ObjectLockConfigurationNotFoundError") => return Ok(false),
            // A store that has never heard of it.
            Err(failure) if failure.has_status(501) || failure.has_status(400) || failure.has_status(405) => {
                return Ok(false);
            }
            other => other?,
        };
        let configuration: xml::LockConfiguration =
            xml::document(&answer.body, &["ObjectLockConfiguration"])?;
        Ok(configuration.object_lock_enabled.as_deref() == Some("Enabled"))
    }

    /// The rules by which the store removes or moves objects by itself; `None` when there are none, or it has never heard of any.
    pub(super) async fn lifecycle(&self) -> Result<Option<xml::Lifecycle>, Failure> {
        let answer = self.setting("lifecycle", "NoSuchLifecycleConfiguration").await?;
        let rules = answer.map(|answer| xml::document(&answer.body, &LIFECYCLE));
        rules.transpose()
    }

    /// The bucket's policy, as it was written; `None` when there is none, or the store has never heard of any.
    pub(super) async fn policy(&self) -> Result<Option<String>, Failure> {
        let answer = self.setting("policy", "NoSuchBucketPolicy").await?;
        Ok(answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// One of the bucket's settings; `None` when it was never set.
    async fn setting(&self, name: &'static str, unset: &str) -> Result<Option<Answer>, Failure> {
        match self.send(Method::GET, "", &[(name, Some(""))], HeaderMap::new(), None).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.has_code(unset) => Ok(None),
            // A store that has never heard of it.
            Err(failure) if [400, 405, 501].iter().any(|status| failure.has_status(*status)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The lock of an object; `None` when it has none, or these credentials lack the right to see it.
    pub(super) async fn retention(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<Retention>, Failure> {
        let query = [("versionId", version)];
        let headers = self.send(Method::HEAD, key, &query, HeaderMap::new(), None).await?.headers;
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let Some(mode) = text("x-amz-object-lock-mode") else { return Ok(None) };
        let until = text("x-amz-object-lock-retain-until-date").and_then(|until| until.parse().ok());
        let until =
            until.ok_or_else(|| Failure::Senseless("it is locked, and until when is no date".into()))?;
        Ok(Some(Retention { strict: mode == "COMPLIANCE", until }))
    }

    /// Asks for a lock in compliance mode until then.
    pub(super) async fn set_retention(
        &self,
        key: &str,
        version: Option<&str>,
        until: Timestamp,
    ) -> Result<(), Failure> {
        let query = [("retention", Some("")), ("versionId", version)];
        let body = retention("COMPLIANCE", until);
        self.send(Method::PUT, key, &query, HeaderMap::new(), Some(body.into())).await.map(|_| ())
    }

    /// Asks to turn a lock into one that some may take off: only to see whether that is possible.
    pub(super) async fn set_weaker_retention(
        &self,
        key: &str,
        version: &str,
        until: Timestamp,
    ) -> Result<(), Failure> {
        let query = [("retention", Some("")), ("versionId", Some(version))];
        let body = retention("GOVERNANCE", until);
        self.send(Method::PUT, key, &query, forced(), Some(body.into())).await.map(|_| ())
    }

    /// Deletes one version, or without one puts a delete marker over a name where there are versions.
    ///
    /// With `force` even a lock in governance mode is no hindrance, where the credentials allow that.
    pub(super) async fn delete(
        &self,
        key: &str,
        version: Option<&str>,
        force: bool,
    ) -> Result<Answer, Failure> {
        let headers = if force { forced() } else { HeaderMap::new() };
        self.send(Method::DELETE, key, &[("versionId", version)], headers, None).await
    }

    /// Deletes one version by the request that deletes many: only to see whether that is possible.
    pub(super) async fn delete_as_one_of_many(&self, key: &str, version: &str) -> Result<(), Failure> {
        // Neither keys nor versions hold anything that XML would have to have written in other words.
        let is_plain = |text: &str| !text.contains(['<', '>', '&', '"']);
        if !is_plain(key) || !is_plain(version) {
            return Err(Failure::Unwanted("a version that cannot be written down".into()));
        }
        let body = format!(
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>{key}</Key>\
             <VersionId>{version}</VersionId></Object></Delete>"
        );
        let query = [("delete", Some(""))];
        self.send(Method::POST, "", &query, forced(), Some(body.into())).await.map(|_| ())
    }

    /// Puts bytes under a key whatever stands there: only to see whether that is possible.
    pub(super) async fn overwrite(&self, key: &str, bytes: Bytes) -> Result<Answer, Failure> {
        self.send(Method::PUT, key, &[], HeaderMap::new(), Some(bytes)).await
    }

    /// A page of the newest versions.
    pub(super) async fn objects(&self, query: &Query<'_>) -> Result<xml::Objects, Failure> {
        let query: Vec<_> = [("list-type", Some("2"))].iter().chain(query).copied().collect();
        self.page(&query, "ListBucketResult").await
    }

    /// A page of all versions.
    pub(super) async fn versions(&self, query: &Query<'_>) -> Result<xml::Versions, Failure> {
        let query: Vec<_> = [("versions", Some(""))].iter().chain(query).copied().collect();
        self.page(&query, "ListVersionsResult").await
    }

    /// The document of a listing; one that came with an error in place of it is asked for again.
    async fn page<T: serde::de::DeserializeOwned>(
        &self,
        query: &Query<'_>,
        root: &str,
    ) -> Result<T, Failure> {
        self.repeatedly(async || {
            let answer = self.once(Method::GET, "", query, HeaderMap::new(), None).await?;
            xml::document(&answer.body, &[root])
        })
        .await
    }

    async fn send(
        &self,
        method: Method,
        key: &str,
        query: &Query<'_>,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        self.repeatedly(async || self.once(method.clone(), key, query, headers.clone(), body.clone()).await)
            .await
    }

    /// Tries until it works, or fails for good, or patience is at its end.
    async fn repeatedly<T>(&self, attempt: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt().await {
                Err(failure) if failure.is_passing() && begun.elapsed() + pause < self.patience => {
                    // Others who were told to slow down at the same moment should not come back at the same moment.
                    tokio::time::sleep(pause / 2 + (pause / 2).mul_f64(chance())).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return other,
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        key: &str,
        query: &Query<'_>,
        mut headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut url = format!("{}/{}", self.endpoint, utf8_percent_encode(key, &ENCODED_IN_PATH));
        let given = query.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        for (number, (name, value)) in given.enumerate() {
            url.push(if number == 0 { '?' } else { '&' });
            url.push_str(&format!("{name}={}", utf8_percent_encode(value, &ENCODED)));
        }
        let body = body.unwrap_or_default();
        let digest = sha256(&body);
        if method == Method::PUT || method == Method::POST {
            // Newer stores want the one, older ones the other.
            insert(&mut headers, CHECKSUM, &BASE64_STANDARD.encode(digest))?;
            insert(&mut headers, CONTENT_MD5, &BASE64_STANDARD.encode(Md5::digest(&body)))?;
        }
        let mut request = HttpRequest::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|_| Failure::Unwanted(format!("{url} is no address")))?;
        let note = super::failure::Note::default();
        request.extensions_mut().insert(note.clone());
        request.extensions_mut().insert(Extra { headers, sha256: digest });
        let response = self.client.execute(request).await;
        if let Some(failure) = note.take() {
            return Err(failure);
        }
        let response = response.map_err(|error| super::failure::transport(&error))?;
        let (parts, body) = response.into_parts();
        Ok(Answer { headers: parts.headers, body: xml::collect(body, ANSWER_LIMIT_BYTES).await? })
    }
}

pub(super) const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Failure> {
    let value =
        HeaderValue::from_str(value).map_err(|_| Failure::Unwanted(format!("{name} cannot be sent")))?;
    headers.insert(name, value);
    Ok(())
}

/// The headers of an object that is stored under the SHA-256 `digest`, locked until then.
pub(super) fn object_headers(digest: &[u8; 32], lock_until: Option<Timestamp>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    insert(&mut headers, CHECKSUM, &BASE64_STANDARD.encode(digest))?;
    if let Some(until) = lock_until {
        // Said twice: some stores look only here for whether a locked object comes with a checksum.
        insert(&mut headers, HeaderName::from_static("x-amz-sdk-checksum-algorithm"), "SHA256")?;
        insert(&mut headers, HeaderName::from_static("x-amz-object-lock-mode"), "COMPLIANCE")?;
        let name = HeaderName::from_static("x-amz-object-lock-retain-until-date");
        insert(&mut headers, name, &date(until))?;
    }
    Ok(headers)
}

/// Whoever may take off a lock in governance mode does.
fn forced() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-bypass-governance-retention", HeaderValue::from_static("true"));
    headers
}

fn retention(mode: &str, until: Timestamp) -> String {
    format!(
        "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
         <RetainUntilDate>{}</RetainUntilDate></Retention>",
        date(until)
    )
}

/// A time as S3 writes it: whole seconds, rounded up, so that a lock never ends earlier than it was asked for.
fn date(time: Timestamp) -> String {
    let seconds = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    let whole = Timestamp::from_second(seconds).unwrap_or(time);
    whole.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Something from 0 to 1.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
