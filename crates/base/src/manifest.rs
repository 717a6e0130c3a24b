//! The manifest: the small signed record of a snapshot that a vault can read. Section 6 of `docs/format.md`.

use crate::clock::Nanos;
use crate::id::{HostId, ObjectId};
use crate::pack_list::PackList;
use crate::sign::{Envelope, PublicKey, SignError, SigningKey};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// How manifests are wrapped and signed.
pub const ENVELOPE: Envelope =
    Envelope { magic: "VOWMANI1", domain: "vow manifest v1", limit_bytes: 1 << 20 };

/// The version of the format this program writes.
pub const VERSION: u8 = 1;

/// The signed record of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Manifest {
    /// Version of the format.
    #[n(0)]
    pub version: u8,
    /// Public key of the host that made it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub host_key: [u8; 32],
    /// The customer.
    #[n(2)]
    pub tenant: String,
    /// Name of the host.
    #[n(3)]
    pub host: String,
    /// Name of the source.
    #[n(4)]
    pub source: String,
    /// Type of the source: `files`, …
    #[n(5)]
    pub source_type: String,
    /// Counts the host's snapshots from 1, over all its sources.
    #[n(6)]
    pub sequence: u64,
    /// The host's manifest before this one.
    #[cbor(n(7), with = "optional_id")]
    pub previous: Option<ObjectId>,
    /// Random id of the run.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub run: [u8; 16],
    /// Started, by the host's clock: a label.
    #[n(9)]
    pub started: Nanos,
    /// Finished, by the host's clock: a label.
    #[n(10)]
    pub finished: Nanos,
    /// Whole or partial.
    #[n(11)]
    pub status: Status,
    /// What was counted.
    #[n(12)]
    pub counts: Counts,
    /// Fingerprints of the recipients it is sealed to.
    #[n(13)]
    pub recipients: Vec<ByteVec>,
    /// Where the root record lies.
    #[n(14)]
    pub root: RootRef,
    /// Every pack the snapshot needs.
    #[n(15)]
    pub packs: PackList,
    /// Index segments of this host, ids one after the other.
    #[n(16)]
    pub index: ByteVec,
    /// The program that wrote it.
    #[n(17)]
    pub software: String,
    /// What was captured at the same moment.
    #[n(18)]
    pub group: Option<Group>,
}

/// What snapshots have in common that were captured at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Group {
    /// Random: the same in all of them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// The name it has in the plan.
    #[n(1)]
    pub name: String,
    /// The moment, by the host's clock: a label.
    #[n(2)]
    pub moment: Nanos,
}

/// Whether everything that was asked for is in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Everything.
    #[n(0)]
    Ok,
    /// Something is missing; the root record says what.
    #[n(1)]
    Partial,
}

impl Status {
    /// The word for it in output that programs read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
        }
    }
}

/// What a snapshot holds, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Counts {
    /// Regular files.
    #[n(0)]
    pub files: u64,
    /// Directories.
    #[n(1)]
    pub dirs: u64,
    /// Symbolic links, devices, FIFOs.
    #[n(2)]
    pub others: u64,
    /// Bytes of file content.
    #[n(3)]
    pub bytes: u64,
    /// Bytes of packs sent for it.
    #[n(4)]
    pub added_bytes: u64,
    /// Problems met.
    #[n(5)]
    pub errors: u64,
}

/// Where the root record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RootRef {
    /// Its pack.
    #[cbor(n(0), with = "id")]
    pub pack: ObjectId,
    /// Its number in the pack.
    #[n(1)]
    pub record: u32,
    /// Where it starts in the pack, in bytes.
    #[n(2)]
    pub offset: u32,
    /// Its stored length in bytes.
    #[n(3)]
    pub stored: u32,
    /// The length of its content in bytes.
    #[n(4)]
    pub length: u32,
}

impl Manifest {
    /// The stored bytes, signed with the host's key.
    pub fn seal(&self, key: &SigningKey) -> Vec<u8> {
        key.seal_envelope(&ENVELOPE, &crate::cbor::encode(self))
    }

    /// Reads stored bytes and checks that the key named in them signed them.
    ///
    /// Whether that key is the one expected is for the caller to say.
    pub fn open(stored: &[u8]) -> Result<Self, SignError> {
        let manifest: Self = crate::cbor::decode(ENVELOPE.payload(stored)?)?;
        if manifest.version != VERSION {
            let message = format!("version {} is not known here", manifest.version);
            return Err(SignError::Payload(message));
        }
        ENVELOPE.verify(stored, &manifest.public_key())?;
        if crate::id::split_ids(&manifest.index).is_none() {
            return Err(SignError::Payload("index segment ids of odd length".into()));
        }
        Ok(manifest)
    }

    /// The key that signed it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.host_key)
    }

    /// The host that made it.
    pub fn host_id(&self) -> HostId {
        self.public_key().host_id()
    }

    /// The index segments named.
    pub fn index_ids(&self) -> Vec<ObjectId> {
        crate::id::split_ids(&self.index).unwrap_or_default()
    }
}

/// An id as a CBOR byte string.
pub mod id {
    use crate::id::ObjectId;
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    /// Writes it.
    pub fn encode<C, W: Write>(
        id: &ObjectId,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&id.0)?.ok()
    }

    /// Reads it.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<ObjectId, Error> {
        let bytes = d.bytes()?;
        bytes.try_into().map(ObjectId).map_err(|_| Error::message("an id has 32 bytes"))
    }
}

/// An id that may be absent.
pub mod optional_id {
    use crate::id::ObjectId;
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    /// Writes it.
    pub fn encode<C, W: Write>(
        id: &Option<ObjectId>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match id {
            Some(id) => super::id::encode(id, e, ctx),
            None => e.null()?.ok(),
        }
    }

    /// Reads it.
    pub fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Option<ObjectId>, Error> {
        if d.datatype()? == minicbor::data::Type::Null {
            d.null()?;
            return Ok(None);
        }
        super::id::decode(d, ctx).map(Some)
    }

    /// Left out of a map when absent.
    pub fn is_nil(id: &Option<ObjectId>) -> bool {
        id.is_none()
    }

    /// What an absent key means.
    pub fn nil() -> Option<Option<ObjectId>> {
        Some(None)
    }
}

#[cfg(test)]
mod tests;
