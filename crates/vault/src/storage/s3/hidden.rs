//! Objects that a delete marker hides. Whoever holds the bucket's credentials can put one over any object; under it the object still is.
//!
//! A damaged object that is locked cannot be removed. So that a good copy can take its name, a quarantine hides it in the same way, and leaves
//! a record that says which version is meant: `quarantine/versions/<SHA-256 of the key, a zero byte and the version>`. What has a record is
//! gone; what is hidden without one is shown as if it were not hidden.

use super::failure::Failure;
use super::listing::{BucketPages, Found, Seen, Start, walk};
use super::store::{Store, stat_of};
use crate::storage::Stat;
use std::fmt;
use std::sync::atomic::Ordering;
use vow_base::id::{hex, sha256};

/// Where the records are.
const RECORDS: &str = "quarantine/versions";
/// Versions of one name that are looked at.
const VERSIONS_LIMIT: &str = "1000";

/// An object that somebody has hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Its name in the vault.
    pub name: String,
    /// What is hidden.
    pub stat: Stat,
    /// By a delete marker; else by another object that was put over it.
    pub by_marker: bool,
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.by_marker { "a delete marker" } else { "another object" };
        write!(f, "{}: somebody with the bucket's credentials put {by} over it; it is still there", self.name)
    }
}

impl Store {
    /// The object behind a delete marker, after the store has said that there is none.
    pub(super) async fn behind(&self, key: &str, said: &Failure) -> Result<Option<Found>, Failure> {
        let Failure::Refused(refusal) = said else { return Ok(None) };
        if self.versions && (refusal.marker || !self.tells_markers.load(Ordering::Relaxed)) {
            self.hidden_version(key).await
        } else {
            Ok(None)
        }
    }

    /// The newest version of a name that is neither a delete marker nor in quarantine.
    pub(super) async fn hidden_version(&self, key: &str) -> Result<Option<Found>, Failure> {
        let query = [("prefix", Some(key)), ("max-keys", Some(VERSIONS_LIMIT))];
        let page = self.admin.versions(&query).await?;
        let versions = page.versions.into_iter().filter(|it| it.key == key).map(|it| Found {
            key: it.key,
            version: it.version_id,
            length: it.size,
            stored: it.last_modified,
            marker: false,
            latest: it.is_latest,
        });
        for found in versions {
            if !self.is_in_quarantine(&found).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The one that counts of all versions of a name, newest first.
    pub(super) async fn newest(&self, versions: Vec<Found>) -> Result<Option<Found>, Failure> {
        for found in versions.into_iter().filter(|found| !found.marker) {
            if found.latest || !self.is_in_quarantine(&found).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Hides a version for good.
    pub(super) async fn hide(&self, key: &str, version: &str) -> Result<(), Failure> {
        let text = format!("key {key}\nversion {version}\n");
        let digest = sha256(text.as_bytes());
        let lock = self.lock_of_new(RECORDS);
        let put = self.put(&self.record(key, version)?, text.into_bytes().into(), digest, lock).await;
        match put {
            // Written by an earlier attempt.
            Err(failure) if failure.has_status(412) || failure.has_status(409) => {}
            other => other?,
        }
        self.admin.delete(key, None, false).await.map(|_| ())
    }

    /// Everything that is hidden and has no record: for a scrub, since nobody but somebody with the bucket's credentials can have done that.
    pub(super) async fn all_hidden(&self) -> Result<Vec<Hidden>, Failure> {
        let prefix = self.address.folder("").map_err(|error| Failure::Unwanted(error.to_string()))?;
        let pages = BucketPages { admin: &self.admin, prefix: &prefix, folders: false, versions: true };
        let mut suspects = Vec::new();
        // Of the key that is being walked over: whether a marker is its newest version.
        let (mut key, mut by_marker) = (String::new(), false);
        walk(&pages, &prefix, Start::Beginning, &mut |seen| {
            let Seen::Object(found) = seen else { return };
            if found.key != key {
                key.clone_from(&found.key);
                by_marker = found.marker;
            }
            if !found.marker && !found.latest {
                suspects.push((found, by_marker));
            }
        })
        .await?;
        let mut hidden = Vec::new();
        for (found, by_marker) in suspects {
            let name = self.address.name(&found.key).to_owned();
            // Probes hide their own objects.
            if !name.starts_with("probe/") && !self.is_in_quarantine(&found).await? {
                hidden.push(Hidden { name, stat: stat_of(&found), by_marker });
            }
        }
        Ok(hidden)
    }

    async fn is_in_quarantine(&self, found: &Found) -> Result<bool, Failure> {
        let record = self.record(&found.key, &found.version)?;
        match self.head(&record).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_absent() => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn record(&self, key: &str, version: &str) -> Result<String, Failure> {
        let id = hex(&sha256(format!("{key}\0{version}").as_bytes()));
        self.address.key(&format!("{RECORDS}/{id}")).map_err(|error| Failure::Unwanted(error.to_string()))
    }
}
