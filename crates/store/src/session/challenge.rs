//! Showing that somebody still has an identity, without a snapshot at hand: something sealed to its recipient is opened, and what it says is answered.
//!
//! What is sealed is a session key of no pack. The answer is a digest of it: whoever sees the answer learns nothing that opens anything,
//! also when somebody passes the sealed key of a real pack off as a challenge.

use super::{Identities, Recipient, SessionError, SessionKey};
use vow_base::id::{from_hex, hex};

const CHALLENGE: &str = "VOWC1:";
const ANSWER: &str = "VOWA1:";
const CONTEXT: &str = "vow v1 answer to a key challenge";
/// The longest sealed key that is read.
const BLOB_BYTES_MAX: usize = 2000;

/// Something to be opened. As text it has only what a QR code in its dense mode has: digits, capitals and a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Random.
    pub id: [u8; 16],
    /// The fingerprint of the recipient that it is sealed to.
    pub recipient: [u8; 16],
    blob: Vec<u8>,
}

/// What was in it, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The challenge's id.
    pub id: [u8; 16],
    /// The digest.
    pub digest: [u8; 16],
}

impl Challenge {
    /// A new one for this recipient, and its answer, of which whoever asks keeps a hash.
    pub fn new(recipient: &Recipient) -> Result<(Self, Answer), SessionError> {
        let key = SessionKey::generate()?;
        let id = vow_base::sign::random_run_id().map_err(|_| SessionError::Random)?;
        let blob = key.wrap(std::slice::from_ref(recipient))?;
        let challenge = Self { id, recipient: recipient.fingerprint(), blob };
        let answer = challenge.answer_of(&key);
        Ok((challenge, answer))
    }

    /// Opens it.
    pub fn open(&self, identities: &Identities) -> Result<Answer, SessionError> {
        Ok(self.answer_of(&identities.unwrap(&self.blob)?))
    }

    fn answer_of(&self, key: &SessionKey) -> Answer {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.id).update(&self.recipient).update(key.bytes());
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        Answer { id: self.id, digest }
    }

    /// As text.
    pub fn text(&self) -> String {
        let bytes = [&self.id[..], &self.recipient, &self.blob].concat();
        format!("{CHALLENGE}{}", hex(&bytes).to_uppercase())
    }

    /// Reads one; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix(CHALLENGE)?.to_lowercase();
        let bytes = digits.as_bytes().chunks(2).map(|two| from_hex::<1>(std::str::from_utf8(two).ok()?));
        let bytes: Vec<u8> = bytes.map(|byte| byte.map(|[byte]| byte)).collect::<Option<_>>()?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (recipient, blob) = rest.split_first_chunk::<16>()?;
        let good = !blob.is_empty() && blob.len() <= BLOB_BYTES_MAX;
        good.then(|| Self { id: *id, recipient: *recipient, blob: blob.to_vec() })
    }
}

impl Answer {
    /// As text.
    pub fn text(&self) -> String {
        format!("{ANSWER}{}", hex(&[self.id, self.digest].concat()).to_uppercase())
    }

    /// Reads one; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = from_hex(&text.trim().strip_prefix(ANSWER)?.to_lowercase())?;
        let (id, digest) = bytes.split_first_chunk::<16>()?;
        Some(Self { id: *id, digest: digest.try_into().ok()? })
    }

    /// What whoever asked keeps of it.
    pub fn hash(&self) -> [u8; 32] {
        vow_base::id::sha256(&[self.id, self.digest].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::new_identity;

    #[test]
    fn only_the_identity_answers() {
        let (secret, recipient) = new_identity();
        let (challenge, answer) = Challenge::new(&recipient).expect("a challenge");
        let read = Challenge::parse(&challenge.text()).expect("a text");
        assert_eq!(read, challenge);
        assert!(challenge.text().chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase() || c == ':'));
        assert!(challenge.text().len() < 1200, "it fits into a QR code");
        let opened = read.open(&Identities::parse(&secret).expect("an identity")).expect("opened");
        assert_eq!(opened, answer);
        assert_eq!(Answer::parse(&answer.text()), Some(answer));
        let (other, _) = new_identity();
        let other = Identities::parse(&other).expect("an identity");
        assert!(matches!(read.open(&other), Err(SessionError::WrongIdentity)));
        // The same sealed key under another id has another answer.
        let twin = Challenge { id: [1; 16], ..challenge.clone() };
        let own = Identities::parse(&secret).expect("an identity");
        assert_ne!(twin.open(&own).expect("opened").digest, answer.digest);
        for bad in ["", "VOWC1:", "VOWC1:zz", "VOWA1:00", "VOWC1:00112", &challenge.text()[..60]] {
            assert!(Challenge::parse(bad).is_none() && Answer::parse(bad).is_none(), "{bad}");
        }
    }
}
