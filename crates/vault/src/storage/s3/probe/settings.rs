//! What the bucket's own settings would do to a vault later: lifecycle rules that remove, a policy that lets others remove, versions or locks that were
//! switched off since this process began.

use super::Finding;
use crate::storage::s3::failure::Failure;
use crate::storage::s3::lifecycle;
use crate::storage::s3::policy::{self, Opened};
use crate::storage::s3::store::Store;

impl Store {
    /// Everything that the settings say against keeping a vault here.
    ///
    /// # Errors
    /// The store does not answer. A setting that these credentials may not see is a finding.
    pub(in crate::storage::s3) async fn look_at_settings(&self) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        // What never was there is found by trying.
        if self.versions && !self.admin.versioning().await? {
            findings.push(Finding::VersioningOff);
        }
        if self.locks && !self.admin.lock_enabled().await? {
            findings.push(Finding::NoLock);
        }
        let prefix = self.address.folder("").map_err(|error| Failure::Unwanted(error.to_string()))?;
        match seen(self.admin.lifecycle().await, "lifecycle rules", "s3:GetLifecycleConfiguration")? {
            Ok(rules) => {
                let harms = rules.iter().flat_map(|rules| lifecycle::harms(rules, &prefix));
                findings.extend(harms.map(Finding::Lifecycle));
            }
            Err(unseen) => findings.push(unseen),
        }
        match seen(self.admin.policy().await, "policy", "s3:GetBucketPolicy")? {
            Ok(text) => {
                let read = text.map(|text| policy::opened(&text, self.address.bucket(), &prefix));
                match read.transpose() {
                    Ok(opened) => findings.extend(opened.into_iter().flatten().map(found)),
                    Err(why) => findings.push(Finding::Unseen(format!(
                        "the bucket's policy is not understood here, so nobody can say whom it lets in: {why}"
                    ))),
                }
            }
            Err(unseen) => findings.push(unseen),
        }
        Ok(findings)
    }
}

fn found(opened: Opened) -> Finding {
    match opened {
        Opened::ToAll(what) => Finding::OpenToAll(what),
        Opened::ReadToAll => Finding::ReadByAll,
        Opened::ToSome(what) => Finding::PolicyAllows(what),
    }
}

/// A setting, or the finding that it cannot be seen.
fn seen<T>(answer: Result<T, Failure>, what: &str, right: &str) -> Result<Result<T, Finding>, Failure> {
    match answer {
        Ok(setting) => Ok(Ok(setting)),
        Err(failure) if failure.has_status(403) => Ok(Err(Finding::Unseen(format!(
            "these credentials may not see the bucket's {what} ({right}): whether these would take something away is not known here"
        )))),
        Err(other) => Err(other),
    }
}
