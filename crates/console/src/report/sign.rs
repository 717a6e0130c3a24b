//! The signature of a report: its last line, over every byte before it. Verified with the public key alone.

use vow_base::Fingerprint;
use vow_base::id::{from_hex, hex};
use vow_base::sign::{Envelope, PublicKey, SigningKey};

/// What a report is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page of its own.
    Html,
    /// A document to print.
    Pdf,
}

impl Format {
    /// What its line begins and ends with: a comment, of which whoever shows the file takes no notice.
    fn line(self) -> (&'static str, &'static str) {
        match self {
            Self::Html => ("\n<!-- vow-report-signature v1 ", " -->\n"),
            Self::Pdf => ("\n%vow-report-signature v1 ", "\n"),
        }
    }
}

const ENVELOPE: Envelope = Envelope { magic: "VOWREPT1", domain: "vow report v1", limit_bytes: 256 << 20 };
const KEY_DIGITS: usize = 64;
const SIGNATURE_BYTES: usize = 64;

/// Why a report is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no signature, or it is cut.
    #[error("it does not end with the signature of a report: it was cut, changed, or never signed")]
    NoSignature,
    /// It was signed with another key.
    #[error("it was signed with the key {found}, not with the one that is trusted")]
    OtherKey {
        /// That key's fingerprint.
        found: String,
    },
    /// Something in it was changed.
    #[error("it was changed after it was signed")]
    Changed,
}

/// A report that was signed with a key that is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The key.
    pub key: PublicKey,
    /// Bytes that it covers: all but the last line.
    pub bytes: usize,
}

/// Adds the signature.
pub fn sign(mut drawn: Vec<u8>, format: Format, key: &SigningKey) -> Vec<u8> {
    let stored = key.seal_envelope(&ENVELOPE, &drawn);
    let at = ENVELOPE.magic.len();
    let signature = stored.get(at..at + SIGNATURE_BYTES).unwrap_or_default();
    let (before, after) = format.line();
    drawn.extend(format!("{before}{} {}{after}", hex(&key.public().0), hex(signature)).into_bytes());
    drawn
}

/// Checks a file with the key, or the fingerprint of the key, that is trusted.
pub fn verify(file: &[u8], is_trusted: impl Fn(&PublicKey) -> bool) -> Result<Signed, VerifyError> {
    let (payload, key, signature) = [Format::Html, Format::Pdf]
        .into_iter()
        .find_map(|format| parts(file, format))
        .ok_or(VerifyError::NoSignature)?;
    if !is_trusted(&key) {
        return Err(VerifyError::OtherKey { found: Fingerprint::of(&key).to_string() });
    }
    let stored = [ENVELOPE.magic.as_bytes(), &signature, payload].concat();
    ENVELOPE.verify(&stored, &key).map_err(|_| VerifyError::Changed)?;
    Ok(Signed { key, bytes: payload.len() })
}

/// What was signed, by whom, and the signature. Every byte of the last line is fixed or read.
fn parts(file: &[u8], format: Format) -> Option<(&[u8], PublicKey, [u8; SIGNATURE_BYTES])> {
    let (before, after) = format.line();
    let length = before.len() + KEY_DIGITS + 1 + 2 * SIGNATURE_BYTES + after.len();
    let (payload, line) = file.split_at_checked(file.len().checked_sub(length)?)?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix(before)?.strip_suffix(after)?;
    let (key, signature) = line.split_once(' ')?;
    // Capital digits would be another file with the same meaning.
    if line.bytes().any(|c| c.is_ascii_uppercase()) {
        return None;
    }
    Some((payload, PublicKey(from_hex(key)?), from_hex(signature)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_cut_or_added_byte_is_noticed() {
        let key = SigningKey::from_seed(&[7; 32]);
        for format in [Format::Html, Format::Pdf] {
            let file = sign(b"<p>all is well</p>".to_vec(), format, &key);
            let check = |bytes: &[u8]| verify(bytes, |found| *found == key.public());
            assert_eq!(check(&file), Ok(Signed { key: key.public(), bytes: 18 }));
            for at in 0..file.len() {
                for bit in [1, 32, 128] {
                    let mut bad = file.clone();
                    bad[at] ^= bit;
                    assert!(check(&bad).is_err(), "byte {at}, bit {bit}");
                }
                assert!(check(&file[..at]).is_err() && check(&file[at + 1..]).is_err(), "cut at {at}");
                let mut more = file.clone();
                more.insert(at, b'x');
                assert!(check(&more).is_err(), "added at {at}");
            }
            let more = [&file[..], b"\n"].concat();
            assert_eq!(check(&more), Err(VerifyError::NoSignature));
        }
    }

    #[test]
    fn another_key_is_named() {
        let file = sign(b"x".to_vec(), Format::Html, &SigningKey::from_seed(&[8; 32]));
        let trusted = SigningKey::from_seed(&[7; 32]).public();
        let error = verify(&file, |found| *found == trusted).expect_err("it must be refused");
        assert!(error.to_string().contains("SHA256:"), "{error}");
    }
}
