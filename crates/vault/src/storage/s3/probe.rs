//! Whether the store holds what it promises, found out by trying: nothing else is evidence.
//!
//! An object is stored with a short lock, and then everything is tried that must not work. What the bucket's settings say is not asked.

use super::failure::Failure;
use super::listing::{BucketPages, Seen, Start, walk};
use super::store::Store;
use jiff::Timestamp;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vow_base::id::{hex, sha256};

/// Where probes are.
const FOLDER: &str = "probe";
/// More is not read of a probe.
const LIMIT_BYTES: u64 = 4096;
/// A clock that differs by more than this makes locks and times worth less.
const SKEW_LIMIT: Duration = Duration::from_secs(900);

/// What a probe has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The name of the object that was tried on.
    pub name: String,
    /// Everything worth saying.
    pub findings: Vec<Finding>,
    /// How many old probes were removed.
    pub removed: u64,
}

/// One thing that a probe has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A locked object could neither be deleted nor could its lock be shortened.
    LockHeld,
    /// The bucket locks nothing.
    NoLock,
    /// A lock was accepted and is not there, or was no hindrance.
    LockIgnored(String),
    /// A lock could be made shorter.
    RetentionShortened,
    /// The bucket keeps no versions: who can write can replace.
    VersioningOff,
    /// What was stored under a name could be stored again: two vault processes would not agree.
    CreateOnlyIgnored,
    /// What was stored came back different, or not at all.
    NotKept(String),
    /// These credentials can put delete markers over objects, which hides them until they are looked for.
    MarkersHide,
    /// The store does not say that a delete marker is why an object is not there: each missing one costs a second question.
    MarkersUntold,
    /// Deleting without naming a version is refused: nothing can be hidden.
    DeletingRefused,
    /// These credentials can put another object over one that is there.
    CoveringPossible,
    /// The store's clock and this machine's differ.
    ClocksDiffer(i64),
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// As it should be.
    Good,
    /// To be known.
    Known,
    /// Less than a vault promises: to be told to a person.
    Weak,
    /// A vault must not be kept there.
    Unusable,
}

impl Finding {
    /// How much it matters.
    pub fn weight(&self) -> Weight {
        match self {
            Self::LockHeld | Self::DeletingRefused => Weight::Good,
            Self::MarkersHide | Self::MarkersUntold | Self::CoveringPossible => Weight::Known,
            Self::NoLock
            | Self::LockIgnored(_)
            | Self::RetentionShortened
            | Self::VersioningOff
            | Self::ClocksDiffer(_) => Weight::Weak,
            Self::CreateOnlyIgnored | Self::NotKept(_) => Weight::Unusable,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockHeld => {
                f.write_str("the lock holds: a locked object could not be deleted, and its lock not be shortened")
            }
            Self::NoLock => f.write_str(
                "the bucket has no object lock: whoever holds its credentials can delete every snapshot",
            ),
            Self::LockIgnored(how) => write!(f, "the store ignores its lock: {how}"),
            Self::RetentionShortened => f.write_str("a lock could be shortened: it protects from nobody"),
            Self::VersioningOff => {
                f.write_str("the bucket keeps no versions: whoever holds its credentials can replace objects")
            }
            Self::CreateOnlyIgnored => f.write_str(
                "the store ignores If-None-Match: objects that are there would be replaced; it is of no use for a vault",
            ),
            Self::NotKept(how) => write!(f, "the store did not keep what it was given: {how}"),
            Self::MarkersHide => f.write_str(
                "these credentials can hide objects behind delete markers; the vault reads them all the same, and a scrub lists them",
            ),
            Self::MarkersUntold => {
                f.write_str("the store does not say when a delete marker hides an object; the vault asks for versions each time")
            }
            Self::DeletingRefused => f.write_str("these credentials cannot delete or hide anything"),
            Self::CoveringPossible => f.write_str(
                "these credentials can put another object over one that is there; the first one stays, and a scrub lists it",
            ),
            Self::ClocksDiffer(seconds) => {
                write!(f, "the store's clock differs from this machine's by {seconds} s")
            }
        }
    }
}

impl ProbeReport {
    /// The worst of it.
    pub fn weight(&self) -> Weight {
        self.findings.iter().map(Finding::weight).max().unwrap_or(Weight::Good)
    }
}

impl Store {
    /// Tries everything that must not work, on an object of its own, and removes those of earlier probes whose lock has ended.
    pub(super) async fn probe(&self) -> Result<ProbeReport, Failure> {
        let mut findings = Vec::new();
        let name = format!("{FOLDER}/{}-{}", self.now().as_second(), unique()?);
        let key = self.key(&name)?;
        let until = self.now().saturating_add(self.options.probe_lock).ok().filter(|_| self.locks);
        let content = format!("a probe of a vault at {}\n", self.address);
        self.put(&key, content.clone().into_bytes().into(), sha256(content.as_bytes()), until).await?;
        let version = self.head(&key).await?.version.filter(|_| self.versions);
        findings.extend(self.try_to_create_again(&key).await?);
        findings.extend(self.look_at(&key, version.as_deref(), &content).await);
        match (&version, until) {
            (Some(version), Some(until)) => findings.extend(self.try_the_lock(&key, version, until).await?),
            (Some(_), None) => findings.push(Finding::NoLock),
            (None, _) => findings.extend([Finding::VersioningOff, Finding::NoLock]),
        }
        if let Some(version) = &version {
            findings.extend(self.try_to_cover(&key).await?);
            findings.extend(self.try_to_hide(&key).await?);
            findings.extend(self.look_at(&key, Some(version), &content).await);
        }
        let skew = self.skew.load(Ordering::Relaxed) / 1_000_000_000;
        if skew.unsigned_abs() > SKEW_LIMIT.as_secs() {
            findings.push(Finding::ClocksDiffer(skew));
        }
        findings.dedup();
        let removed = self.remove_old_probes(&key).await?;
        Ok(ProbeReport { name, findings, removed })
    }

    async fn try_to_create_again(&self, key: &str) -> Result<Option<Finding>, Failure> {
        let other = "something else\n";
        match self.put(key, other.to_owned().into_bytes().into(), sha256(other.as_bytes()), None).await {
            Ok(()) => Ok(Some(Finding::CreateOnlyIgnored)),
            Err(failure) if failure.is_passing() => Err(failure),
            Err(_) => Ok(None),
        }
    }

    async fn try_the_lock(
        &self,
        key: &str,
        version: &str,
        until: Timestamp,
    ) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        let ignored = |how: &str| Finding::LockIgnored(how.to_owned());
        match self.admin.retention(key, Some(version)).await? {
            Some(lock) if lock.strict && lock.until >= until => {}
            Some(lock) if !lock.strict => findings.push(ignored("it is not one in compliance mode")),
            Some(lock) => {
                findings.push(Finding::LockIgnored(format!("it ends at {} instead of {until}", lock.until)))
            }
            None => findings.push(ignored(
                "it was accepted, and the object has none (or these credentials lack s3:GetObjectRetention)",
            )),
        }
        let earlier = self.now().saturating_add(self.options.probe_lock / 2).unwrap_or(until);
        let shortened = self.admin.set_retention(key, Some(version), earlier).await;
        passing(shortened)?;
        // Whatever the store answered: what counts is when the lock ends now.
        if let Some(lock) = self.admin.retention(key, Some(version)).await?
            && lock.until < until
            && findings.is_empty()
        {
            findings.push(Finding::RetentionShortened);
        }
        passing(self.admin.delete(key, Some(version), true).await)?;
        match self.read_version(key, version, LIMIT_BYTES).await {
            Ok(_) => {}
            Err(failure) if failure.is_absent() => findings.push(ignored("a locked object could be deleted")),
            Err(other) => return Err(other),
        }
        if findings.is_empty() {
            findings.push(Finding::LockHeld);
        }
        Ok(findings)
    }

    async fn try_to_cover(&self, key: &str) -> Result<Option<Finding>, Failure> {
        let covered = passing(self.admin.overwrite(key, "something else again\n".into()).await)?;
        Ok(covered.then_some(Finding::CoveringPossible))
    }

    async fn try_to_hide(&self, key: &str) -> Result<Vec<Finding>, Failure> {
        if !passing(self.admin.delete(key, None, true).await)? {
            return Ok(vec![Finding::DeletingRefused]);
        }
        let mut findings = vec![Finding::MarkersHide];
        if let Err(Failure::Refused(refusal)) = self.head(key).await {
            self.tells_markers.store(refusal.marker, Ordering::Relaxed);
            if !refusal.marker {
                findings.push(Finding::MarkersUntold);
            }
        }
        Ok(findings)
    }

    /// Whether what was stored is there, and the same.
    async fn look_at(&self, key: &str, version: Option<&str>, content: &str) -> Option<Finding> {
        let read = match version {
            Some(version) => self.read_version(key, version, LIMIT_BYTES).await,
            None => self.read(key, LIMIT_BYTES).await,
        };
        match read {
            Ok(bytes) if bytes == content.as_bytes() => None,
            Ok(_) => Some(Finding::NotKept("its bytes are others".into())),
            Err(failure) => Some(Finding::NotKept(failure.to_string())),
        }
    }

    /// Everything of earlier probes that can be removed by now; what cannot is left for the next time.
    async fn remove_old_probes(&self, but: &str) -> Result<u64, Failure> {
        let prefix = self.address.folder(FOLDER).map_err(|error| Failure::Unwanted(error.to_string()))?;
        let pages =
            BucketPages { admin: &self.admin, prefix: &prefix, folders: false, versions: self.versions };
        let now = self.now();
        let is_old =
            |stored: Timestamp| stored.saturating_add(self.options.probe_lock * 2).is_ok_and(|end| end < now);
        let mut old = Vec::new();
        walk(&pages, &prefix, Start::Beginning, &mut |seen| match seen {
            Seen::Object(found) if found.key != but && is_old(found.stored) => old.push(found),
            _ => {}
        })
        .await?;
        let mut removed = 0;
        for found in old {
            let version = self.versions.then_some(found.version.as_str());
            if passing(self.admin.delete(&found.key, version, false).await)? {
                removed += u64::from(!found.marker);
            }
        }
        Ok(removed)
    }

    fn key(&self, name: &str) -> Result<String, Failure> {
        self.address.key(name).map_err(|error| Failure::Unwanted(error.to_string()))
    }
}

/// Whether it worked; only what says nothing about the store's rules is an error.
fn passing<T>(result: Result<T, Failure>) -> Result<bool, Failure> {
    match result {
        Ok(_) => Ok(true),
        Err(failure) if failure.is_passing() => Err(failure),
        Err(_) => Ok(false),
    }
}

fn unique() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Unwanted(format!("no randomness: {error}")))?;
    Ok(hex(&bytes))
}
