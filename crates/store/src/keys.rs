//! What derives from the host's secret: chunk ids, cut points and the key of index segments. Section 2 of `docs/format.md`.

use crate::record::RecordType;
use crate::session::Recipient;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The host's secret. It opens no content: it only hides which chunks a host has.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct HostSecret([u8; 32]);

impl HostSecret {
    /// The secret with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret from which chunk ids derive; sealed into every root record.
    pub fn id_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key("vow v1 id secret", &self.0))
    }

    /// The secret that opens this host's index segments, its local index and its caches. It is bound to whom snapshots are sealed to, in any
    /// order: what was sent for other recipients opens for them and not for these, so it must not be referred to again.
    pub fn index_secret(&self, recipients: &[Recipient]) -> Zeroizing<[u8; 32]> {
        let mut prints: Vec<_> = recipients.iter().map(Recipient::fingerprint).collect();
        prints.sort_unstable();
        prints.dedup();
        let base = Zeroizing::new(blake3::derive_key("vow v1 index secret", &self.0));
        let material = Zeroizing::new([&base[..], &prints.concat()].concat());
        Zeroizing::new(blake3::derive_key("vow v1 index secret of recipients", &material))
    }

    /// The 256 numbers that decide where files are cut.
    pub fn gear(&self) -> Box<[u64; 256]> {
        let mut stream = blake3::Hasher::new_derive_key("vow v1 gear").update(&self.0).finalize_xof();
        let mut gear = Box::new([0; 256]);
        for number in gear.iter_mut() {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            *number = u64::from_le_bytes(bytes);
        }
        gear
    }
}

/// A keyed BLAKE3 of a chunk's content and type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ChunkId(pub [u8; 32]);

/// The first half of the id that the bytes of a small file would have as a chunk of their own.
pub type SliceDigest = [u8; 16];

/// The keys of chunk ids, one per record type.
#[derive(Clone)]
pub struct IdKeys {
    keys: [[u8; 32]; 6],
}

impl IdKeys {
    /// The keys that derive from an id secret.
    pub fn new(id_secret: &[u8; 32]) -> Self {
        let mut keys = [[0; 32]; 6];
        for (tag, key) in (0u8..).zip(&mut keys) {
            let material = Zeroizing::new([&id_secret[..], &[tag]].concat());
            *key = blake3::derive_key("vow v1 chunk id", &material);
        }
        Self { keys }
    }

    /// The id of `content` as a record of this type.
    pub fn id(&self, kind: RecordType, content: &[u8]) -> ChunkId {
        ChunkId(blake3::keyed_hash(&self.keys[kind as usize], content).into())
    }

    /// The digest of a small file inside a bundle.
    pub fn slice_digest(&self, content: &[u8]) -> SliceDigest {
        half(&self.id(RecordType::Data, content))
    }

    /// A digest of data that arrives in pieces, equal to the id of all of it as data.
    pub fn data_stream(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.keys[RecordType::Data as usize])
    }
}

/// The first 16 bytes of an id.
pub fn half(id: &ChunkId) -> SliceDigest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&id.0[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_host_and_by_type() {
        let one = IdKeys::new(&HostSecret::new([1; 32]).id_secret());
        let two = IdKeys::new(&HostSecret::new([2; 32]).id_secret());
        let data = one.id(RecordType::Data, b"x");
        assert_ne!(data, two.id(RecordType::Data, b"x"));
        assert_ne!(data, one.id(RecordType::Leaf, b"x"));
        assert_ne!(HostSecret::new([1; 32]).gear(), HostSecret::new([2; 32]).gear());
    }

    #[test]
    fn the_derivations_of_version_1_do_not_change() {
        let secret = HostSecret::new([1; 32]);
        let id = IdKeys::new(&secret.id_secret()).id(RecordType::Data, b"known");
        assert_eq!(vow_base::id::hex(&id.0[..8]), KNOWN_ID);
        assert_eq!(format!("{:016x}", secret.gear()[255]), KNOWN_GEAR);
    }

    const KNOWN_ID: &str = "ed8acb169cfc4e8a";
    const KNOWN_GEAR: &str = "3acc58368f1fa1a6";
}
