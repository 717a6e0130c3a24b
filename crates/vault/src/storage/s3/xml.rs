//! The store's answers, as far as they are read here.

use super::failure::{Failure, transport};
use futures_util::StreamExt;
use jiff::Timestamp;
use object_store::client::HttpResponseBody;
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long an answer may stall.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Of a store's word for an error, and of its sentence, no more is repeated.
const CODE_LIMIT_CHARS: usize = 64;
const MESSAGE_LIMIT_CHARS: usize = 300;

/// A body that must not be longer than this.
pub(super) async fn collect(body: HttpResponseBody, limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut stream = body.bytes_stream();
    let mut bytes = Vec::new();
    loop {
        match tokio::time::timeout(STALL_TIMEOUT, stream.next()).await {
            Ok(None) => return Ok(bytes),
            Ok(Some(Ok(piece))) if bytes.len() + piece.len() <= limit_bytes => {
                bytes.extend_from_slice(&piece)
            }
            Ok(Some(Ok(_))) => return Err(Failure::Senseless("it is far too long".into())),
            Ok(Some(Err(error))) => return Err(transport(&error)),
            Err(_) => return Err(Failure::Broken("its answer stalled".into())),
        }
    }
}

/// Code and message of an error document; `None` when it is none.
pub(super) fn error(body: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        code: String,
        #[serde(default)]
        message: String,
    }
    if root(body)? != "Error" {
        return None;
    }
    let document: Document = quick_xml::de::from_reader(body).ok()?;
    let is_word = !document.code.is_empty() && document.code.chars().all(|c| c.is_ascii_alphanumeric());
    let code = if is_word { document.code } else { "Unknown".to_owned() };
    Some((cut(&code, CODE_LIMIT_CHARS), cut(&document.message, MESSAGE_LIMIT_CHARS)))
}

/// A document with one of these roots. An error in place of it is that error, whatever status it came with.
pub(super) fn document<T: DeserializeOwned>(body: &[u8], expected: &[&str]) -> Result<T, Failure> {
    if let Some((code, message)) = error(body) {
        // As if it had come with the status it deserves: a store that fails half-way through an answer has sent 200 already.
        let status = 500;
        return Err(Failure::Refused(super::failure::Refusal { status, code, message, marker: false }));
    }
    let senseless = |what: String| Failure::Senseless(format!("{}: {what}", expected[0]));
    match root(body) {
        Some(root) if expected.contains(&root.as_str()) => {}
        Some(root) => return Err(senseless(format!("it is a document of the kind {:?}", cut(&root, 40)))),
        None => return Err(senseless("it is no XML".into())),
    }
    quick_xml::de::from_reader(body).map_err(|error| senseless(cut(&error.to_string(), MESSAGE_LIMIT_CHARS)))
}

/// The name of the first element, when the document is whole.
fn root(body: &[u8]) -> Option<String> {
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut name = None;
    let mut depth = 0_usize;
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                depth += 1;
                if name.is_none() {
                    name = Some(String::from_utf8(element.local_name().as_ref().to_vec()).ok()?);
                }
            }
            Event::Empty(element) if name.is_none() => {
                name = Some(String::from_utf8(element.local_name().as_ref().to_vec()).ok()?);
            }
            Event::End(_) => depth = depth.checked_sub(1)?,
            Event::Eof => return name.filter(|_| depth == 0),
            _ => {}
        }
    }
}

fn cut(text: &str, limit_chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit_chars).collect()
}

/// `ListObjectsV2`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Objects {
    pub(super) is_truncated: bool,
    pub(super) prefix: Option<String>,
    pub(super) key_count: Option<usize>,
    pub(super) next_continuation_token: Option<String>,
    #[serde(default)]
    pub(super) contents: Vec<Object>,
    #[serde(default)]
    pub(super) common_prefixes: Vec<CommonPrefix>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) last_modified: Timestamp,
    #[serde(rename = "ETag")]
    pub(super) e_tag: Option<String>,
    pub(super) size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CommonPrefix {
    pub(super) prefix: String,
}

/// `ListObjectVersions`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versions {
    pub(super) is_truncated: bool,
    pub(super) prefix: Option<String>,
    pub(super) next_key_marker: Option<String>,
    pub(super) next_version_id_marker: Option<String>,
    #[serde(default, rename = "Version")]
    pub(super) versions: Vec<Version>,
    #[serde(default, rename = "DeleteMarker")]
    pub(super) markers: Vec<Marker>,
    #[serde(default)]
    pub(super) common_prefixes: Vec<CommonPrefix>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) is_latest: bool,
    pub(super) last_modified: Timestamp,
    pub(super) size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Marker {
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) is_latest: bool,
    pub(super) last_modified: Timestamp,
}

/// `GetBucketVersioning`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versioning {
    pub(super) status: Option<String>,
}

/// `GetObjectLockConfiguration`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LockConfiguration {
    pub(super) object_lock_enabled: Option<String>,
}

/// `GetBucketLifecycleConfiguration`.
#[derive(Debug, Deserialize)]
pub(super) struct Lifecycle {
    #[serde(default, rename = "Rule")]
    pub(super) rules: Vec<LifecycleRule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LifecycleRule {
    #[serde(rename = "ID")]
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
    /// Of an earlier form of rules.
    pub(super) prefix: Option<String>,
    pub(super) filter: Option<LifecycleFilter>,
    pub(super) expiration: Option<Expiration>,
    pub(super) noncurrent_version_expiration: Option<Present>,
    #[serde(default, rename = "Transition")]
    pub(super) transitions: Vec<Transition>,
    #[serde(default, rename = "NoncurrentVersionTransition")]
    pub(super) noncurrent_version_transitions: Vec<Transition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LifecycleFilter {
    pub(super) prefix: Option<String>,
    pub(super) tag: Option<Present>,
    pub(super) and: Option<LifecycleAnd>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LifecycleAnd {
    pub(super) prefix: Option<String>,
    #[serde(default, rename = "Tag")]
    pub(super) tags: Vec<Present>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Expiration {
    pub(super) days: Option<u64>,
    pub(super) date: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Transition {
    pub(super) storage_class: Option<String>,
}

/// Something of which only matters that it is there.
#[derive(Debug, Deserialize)]
pub(super) struct Present {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_code_and_their_sentence_and_nothing_else() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>no match</Message>\
            <AWSAccessKeyId>AKIA</AWSAccessKeyId><CanonicalRequest>x-amz-security-token:TOKEN</CanonicalRequest></Error>";
        assert_eq!(error(body), Some(("SignatureDoesNotMatch".into(), "no match".into())));
        assert_eq!(error(b"<html>Not found</html>"), None);
        assert_eq!(error(b"<Error><Code>Half"), None);
        assert_eq!(error(b""), None);
    }

    #[test]
    fn an_error_where_a_listing_should_be() {
        let listed = document::<Objects>(
            b"<Error><Code>InternalError</Code><Message>m</Message></Error>",
            &["ListBucketResult"],
        );
        assert!(matches!(listed, Err(failure) if failure.has_code("InternalError") && failure.is_passing()));
    }

    #[test]
    fn listings_that_are_not_whole() {
        let whole = b"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>false</IsTruncated>\
            <Contents><Key>a</Key><LastModified>2026-11-20T01:02:03.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>1</Size></Contents>\
            <CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>\
            <Contents><Key>c</Key><LastModified>2026-11-20T01:02:03.000Z</LastModified><Size>2</Size></Contents>\
            </ListBucketResult>";
        let listed: Objects = document(whole, &["ListBucketResult"]).expect("whole");
        assert_eq!(listed.contents.len(), 2);
        assert_eq!(listed.contents[0].e_tag.as_deref(), Some("\"x\""));
        for cut in 0..whole.len() {
            assert!(document::<Objects>(&whole[..cut], &["ListBucketResult"]).is_err(), "cut at {cut}");
        }
        let without = b"<ListBucketResult></ListBucketResult>";
        assert!(
            document::<Objects>(without, &["ListBucketResult"]).is_err(),
            "nothing says whether it is whole"
        );
    }
}
