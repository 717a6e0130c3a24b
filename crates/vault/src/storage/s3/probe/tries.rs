//! What must not work, tried on an object of the probe's own.

use super::{Finding, ProbeReport};
use crate::storage::s3::failure::Failure;
use crate::storage::s3::listing::{BucketPages, Seen, Start, walk};
use crate::storage::s3::store::Store;
use jiff::Timestamp;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vow_base::id::{hex, sha256};

/// Where probes are.
const FOLDER: &str = "probe";
/// More is not read of a probe.
const LIMIT_BYTES: u64 = 4096;
/// A clock that differs by more than this makes locks and times worth less.
const SKEW_LIMIT: Duration = Duration::from_secs(900);

/// What came of trying a lock.
struct Tried {
    findings: Vec<Finding>,
    /// Whether the object outlived it.
    is_there: bool,
}

impl Store {
    /// Tries everything that must not work, on an object of its own, looks at the bucket's settings, and removes those of earlier probes whose
    /// lock has ended.
    pub(in crate::storage::s3) async fn probe(&self) -> Result<ProbeReport, Failure> {
        let mut findings = Vec::new();
        let name = format!("{FOLDER}/{}-{}", self.now().as_second(), unique()?);
        let key = self.key(&name)?;
        let until = self.now().saturating_add(self.options.probe_lock).ok().filter(|_| self.locks);
        let content = format!("a probe of a vault at {}\n", self.address);
        self.put(&key, content.clone().into_bytes().into(), sha256(content.as_bytes()), until).await?;
        let version = self.head(&key).await?.version.filter(|_| self.versions);
        findings.extend(self.try_to_create_again(&key).await?);
        findings.extend(self.look_at(&key, version.as_deref(), &content).await);
        let mut is_there = true;
        match (&version, until) {
            (Some(version), Some(until)) => {
                let tried = self.try_the_lock(&key, version, until).await?;
                is_there = tried.is_there;
                findings.extend(tried.findings);
            }
            (Some(_), None) => findings.push(Finding::NoLock),
            (None, _) => findings.extend([Finding::VersioningOff, Finding::NoLock]),
        }
        if let Some(version) = &version {
            findings.extend(self.try_to_cover(&key).await?);
            findings.extend(self.try_to_hide(&key).await?);
            // What a lock did not hold is said already.
            if is_there {
                findings.extend(self.look_at(&key, Some(version), &content).await);
            }
        }
        findings.extend(self.look_at_settings().await?);
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

    /// Tries to shorten the lock, to delete what it holds in each way that there is, and to make it one that can be taken off.
    async fn try_the_lock(&self, key: &str, version: &str, until: Timestamp) -> Result<Tried, Failure> {
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
        passing(self.admin.set_retention(key, Some(version), earlier).await)?;
        // Whatever the store answered: what counts is when the lock ends now.
        if let Some(lock) = self.admin.retention(key, Some(version)).await?
            && lock.until < until
            && findings.is_empty()
        {
            findings.push(Finding::RetentionShortened);
        }
        // One at a time, and as one of many: stores have two ways for that, and a lock has to stand in both.
        passing(self.admin.delete(key, Some(version), true).await)?;
        let mut is_there = self.is_there(key, version).await?;
        if is_there {
            passing(self.admin.delete_as_one_of_many(key, version).await)?;
            is_there = self.is_there(key, version).await?;
        }
        if !is_there {
            findings.push(ignored("a locked object could be deleted"));
            return Ok(Tried { findings, is_there });
        }
        passing(self.admin.set_weaker_retention(key, version, until).await)?;
        if let Some(lock) = self.admin.retention(key, Some(version)).await?
            && !lock.strict
            && findings.is_empty()
        {
            findings.push(ignored("it could be turned into one that can be taken off"));
        }
        if findings.is_empty() {
            findings.push(Finding::LockHeld);
        }
        Ok(Tried { findings, is_there })
    }

    async fn is_there(&self, key: &str, version: &str) -> Result<bool, Failure> {
        match self.read_version(key, version, LIMIT_BYTES).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_absent() => Ok(false),
            Err(other) => Err(other),
        }
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
