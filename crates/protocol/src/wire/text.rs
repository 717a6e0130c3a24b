//! Ids, keys, bytes and kinds as texts in JSON.

use crate::digits::strict_hex;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use vow_base::id::hex;
use vow_base::sign::PublicKey;
use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};

/// 32 bytes with a meaning.
pub trait Raw32 {
    /// The value with these bytes.
    fn from_raw(bytes: [u8; 32]) -> Self;
    /// The bytes.
    fn raw(&self) -> &[u8; 32];
}

macro_rules! raw32 {
    ($($name:ident),*) => {$(
        impl Raw32 for $name {
            fn from_raw(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            fn raw(&self) -> &[u8; 32] {
                &self.0
            }
        }
    )*};
}

raw32!(ObjectId, HostId, PublicKey);

/// An id or a key as 64 lower-case hexadecimal digits, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex<T>(pub T);

impl<T: Raw32> fmt::Display for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0.raw()))
    }
}

impl<T: Raw32> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Raw32> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor(PhantomData))
    }
}

struct HexVisitor<T>(PhantomData<T>);

impl<T: Raw32> Visitor<'_> for HexVisitor<T> {
    type Value = Hex<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 lower-case hexadecimal digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match strict_hex(text) {
            Some(bytes) => Ok(Hex(T::from_raw(bytes))),
            None => Err(E::custom("not 64 lower-case hexadecimal digits")),
        }
    }
}

/// Bytes as base64 of RFC 4648, section 4, with padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64Visitor)
    }
}

struct Base64Visitor;

impl Visitor<'_> for Base64Visitor {
    type Value = Base64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Base64, E> {
        STANDARD.decode(text).map(Base64).map_err(|_| E::custom("not base64"))
    }
}

/// A kind of object by the name of its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KindWord(pub Kind);

/// Every kind.
pub(crate) const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

impl KindWord {
    /// The kind with this folder.
    pub fn of_word(word: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.folder() == word).map(Self)
    }
}

impl Serialize for KindWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.folder())
    }
}

impl<'de> Deserialize<'de> for KindWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KindVisitor)
    }
}

struct KindVisitor;

impl Visitor<'_> for KindVisitor {
    type Value = KindWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packs, lists, index or manifests")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<KindWord, E> {
        KindWord::of_word(text).ok_or_else(|| E::custom("not a kind of object"))
    }
}
