//! A proof: what a drill found, signed by the key of whoever drilled. `docs/drills.md` describes it for other programs.
//!
//! The signature says who drilled and that nothing of it was changed since; what that is worth is for the reader to decide, who
//! knows which keys belong to drill hosts.

use crate::report::ProofReport;
use serde::{Deserialize, Serialize};
use vow_base::id::{from_hex, hex};
use vow_base::sign::{Envelope, PublicKey, SignError, SigningKey};

/// How proofs are wrapped and signed.
pub const ENVELOPE: Envelope = Envelope { magic: "VOWPROF1", domain: "vow proof v1", limit_bytes: 1 << 20 };
/// The word in `format`.
pub const FORMAT: &str = "vow-proof";
/// The version in `version`.
pub const VERSION: u32 = 1;

/// The content of a proof. Fields are added, never given another meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProofRecord {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The public key that signed it, 64 hexadecimal digits.
    pub drill_key: String,
    /// The tenant of the host whose snapshot it is.
    pub tenant: String,
    /// The host's name.
    pub host: String,
    /// The host's key, 64 hexadecimal digits.
    pub host_key: String,
    /// The snapshot's number on its host.
    pub sequence: u64,
    /// What was found.
    pub report: ProofReport,
    /// The share of the snapshot that was read, above 0 to 1.
    pub share: f64,
    /// Where the next sampled drill begins on the circle, 16 hexadecimal digits.
    pub next: String,
    /// Restoring all of it would take so long, by this drill.
    pub whole_restore_secs: f64,
    /// Kinds of damage that this drill was shown, when it was tested itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sabotaged: Vec<String>,
    /// Pictures of pages of the site that was served from the snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screenshots: Vec<Screenshot>,
    /// `vow 0.1.0`.
    pub software: String,
}

/// A picture of a page; itself it stays with the drill host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Screenshot {
    /// The page.
    pub start: String,
    /// SHA-256 of the picture, 64 hexadecimal digits.
    pub sha256: String,
    /// The share of its pixels that differ from those of the last drill's, from 0 to 1.
    pub changed: Option<f64>,
}

impl ProofRecord {
    /// The stored bytes. The record gets the key that signs it.
    pub fn seal(&self, key: &SigningKey) -> Vec<u8> {
        let record = Self { drill_key: hex(&key.public().0), ..self.clone() };
        // Numbers and texts always become JSON.
        let payload = serde_json::to_vec(&record).unwrap_or_default();
        key.seal_envelope(&ENVELOPE, &payload)
    }

    /// Reads stored bytes and checks that the key named in them signed them.
    ///
    /// # Errors
    /// Other bytes, another version, a signature by another key.
    pub fn open(stored: &[u8]) -> Result<Self, SignError> {
        let payload = ENVELOPE.payload(stored)?;
        let record: Self =
            serde_json::from_slice(payload).map_err(|error| SignError::Payload(error.to_string()))?;
        if record.format != FORMAT || record.version != VERSION {
            let text = format!("{:?} version {} is not known here", record.format, record.version);
            return Err(SignError::Payload(text));
        }
        let key = from_hex::<32>(&record.drill_key).map(PublicKey).ok_or(SignError::Key)?;
        ENVELOPE.verify(stored, &key)?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    fn record() -> ProofRecord {
        ProofRecord {
            format: FORMAT.into(),
            version: VERSION,
            drill_key: String::new(),
            tenant: "acme".into(),
            host: "web-1".into(),
            host_key: hex(&[1; 32]),
            sequence: 7,
            report: ProofReport {
                source: "files".into(),
                source_type: "files".into(),
                snapshot: hex(&[2; 32]),
                received_secs: 1,
                level: "local".into(),
                vault: None,
                recipient: "x".into(),
                started_secs: 2,
                restore_secs: 1.5,
                compare_secs: 0.5,
                verdict: Verdict::Proven,
                compared: 3,
                files: 3,
                files_read: 3,
                bytes: 10,
                problems: Vec::new(),
                blocked: Vec::new(),
                restore_target_secs: None,
                drill_within_secs: None,
            },
            share: 1.0,
            next: "0000000000000000".into(),
            whole_restore_secs: 1.5,
            sabotaged: Vec::new(),
            screenshots: Vec::new(),
            software: "vow test".into(),
        }
    }

    #[test]
    fn a_proof_reads_as_it_was_sealed_and_only_with_its_own_signature() {
        let (key, other) = (SigningKey::from_seed(&[7; 32]), SigningKey::from_seed(&[8; 32]));
        let stored = record().seal(&key);
        let read = ProofRecord::open(&stored).expect("just sealed");
        assert_eq!(read, ProofRecord { drill_key: hex(&key.public().0), ..record() });
        for at in 0..stored.len() {
            let mut bad = stored.clone();
            bad[at] ^= 1;
            assert!(ProofRecord::open(&bad).is_err(), "byte {at}");
        }
        // Somebody who puts another key's name on what they sign themselves.
        let payload = ENVELOPE.payload(&stored).expect("its payload");
        assert_eq!(ProofRecord::open(&other.seal_envelope(&ENVELOPE, payload)), Err(SignError::Signature));
    }
}
