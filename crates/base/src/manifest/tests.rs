use super::*;

fn sample() -> Manifest {
    Manifest {
        version: VERSION,
        host_key: SigningKey::from_seed(&[3; 32]).public().0,
        tenant: "acme".into(),
        host: "web-1".into(),
        source: "files".into(),
        source_type: "files".into(),
        sequence: 2,
        previous: Some(ObjectId([9; 32])),
        run: [4; 16],
        started: 1_700_000_000_000_000_000,
        finished: 1_700_000_001_000_000_000,
        status: Status::Ok,
        counts: Counts { files: 3, bytes: 5000, ..Counts::default() },
        recipients: vec![vec![1; 16].into()],
        root: RootRef { pack: ObjectId([5; 32]), record: 1, offset: 300, stored: 90, length: 120 },
        packs: PackList { depth: 0, count: 1, ids: vec![5; 32].into() },
        index: vec![6; 32].into(),
        software: "vow 0.1.0".into(),
        group: None,
    }
}

#[test]
fn a_manifest_reads_as_it_was_written() {
    let key = SigningKey::from_seed(&[3; 32]);
    let first = Manifest { previous: None, ..sample() };
    for manifest in [sample(), first] {
        assert_eq!(Manifest::open(&manifest.seal(&key)), Ok(manifest));
    }
}

#[test]
fn a_manifest_by_another_key_than_it_names_is_refused() {
    let other = SigningKey::from_seed(&[4; 32]);
    assert_eq!(Manifest::open(&sample().seal(&other)), Err(SignError::Signature));
}

#[test]
fn an_unknown_version_is_refused_by_name() {
    let key = SigningKey::from_seed(&[3; 32]);
    let stored = Manifest { version: 2, ..sample() }.seal(&key);
    let error = Manifest::open(&stored).expect_err("version 2");
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn the_stored_bytes_of_version_1_do_not_change() {
    let stored = sample().seal(&SigningKey::from_seed(&[3; 32]));
    assert_eq!(ObjectId::of(&stored).to_string(), KNOWN, "the format of manifests changed");
}

const KNOWN: &str = "9b5f1d40765d9630c8cd85232e51659dc7659166ae61c431ad3d68aee77711f3";
