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

/// A pack with one record of this many bytes, as they are.
fn of_one(length: usize) -> SealedPack {
    let (session, ids) = (SessionKey::generate().expect("random"), IdKeys::new(&[5; 32]));
    let mut builder = PackBuilder::new(&session, b"").expect("builder");
    let content = vec![9; length];
    let id = ids.id(RecordType::Data, &content);
    builder.push(RecordType::Data, id, length, (Codec::Stored, &content)).expect("push");
    builder.finish(&session, &ids).expect("finish")
}

#[test]
fn a_pack_is_as_long_as_its_class_and_no_longer_than_it_must_be() {
    // Padding takes 17 bytes at least, or none at all: so of the lengths just below a class only the last one is in it.
    let lengths: Vec<_> = (3700..4000).map(|length| of_one(length).bytes.len()).collect();
    let same: Vec<_> = lengths.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    let [(4096, below), (8192, 16), (4096, 1), (8192, above)] = same[..] else { panic!("{same:?}") };
    assert!(below > 20 && above > 20, "{same:?}");
}

#[test]
fn a_pack_says_where_its_records_lie() {
    let (session, ids) = (SessionKey::generate().expect("random"), IdKeys::new(&[5; 32]));
    let mut builder = PackBuilder::new(&session, b"blob").expect("builder");
    assert!(builder.is_empty());
    let mut places = Vec::new();
    for length in [0usize, 1, 700, 3] {
        let content = vec![9; length];
        let id = ids.id(RecordType::Data, &content);
        let place = builder.push(RecordType::Data, id, length, (Codec::Stored, &content)).expect("push");
        assert_eq!(place.stored as usize, 1 + length + crate::seal::TAG_BYTES);
        places.push(place);
        assert!(!builder.is_empty());
    }
    assert_eq!(places[0].offset as usize, crate::seal::PREFIX_BYTES + 4);
    let pack = builder.finish(&session, &ids).expect("finish");
    assert_eq!(pack.id, vow_base::ObjectId::of(&pack.bytes));
    assert_eq!(pack.records.iter().map(|(place, _)| *place).collect::<Vec<_>>(), places);
    for pair in places.windows(2) {
        assert_eq!((pair[1].record, pair[1].offset), (pair[0].record + 1, pair[0].offset + pair[0].stored));
    }
}

#[test]
fn a_pack_is_full_when_the_next_record_would_exceed_it_or_records_run_out() {
    let session = SessionKey::generate().expect("random");
    let mut builder = PackBuilder::new(&session, b"").expect("builder");
    let push = |builder: &mut PackBuilder| {
        let id = crate::keys::ChunkId([1; 32]);
        builder.push(RecordType::Data, id, 0, (Codec::Stored, b"")).expect("push")
    };
    assert!(
        !builder.is_full(PACK_TARGET_BYTES * 2),
        "a record that is too large for any pack has one of its own"
    );
    let last = push(&mut builder);
    let room = PACK_TARGET_BYTES - (last.offset + last.stored) as usize;
    assert!(!builder.is_full(room) && builder.is_full(room + 1));
    (1..RECORDS_MAX - 2).for_each(|_| _ = push(&mut builder));
    assert!(!builder.is_full(0));
    push(&mut builder);
    assert!(builder.is_full(0), "the padding takes a number as well");
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
