use super::*;
use crate::compress::{Codec, DEFAULT_LEVEL, Packer};
use crate::keys::IdKeys;
use crate::record::RecordType;
use crate::session::{SessionKey, new_identity};
use proptest::prelude::*;

fn build(contents: &[Vec<u8>]) -> (SealedPack, SessionKey, IdKeys) {
    let session = SessionKey::generate().expect("random");
    let blob = session.wrap(&[new_identity().1]).expect("wrap");
    let ids = IdKeys::new(&[5; 32]);
    let mut packer = Packer::new(DEFAULT_LEVEL).expect("zstd");
    let mut builder = PackBuilder::new(&session, &blob).expect("builder");
    for content in contents {
        let id = ids.id(RecordType::Data, content);
        builder.push(RecordType::Data, id, content.len(), packer.pack(content)).expect("push");
    }
    (builder.finish(&session, &ids).expect("finish"), session, ids)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn packs_verify_and_have_the_length_of_a_size_class(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20_000), 1..20)
    ) {
        let (pack, session, ids) = build(&contents);
        let view = PackView::open(&pack.bytes, &session).expect("opens");
        view.verify(&ids, None).expect("verifies");
        prop_assert_eq!(view.rows().len(), contents.len());
        prop_assert_eq!(size_class(pack.bytes.len()), pack.bytes.len());
    }
}

#[test]
fn a_pack_with_any_byte_changed_or_cut_is_refused() {
    let (pack, session, ids) = build(&[b"some content".repeat(9), vec![7; 300]]);
    for at in 0..pack.bytes.len() {
        let mut bad = pack.bytes.clone();
        bad[at] ^= 1;
        let read = PackView::open(&bad, &session).and_then(|view| view.verify(&ids, None));
        // The key blob is bound by the header hash, so even it cannot change unnoticed.
        assert!(read.is_err(), "byte {at}");
    }
    for length in 0..pack.bytes.len() {
        assert!(PackView::open(&pack.bytes[..length], &session).is_err(), "cut to {length}");
    }
}

#[test]
fn content_that_changed_between_hashing_and_sealing_is_not_sent() {
    let session = SessionKey::generate().expect("random");
    let ids = IdKeys::new(&[5; 32]);
    let mut builder = PackBuilder::new(&session, b"").expect("builder");
    let id = ids.id(RecordType::Data, b"hashed");
    builder.push(RecordType::Data, id, 6, (Codec::Stored, b"hashee")).expect("push");
    let error = builder.finish(&session, &ids).err().expect("refused");
    assert!(matches!(error, BuildError::Verify(ViewError::Id(0))), "{error}");
}

#[test]
fn size_classes_cost_little() {
    assert_eq!(size_class(1), 4096);
    assert_eq!(size_class(4097), 8192);
    for length in [300_000, 1_000_000, 16 << 20, (16 << 20) + 1, 60_000_000] {
        let class = size_class(length);
        assert!(class >= length && class - length <= (length / 32).max(4096), "{length} {class}");
    }
}
