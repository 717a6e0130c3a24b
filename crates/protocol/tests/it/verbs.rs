//! Every verb, through TLS and back: what a vault in a directory says, the remote one says too.

use crate::bench::{Bench, CONSOLE, HOST, REPLICA, RESTORER, key, quick};
use crate::server::Trick;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_base::{Fingerprint, HostId, ObjectId};
use vow_protocol::client::JoinAs;
use vow_protocol::wire::Role;
use vow_protocol::{JoinSecret, JoinToken, RemoteVault, Word};
use vow_testkit::fixture::{FakeHost, Object};

#[test]
fn a_snapshot_goes_there_and_comes_back() {
    let mut bench = Bench::new();
    let host = bench.client(HOST);
    let snapshot = bench.host.snapshot(1, 3, &mut bench.dice);
    let packs: Vec<_> = snapshot.of_kind(Kind::Pack).iter().map(|pack| pack.id).collect();
    assert_eq!(host.missing(Kind::Pack, &packs).unwrap(), packs);
    assert_eq!(host.receipts().unwrap(), []);
    snapshot.put(&host).unwrap();
    assert_eq!(host.missing(Kind::Pack, &packs).unwrap(), []);
    let receipt = snapshot.commit(&host).unwrap();
    assert_eq!((receipt.position, receipt.manifest), (1, snapshot.manifest.id));
    assert_eq!(host.receipts().unwrap(), std::slice::from_ref(&receipt));
    let index = snapshot.of_kind(Kind::Index)[0];
    assert_eq!(host.index_segments().unwrap(), [index.id]);
    assert_eq!(host.index_segment(&index.id).unwrap(), index.bytes);

    let restorer = bench.client(RESTORER);
    let id = bench.host_id();
    assert_eq!(restorer.hosts().unwrap(), [bench.host.public()]);
    assert_eq!(restorer.committed(&id).unwrap(), [receipt]);
    for object in snapshot.objects.iter().chain([&snapshot.manifest]) {
        assert_eq!(restorer.get(&id, object.kind, &object.id).unwrap(), object.bytes);
        let mut listed = restorer.objects(&id, object.kind).unwrap();
        let mut stored = bench.stored(object.kind);
        listed.sort_unstable();
        stored.sort_unstable();
        assert_eq!(listed, stored);
    }
    // The connection is kept: one for each of the two clients.
    assert_eq!(bench.server.shared.connections.load(SeqCst), 2);
}

#[test]
fn ranges_are_those_asked_for() {
    let mut bench = Bench::new();
    let pack = Object::random(Kind::Pack, 500, &mut bench.dice);
    bench.client(HOST).put(Kind::Pack, &pack.id, &pack.bytes).unwrap();
    let (restorer, host) = (bench.client(RESTORER), bench.host_id());
    let range = |id, offset, length| restorer.pack_range(&host, id, offset, length);
    assert_eq!(range(&pack.id, 100, 50).unwrap(), pack.bytes[100..150]);
    assert_eq!(range(&pack.id, 0, 500).unwrap(), pack.bytes);
    assert_eq!(range(&pack.id, 500, 0).unwrap(), b"");
    for (offset, length) in [(480, 21), (500, 1), (u64::MAX, 1), (1 << 40, 7)] {
        let refused = range(&pack.id, offset, length);
        assert!(matches!(refused, Err(VaultError::Damaged { .. })), "{offset} {length}: {refused:?}");
    }
    assert!(matches!(range(&ObjectId([1; 32]), 0, 1), Err(VaultError::Absent { .. })));
    assert!(matches!(restorer.get(&host, Kind::List, &pack.id), Err(VaultError::Absent { .. })));
}

#[test]
fn lists_come_whole_in_pages() {
    let mut bench = Bench::new();
    bench.server.shared.page.store(3, SeqCst);
    let client = bench.client(HOST);
    for sequence in 1..=10 {
        let snapshot = bench.host.snapshot(sequence, 1, &mut bench.dice);
        snapshot.put(&client).unwrap();
        snapshot.commit(&client).unwrap();
    }
    let positions = |receipts: Vec<vow_base::receipt::Receipt>| {
        receipts.iter().map(|receipt| receipt.position).collect::<Vec<_>>()
    };
    assert_eq!(positions(client.receipts().unwrap()), (1..=10).collect::<Vec<_>>());
    let restorer = bench.client(RESTORER);
    assert_eq!(restorer.objects(&bench.host_id(), Kind::Pack).unwrap().len(), 10);
    assert_eq!(positions(restorer.receipts_of(&bench.host_id()).unwrap()).len(), 10);

    let replica = bench.client(REPLICA);
    let mut entries = Vec::new();
    loop {
        let last = entries.last().map(vow_protocol::client::Entry::id);
        let page = replica.ledger(entries.len() as u64, last).unwrap();
        entries.extend(page.entries);
        if !page.more {
            break;
        }
    }
    assert_eq!(entries.len(), 10);
    assert_eq!(client.head().unwrap().as_ref(), entries.last());
    // A chain that does not continue what is known is noticed.
    let wrong = replica.ledger(3, Some(ObjectId([9; 32])));
    assert!(matches!(wrong, Err(VaultError::Ledger { position: 4, .. })), "{wrong:?}");
}

#[test]
fn a_question_longer_than_a_page_is_asked_in_parts() {
    let mut bench = Bench::new();
    let client = bench.client(HOST);
    let there = Object::random(Kind::Pack, 500, &mut bench.dice);
    client.put(Kind::Pack, &there.id, &there.bytes).unwrap();
    let mut ids: Vec<_> = (0..25_000u32).map(|n| ObjectId::of(&n.to_le_bytes())).collect();
    ids.insert(12_345, there.id);
    let missing = client.missing(Kind::Pack, &ids).unwrap();
    ids.remove(12_345);
    assert_eq!(missing, ids);
    let asked = bench.server.shared.requests.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|line| line.ends_with("/missing")).count(), 3);
    assert_eq!(client.missing(Kind::Pack, &[]).unwrap(), []);
}

#[test]
fn a_commit_names_what_is_missing() {
    let mut bench = Bench::new();
    let client = bench.client(HOST);
    let snapshot = bench.host.snapshot(1, 3, &mut bench.dice);
    let refused = snapshot.commit(&client);
    assert!(matches!(&refused, Err(VaultError::Missing(list)) if !list.is_empty()), "{refused:?}");
    snapshot.put(&client).unwrap();
    snapshot.commit(&client).unwrap();
    let fork = bench.host.snapshot(1, 1, &mut bench.dice);
    fork.put(&client).unwrap();
    let refused = fork.commit(&client);
    assert!(
        matches!(&refused, Err(VaultError::Refused(text)) if text.contains("another machine")),
        "{refused:?}"
    );
}

#[test]
fn joining_takes_a_token_once_for_one_key() {
    let mut bench = Bench::without_host();
    let token = JoinToken {
        address: crate::bench::address(bench.server.address),
        fingerprint: bench.server.fingerprint,
        secret: JoinSecret::generate().unwrap(),
    };
    *bench.server.shared.token.lock().unwrap() = Some(token.secret.clone());
    let token: JoinToken = token.text().parse().unwrap();
    let reader = key(77).public();
    let seen = |seed| RemoteVault::new(&token.address, token.fingerprint, &key(seed), quick()).unwrap();
    let me = JoinAs { tenant: None, name: "web-1", readers: &[reader], introduction: None };

    let host = seen(HOST);
    assert_eq!(host.about().unwrap().role, None);
    assert!(matches!(host.receipts(), Err(VaultError::NotForThisKey { .. } | VaultError::NotJoined { .. })));
    for _ in 0..2 {
        let joined = host.join(&token.secret, me).unwrap();
        assert_eq!((joined.role, &*joined.tenant, &*joined.name), (Role::Write, "acme", "web-1"));
    }
    let about = host.about().unwrap();
    assert_eq!((about.role, about.host.map(|host| host.0)), (Some(Role::Write), Some(bench.host_id())));
    let snapshot = bench.host.snapshot(1, 1, &mut bench.dice);
    snapshot.put(&host).unwrap();
    snapshot.commit(&host).unwrap();
    assert_eq!(seen(77).committed(&bench.host_id()).unwrap().len(), 1);

    let refused = seen(2).join(&token.secret, me);
    assert!(matches!(&refused, Err(VaultError::Refused(text)) if text.contains("token")), "{refused:?}");
}

#[test]
fn a_key_gets_no_further_than_its_role() {
    let mut bench = Bench::new();
    let snapshot = bench.host.snapshot(1, 1, &mut bench.dice);
    let host = bench.client(HOST);
    snapshot.put(&host).unwrap();
    snapshot.commit(&host).unwrap();
    let id = bench.host_id();
    let pack = snapshot.of_kind(Kind::Pack)[0];
    assert!(matches!(host.get(&id, Kind::Pack, &pack.id), Err(VaultError::Absent { .. })));
    assert!(matches!(host.hosts(), Err(VaultError::NotForThisKey { .. })));
    assert!(matches!(host.ledger(0, None), Err(VaultError::NotForThisKey { .. })));
    assert!(matches!(host.status(), Err(VaultError::NotForThisKey { .. })));
    let restorer = bench.client(RESTORER);
    let put = restorer.put(Kind::Pack, &pack.id, &pack.bytes);
    assert!(matches!(put, Err(VaultError::NotForThisKey { .. })), "{put:?}");
    assert!(matches!(restorer.committed(&HostId([9; 32])), Ok(none) if none.is_empty()));
    let console = bench.client(CONSOLE);
    assert_eq!(console.status().unwrap().ledger, 1);
    assert!(matches!(console.get(&id, Kind::Pack, &pack.id), Err(VaultError::Absent { .. })));
}

#[test]
fn heads_are_shown_to_others() {
    let mut bench = Bench::new();
    let client = bench.client(HOST);
    assert_eq!(client.head().unwrap(), None);
    let snapshot = bench.host.snapshot(1, 1, &mut bench.dice);
    snapshot.put(&client).unwrap();
    snapshot.commit(&client).unwrap();
    let head = client.head().unwrap().unwrap();
    let other = Bench::new();
    other.client(HOST).witness(&head.stored).unwrap();
    assert_eq!(*other.server.shared.witnessed.lock().unwrap(), [head.stored]);
}

#[test]
fn what_is_refused_says_why() {
    type Expected = fn(&VaultError) -> bool;
    let cases: [(Word, usize, Expected); 8] = [
        (Word::Limit, 3, |e| matches!(e, VaultError::Limited { .. })),
        (Word::Busy, 3, |e| matches!(e, VaultError::Busy { .. })),
        (Word::Storage, 3, |e| matches!(e, VaultError::Storage { .. })),
        (Word::Full, 3, VaultError::is_full),
        (Word::Hash, 3, |e| matches!(e, VaultError::Refused(_))),
        (Word::Refused, 1, |e| matches!(e, VaultError::Refused(_))),
        (Word::Malformed, 1, |e| matches!(e, VaultError::Protocol { .. })),
        (Word::Absent, 1, |e| matches!(e, VaultError::NotForThisKey { .. })),
    ];
    let mut bench = Bench::new();
    let pack = Object::random(Kind::Pack, 500, &mut bench.dice);
    for (word, tries, expected) in cases {
        let client = bench.client(HOST);
        *bench.server.shared.always.lock().unwrap() = Some(Trick::Answer(word, None));
        let before = bench.server.shared.requests.lock().unwrap().len();
        let error = client.put(Kind::Pack, &pack.id, &pack.bytes).unwrap_err();
        assert!(expected(&error), "{word:?}: {error:?}");
        assert!(!error.is_unreachable());
        assert_eq!(bench.server.shared.requests.lock().unwrap().len() - before, tries, "{word:?}");
    }
    assert_eq!(bench.stored(Kind::Pack), []);
}

#[test]
fn what_passes_is_waited_for() {
    let mut bench = Bench::new();
    let client = bench.client(HOST);
    let snapshot = bench.host.snapshot(1, 1, &mut bench.dice);
    for trick in [
        Trick::Answer(Word::Busy, Some(Duration::from_secs(1))),
        Trick::DoneBut(Word::Storage),
        Trick::Answer(Word::Hash, None),
        Trick::DoneBut(Word::Limit),
    ] {
        bench.server.shared.tricks.lock().unwrap().push_back(trick);
        snapshot.put(&client).unwrap();
    }
    bench.server.shared.tricks.lock().unwrap().push_back(Trick::DoneBut(Word::Storage));
    assert_eq!(snapshot.commit(&client).unwrap().position, 1);
    assert_eq!(client.receipts().unwrap().len(), 1);
}

#[test]
fn another_vault_is_named_by_both_fingerprints() {
    let bench = Bench::new();
    let other = Fingerprint::of(&key(99).public());
    let client = crate::bench::connect(bench.server.address, other, HOST, quick());
    let Err(error) = client.about() else { panic!("it is another vault") };
    let text = error.to_string();
    assert!(matches!(error, VaultError::OtherVault { .. }), "{text}");
    assert!(
        text.contains(&other.to_string()) && text.contains(&bench.server.fingerprint.to_string()),
        "{text}"
    );
    // One look is enough: nothing was asked.
    assert_eq!(bench.server.shared.connections.load(SeqCst), 1);
    assert!(bench.server.shared.requests.lock().unwrap().is_empty());
}

#[test]
fn objects_outside_the_limits_are_not_even_sent() {
    let bench = Bench::new();
    let client = bench.client(HOST);
    let long = vec![0; (Kind::List.limit_bytes() + 1) as usize];
    for bytes in [&long[..], &[]] {
        let put = client.put(Kind::List, &ObjectId::of(bytes), bytes);
        assert!(matches!(put, Err(VaultError::Refused(_))), "{put:?}");
    }
    assert!(matches!(client.put(Kind::Manifest, &ObjectId::of(b"x"), b"x"), Err(VaultError::Refused(_))));
    assert_eq!(bench.server.shared.connections.load(SeqCst), 0);
}

#[test]
fn the_restorers_of_another_host_see_its_receipts_only() {
    let mut bench = Bench::new();
    let other = FakeHost::new(2);
    bench.vault().join(&other.public()).unwrap();
    for (sequence, seed) in [(1, HOST), (1, 2), (2, HOST)] {
        let host = FakeHost::new(seed);
        let snapshot = host.snapshot(sequence, 1, &mut bench.dice);
        let client = bench.client(seed);
        snapshot.put(&client).unwrap();
        snapshot.commit(&client).unwrap();
    }
    let restorer = bench.client(RESTORER);
    assert_eq!(restorer.committed(&bench.host_id()).unwrap().len(), 2);
    assert_eq!(restorer.committed(&other.id()).unwrap().len(), 1);
}
