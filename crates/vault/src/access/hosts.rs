//! What is on record of each host beside its key: its customer and its name, from the join.

use super::right::Right;
use crate::texts::TEXT_LIMIT_BYTES;
use crate::tree;
use crate::vault::{Inner, Vault};
use vow_base::HostId;
use vow_base::sign::PublicKey;
use vow_base::vault::{Retrieve, VaultError};
use vow_protocol::limits::is_name;

/// A host that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmittedHost {
    /// Its signing key.
    pub key: PublicKey,
    /// The customer it belongs to; empty when it joined without one.
    pub tenant: String,
    /// Its name; empty when it joined without one.
    pub name: String,
    /// Whether it was shut out.
    pub revoked: bool,
}

/// Customer and name, as they stand in `about`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) tenant: String,
    pub(super) name: String,
}

impl Vault {
    /// Every host that ever joined, in the order of their ids.
    pub fn hosts_admitted(&self) -> Result<Vec<AdmittedHost>, VaultError> {
        self.admitted(&self.hosts()?)
    }

    /// What is on record of hosts that have joined with these keys, in their order.
    pub(super) fn admitted(&self, keys: &[PublicKey]) -> Result<Vec<AdmittedHost>, VaultError> {
        let vault = &*self.inner;
        let hosts: Vec<_> = keys.iter().map(PublicKey::host_id).collect();
        let (abouts, revoked) = (vault.abouts(&hosts)?, vault.are_revoked(&hosts, &Right::Write)?);
        let all = keys.iter().zip(abouts).zip(revoked).map(|((key, about), revoked)| {
            let About { tenant, name } = about.unwrap_or_default();
            AdmittedHost { key: *key, tenant, name, revoked }
        });
        Ok(all.collect())
    }
}

impl Inner {
    /// What is on record of a host; `None` when it joined without saying anything, or has not joined.
    pub(super) fn about(&self, host: &HostId) -> Result<Option<About>, VaultError> {
        match self.storage.read(&tree::about(host), TEXT_LIMIT_BYTES) {
            Err(error) if error.is_absent() => Ok(None),
            text => self.about_in(host, &text?).map(Some),
        }
    }

    /// [`Inner::about`] of many hosts, in their order: from a bucket, several at once.
    fn abouts(&self, hosts: &[HostId]) -> Result<Vec<Option<About>>, VaultError> {
        let names: Vec<_> = hosts.iter().map(tree::about).collect();
        match self.storage.reads(&names, TEXT_LIMIT_BYTES) {
            // Some joined without saying anything.
            Err(error) if error.is_absent() => hosts.iter().map(|host| self.about(host)).collect(),
            texts => {
                hosts.iter().zip(texts?).map(|(host, text)| self.about_in(host, &text).map(Some)).collect()
            }
        }
    }

    fn about_in(&self, host: &HostId, text: &[u8]) -> Result<About, VaultError> {
        About::parse(text).ok_or_else(|| {
            let (place, name) = (self.storage.place(), tree::about(host));
            VaultError::Refused(format!("{place}/{name} does not say whose host this is"))
        })
    }
}

impl About {
    pub(super) fn text(&self) -> String {
        format!("tenant {}\nname {}\n", self.tenant, self.name)
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (tenant, rest) = text.strip_prefix("tenant ")?.split_once('\n')?;
        let name = rest.strip_prefix("name ")?.strip_suffix('\n')?;
        let good = |name: &str| name.is_empty() || is_name(name);
        (good(tenant) && good(name)).then(|| Self { tenant: tenant.to_owned(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_reads_as_it_was_written() {
        for (tenant, name) in [("acme", "web-1"), ("", "web-1"), ("", "")] {
            let about = About { tenant: tenant.into(), name: name.into() };
            let text = about.text();
            assert!((0..text.len()).all(|end| About::parse(&text.as_bytes()[..end]).is_none()));
            assert_eq!(About::parse(text.as_bytes()), Some(about));
        }
        assert_eq!(About::parse(b"tenant ../x\nname a\n"), None);
    }
}
