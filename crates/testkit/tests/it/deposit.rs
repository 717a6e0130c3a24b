//! What a host can put and commit, and what is refused. Every storage has to pass this.

use crate::disks::{Bench, on_both_disks};
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::manifest::Manifest;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object, Snapshot};

on_both_disks!(
    what_was_put_comes_back,
    putting_twice_is_fine,
    wrong_bytes_are_refused_new_or_not,
    oversize_and_empty_objects_are_refused,
    a_manifest_cannot_be_put,
    a_snapshot_is_committed_with_a_receipt,
    committing_twice_gives_the_same_receipt,
    long_pack_lists_are_followed,
    absent_objects_are_listed_exactly,
    packs_of_another_host_do_not_count,
    packs_of_implausible_length_do_not_count,
    a_manifest_of_another_host_is_refused,
    a_manifest_under_a_wrong_name_is_refused,
    a_root_outside_the_pack_list_is_refused,
    a_malformed_pack_list_is_refused,
    sequence_numbers_count_from_one,
    two_manifests_with_one_number_are_a_fork,
    an_older_snapshot_can_come_later,
    receipts_go_to_their_own_host,
    a_second_process_sees_what_the_first_one_did,
    a_busy_vault_says_so,
    index_segments_come_back,
    ranges_of_packs_come_back,
);

fn host() -> (FakeHost, Dice) {
    (FakeHost::new(1), Dice::new(5))
}

fn refusal(result: Result<impl std::fmt::Debug, VaultError>) -> String {
    match result.expect_err("a refusal") {
        VaultError::Refused(message) => message,
        wrong @ VaultError::WrongHash { .. } => wrong.to_string(),
        other => panic!("not a refusal: {other}"),
    }
}

fn missing(result: Result<impl std::fmt::Debug, VaultError>) -> Vec<(Kind, ObjectId)> {
    match result.expect_err("a list of what is missing") {
        VaultError::Missing(list) => list,
        other => panic!("not a list of what is missing: {other}"),
    }
}

fn what_was_put_comes_back(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    for kind in [Kind::Pack, Kind::List, Kind::Index] {
        let mut objects: Vec<_> = (0..5).map(|n| Object::random(kind, 500 + n, &mut dice)).collect();
        let ids: Vec<_> = objects.iter().map(|object| object.id).collect();
        assert_eq!(deposit.missing(kind, &ids).unwrap(), ids);
        assert!(matches!(vault.get(&host.id(), kind, &ids[0]), Err(VaultError::Absent { .. })));
        objects.iter().for_each(|object| deposit.put(kind, &object.id, &object.bytes).unwrap());
        assert!(deposit.missing(kind, &ids).unwrap().is_empty());
        for object in &objects {
            assert_eq!(vault.get(&host.id(), kind, &object.id).unwrap(), object.bytes);
        }
        objects.sort_by_key(|object| object.id);
        let listed: Vec<_> = objects.iter().map(|object| (object.id, object.bytes.len() as u64)).collect();
        assert_eq!(vault.objects(&host.id(), kind).unwrap(), listed);
    }
}

fn putting_twice_is_fine(bench: &Bench) {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    let pack = Object::random(Kind::Pack, 500, &mut dice);
    for _ in 0..2 {
        deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap();
    }
}

fn wrong_bytes_are_refused_new_or_not(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let pack = Object::random(Kind::Pack, 500, &mut dice);
    let other = dice.bytes(500);
    assert!(refusal(deposit.put(Kind::Pack, &pack.id, &other)).contains("hash to"));
    assert!(vault.objects(&host.id(), Kind::Pack).unwrap().is_empty());
    assert!(bench.disk.list(&bench.vault_path().join("tmp")).unwrap().is_empty());
    deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap();
    assert!(refusal(deposit.put(Kind::Pack, &pack.id, &other)).contains("hash to"));
    assert!(refusal(deposit.put(Kind::Pack, &pack.id, &other[1..])).contains("hash to"));
    assert_eq!(vault.get(&host.id(), Kind::Pack, &pack.id).unwrap(), pack.bytes);
}

fn oversize_and_empty_objects_are_refused(bench: &Bench) {
    let (host, _) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    for kind in [Kind::List, Kind::Index] {
        let limit = kind.limit_bytes() as usize;
        let (fits, long) = (Object::new(kind, vec![7; limit]), Object::new(kind, vec![7; limit + 1]));
        deposit.put(kind, &fits.id, &fits.bytes).unwrap();
        assert!(refusal(deposit.put(kind, &long.id, &long.bytes)).contains("limits"));
        assert_eq!(vault.get(&host.id(), kind, &fits.id).unwrap().len(), limit);
    }
    let long = Object::new(Kind::Pack, vec![0; Kind::Pack.limit_bytes() as usize + 1]);
    assert!(refusal(deposit.put(Kind::Pack, &long.id, &long.bytes)).contains("limits"));
    assert!(refusal(deposit.put(Kind::Pack, &ObjectId::of(b""), b"")).contains("limits"));
}

fn a_manifest_cannot_be_put(bench: &Bench) {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    let manifest = host.snapshot(1, 1, &mut dice).manifest;
    assert!(refusal(deposit.put(Kind::Manifest, &manifest.id, &manifest.bytes)).contains("committed"));
}

fn a_snapshot_is_committed_with_a_receipt(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let snapshot = host.snapshot(1, 3, &mut dice);
    snapshot.put(&deposit).unwrap();
    let receipt = snapshot.commit(&deposit).unwrap();
    assert_eq!(receipt.vault_key, vault.public_key().0);
    assert_eq!((receipt.position, receipt.previous, receipt.sequence), (1, None, 1));
    assert_eq!((receipt.host_id(), receipt.manifest), (host.id(), snapshot.manifest.id));
    assert_eq!(receipt.received, 77);
    assert_eq!(deposit.receipts().unwrap(), std::slice::from_ref(&receipt));
    assert_eq!(vault.committed(&host.id()).unwrap(), [receipt]);
    assert_eq!(
        vault.get(&host.id(), Kind::Manifest, &snapshot.manifest.id).unwrap(),
        snapshot.manifest.bytes
    );
    assert!(bench.disk.list(&bench.vault_path().join("tmp")).unwrap().is_empty());
}

fn committing_twice_gives_the_same_receipt(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let snapshot = host.snapshot(1, 1, &mut dice);
    snapshot.put(&deposit).unwrap();
    let first = snapshot.commit(&deposit).unwrap();
    assert_eq!(snapshot.commit(&deposit).unwrap(), first);
    let elsewhere = bench.open().deposit(&host.public()).unwrap();
    assert_eq!(snapshot.commit(&elsewhere).unwrap(), first);
    assert_eq!(vault.committed(&host.id()).unwrap(), [first]);
}

fn long_pack_lists_are_followed(bench: &Bench) {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    let packs: Vec<_> = (0..100).map(|_| Object::random(Kind::Pack, 200, &mut dice)).collect();
    let snapshot = host.snapshot_of(1, &packs, &mut dice);
    for object in snapshot.objects.iter().filter(|object| object.id != packs[70].id) {
        deposit.put(object.kind, &object.id, &object.bytes).unwrap();
    }
    assert_eq!(missing(snapshot.commit(&deposit)), [(Kind::Pack, packs[70].id)]);
    deposit.put(Kind::Pack, &packs[70].id, &packs[70].bytes).unwrap();
    snapshot.commit(&deposit).unwrap();
}

fn absent_objects_are_listed_exactly(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let snapshot = host.snapshot(1, 3, &mut dice);
    let of = |kind| snapshot.of_kind(kind).iter().map(|object| (kind, object.id)).collect::<Vec<_>>();
    let (packs, lists, index) = (of(Kind::Pack), of(Kind::List), of(Kind::Index));

    // Without the list segment nobody knows of the packs but the root's.
    let first = [&packs[..1], &lists, &index].concat();
    assert_eq!(missing(snapshot.commit(&deposit)), first);
    let list = snapshot.of_kind(Kind::List)[0];
    deposit.put(Kind::List, &list.id, &list.bytes).unwrap();
    let mut second = [&packs[..], &index].concat();
    second.sort_unstable();
    assert_eq!(missing(snapshot.commit(&deposit)), second);

    snapshot.put(&deposit).unwrap();
    for absent in &snapshot.objects {
        let file = find(bench, &host, absent);
        bench.disk.remove(&file).unwrap();
        assert!(missing(snapshot.commit(&deposit)).contains(&(absent.kind, absent.id)));
        deposit.put(absent.kind, &absent.id, &absent.bytes).unwrap();
    }
    assert!(vault.objects(&host.id(), Kind::Manifest).unwrap().is_empty());
    assert!(vault.committed(&host.id()).unwrap().is_empty());
    snapshot.commit(&deposit).unwrap();
}

fn find(bench: &Bench, host: &FakeHost, object: &Object) -> std::path::PathBuf {
    let name = object.id.to_string();
    let folder = bench.vault_path().join("hosts").join(host.id().to_string()).join(object.kind.folder());
    if object.kind == Kind::Pack { folder.join(&name[..2]).join(name) } else { folder.join(name) }
}

fn packs_of_another_host_do_not_count(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let other = FakeHost::new(2);
    vault.join(&other.public()).unwrap();
    let snapshot = host.snapshot(1, 1, &mut dice);
    snapshot.put(&vault.deposit(&other.public()).unwrap()).unwrap();
    assert!(missing(snapshot.commit(&deposit)).contains(&(Kind::Pack, snapshot.content.root.pack)));
}

fn packs_of_implausible_length_do_not_count(bench: &Bench) {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    let pack = Object::new(Kind::Pack, b"VOWPACK1".to_vec());
    let snapshot = host.snapshot_of(1, std::slice::from_ref(&pack), &mut dice);
    snapshot.put(&deposit).unwrap();
    assert_eq!(deposit.missing(Kind::Pack, &[pack.id]).unwrap(), [pack.id]);
    assert_eq!(missing(snapshot.commit(&deposit)), [(Kind::Pack, pack.id)]);
}

fn a_manifest_of_another_host_is_refused(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let snapshot = FakeHost::new(2).snapshot(1, 1, &mut dice);
    snapshot.put(&deposit).unwrap();
    assert!(refusal(snapshot.commit(&deposit)).contains("another host"));
    // Signed by the right host, then changed.
    let mut forged = host.seal(&Manifest { host_key: host.public().0, ..snapshot.content }).bytes;
    *forged.last_mut().unwrap() ^= 1;
    let forged = Object::new(Kind::Manifest, forged);
    let refused = deposit.commit(&forged.id, &forged.bytes);
    assert!(matches!(refused, Err(VaultError::Signed { .. })), "{refused:?}");
    assert!(vault.objects(&host.id(), Kind::Manifest).unwrap().is_empty());
}

fn a_manifest_under_a_wrong_name_is_refused(bench: &Bench) {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    // Nothing else is looked at before the name: not even whether its objects are there.
    let snapshot = host.snapshot(1, 1, &mut dice);
    let refused = deposit.commit(&ObjectId([0; 32]), &snapshot.manifest.bytes);
    assert!(refusal(refused).contains("hash to"));
}

/// Commits a changed copy of a snapshot whose objects are all there.
fn commit_changed(bench: &Bench, change: impl FnOnce(&mut Manifest)) -> String {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    let Snapshot { objects, content, .. } = host.snapshot(1, 2, &mut dice);
    let stray = Object::random(Kind::Pack, 500, &mut dice);
    for object in objects.iter().chain([&stray]) {
        deposit.put(object.kind, &object.id, &object.bytes).unwrap();
    }
    let mut content = Manifest { software: stray.id.to_string(), ..content };
    change(&mut content);
    let manifest = host.seal(&content);
    refusal(deposit.commit(&manifest.id, &manifest.bytes))
}

fn a_root_outside_the_pack_list_is_refused(bench: &Bench) {
    let message = commit_changed(bench, |content| content.root.pack = content.software.parse().unwrap());
    assert!(message.contains("root"), "{message}");
}

fn a_malformed_pack_list_is_refused(bench: &Bench) {
    let message = commit_changed(bench, |content| content.packs.count += 1);
    assert!(message.contains("pack list"), "{message}");
}

fn sequence_numbers_count_from_one(bench: &Bench) {
    assert!(commit_changed(bench, |content| content.sequence = 0).contains("count from 1"));
}

fn two_manifests_with_one_number_are_a_fork(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let (one, two) = (host.snapshot(4, 1, &mut dice), host.snapshot(4, 1, &mut dice));
    one.put(&deposit).unwrap();
    two.put(&deposit).unwrap();
    one.commit(&deposit).unwrap();
    assert!(refusal(two.commit(&deposit)).contains("another machine uses this host's key"));
    assert_eq!(vault.committed(&host.id()).unwrap().len(), 1);
}

fn an_older_snapshot_can_come_later(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    for sequence in [3, 1, 2] {
        let snapshot = host.snapshot(sequence, 1, &mut dice);
        snapshot.put(&deposit).unwrap();
        snapshot.commit(&deposit).unwrap();
    }
    let committed = vault.committed(&host.id()).unwrap();
    let numbers: Vec<_> = committed.iter().map(|receipt| (receipt.position, receipt.sequence)).collect();
    assert_eq!(numbers, [(1, 3), (2, 1), (3, 2)]);
    assert!(committed.iter().skip(1).all(|receipt| receipt.previous.is_some()));
}

fn receipts_go_to_their_own_host(bench: &Bench) {
    let (one, mut dice) = host();
    let two = FakeHost::new(2);
    let (vault, first) = bench.deposit(&one.public());
    vault.join(&two.public()).unwrap();
    let second = vault.deposit(&two.public()).unwrap();
    for (host, deposit) in [(&one, &first), (&two, &second), (&one, &first)] {
        let sequence = deposit.receipts().unwrap().len() as u64 + 1;
        let snapshot = host.snapshot(sequence, 1, &mut dice);
        snapshot.put(deposit).unwrap();
        snapshot.commit(deposit).unwrap();
    }
    let positions = |receipts: Vec<vow_base::receipt::Receipt>| {
        receipts.iter().map(|receipt| receipt.position).collect::<Vec<_>>()
    };
    assert_eq!(positions(first.receipts().unwrap()), [1, 3]);
    assert_eq!(positions(vault.committed(&two.id()).unwrap()), [2]);
}

fn a_second_process_sees_what_the_first_one_did(bench: &Bench) {
    let (host, mut dice) = host();
    let (first, deposit) = bench.deposit(&host.public());
    let second = bench.open();
    for sequence in 1..=4 {
        let snapshot = host.snapshot(sequence, 1, &mut dice);
        snapshot.put(&deposit).unwrap();
        let other = second.deposit(&host.public()).unwrap();
        let turn: &dyn Deposit = if sequence % 2 == 0 { &other } else { &deposit };
        let receipt = snapshot.commit(turn).unwrap();
        assert_eq!(receipt.position, sequence);
    }
    let all = bench.open().committed(&host.id()).unwrap();
    assert_eq!(first.committed(&host.id()).unwrap(), all);
    assert_eq!(second.committed(&host.id()).unwrap(), all);
}

fn a_busy_vault_says_so(bench: &Bench) {
    let (host, mut dice) = host();
    bench.deposit(&host.public());
    let vault = bench.open().with_lock_wait(Duration::from_millis(1));
    let deposit = vault.deposit(&host.public()).unwrap();
    let snapshot = host.snapshot(1, 1, &mut dice);
    snapshot.put(&deposit).unwrap();
    let lock = bench.disk.try_lock(&bench.vault_path().join("lock")).unwrap();
    assert!(matches!(snapshot.commit(&deposit), Err(VaultError::Busy { .. })));
    drop(lock);
    snapshot.commit(&deposit).unwrap();
}

fn index_segments_come_back(bench: &Bench) {
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    assert!(deposit.index_segments().unwrap().is_empty());
    let segment = Object::random(Kind::Index, 300, &mut dice);
    deposit.put(Kind::Index, &segment.id, &segment.bytes).unwrap();
    assert_eq!(deposit.index_segments().unwrap(), [segment.id]);
    assert_eq!(deposit.index_segment(&segment.id).unwrap(), segment.bytes);
    assert!(matches!(deposit.index_segment(&ObjectId([1; 32])), Err(VaultError::Absent { .. })));
}

fn ranges_of_packs_come_back(bench: &Bench) {
    let (host, mut dice) = host();
    let (vault, deposit) = bench.deposit(&host.public());
    let pack = Object::random(Kind::Pack, 500, &mut dice);
    deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap();
    let range = |id, offset, length| vault.pack_range(&host.id(), id, offset, length);
    assert_eq!(range(&pack.id, 100, 50).unwrap(), pack.bytes[100..150]);
    assert_eq!(range(&pack.id, 500, 0).unwrap(), b"");
    assert!(matches!(range(&pack.id, 480, 21), Err(VaultError::Damaged { .. })));
    assert!(matches!(range(&ObjectId([1; 32]), 0, 1), Err(VaultError::Absent { .. })));
}

#[test]
fn many_hosts_at_once_get_one_unbroken_ledger() {
    let bench = Bench::real();
    let hosts: Vec<_> = (1..=4).map(FakeHost::new).collect();
    bench.create();
    std::thread::scope(|scope| {
        for (seed, host) in (0..).zip(&hosts) {
            let bench = &bench;
            scope.spawn(move || {
                let vault = bench.open();
                vault.join(&host.public()).unwrap();
                let deposit = vault.deposit(&host.public()).unwrap();
                let mut dice = Dice::new(seed);
                for sequence in 1..=10 {
                    let snapshot = host.snapshot(sequence, 2, &mut dice);
                    snapshot.put(&deposit).unwrap();
                    snapshot.commit(&deposit).unwrap();
                }
            });
        }
    });
    let vault = bench.open();
    let committed: usize = hosts.iter().map(|host| vault.committed(&host.id()).unwrap().len()).sum();
    assert_eq!(committed, 40);
}

#[test]
fn many_who_put_the_same_object_at_once_all_succeed() {
    let bench = Bench::real();
    let (host, mut dice) = host();
    let (_, deposit) = bench.deposit(&host.public());
    for _ in 0..20 {
        let pack = Object::random(Kind::Pack, 500_000, &mut dice);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap());
            }
        });
    }
    assert!(bench.disk.list(&bench.vault_path().join("tmp")).unwrap().is_empty());
}
