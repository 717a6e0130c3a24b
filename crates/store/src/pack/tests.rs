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
    // Every other record is a group of three, where there is enough for it.
    for (number, content) in contents.iter().enumerate() {
        if number % 2 == 1 && content.len() >= 3 {
            let parts = content.chunks(content.len().div_ceil(3));
            let part =
                |chunk: &[u8]| Part { length: chunk.len() as u32, id: ids.id(RecordType::Data, chunk) };
            builder.push_group(parts.map(part).collect(), packer.pack_fine(content)).expect("push");
            continue;
        }
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
fn a_chunk_of_a_group_that_changed_meanwhile_is_not_sent() {
    let session = SessionKey::generate().expect("random");
    let ids = IdKeys::new(&[5; 32]);
    let part = |chunk: &[u8]| Part { length: chunk.len() as u32, id: ids.id(RecordType::Data, chunk) };
    let pushed = |parts: &[Part], content: &[u8]| {
        let mut builder = PackBuilder::new(&session, b"").expect("builder");
        builder.push_group(parts.into(), (Codec::Stored, content)).expect("push");
        builder.finish(&session, &ids)
    };
    let parts = [part(b"one"), part(b"two"), part(b"three")];
    let pack = pushed(&parts, b"onetwothree").expect("sound");
    let chunks = pack.records[0].1.chunks(pack.records[0].0);
    assert_eq!(chunks.iter().map(|chunk| chunk.range()).collect::<Vec<_>>(), [0..3, 3..6, 6..11]);
    assert!(chunks.iter().all(|chunk| pack.records[0].1.holds(chunk) && chunk.is_part()));
    for at in 0..11 {
        let mut changed = *b"onetwothree";
        changed[at] ^= 1;
        let error = pushed(&parts, &changed).err().expect("refused");
        assert!(matches!(error, BuildError::Verify(ViewError::Id(0))), "byte {at}: {error}");
    }
    // The right bytes in other places are other chunks.
    let error = pushed(&parts, b"twoonethree").err().expect("refused");
    assert!(matches!(error, BuildError::Verify(ViewError::Id(0))), "{error}");
}

#[test]
fn rows_of_groups_that_the_format_does_not_know_are_refused() {
    let part = |length: u32| Part { length, id: crate::keys::ChunkId([1; 32]) };
    let row = |parts: Vec<Part>, length: u32| Row {
        kind: RecordType::Data as u8,
        stored: 100,
        length,
        held: Held::Group(parts.into()),
    };
    assert!(row(vec![part(4), part(6)], 10).is_possible());
    assert!(row(vec![part(1); 1024], 1024).is_possible());
    assert!(!Row { kind: RecordType::Leaf as u8, ..row(vec![part(4), part(6)], 10) }.is_possible());
    for (parts, length) in [
        (vec![], 0),
        (vec![part(10)], 10),
        (vec![part(4), part(6)], 11),
        (vec![part(4), part(0), part(6)], 10),
        (vec![part(u32::MAX), part(u32::MAX), part(12)], 10),
        (vec![part(1); 1025], 1025),
        (vec![part(1 << 19), part((1 << 19) + 1)], (1 << 20) + 1),
    ] {
        assert!(!row(parts.clone(), length).is_possible(), "{length}");
    }
}

proptest! {
    #[test]
    fn rows_are_read_as_they_were_written(lengths in proptest::collection::vec(1..u32::MAX, 0..20), kind in 1u8..6) {
        let parts = lengths.iter().map(|length| Part { length: *length, id: crate::keys::ChunkId([9; 32]) });
        let held = match lengths.len() {
            0 => Held::Chunk(crate::keys::ChunkId([7; 32])),
            _ => Held::Group(parts.collect()),
        };
        let trailer = Trailer { rows: vec![Row { kind, stored: 5, length: 6, held }; 3] };
        let bytes = vow_base::cbor::encode(&trailer);
        let read: Trailer = vow_base::cbor::decode(&bytes).expect("reads");
        prop_assert_eq!(read.rows, trailer.rows);
        for cut in 0..bytes.len() {
            prop_assert!(vow_base::cbor::decode::<Trailer>(&bytes[..cut]).is_err());
        }
    }
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
