//! The detail: what a ledger entry that is no receipt is about. `docs/vault.md`, "The ledger decides".

use crate::id::{ObjectId, join_ids, split_ids};
use crate::sign::SignError;
use crate::vault::Kind;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// The longest stored detail that is read, in bytes.
pub const LIMIT_BYTES: usize = 8 << 20;
/// One detail never names more objects than this; more are split over several entries.
pub const OBJECTS_MAX: usize = 100_000;

const MAGIC: &[u8] = b"VOWDETL1";
const VERSION: u8 = 1;

/// What a ledger entry is about. Which fields are used follows from the event; the others are empty.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Detail {
    /// Version of the format.
    #[n(0)]
    version: u8,
    /// Why, and who asked for it: a sentence for people.
    #[n(1)]
    pub note: String,
    /// Ids one after the other, by kind: packs, list segments, index segments, manifests.
    #[n(2)]
    objects: [ByteVec; 4],
    /// The mark that was put on the manifests among `objects`.
    #[n(3)]
    pub mark: Option<Mark>,
    /// Text: rules, or the report of a pass.
    #[n(4)]
    pub text: String,
    /// Stored bytes of another vault's ledger entry.
    #[n(5)]
    pub head: ByteVec,
    /// Stored bytes of the signed proof that a mark [`Mark::Attested`] rests on.
    #[n(6)]
    pub proof: Option<ByteVec>,
}

/// What a person or a drill said of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Mark {
    /// Kept until it is released.
    #[n(0)]
    Pinned,
    /// Kept for a legal reason until it is released.
    #[n(1)]
    Held,
    /// Neither pinned nor held any more.
    #[n(2)]
    Released,
    /// A drill restored it and found what the truth says.
    #[n(3)]
    Proven,
    /// It does not count as healthy.
    #[n(4)]
    Doubted,
    /// It is not doubted any more.
    #[n(5)]
    Cleared,
    /// A drill host said from afar, and signed, that it restored it and found what the truth says.
    #[n(6)]
    Attested,
}

/// The order of `Detail::objects`.
const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

impl Detail {
    /// A detail with a sentence for people and nothing else.
    pub fn new(note: impl Into<String>) -> Self {
        let (objects, head) = (std::array::from_fn(|_| ByteVec::from(Vec::new())), ByteVec::from(Vec::new()));
        Self {
            version: VERSION,
            note: note.into(),
            objects,
            mark: None,
            text: String::new(),
            head,
            proof: None,
        }
    }

    /// The same, about these objects.
    #[must_use]
    pub fn about(mut self, objects: &[(Kind, ObjectId)]) -> Self {
        for (at, kind) in KINDS.iter().enumerate() {
            let ids: Vec<_> = objects.iter().filter(|(of, _)| of == kind).map(|(_, id)| *id).collect();
            self.objects[at] = join_ids(&ids).into();
        }
        self
    }

    /// The same, putting this mark.
    #[must_use]
    pub fn with_mark(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// The same, with this text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The same, with the signed proof that the mark rests on.
    #[must_use]
    pub fn with_proof(mut self, stored: &[u8]) -> Self {
        self.proof = Some(stored.to_vec().into());
        self
    }

    /// The objects it names.
    pub fn objects(&self) -> Vec<(Kind, ObjectId)> {
        let of = |(kind, ids): (&Kind, &ByteVec)| {
            let kind = *kind;
            split_ids(ids).unwrap_or_default().into_iter().map(move |id| (kind, id)).collect::<Vec<_>>()
        };
        KINDS.iter().zip(&self.objects).flat_map(of).collect()
    }

    /// The stored bytes.
    pub fn to_stored(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        crate::cbor::encode_onto(self, &mut bytes);
        bytes
    }

    /// Reads stored bytes.
    pub fn from_stored(stored: &[u8]) -> Result<Self, SignError> {
        if stored.len() > LIMIT_BYTES {
            return Err(SignError::Length { length: stored.len() });
        }
        let payload = stored.strip_prefix(MAGIC).ok_or(SignError::Magic { expected: "VOWDETL1" })?;
        let detail: Self = crate::cbor::decode(payload)?;
        if detail.version != VERSION {
            return Err(SignError::Payload(format!("version {} is not known here", detail.version)));
        }
        if detail.objects.iter().any(|ids| ids.len() % 32 != 0) {
            return Err(SignError::Payload("ids of odd length".into()));
        }
        Ok(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_reads_as_it_was_written() {
        let objects = [(Kind::Pack, ObjectId([1; 32])), (Kind::Manifest, ObjectId([2; 32]))];
        let detail = Detail::new("court order 7").about(&objects).with_mark(Mark::Held);
        let read = Detail::from_stored(&detail.to_stored()).expect("just written");
        assert_eq!(read, detail);
        assert_eq!(read.objects(), objects);
    }

    #[test]
    fn a_proof_is_kept_and_one_without_is_written_as_before() {
        let plain = Detail::new("x").with_mark(Mark::Proven);
        let with = Detail::new("x").with_mark(Mark::Attested).with_proof(b"signed");
        assert_eq!(Detail::from_stored(&with.to_stored()), Ok(with));
        // Fields that are not used take no room: what older programs wrote reads the same.
        let stored = plain.to_stored();
        assert_eq!(stored[MAGIC.len()] & 0x1f, 6, "a map of six");
        assert_eq!(Detail::from_stored(&stored), Ok(plain));
    }

    #[test]
    fn every_shorter_detail_is_refused() {
        let stored = Detail::new("x").about(&[(Kind::List, ObjectId([3; 32]))]).to_stored();
        assert!((0..stored.len()).all(|end| Detail::from_stored(&stored[..end]).is_err()));
    }
}
