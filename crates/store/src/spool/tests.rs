use super::*;
use vow_base::manifest::{Counts, RootRef, Status};
use vow_base::pack_list::PackList;
use vow_base::sign::SigningKey;

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn spool(folder: &Path) -> Spool {
    Spool::new(folder, key().public())
}

/// A manifest of these packs, sealed.
fn manifest(sequence: u64, packs: &[&[u8]]) -> (ObjectId, Vec<u8>) {
    let ids: Vec<_> = packs.iter().map(|pack| ObjectId::of(pack)).collect();
    let content = Manifest {
        version: VERSION,
        host_key: key().public().0,
        tenant: "acme".into(),
        host: "web-1".into(),
        source: "files".into(),
        source_type: "files".into(),
        sequence,
        previous: None,
        run: [0; 16],
        started: 1,
        finished: 2,
        status: Status::Ok,
        counts: Counts::default(),
        recipients: Vec::new(),
        root: RootRef { pack: ids[0], record: 0, offset: 300, stored: 90, length: 120 },
        packs: PackList::build(&ids).0,
        index: Vec::new().into(),
        software: "a test".into(),
        group: None,
    };
    let stored = content.seal(&key());
    (ObjectId::of(&stored), stored)
}

fn put(spool: &Spool, pack: &[u8]) {
    spool.put(Kind::Pack, &ObjectId::of(pack), pack).expect("room");
}

#[test]
fn what_waits_is_there_until_it_is_let_go_and_takes_along_only_what_nobody_else_needs() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(folder.path()).taking(vec!["far".into()], Base::default());
    for pack in [&b"shared"[..], b"first", b"second"] {
        put(&spool, pack);
    }
    let (one, stored) = manifest(1, &[b"shared", b"first"]);
    spool.commit(&one, &stored).expect("whole");
    let (two, stored) = manifest(2, &[b"shared", b"second"]);
    spool.commit(&two, &stored).expect("whole");
    let waiting = spool.waiting().expect("readable");
    assert_eq!(waiting.iter().map(|one| one.id).collect::<Vec<_>>(), [one, two]);
    assert!(waiting.iter().all(|one| one.levels == ["far"]));

    spool.let_go(&[one]).expect("removable");
    let host = key().public().host_id();
    assert!(spool.get(&host, Kind::Pack, &ObjectId::of(b"first")).is_err());
    assert_eq!(spool.get(&host, Kind::Pack, &ObjectId::of(b"shared")).expect("still needed"), b"shared");
    assert_eq!(spool.waiting().expect("readable").len(), 1);
    spool.let_go(&[two]).expect("removable");
    assert_eq!(spool.bytes().expect("readable"), 0);
}

#[test]
fn a_snapshot_that_lacks_something_does_not_wait_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = ObjectId::of(b"held by the vault");
    let base = Base { objects: [(Kind::Pack, held)].into(), receipts: Vec::new() };
    let spool = spool(folder.path()).taking(vec!["far".into()], base);
    let (id, stored) = manifest(1, &[b"held by the vault", b"lost"]);
    match spool.commit(&id, &stored) {
        Err(VaultError::Missing(missing)) => assert_eq!(missing, [(Kind::Pack, ObjectId::of(b"lost"))]),
        other => panic!("{other:?}"),
    }
    assert!(spool.waiting().expect("readable").is_empty());
    put(&spool, b"lost");
    let receipt = spool.commit(&id, &stored).expect("whole with what the vault holds");
    assert_eq!((receipt.position, receipt.vault_key), (0, [0; 32]), "no vault signed it");
}

#[test]
fn each_level_sees_only_what_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let taking = spool(folder.path()).taking(vec!["far".into()], Base::default());
    put(&taking, b"pack");
    let (id, stored) = manifest(1, &[b"pack"]);
    taking.commit(&id, &stored).expect("whole");
    let host = key().public().host_id();
    let seen =
        |level: &str| spool(folder.path()).waiting_for(level).committed(&host).expect("readable").len();
    assert_eq!((seen("far"), seen("near")), (1, 0));
}

#[test]
fn damage_and_strangers_are_not_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(folder.path());
    assert!(spool.waiting().expect("no spool yet").is_empty());
    put(&spool, b"pack");
    let id = ObjectId::of(b"pack");
    let path = folder.path().join("packs").join(id.to_string());
    std::fs::remove_file(&path).and_then(|()| std::fs::write(&path, b"pick")).expect("writable");
    let host = key().public().host_id();
    assert!(matches!(spool.get(&host, Kind::Pack, &id), Err(VaultError::Damaged { .. })));
    std::fs::write(folder.path().join("packs/stranger"), b"").expect("writable");
    assert!(spool.bytes().is_err());
}
