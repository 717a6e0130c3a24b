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
        self.hosts()?.into_iter().map(|key| self.admitted(key)).collect()
    }

    /// What is on record of a host that has joined with this key.
    pub(super) fn admitted(&self, key: PublicKey) -> Result<AdmittedHost, VaultError> {
        let host = key.host_id();
        let About { tenant, name } = self.inner.about(&host)?.unwrap_or_default();
        let revoked = self.inner.is_revoked(&host, &Right::Write)?;
        Ok(AdmittedHost { key, tenant, name, revoked })
    }
}

impl Inner {
    /// What is on record of a host; `None` when it joined without saying anything, or has not joined.
    pub(super) fn about(&self, host: &HostId) -> Result<Option<About>, VaultError> {
        let name = tree::about(host);
        let text = match self.storage.read(&name, TEXT_LIMIT_BYTES) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        About::parse(&text).map(Some).ok_or_else(|| {
            let place = self.storage.place();
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
