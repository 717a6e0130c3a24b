//! What the double keeps.

use bytes::Bytes;
use s3s::dto::Timestamp;
use s3s::{S3Error, S3Result, s3_error};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A bucket: every version of every key, oldest first.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) versioning: bool,
    pub(crate) lock: bool,
    pub(crate) keys: BTreeMap<String, Vec<Version>>,
    pub(crate) lifecycle: Option<Vec<s3s::dto::LifecycleRule>>,
    pub(crate) policy: Option<String>,
    /// Added to the clock.
    pub(crate) ahead: Duration,
    /// How many versions there ever were.
    pub(crate) next: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) bytes: Bytes,
    pub(crate) e_tag: String,
    pub(crate) stored: SystemTime,
    /// A delete marker.
    pub(crate) marker: bool,
    /// Whether in compliance mode, and until when.
    pub(crate) lock: Option<(bool, Timestamp)>,
}

impl Bucket {
    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + self.ahead
    }

    /// Puts a version on top; where there are no versions, in place of what is there.
    pub(crate) fn put(
        &mut self,
        key: &str,
        bytes: Bytes,
        marker: bool,
        lock: Option<(bool, Timestamp)>,
    ) -> Version {
        self.next += 1;
        let id = if self.versioning { format!("v{:09}.{}", self.next, "x".repeat(8)) } else { "null".into() };
        let e_tag = format!("{:x}-{}", self.next, bytes.len());
        let version = Version { id, bytes, e_tag, stored: self.now(), marker, lock };
        let versions = self.keys.entry(key.to_owned()).or_default();
        if !self.versioning {
            versions.clear();
        }
        versions.push(version.clone());
        version
    }

    /// The version asked for, or the newest one.
    pub(crate) fn find(&self, key: &str, id: Option<&str>, silent: bool) -> S3Result<&Version> {
        let versions = self.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        let found = match id {
            Some(id) => {
                versions.iter().find(|version| version.id == id).ok_or_else(|| s3_error!(NoSuchVersion))
            }
            None => versions.last().ok_or_else(|| s3_error!(NoSuchKey)),
        }?;
        if !found.marker {
            return Ok(found);
        }
        let mut error = match id {
            Some(_) => s3_error!(MethodNotAllowed),
            None => s3_error!(NoSuchKey),
        };
        if !silent {
            mark(&mut error);
        }
        Err(error)
    }

    pub(crate) fn find_mut(&mut self, key: &str, id: Option<&str>) -> S3Result<&mut Version> {
        let id = self.find(key, id, false)?.id.clone();
        let versions = self.keys.get_mut(key).into_iter().flatten();
        versions.into_iter().find(|version| version.id == id).ok_or_else(|| s3_error!(NoSuchVersion))
    }

    /// Whether something visible stands under a key.
    pub(crate) fn is_taken(&self, key: &str) -> bool {
        self.keys.get(key).and_then(|versions| versions.last()).is_some_and(|version| !version.marker)
    }

    pub(crate) fn is_locked(&self, version: &Version, bypass: bool) -> bool {
        let now = Timestamp::from(self.now());
        version.lock.as_ref().is_some_and(|(strict, until)| *until > now && (*strict || !bypass))
    }
}

fn mark(error: &mut S3Error) {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-amz-delete-marker", http::HeaderValue::from_static("true"));
    error.set_headers(headers);
}
