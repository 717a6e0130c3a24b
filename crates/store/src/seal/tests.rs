use super::*;
use crate::session::{Identities, new_identity};

fn sealed(suite: Suite) -> (Vec<u8>, usize, Identities) {
    let (secret, recipient) = new_identity();
    let session = SessionKey::generate().expect("random");
    let blob = session.wrap(&[recipient]).expect("wrap");
    let (mut sealer, mut pack) = PackSealer::new(&session, &blob, suite).expect("sealer");
    let start = pack.len();
    for text in [&b"first"[..], b"second"] {
        let from = pack.len();
        pack.extend_from_slice(text);
        sealer.seal(Part::Record(RecordType::Data), &mut pack, from).expect("seal");
    }
    (pack, start, Identities::parse(&secret).expect("identity"))
}

fn opener(pack: &[u8], identities: &Identities) -> Result<PackOpener, SealError> {
    let header = Header::parse(pack)?;
    let session = identities.unwrap(header.blob()).map_err(|_| SealError::Header("blob"))?;
    PackOpener::new(&header, &session)
}

#[test]
fn records_open_only_under_their_own_number_and_type() {
    for suite in [Suite::Aes, Suite::ChaCha] {
        let (pack, start, identities) = sealed(suite);
        let opener = opener(&pack, &identities).expect("opens");
        let first = &pack[start..start + 5 + TAG_BYTES];
        assert_eq!(opener.open(0, RecordType::Data, &mut first.to_vec()), Ok(&mut b"first".to_vec()[..]));
        assert_eq!(opener.open(1, RecordType::Data, &mut first.to_vec()), Err(SealError::Tag(1)));
        assert_eq!(opener.open(0, RecordType::Leaf, &mut first.to_vec()), Err(SealError::Tag(0)));
        assert_eq!(opener.open_tail(&mut first.to_vec()), Err(SealError::Tag(TAIL_RECORD)));
    }
}

#[test]
fn every_changed_byte_of_a_pack_is_noticed() {
    let (pack, start, identities) = sealed(Suite::detect());
    for at in 0..start + 5 + TAG_BYTES {
        let mut bad = pack.clone();
        bad[at] ^= 0x40;
        let read = opener(&bad, &identities)
            .and_then(|o| o.open(0, RecordType::Data, &mut bad[start..start + 5 + TAG_BYTES]).map(|_| ()));
        assert!(read.is_err(), "byte {at}");
    }
}

#[test]
fn two_packs_of_one_run_have_different_keys() {
    let session = SessionKey::generate().expect("random");
    let seal = || {
        let (mut sealer, mut pack) = PackSealer::new(&session, b"", Suite::Aes).expect("sealer");
        let from = pack.len();
        pack.extend_from_slice(b"same");
        sealer.seal(Part::Record(RecordType::Data), &mut pack, from).expect("seal");
        pack.split_off(from)
    };
    // The encrypted bytes themselves, not only the tags: those differ with the header already.
    assert_ne!(seal()[..4], seal()[..4]);
}

#[test]
fn keys_are_derived_as_rfc_5869_says() {
    // Appendix A.1.
    let salt: Vec<u8> = (0..=12).collect();
    let info: Vec<u8> = (0xf0..=0xf9).collect();
    let mut output = [0; 42];
    expand(&[0x0b; 22], &salt, &[&info[..3], &info[3..]], &mut output);
    let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(vow_base::id::hex(&output), expected);
}

#[test]
fn a_sealer_never_uses_a_number_twice() {
    let session = SessionKey::generate().expect("random");
    let (mut sealer, _) = PackSealer::new(&session, b"", Suite::Aes).expect("sealer");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let mut buffer = b"same".to_vec();
        sealer.seal(Part::Record(RecordType::Data), &mut buffer, 0).expect("seal");
        assert!(seen.insert(buffer), "a nonce came twice");
    }
    sealer.next = TAIL_RECORD;
    let refused = sealer.seal(Part::Record(RecordType::Data), &mut b"x".to_vec(), 0);
    assert_eq!(refused, Err(SealError::Exhausted("too many records in a pack")));
}

#[test]
fn nonces_are_those_of_the_format_document() {
    let nonce = |number| *PackKey::nonce(number).as_ref();
    assert_eq!(nonce(0), [0; 12]);
    assert_eq!(nonce(0x0102_0304), [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0]);
    assert_eq!(nonce(TAIL_RECORD), [0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1]);
}

#[test]
fn a_number_that_was_left_out_is_not_used_again() {
    let session = SessionKey::generate().expect("random");
    let (mut sealer, header) = PackSealer::new(&session, b"blob", Suite::Aes).expect("a sealer");
    let mut bytes = header.clone();
    let first = bytes.len();
    sealer.seal(Part::Trailer, &mut bytes, first).expect("an empty record");
    sealer.skip();
    let second = bytes.len();
    sealer.seal(Part::Trailer, &mut bytes, second).expect("an empty record");
    let opener = PackOpener::new(&Header::parse(&header).expect("a header"), &session).expect("the session");
    let open = |number, range: std::ops::Range<usize>| {
        opener.open_part(number, Part::Trailer, &mut bytes[range].to_vec()).is_ok()
    };
    assert!(open(0, first..second) && open(2, second..bytes.len()));
    assert!(!open(1, second..bytes.len()));
}

#[test]
fn a_header_without_a_key_blob_is_as_long_as_its_fields() {
    let session = SessionKey::generate().expect("random");
    let (_, header) = PackSealer::new(&session, b"", Suite::Aes).expect("a sealer");
    assert_eq!(header.len(), PREFIX_BYTES);
    assert_eq!(Header::length(&header), Ok(PREFIX_BYTES));
    assert!(Header::length(&header[..PREFIX_BYTES - 1]).is_err());
    assert!(!Header::parse(&header).expect("a header").is_empty());
}

#[test]
fn a_key_blob_may_be_as_long_as_the_limit_and_no_longer() {
    let session = SessionKey::generate().expect("random");
    let sealed = |length: usize| PackSealer::new(&session, &vec![7; length], Suite::Aes);
    let (_, mut header) = sealed(BLOB_LIMIT_BYTES).expect("a sealer");
    assert_eq!(Header::length(&header), Ok(PREFIX_BYTES + BLOB_LIMIT_BYTES));
    assert_eq!(Header::parse(&header).expect("a header").blob(), [7; BLOB_LIMIT_BYTES]);
    let too_long = Some(SealError::Header("the key blob is too long"));
    assert_eq!(sealed(BLOB_LIMIT_BYTES + 1).err(), too_long);
    header.push(7);
    header[10..12].copy_from_slice(&(BLOB_LIMIT_BYTES as u16 + 1).to_le_bytes());
    assert_eq!(Header::length(&header).err(), too_long);
    assert_eq!(Header::parse(&header).err(), too_long);
}
