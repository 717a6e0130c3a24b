//! Using a token: it lets one key in, and however often that key asks again, it gets the same answer and nothing more.

use super::hosts::About;
use super::record;
use super::right::{Right, Scope};
use super::token::{Token, Used};
use crate::tree;
use crate::vault::{Inner, Vault, text_error};
use std::collections::BTreeSet;
use vow_base::introduction::Introduction;
use vow_base::publish::PublishError;
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;
use vow_protocol::JoinSecret;
use vow_protocol::limits::{READERS_MAX, is_name};

/// What a key that joins says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAsked {
    /// The customer; that of the token when the token names one.
    pub tenant: Option<String>,
    /// The name it is known by.
    pub name: String,
    /// A host: keys that may read what it sends.
    pub readers: Vec<PublicKey>,
    /// A host: the same, signed by it, for vaults that copy from this one; stored bytes.
    pub introduction: Option<Vec<u8>>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinDone {
    /// What the key may do from now on.
    pub right: Right,
    /// The customer it belongs to; empty without one.
    pub tenant: String,
    /// Its name.
    pub name: String,
}

impl Vault {
    /// Lets the key in that proved itself in the handshake. Idempotent for one key and one token.
    ///
    /// `None`: the token was never made, was used by another key, or has ended; which of these is nobody's business.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the token is good and something else is in the way; it can be used again then.
    pub fn use_token(
        &self,
        secret: &JoinSecret,
        key: &PublicKey,
        asked: &JoinAsked,
    ) -> Result<Option<JoinDone>, VaultError> {
        let (vault, hash) = (&*self.inner, secret.name());
        let Some(token) = vault.read_token(&hash)? else { return Ok(None) };
        let used = match vault.read_used(&hash)? {
            Some(used) => used,
            None => {
                if vault.clock.now() > token.ends {
                    return Ok(None);
                }
                let used = wanted(key, &token, asked)?;
                vault.refuse_mixed_roles(&token, &used)?;
                vault.first_use(&hash, used)?
            }
        };
        if used.key != *key {
            return Ok(None);
        }
        self.carry_out(&hash, &token, &used, asked.introduction.as_deref())?;
        Ok(Some(JoinDone { right: token.right, tenant: used.tenant, name: used.name }))
    }

    /// What the token's first use asked for: done, or completed when an earlier attempt was cut short.
    fn carry_out(
        &self,
        hash: &str,
        token: &Token,
        used: &Used,
        introduction: Option<&[u8]>,
    ) -> Result<(), VaultError> {
        let vault = &*self.inner;
        let id = used.key.host_id();
        if token.right != Right::Write {
            return vault.put_grant(&used.key, &token.right, &used.name, hash);
        }
        if vault.is_revoked(&id, &Right::Write)? {
            return Err(VaultError::Refused(
                "this host was shut out; a new one needs a key of its own".into(),
            ));
        }
        for reader in &used.readers {
            // One that was shut out since stays shut out, and keeps nobody from joining.
            let right = Right::Restore(Scope::Host(id));
            if !vault.is_revoked(&reader.host_id(), &right)? {
                vault.put_grant(reader, &right, &used.name, hash)?;
            }
        }
        // Before the key: there is no moment at which the host has joined and belongs to nobody.
        let about = About { tenant: used.tenant.clone(), name: used.name.clone() };
        vault.storage.make_folder(&tree::host(&id))?;
        match vault.storage.create(&tree::about(&id), about.text().as_bytes(), None) {
            Err(PublishError::Occupied { .. }) => return Err(joined_otherwise()),
            other => other.map_err(text_error)?,
        };
        // What the host asked for first is what it may say of itself to others, and nothing that it says later.
        if let Some(stored) = introduction.filter(|stored| says(stored, used)) {
            match vault.storage.create(&tree::introduction(&id), stored, None) {
                Ok(_) | Err(PublishError::Occupied { .. }) => {}
                Err(error) => return Err(text_error(error)),
            }
        }
        self.join(&used.key)
    }
}

/// Whether these stored bytes, signed by the host, say what it asked for.
fn says(stored: &[u8], used: &Used) -> bool {
    Introduction::open(stored).is_ok_and(|said| {
        let names = (&said.tenant, &said.name) == (&used.tenant, &used.name);
        said.host == used.key && names && said.readers == used.readers
    })
}

/// What is to be carried out, checked against the token.
fn wanted(key: &PublicKey, token: &Token, asked: &JoinAsked) -> Result<Used, VaultError> {
    let refuse = |why: String| Err(VaultError::Refused(why));
    let tenant = asked.tenant.as_deref().filter(|tenant| !tenant.is_empty());
    for name in tenant.into_iter().chain([asked.name.as_str()]) {
        if !is_name(name) {
            return refuse(format!("{name:?} cannot be a name"));
        }
    }
    // Whoever has the token may know what is in it.
    let differs = |what: &str, option: &str, token: Option<&str>, asked: Option<&str>| match (token, asked) {
        (Some(token), Some(asked)) if token != asked => Err(VaultError::Refused(format!(
            "the token is for the {what} {token:?}, not {asked:?}: join with {option} {token}, or with a token for {asked:?}"
        ))),
        _ => Ok(()),
    };
    differs("name", "--name", token.name.as_deref(), Some(asked.name.as_str()))?;
    differs("customer", "--tenant", token.tenant.as_deref(), tenant)?;
    if token.right != Right::Write && !asked.readers.is_empty() {
        return refuse("only a host has readers".into());
    }
    if asked.readers.len() > READERS_MAX {
        return refuse(format!("more than {READERS_MAX} readers"));
    }
    if !asked.readers.iter().all(PublicKey::is_sound) {
        return refuse("one of the readers is not an Ed25519 key".into());
    }
    let tenant = match token.right {
        Right::Write => token.tenant.as_deref().or(tenant).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let mut seen = BTreeSet::new();
    let readers = asked.readers.iter().filter(|reader| seen.insert(reader.0)).copied().collect();
    let used = Used { key: *key, tenant, name: asked.name.clone(), readers };
    if asked.introduction.as_ref().is_some_and(|stored| !says(stored, &used)) {
        return refuse(
            "the introduction is not signed by this host, or says something else than it asks for".into(),
        );
    }
    Ok(used)
}

impl Inner {
    /// A key is a host's or a reader's, never both: else a host could read what it sent.
    fn refuse_mixed_roles(&self, token: &Token, used: &Used) -> Result<(), VaultError> {
        let refuse = |why: &str| Err(VaultError::Refused(why.into()));
        let id = used.key.host_id();
        let joined = self.host_key(&id)?.is_some();
        if token.right != Right::Write {
            if joined {
                return refuse("this is the key of a host: nothing else is granted to it");
            }
            return match self.is_revoked(&id, &token.right)? {
                true => Err(VaultError::Refused(format!("{} was taken away from this key", token.right))),
                false => Ok(()),
            };
        }
        if !self.rights(&id)?.is_empty() {
            return refuse("this key may read: a host needs a key of its own");
        }
        if self.is_revoked(&id, &Right::Write)? {
            return refuse("this host was shut out; a new one needs a key of its own");
        }
        for reader in &used.readers {
            if *reader == used.key || self.host_key(&reader.host_id())?.is_some() {
                return refuse("the key of a host cannot be a reader");
            }
        }
        if joined {
            let right = Right::Restore(Scope::Host(id));
            for reader in &used.readers {
                if !self.rights(&reader.host_id())?.contains(&right) {
                    return refuse("this host has joined: a further reader needs a token of its own");
                }
            }
        }
        let about = About { tenant: used.tenant.clone(), name: used.name.clone() };
        match self.about(&id)? {
            Some(other) if other != about => Err(joined_otherwise()),
            _ => Ok(()),
        }
    }

    /// Writes down whose the token is; when somebody was first, what they wrote down.
    fn first_use(&self, hash: &str, used: Used) -> Result<Used, VaultError> {
        match self.storage.create(&tree::token_used(hash), used.text().as_bytes(), None) {
            Ok(_) => Ok(used),
            Err(PublishError::Occupied { .. }) => {
                self.read_used(hash)?.ok_or_else(|| self.foreign(&tree::token_used(hash), "what is in it"))
            }
            Err(error) => Err(text_error(error)),
        }
    }

    fn read_token(&self, hash: &str) -> Result<Option<Token>, VaultError> {
        let name = tree::token(hash);
        match self.storage.read(&name, record::LIMIT_BYTES) {
            Err(error) if error.is_absent() => Ok(None),
            other => Token::parse(&other?).map(Some).ok_or_else(|| self.foreign(&name, "what is in it")),
        }
    }

    fn read_used(&self, hash: &str) -> Result<Option<Used>, VaultError> {
        let name = tree::token_used(hash);
        match self.storage.read(&name, record::LIMIT_BYTES) {
            Err(error) if error.is_absent() => Ok(None),
            other => Used::parse(&other?).map(Some).ok_or_else(|| self.foreign(&name, "what is in it")),
        }
    }
}

fn joined_otherwise() -> VaultError {
    VaultError::Refused("this host has joined with another name or customer".into())
}
