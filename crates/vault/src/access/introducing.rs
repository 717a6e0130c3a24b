//! A host that joined before there were introductions signs one later: it says what its join said then, and nothing more.
//!
//! Only readers count who were let in here, by the join or by whoever runs this vault. So a host that is taken over can name no reader of its own, and
//! one that was never asked at its join can still say, for every replica, whom it named.

use super::adopting::word_of;
use super::right::{Right, Scope};
use crate::tree;
use crate::vault::{Vault, text_error};
use vow_base::HostId;
use vow_base::introduction::ENVELOPE;
use vow_base::publish::{PublishError, Published};
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;

impl Vault {
    /// Whether a host has said of itself what other vaults are to know.
    pub fn is_introduced(&self, host: &HostId) -> Result<bool, VaultError> {
        Ok(self.inner.storage.stat(&tree::introduction(host))?.is_some())
    }

    /// Takes the word of a host that has joined and said nothing of itself yet. Saying the same again changes nothing.
    ///
    /// # Errors
    /// [`VaultError::Refused`] or [`VaultError::Signed`] when it is not this host's word, says something else than its join, names somebody who may
    /// not read here, or when another word stands there already: the first one counts, for ever.
    pub fn introduce(&self, host: &PublicKey, stored: &[u8]) -> Result<Published, VaultError> {
        let (vault, id) = (&*self.inner, host.host_id());
        let refuse = |why: String| Err(VaultError::Refused(format!("this introduction: {why}")));
        let said = word_of(host, stored)?;
        let name = tree::introduction(&id);
        if vault.host_key(&id)?.is_none() {
            return Err(VaultError::NotJoined { host: id, place: self.place() });
        }
        match vault.storage.read(&name, ENVELOPE.limit_bytes as u64) {
            Err(error) if error.is_absent() => {}
            Ok(there) if there == stored => return Ok(Published::AlreadyThere),
            Ok(_) => {
                return refuse("this host has introduced itself already, and the first word counts".into());
            }
            Err(error) => return Err(error.into()),
        }
        let Some(about) = vault.about(&id)? else {
            return refuse(
                "this host joined without a customer and a name, and cannot choose them now".into(),
            );
        };
        if (&said.tenant, &said.name) != (&about.tenant, &about.name) {
            return refuse(format!("this host joined as {}/{}", about.tenant, about.name));
        }
        let right = Right::Restore(Scope::Host(id));
        for reader in &said.readers {
            if !vault.rights(&reader.host_id())?.contains(&right) {
                return refuse(format!(
                    "the reader {} was not let in here: let it in (`vow vault join-token --role restore --host {id}`), or take it out of `readers`",
                    reader.host_id().short()
                ));
            }
        }
        match vault.storage.create(&name, stored, None) {
            Ok(published) => Ok(published),
            Err(PublishError::Occupied { .. }) => {
                refuse("another one came first, and that one counts".into())
            }
            Err(error) => Err(text_error(error)),
        }
    }
}
