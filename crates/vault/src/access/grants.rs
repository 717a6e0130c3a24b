//! Grants: what keys that are no host's may do, and how any key is shut out again.

use super::may::Access;
use super::record::{self, Record};
use super::right::Right;
use crate::tree;
use crate::vault::{Inner, Vault, text_error};
use vow_base::HostId;
use vow_base::clock::Nanos;
use vow_base::id::{from_hex, hex};
use vow_base::publish::PublishError;
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;

const GRANT_TITLE: &str = "vow grant 1";
const REVOKED_TITLE: &str = "vow revoked 1";
/// Before the right, in the name of what takes it away.
const REVOKED: &str = "revoked=";

/// Something that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To which key.
    pub key: PublicKey,
    /// What.
    pub right: Right,
    /// Who that is, as they said when they joined; for a host's reader, the host's name.
    pub name: String,
    /// Since when it is not granted any more.
    pub revoked: Option<Nanos>,
}

impl Vault {
    /// What a key may do. Looked up in the storage; [`AccessBook`](super::AccessBook) remembers.
    pub fn access_of(&self, key: &PublicKey) -> Result<Access, VaultError> {
        let id = key.host_id();
        if self.inner.host_key(&id)?.is_some() {
            // A host's key never reads, whatever it was granted before.
            let closed = self.inner.is_revoked(&id, &Right::Write)?;
            return Ok(if closed { Access::Stranger } else { Access::Host(id) });
        }
        let rights = self.inner.rights(&id)?;
        Ok(if rights.is_empty() { Access::Stranger } else { Access::Granted(rights) })
    }

    /// Everything that was ever granted, also what was revoked since; by key and right.
    pub fn grants(&self) -> Result<Vec<Grant>, VaultError> {
        let mut grants = Vec::new();
        for name in self.inner.names_if_any(tree::GRANTS)? {
            let key = name.parse::<HostId>().ok().filter(|key| key.to_string() == name);
            let key = key.ok_or_else(|| self.inner.foreign(tree::GRANTS, &name))?;
            let names = self.inner.grant_names(&key)?;
            for (right, revoked) in &names {
                if !revoked && *right != Right::Write {
                    grants.push(self.inner.grant(&key, right)?);
                }
            }
        }
        grants.sort_by(|a, b| (a.key.0, &a.right).cmp(&(b.key.0, &b.right)));
        Ok(grants)
    }

    /// Takes a right away from the key with this id, for good: it is granted to this key never again. Without `right`, everything the
    /// key has; a host is shut out by taking [`Right::Write`] from it. What was taken away.
    pub fn revoke(&self, key: &HostId, right: Option<&Right>, note: &str) -> Result<Vec<Right>, VaultError> {
        let mut held = self.inner.rights(key)?;
        if self.inner.host_key(key)?.is_some() && !self.inner.is_revoked(key, &Right::Write)? {
            held.push(Right::Write);
        }
        held.retain(|held| right.is_none_or(|right| right == held));
        if held.is_empty() {
            let what = right.map(ToString::to_string).unwrap_or_else(|| "anything".into());
            return Err(VaultError::Refused(format!("the key {key} is not granted {what}")));
        }
        // One line: the note is for people, and this is a text of lines.
        let note: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
        for right in &held {
            let lines = [("at", self.inner.clock.now().to_string()), ("note", note.clone())];
            let name = tree::grant(key, &format!("{REVOKED}{right}"));
            let text = record::text(REVOKED_TITLE, lines);
            match self.inner.storage.create(&name, text.as_bytes(), None) {
                // Somebody else took it away at the same time.
                Ok(_) | Err(PublishError::Occupied { .. }) => {}
                Err(error) => return Err(text_error(error)),
            }
        }
        Ok(held)
    }
}

impl Inner {
    /// Grants a right. What was granted already stays as it is; what was revoked is refused.
    pub(super) fn put_grant(
        &self,
        key: &PublicKey,
        right: &Right,
        name: &str,
        token: &str,
    ) -> Result<(), VaultError> {
        let id = key.host_id();
        if self.is_revoked(&id, right)? {
            return Err(VaultError::Refused(format!(
                "{right} was taken away from this key; use another key"
            )));
        }
        let lines = [("key", hex(&key.0)), ("name", name.to_owned()), ("token", token.to_owned())];
        let text = record::text(GRANT_TITLE, lines);
        match self.storage.create(&tree::grant(&id, &right.to_string()), text.as_bytes(), None) {
            Ok(_) | Err(PublishError::Occupied { .. }) => Ok(()),
            Err(error) => Err(text_error(error)),
        }
    }

    /// What a key was granted and has still; never [`Right::Write`], which comes from joining.
    pub(crate) fn rights(&self, key: &HostId) -> Result<Vec<Right>, VaultError> {
        let names = self.grant_names(key)?;
        let taken = |right: &Right| names.iter().any(|(other, revoked)| *revoked && other == right);
        let held =
            names.iter().filter(|(right, revoked)| !revoked && *right != Right::Write && !taken(right));
        Ok(held.map(|(right, _)| right.clone()).collect())
    }

    /// Whether a right was taken away from a key.
    pub(super) fn is_revoked(&self, key: &HostId, right: &Right) -> Result<bool, VaultError> {
        Ok(self.storage.stat(&tree::grant(key, &format!("{REVOKED}{right}")))?.is_some())
    }

    /// The same of many keys, in their order.
    pub(super) fn are_revoked(&self, keys: &[HostId], right: &Right) -> Result<Vec<bool>, VaultError> {
        let names: Vec<_> = keys.iter().map(|key| tree::grant(key, &format!("{REVOKED}{right}"))).collect();
        Ok(self.storage.stats(&names)?.iter().map(Option::is_some).collect())
    }

    /// What stands under a key: rights, and whether the name is the one that takes it away.
    fn grant_names(&self, key: &HostId) -> Result<Vec<(Right, bool)>, VaultError> {
        let folder = tree::grants_of(key);
        let names = self.names_if_any(&folder)?.into_iter().map(|name| {
            let (text, revoked) = match name.strip_prefix(REVOKED) {
                Some(text) => (text, true),
                None => (name.as_str(), false),
            };
            let right = text.parse::<Right>().map_err(|_| self.foreign(&folder, &name))?;
            Ok((right, revoked))
        });
        names.collect()
    }

    fn grant(&self, key: &HostId, right: &Right) -> Result<Grant, VaultError> {
        let name = tree::grant(key, &right.to_string());
        let text = self.storage.read(&name, record::LIMIT_BYTES)?;
        let (public, label) = parse_grant(&text)
            .filter(|(public, _)| public.host_id() == *key)
            .ok_or_else(|| self.foreign(&name, "what is in it"))?;
        let revoked =
            match self.storage.read(&tree::grant(key, &format!("{REVOKED}{right}")), record::LIMIT_BYTES) {
                Err(error) if error.is_absent() => None,
                // Whatever stands in it, it is taken away.
                other => Some(parse_revoked(&other?).unwrap_or(0)),
            };
        Ok(Grant { key: public, right: right.clone(), name: label, revoked })
    }

    /// The names in a folder that is made when something first comes into it.
    pub(super) fn names_if_any(&self, folder: &str) -> Result<Vec<String>, VaultError> {
        if self.storage.is_folder(folder)? { Ok(self.storage.names(folder)?) } else { Ok(Vec::new()) }
    }
}

fn parse_grant(text: &[u8]) -> Option<(PublicKey, String)> {
    let mut lines = Record::parse(GRANT_TITLE, text)?;
    let key = PublicKey(from_hex(lines.next("key")?)?);
    let name = lines.next("name")?.to_owned();
    lines.next("token")?;
    lines.end((key, name))
}

fn parse_revoked(text: &[u8]) -> Option<Nanos> {
    let mut lines = Record::parse(REVOKED_TITLE, text)?;
    let at = lines.next("at")?.parse().ok()?;
    lines.next("note")?;
    lines.end(at)
}
