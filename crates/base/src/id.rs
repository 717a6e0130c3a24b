//! Names of things: the SHA-256 of an object's stored bytes, and of a host's public key.

use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 of bytes that arrive in pieces.
#[derive(Default, Clone)]
pub struct Sha256Stream(Sha256);

impl Sha256Stream {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything taken.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    // Without the machinery of formats: a commit writes a million ids.
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes that `text` writes in hexadecimal digits of either case; `None` when it is not that, or not `N` bytes.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A text that should have been an id and is not.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id: an id is 64 hexadecimal digits")]
pub struct BadId;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The first 12 hexadecimal digits, for people.
            pub fn short(&self) -> String {
                hex(&self.0[..6])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                from_hex(text).map(Self).ok_or(BadId)
            }
        }
    };
}

id_type! {
    /// The SHA-256 of an object's stored bytes: the name of a pack, list, index segment, manifest or receipt.
    ObjectId
}

id_type! {
    /// The SHA-256 of a host's public key.
    HostId
}

impl ObjectId {
    /// The id of an object with these stored bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

/// Splits ids written one after the other; `None` when the length is not a multiple of 32.
pub fn split_ids(bytes: &[u8]) -> Option<Vec<ObjectId>> {
    let (ids, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| ids.iter().copied().map(ObjectId).collect())
}

/// Writes ids one after the other.
pub fn join_ids(ids: &[ObjectId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_sha256_of_the_stored_bytes() {
        // FIPS 180-2, appendix B.1.
        let id = ObjectId::of(b"abc");
        assert_eq!(id.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("ba78".parse::<ObjectId>(), Err(BadId));
        assert_eq!("zz".repeat(32).parse::<ObjectId>(), Err(BadId));
    }

    #[test]
    fn ids_split_as_they_were_joined() {
        let ids = vec![ObjectId([1; 32]), ObjectId([2; 32])];
        assert_eq!(split_ids(&join_ids(&ids)), Some(ids));
        assert_eq!(split_ids(&[0; 33]), None);
    }
}
