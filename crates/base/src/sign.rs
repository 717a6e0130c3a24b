//! Ed25519 signatures and the envelope that manifests and receipts share: magic, signature, payload.

use crate::id::{HostId, sha256};
use ed25519_dalek::{Signature, Signer};
use zeroize::Zeroizing;

/// Why signed bytes were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignError {
    /// The bytes do not start as this kind of object does.
    #[error("it does not start with {expected:?}")]
    Magic {
        /// What it should have started with.
        expected: &'static str,
    },
    /// Shorter than its own header, or longer than the limit.
    #[error("its length of {length} bytes is outside the limits")]
    Length {
        /// The length seen.
        length: usize,
    },
    /// The key is not a point that can verify anything.
    #[error("the public key in it is not valid")]
    Key,
    /// The signature is not by that key over these bytes.
    #[error("its signature does not verify")]
    Signature,
    /// The payload is not what the format says.
    #[error("its content is malformed: {0}")]
    Payload(String),
}

impl From<minicbor::decode::Error> for SignError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Payload(error.to_string())
    }
}

/// A secret signing key.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key with this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self::from_seed(&*random_secret()?))
    }

    /// The seed, to be stored.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Wraps `payload` as `magic || signature || payload`; the signature covers `domain || 0 || payload`.
    pub fn seal_envelope(&self, envelope: &Envelope, payload: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&envelope.message(payload));
        [envelope.magic.as_bytes(), &signature.to_bytes(), payload].concat()
    }
}

/// 32 bytes from the system's randomness, wiped when dropped.
pub fn random_secret() -> Result<Zeroizing<[u8; 32]>, getrandom::Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret)?;
    Ok(secret)
}

/// 16 bytes from the system's randomness: the id of a run.
pub fn random_run_id() -> Result<[u8; 16], getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(id)
}

/// A public key that verifies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The id of the host with this key.
    pub fn host_id(&self) -> HostId {
        HostId(sha256(&self.0))
    }

    /// Whether it is a key at all, and not one of the few for which anybody can make signatures that verify.
    pub fn is_sound(&self) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }
}

/// One kind of signed object.
#[derive(Debug)]
pub struct Envelope {
    /// The eight characters it starts with.
    pub magic: &'static str,
    /// What the signature is for, so that it fits no other kind of object.
    pub domain: &'static str,
    /// The longest stored length that is read.
    pub limit_bytes: usize,
}

impl Envelope {
    fn message(&self, payload: &[u8]) -> Vec<u8> {
        [self.domain.as_bytes(), &[0], payload].concat()
    }

    /// The payload, not yet verified: it says by which key it claims to be signed.
    pub fn payload<'b>(&self, stored: &'b [u8]) -> Result<&'b [u8], SignError> {
        let header = self.magic.len() + 64;
        if stored.len() < header || stored.len() > self.limit_bytes {
            return Err(SignError::Length { length: stored.len() });
        }
        if !stored.starts_with(self.magic.as_bytes()) {
            return Err(SignError::Magic { expected: self.magic });
        }
        Ok(&stored[header..])
    }

    /// Checks that `key` signed these stored bytes.
    pub fn verify(&self, stored: &[u8], key: &PublicKey) -> Result<(), SignError> {
        let payload = self.payload(stored)?;
        let start = self.magic.len();
        let signature =
            Signature::from_slice(&stored[start..start + 64]).map_err(|_| SignError::Signature)?;
        ed25519_dalek::VerifyingKey::from_bytes(&key.0)
            .map_err(|_| SignError::Key)?
            .verify_strict(&self.message(payload), &signature)
            .map_err(|_| SignError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: Envelope = Envelope { magic: "VOWTEST1", domain: "vow test v1", limit_bytes: 200 };

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = SigningKey::from_seed(&[7; 32]);
        let stored = key.seal_envelope(&ENVELOPE, b"payload");
        assert_eq!(ENVELOPE.payload(&stored), Ok(&b"payload"[..]));
        assert_eq!(ENVELOPE.verify(&stored, &key.public()), Ok(()));
        for at in 0..stored.len() {
            let mut bad = stored.clone();
            bad[at] ^= 1;
            assert!(ENVELOPE.verify(&bad, &key.public()).is_err(), "byte {at}");
        }
        let other = SigningKey::from_seed(&[8; 32]);
        assert_eq!(ENVELOPE.verify(&stored, &other.public()), Err(SignError::Signature));
    }

    #[test]
    fn keys_that_anybody_can_sign_for_are_not_sound() {
        assert!(SigningKey::from_seed(&[7; 32]).public().is_sound());
        // The neutral element, the point of order two, and no point at all.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let mut none = [0; 32];
        none[0] = 2;
        for weak in [neutral, minus_one, none] {
            assert!(!PublicKey(weak).is_sound(), "{weak:?}");
        }
    }

    #[test]
    fn a_signature_for_one_kind_fits_no_other() {
        let key = SigningKey::from_seed(&[7; 32]);
        let other = Envelope { magic: "VOWTEST1", domain: "vow other v1", limit_bytes: 200 };
        let stored = key.seal_envelope(&ENVELOPE, b"payload");
        assert_eq!(other.verify(&stored, &key.public()), Err(SignError::Signature));
    }
}
