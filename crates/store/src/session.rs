//! Session keys and the age recipients they are wrapped for. F2 of the design: one random key per run, wrapped once.

pub mod challenge;
mod credential;

pub use credential::restore_credential;

use age::secrecy::ExposeSecret;
use std::io::{Read, Write};
use std::str::FromStr;
use vow_base::id::sha256;
use vow_base::sign::SigningKey;
use zeroize::{Zeroize, Zeroizing};

/// The longest key blob that is written or read, in bytes.
pub const BLOB_LIMIT_BYTES: usize = 16 << 10;

/// Why a recipient, an identity or a key blob was refused.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Not an age recipient.
    #[error("{text:?} is not an age recipient: {reason}")]
    Recipient {
        /// What was given.
        text: String,
        /// Why it is not one.
        reason: &'static str,
    },
    /// No recipient at all.
    #[error("there is no recipient to seal to")]
    NoRecipient,
    /// Not an age identity file.
    #[error("no usable identity in it: {0}")]
    Identity(String),
    /// The blob is sealed to other recipients.
    #[error("none of the identities given opens it")]
    WrongIdentity,
    /// The blob is damaged.
    #[error("the key blob is damaged: {0}")]
    Blob(String),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Random,
}

/// A public key that snapshots are sealed to.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: age::x25519::Recipient,
}

impl Recipient {
    /// The first half of the SHA-256 of its text: what manifests name it by.
    pub fn fingerprint(&self) -> [u8; 16] {
        let digest = sha256(self.text.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }

    /// Its text, `age1…`.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Recipient {
    type Err = SessionError;

    fn from_str(text: &str) -> Result<Self, SessionError> {
        if text.to_ascii_uppercase().contains("AGE-SECRET-KEY") {
            // Never repeat a secret in an error.
            let text = "AGE-SECRET-KEY-…".to_owned();
            return Err(SessionError::Recipient {
                text,
                reason: "that is an identity; it must stay offline",
            });
        }
        let key = age::x25519::Recipient::from_str(text)
            .map_err(|reason| SessionError::Recipient { text: text.to_owned(), reason })?;
        Ok(Self { text: key.to_string(), key })
    }
}

/// A new recovery identity: its secret text and its recipient.
pub fn new_identity() -> (Zeroizing<String>, Recipient) {
    let identity = age::x25519::Identity::generate();
    let key = identity.to_public();
    (
        Zeroizing::new(identity.to_string().expose_secret().to_owned()),
        Recipient { text: key.to_string(), key },
    )
}

/// A key that lives as long as one run.
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// A new key.
    pub fn generate() -> Result<Self, SessionError> {
        vow_base::sign::random_secret().map(Self).map_err(|_| SessionError::Random)
    }

    /// The key itself, for derivation.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Wraps the key for all recipients, as one standard age file.
    pub fn wrap(&self, recipients: &[Recipient]) -> Result<Vec<u8>, SessionError> {
        let failed = |e: &dyn std::fmt::Display| SessionError::Blob(e.to_string());
        let keys = recipients.iter().map(|r| &r.key as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(keys).map_err(|_| SessionError::NoRecipient)?;
        let mut blob = Vec::new();
        let mut writer = encryptor.wrap_output(&mut blob).map_err(|e| failed(&e))?;
        writer.write_all(&self.0[..]).map_err(|e| failed(&e))?;
        writer.finish().map_err(|e| failed(&e))?;
        if blob.len() > BLOB_LIMIT_BYTES {
            return Err(SessionError::Blob("too many recipients".into()));
        }
        Ok(blob)
    }
}

/// The secret halves that open snapshots.
pub struct Identities {
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
    /// Seeds of the keys that they give towards vaults.
    seeds: Vec<Zeroizing<[u8; 32]>>,
    fingerprints: Vec<[u8; 16]>,
}

/// The fingerprint of the recipient that goes with a line of an identity file; `None` when it is no X25519 identity.
fn fingerprint(line: &str) -> Option<[u8; 16]> {
    let identity: age::x25519::Identity = line.trim().parse().ok()?;
    let key = identity.to_public();
    Some(Recipient { text: key.to_string(), key }.fingerprint())
}

impl Identities {
    /// Reads a standard age identity file.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        let file = age::IdentityFile::from_buffer(text.as_bytes())
            .map_err(|e| SessionError::Identity(e.to_string()))?;
        let identities = file.into_identities().map_err(|e| SessionError::Identity(e.to_string()))?;
        if identities.is_empty() {
            return Err(SessionError::Identity("it holds no AGE-SECRET-KEY line".into()));
        }
        let seeds = text.lines().filter_map(credential::seed).collect();
        let fingerprints = text.lines().filter_map(fingerprint).collect();
        Ok(Self { keys: identities, seeds, fingerprints })
    }

    /// The keys by which vaults know whoever holds these identities: one for each X25519 identity, in the file's order.
    pub fn restore_credentials(&self) -> Vec<SigningKey> {
        self.seeds.iter().map(|seed| SigningKey::from_seed(seed)).collect()
    }

    /// The fingerprints of the recipients whose secret halves these are, as manifests name them; of X25519 identities only.
    pub fn fingerprints(&self) -> &[[u8; 16]] {
        &self.fingerprints
    }

    /// Whether [`Self::fingerprints`] are those of all of them.
    pub fn are_all_known(&self) -> bool {
        self.fingerprints.len() == self.keys.len()
    }

    /// Opens a key blob.
    pub fn unwrap(&self, blob: &[u8]) -> Result<SessionKey, SessionError> {
        let damaged = |e: &dyn std::fmt::Display| SessionError::Blob(e.to_string());
        let decryptor = age::Decryptor::new(blob).map_err(|e| damaged(&e))?;
        let keys = self.keys.iter().map(|i| &**i as &dyn age::Identity);
        let mut reader = decryptor.decrypt(keys).map_err(|e| match e {
            age::DecryptError::NoMatchingKeys => SessionError::WrongIdentity,
            other => damaged(&other),
        })?;
        let mut plain = Zeroizing::new(Vec::with_capacity(33));
        reader.by_ref().take(33).read_to_end(&mut plain).map_err(|e| damaged(&e))?;
        let mut key = Zeroizing::new([0; 32]);
        if plain.len() != key.len() {
            return Err(SessionError::Blob("it does not hold 32 bytes".into()));
        }
        key.copy_from_slice(&plain);
        plain.zeroize();
        Ok(SessionKey(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_key_opens_for_each_recipient_and_for_nobody_else() {
        let (secret_a, a) = new_identity();
        let (secret_b, b) = new_identity();
        let (secret_c, _) = new_identity();
        let key = SessionKey::generate().expect("random");
        let blob = key.wrap(&[a, b]).expect("wrap");
        for secret in [&secret_a, &secret_b] {
            let opened = Identities::parse(secret).expect("identity").unwrap(&blob).expect("opens");
            assert_eq!(opened.bytes(), key.bytes());
        }
        let error = Identities::parse(&secret_c).expect("identity").unwrap(&blob).err();
        assert!(matches!(error, Some(SessionError::WrongIdentity)), "{error:?}");
    }

    #[test]
    fn an_identity_given_as_a_recipient_is_not_repeated_in_the_error() {
        let (secret, _) = new_identity();
        for given in [secret.to_string(), format!(" {}", *secret), format!("key = {}", secret.to_lowercase())]
        {
            let error = given.parse::<Recipient>().err().expect("refused").to_string();
            assert!(!error.to_uppercase().contains(&secret[20..]), "{error}");
        }
    }

    #[test]
    fn sealing_to_nobody_is_refused() {
        let wrapped = SessionKey::generate().expect("random").wrap(&[]);
        assert!(matches!(wrapped, Err(SessionError::NoRecipient)));
    }
}
