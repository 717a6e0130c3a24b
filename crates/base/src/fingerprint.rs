//! The fingerprint of a vault's key, as people compare it.

use crate::id::{from_hex, hex, sha256};
use crate::sign::PublicKey;
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "SHA256:";

/// The SHA-256 of an Ed25519 key; its text is `SHA256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// A text that should have been a fingerprint and is not.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not a fingerprint: a fingerprint is SHA256: and 64 hexadecimal digits")]
pub struct BadFingerprint;

impl Fingerprint {
    /// The fingerprint of a key.
    pub fn of(key: &PublicKey) -> Self {
        Self(sha256(&key.0))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        text.strip_prefix(PREFIX).and_then(from_hex).map(Self).ok_or(BadFingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_as_it_was_written() {
        let print = Fingerprint::of(&PublicKey([7; 32]));
        // printf '\7%.0s' {1..32} | sha256sum
        let text = "SHA256:4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0";
        assert_eq!(print.to_string(), text);
        assert_eq!(text.parse(), Ok(print));
        for bad in ["", "SHA256:", &text[7..], &text[..70], "sha256:00"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(BadFingerprint), "{bad}");
        }
    }
}
