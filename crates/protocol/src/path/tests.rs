//! Path reading accepts exactly what path building makes.

use super::*;
use crate::wire::Raw32;
use proptest::prelude::*;

const HEX: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

fn route() -> impl Strategy<Value = Route> {
    let kind = || prop::sample::select(vec![Kind::Pack, Kind::List, Kind::Index, Kind::Manifest]);
    let spot = prop_oneof![
        Just(Spot::Receipts),
        Just(Spot::Snapshots),
        Just(Spot::Introduction),
        any::<[u8; 32]>().prop_map(|id| Spot::Proof(ObjectId::from_raw(id))),
        kind().prop_map(Spot::Objects),
        kind().prop_map(Spot::Missing),
        (kind(), any::<[u8; 32]>()).prop_map(|(kind, id)| Spot::Object(kind, ObjectId::from_raw(id))),
    ];
    prop_oneof![
        prop::sample::select(FIXED.map(|(route, _)| route).to_vec()),
        (any::<[u8; 32]>(), spot).prop_map(|(host, spot)| Route::Host(HostId::from_raw(host), spot)),
    ]
}

/// Pieces that a hostile path is made of.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "/",
        "//",
        "v1",
        "hosts",
        "packs",
        "lists",
        "index",
        "manifests",
        "missing",
        "receipts",
        "snapshots",
        ".",
        "..",
        "%2F",
        "%2f",
        "%2e%2e",
        "%00",
        "\0",
        "?",
        "#",
        ";",
        "\\",
        " ",
        "ä",
        "vault",
        "join",
        HEX,
        "\u{ff0f}",
    ];
    prop_oneof![
        8 => prop::sample::select(known.map(str::to_owned).to_vec()),
        1 => Just(HEX.to_uppercase()),
        1 => Just(format!("{HEX}0")),
        1 => Just("packs".repeat(200)),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn what_is_built_is_read_as_the_same(route in route()) {
        let path = route.to_string();
        prop_assert!(path.len() <= TARGET_LIMIT_BYTES);
        prop_assert_eq!(Route::parse(&path), Some(route));
    }

    #[test]
    fn what_is_read_is_what_would_be_built(pieces in prop::collection::vec(piece(), 0..12)) {
        for path in [pieces.concat(), format!("/v1/hosts/{HEX}/{}", pieces.concat()), format!("/{}", pieces.join("/"))] {
            if let Some(route) = Route::parse(&path) {
                prop_assert_eq!(route.to_string(), path);
            }
        }
    }

    #[test]
    fn a_path_with_one_character_changed_is_another_path(route in route(), at: prop::sample::Index, to: char) {
        let path = route.to_string();
        let mut chars: Vec<_> = path.chars().collect();
        let at = at.index(chars.len());
        chars[at] = to;
        let changed: String = chars.into_iter().collect();
        match Route::parse(&changed) {
            Some(read) => prop_assert_eq!(read.to_string(), changed),
            None => prop_assert_ne!(changed, path),
        }
    }

    #[test]
    fn queries_and_ranges_read_as_they_were_written(position: u64, id: [u8; 32], first: u64, length in 1u64..1 << 40) {
        prop_assert_eq!(parse_after_position(Some(&after_position(position))), Ok(position));
        let id = ObjectId(id);
        prop_assert_eq!(parse_after_id(Some(&after_id(&id))), Ok(Some(id)));
        let first = first >> 1;
        prop_assert_eq!(parse_range(&range_text(first, length)), Some((first, first + length - 1)));
    }

    #[test]
    fn no_other_text_is_a_query_or_a_range(text: String) {
        if let Ok(position) = parse_after_position(Some(&text)) {
            prop_assert_eq!(after_position(position), text.clone());
        }
        if let Some((first, last)) = parse_range(&text) {
            prop_assert_eq!(format!("bytes={first}-{last}"), text);
        }
    }
}

#[test]
fn odd_paths_are_refused() {
    let good = format!("/v1/hosts/{HEX}/packs/{HEX}");
    assert!(Route::parse(&good).is_some());
    let odd = [
        String::new(),
        "/".into(),
        "/v1".into(),
        "/v1/vault/".into(),
        "/v1//vault".into(),
        "//v1/vault".into(),
        "/V1/vault".into(),
        "/v1/vault?".into(),
        "v1/vault".into(),
        "/v1/hosts/".into(),
        "/v2/vault".into(),
        format!("{good}/"),
        format!("{good}/missing"),
        format!("/v1/hosts/{HEX}"),
        format!("/v1/hosts/{HEX}/"),
        format!("/v1/hosts/{HEX}/packs/"),
        format!("/v1/hosts/{HEX}/packs/.."),
        format!("/v1/hosts/{HEX}/../{HEX}/packs"),
        format!("/v1/hosts/{HEX}%2Fpacks/{HEX}"),
        format!("/v1/hosts/{HEX}/packs%2F{HEX}"),
        format!("/v1/hosts/{HEX}/packs\0/{HEX}"),
        format!("/v1/hosts/{}/packs", HEX.to_uppercase()),
        format!("/v1/hosts/{}/packs", &HEX[1..]),
        format!("/v1/hosts/{HEX}/pack"),
        format!("/v1/hosts/{HEX}/missing"),
        format!("/v1/hosts/{HEX}/receipts/missing"),
        format!("/v1/hosts/{HEX}/{}", "a".repeat(100_000)),
    ];
    for path in odd {
        assert_eq!(Route::parse(&path), None, "{path}");
    }
}

#[test]
fn odd_queries_are_refused() {
    assert_eq!(parse_after_position(None), Ok(0));
    assert_eq!(parse_after_id(None), Ok(None));
    for query in [
        "",
        "after",
        "after=",
        "after=+1",
        "after=01",
        "after=-1",
        "after=1&x=2",
        "after=18446744073709551616",
    ] {
        assert_eq!(parse_after_position(Some(query)), Err(BadQuery), "{query}");
        assert_eq!(parse_after_id(Some(query)), Err(BadQuery), "{query}");
    }
    let upper = format!("after={}", HEX.to_uppercase());
    assert_eq!(parse_after_id(Some(&upper)), Err(BadQuery));
    for range in
        ["bytes=1-0", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", "bytes = 0-1", "bytes=+0-1", "octets=0-1", ""]
    {
        assert_eq!(parse_range(range), None, "{range}");
    }
}
