//! The one place where records are encrypted and decrypted. A sealer owns its key and its counter: no nonce is ever passed around.
//! Section 3 of `docs/format.md`.

use crate::record::RecordType;
use crate::session::{BLOB_LIMIT_BYTES, SessionKey};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use vow_base::id::sha256;
use zeroize::Zeroizing;

/// Bytes that a record's encryption adds.
pub const TAG_BYTES: usize = 16;
/// The fixed part of a header, before the key blob.
pub const PREFIX_BYTES: usize = 76;
const MAGIC: &[u8; 8] = b"VOWPACK1";
const TAIL_RECORD: u32 = u32::MAX;

/// Why sealed bytes were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// It does not start as a pack does.
    #[error("not a pack: {0}")]
    Header(&'static str),
    /// The session key is not the one the pack was sealed with.
    #[error("the key commitment does not match")]
    Commitment,
    /// The tag of a record does not match.
    #[error("record {0} does not decrypt: damaged, or not what it is said to be")]
    Tag(u32),
    /// The system gave no randomness, or a pack ran out of record numbers.
    #[error("cannot seal: {0}")]
    Exhausted(&'static str),
}

/// How records are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES-256-GCM.
    Aes = 1,
    /// ChaCha20-Poly1305.
    ChaCha = 2,
}

impl Suite {
    /// The faster one on this processor.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let aes = std::arch::is_x86_feature_detected!("aes");
        #[cfg(target_arch = "aarch64")]
        let aes = std::arch::is_aarch64_feature_detected!("aes");
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let aes = false;
        if aes { Self::Aes } else { Self::ChaCha }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes => &AES_256_GCM,
            Self::ChaCha => &CHACHA20_POLY1305,
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        [Self::Aes, Self::ChaCha].into_iter().find(|suite| *suite as u8 == tag)
    }
}

/// What may stand in a pack, data records and the pack's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Record(RecordType),
    Padding,
    Trailer,
    Tail,
}

impl Part {
    fn tag(self) -> u8 {
        match self {
            Self::Record(kind) => kind as u8,
            Self::Padding => 6,
            Self::Trailer => 7,
            Self::Tail => 8,
        }
    }
}

/// The key of one pack, bound to its header.
struct PackKey {
    key: LessSafeKey,
    header_hash: [u8; 32],
}

impl PackKey {
    fn nonce(number: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[7..11].copy_from_slice(&number.to_be_bytes());
        nonce[11] = u8::from(number == TAIL_RECORD);
        Nonce::assume_unique_for_key(nonce)
    }

    fn aad(&self, number: u32, part: Part) -> Aad<[u8; 37]> {
        let mut aad = [0; 37];
        aad[..32].copy_from_slice(&self.header_hash);
        aad[32..36].copy_from_slice(&number.to_le_bytes());
        aad[36] = part.tag();
        Aad::from(aad)
    }
}

/// Seals the records of one pack, each number once and in order.
pub(crate) struct PackSealer {
    key: PackKey,
    next: u32,
}

impl PackSealer {
    /// Draws a new pack key; returns the sealer and the header to store.
    pub(crate) fn new(session: &SessionKey, blob: &[u8], suite: Suite) -> Result<(Self, Vec<u8>), SealError> {
        if blob.len() > BLOB_LIMIT_BYTES {
            return Err(SealError::Header("the key blob is too long"));
        }
        let salt = vow_base::sign::random_secret().map_err(|_| SealError::Exhausted("no randomness"))?;
        let (key, commitment) = derive(session, &salt, suite);
        let length = (blob.len() as u16).to_le_bytes();
        let header = [&MAGIC[..], &[suite as u8, 0], &length, &salt[..], &commitment, blob].concat();
        let key = PackKey { key, header_hash: sha256(&header) };
        Ok((Self { key, next: 0 }, header))
    }

    /// Encrypts `buffer[from..]` in place as the next record and appends its tag.
    pub(crate) fn seal(&mut self, part: Part, buffer: &mut Vec<u8>, from: usize) -> Result<(), SealError> {
        let number = self.next;
        if number == TAIL_RECORD {
            return Err(SealError::Exhausted("too many records in a pack"));
        }
        self.next += 1;
        self.seal_as(number, part, buffer, from)
    }

    /// Leaves the next number out.
    pub(crate) fn skip(&mut self) {
        self.next = self.next.saturating_add(1);
    }

    /// Encrypts `buffer[from..]` as the last record; nothing can follow.
    pub(crate) fn seal_tail(self, buffer: &mut Vec<u8>, from: usize) -> Result<(), SealError> {
        self.seal_as(TAIL_RECORD, Part::Tail, buffer, from)
    }

    fn seal_as(&self, number: u32, part: Part, buffer: &mut Vec<u8>, from: usize) -> Result<(), SealError> {
        let aad = self.key.aad(number, part);
        let tag = self
            .key
            .key
            .seal_in_place_separate_tag(PackKey::nonce(number), aad, &mut buffer[from..])
            .map_err(|_| SealError::Exhausted("the cipher refused"))?;
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }
}

/// Opens the records of one pack.
pub struct PackOpener {
    key: PackKey,
}

impl PackOpener {
    /// From a header and the session key that its blob holds.
    pub fn new(header: &Header<'_>, session: &SessionKey) -> Result<Self, SealError> {
        let (key, commitment) = derive(session, header.salt, header.suite);
        if commitment != *header.commitment {
            return Err(SealError::Commitment);
        }
        Ok(Self { key: PackKey { key, header_hash: sha256(header.bytes) } })
    }

    /// Decrypts a record in place; returns its plaintext, codec byte first.
    pub fn open<'b>(
        &self,
        number: u32,
        kind: RecordType,
        stored: &'b mut [u8],
    ) -> Result<&'b mut [u8], SealError> {
        self.open_part(number, Part::Record(kind), stored)
    }

    pub(crate) fn open_tail<'b>(&self, stored: &'b mut [u8]) -> Result<&'b mut [u8], SealError> {
        self.open_part(TAIL_RECORD, Part::Tail, stored)
    }

    pub(crate) fn open_part<'b>(
        &self,
        number: u32,
        part: Part,
        stored: &'b mut [u8],
    ) -> Result<&'b mut [u8], SealError> {
        let aad = self.key.aad(number, part);
        let opened = self.key.key.open_in_place(PackKey::nonce(number), aad, stored);
        opened.map_err(|_| SealError::Tag(number))
    }
}

/// The header of a pack.
pub struct Header<'b> {
    bytes: &'b [u8],
    suite: Suite,
    salt: &'b [u8; 32],
    commitment: &'b [u8; 32],
}

impl<'b> Header<'b> {
    /// How long the header is that starts with these bytes (at least [`PREFIX_BYTES`] of them).
    pub fn length(prefix: &[u8]) -> Result<usize, SealError> {
        if prefix.len() < PREFIX_BYTES {
            return Err(SealError::Header("too short"));
        }
        if !prefix.starts_with(MAGIC) {
            return Err(SealError::Header("wrong magic"));
        }
        let blob = usize::from(u16::from_le_bytes([prefix[10], prefix[11]]));
        if blob > BLOB_LIMIT_BYTES {
            return Err(SealError::Header("the key blob is too long"));
        }
        Ok(PREFIX_BYTES + blob)
    }

    /// Reads the header at the start of `bytes`.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, SealError> {
        let length = Self::length(bytes)?;
        let bytes = bytes.get(..length).ok_or(SealError::Header("cut short"))?;
        let suite = Suite::from_tag(bytes[8]).ok_or(SealError::Header("unknown suite"))?;
        if bytes[9] != 0 {
            return Err(SealError::Header("reserved byte set"));
        }
        let field = |at: usize| <&[u8; 32]>::try_from(&bytes[at..at + 32]);
        let (Ok(salt), Ok(commitment)) = (field(12), field(44)) else {
            return Err(SealError::Header("cut short"));
        };
        Ok(Self { bytes, suite, salt, commitment })
    }

    /// The wrapped session key, a standard age file.
    pub fn blob(&self) -> &'b [u8] {
        &self.bytes[PREFIX_BYTES..]
    }

    /// Length of the header: where record 0 starts.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A header is never empty.
    pub fn is_empty(&self) -> bool {
        false
    }
}

fn derive(session: &SessionKey, salt: &[u8; 32], suite: Suite) -> (LessSafeKey, [u8; 32]) {
    let mut okm = Zeroizing::new([0; 64]);
    expand(session.bytes(), salt, &[b"vow v1 pack", &[suite as u8]], &mut okm[..]);
    let key = UnboundKey::new(suite.algorithm(), &okm[..32]).expect("both suites take keys of 32 bytes");
    let mut commitment = [0; 32];
    commitment.copy_from_slice(&okm[32..]);
    (LessSafeKey::new(key), commitment)
}

/// HKDF-SHA256.
pub(crate) fn expand(ikm: &[u8], salt: &[u8], info: &[&[u8]], output: &mut [u8]) {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(ikm)
        .expand(info, Length(output.len()))
        .and_then(|okm| okm.fill(output))
        .expect("HKDF gives up to 255 times 32 bytes");
}

#[cfg(test)]
mod tests;
