//! A vault in a bucket: what it does in a folder, it does there, and several processes serve one.

use crate::double::{Double, SECRET, options};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;
use vow_base::clock::{Clock, Nanos, SystemClock};
use vow_base::detail::Mark;
use vow_base::id::hex;
use vow_base::sign::SigningKey;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError, Watch};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object, Snapshot};
use vow_vault::Vault;
use vow_vault::storage::s3::S3Options;
use vow_vault::storage::{CachedStorage, Storage};
use vow_vault::sweep::SweepOptions;

const DAY: i64 = 86_400_000_000_000;

/// This machine's clock, moved.
#[derive(Default)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Nanos {
        SystemClock.now() + self.0.load(SeqCst)
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn vault_on(storage: impl Storage + 'static) -> Vault {
    Vault::create_on(Arc::new(storage), Arc::new(SystemClock), key()).unwrap()
}

/// A process that serves the bucket.
fn vault(double: &Double) -> Vault {
    vault_on(double.storage("a/vault"))
}

fn taken(vault: &Vault, host: &FakeHost, sequence: u64, dice: &mut Dice) -> Snapshot {
    let deposit = vault.deposit(&host.public()).unwrap();
    let snapshot = host.snapshot(sequence, 3, dice);
    snapshot.put(&deposit).unwrap();
    snapshot.commit(&deposit).unwrap();
    snapshot
}

#[test]
fn snapshots_are_committed_and_come_back() {
    for (versions, locks) in [(true, true), (true, false), (false, false)] {
        let double = Double::with(versions, locks, 5);
        let (vault, host, mut dice) = (vault(&double), FakeHost::new(1), Dice::new(1));
        assert!(matches!(vault.deposit(&host.public()), Err(VaultError::NotJoined { .. })));
        vault.join(&host.public()).unwrap();
        let deposit = vault.deposit(&host.public()).unwrap();
        let snapshot = host.snapshot(1, 7, &mut dice);

        let VaultError::Missing(missing) = snapshot.commit(&deposit).unwrap_err() else {
            panic!("nothing is there")
        };
        assert!(missing.contains(&(Kind::List, snapshot.of_kind(Kind::List)[0].id)));
        let packs = snapshot.of_kind(Kind::Pack);
        let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
        assert_eq!(deposit.missing(Kind::Pack, &ids).unwrap(), ids);
        snapshot.put(&deposit).unwrap();
        assert!(deposit.missing(Kind::Pack, &ids).unwrap().is_empty());

        let receipt = snapshot.commit(&deposit).unwrap();
        assert_eq!(snapshot.commit(&deposit).unwrap(), receipt, "twice is once");
        let fork = host.snapshot(1, 1, &mut dice);
        fork.put(&deposit).unwrap();
        assert!(matches!(fork.commit(&deposit), Err(VaultError::Refused(_))));

        let again = Vault::open_on(Arc::new(double.storage("a/vault")), Arc::new(SystemClock), None).unwrap();
        assert_eq!(again.committed(&host.id()).unwrap(), [receipt]);
        assert_eq!(again.hosts().unwrap(), [host.public()]);
        assert_eq!(again.objects(&host.id(), Kind::Pack).unwrap().len(), 8);
        for object in snapshot.objects.iter().chain([&snapshot.manifest]) {
            assert_eq!(again.get(&host.id(), object.kind, &object.id).unwrap(), object.bytes);
        }
        assert_eq!(again.pack_range(&host.id(), &ids[0], 10, 20).unwrap(), packs[0].bytes[10..30]);
        let nothing = Object::random(Kind::Pack, 500, &mut dice).id;
        assert!(matches!(again.get(&host.id(), Kind::Pack, &nothing), Err(VaultError::Absent { .. })));
        assert!(matches!(again.pack_range(&host.id(), &nothing, 0, 1), Err(VaultError::Absent { .. })));
        assert!(matches!(again.pack_range(&host.id(), &ids[0], 1 << 30, 1), Err(VaultError::Damaged { .. })));
    }
}

#[test]
fn the_key_stays_outside() {
    let double = Double::start();
    let (vault, host, mut dice) = (vault(&double), FakeHost::new(1), Dice::new(1));
    vault.join(&host.public()).unwrap();
    taken(&vault, &host, 1, &mut dice);
    let seed = key().seed();
    for (name, versions) in &double.bucket().keys {
        assert!(!name.contains("vault.key"));
        for version in versions {
            let holds = |secret: &[u8]| version.bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!holds(&*seed) && !holds(hex(&*seed).as_bytes()) && !holds(SECRET.as_bytes()), "{name}");
        }
    }
    let storage = || Arc::new(double.storage("a/vault"));
    let other = SigningKey::from_seed(&[8; 32]);
    assert!(Vault::open_on(storage(), Arc::new(SystemClock), Some(other)).is_err());
    let other = SigningKey::from_seed(&[8; 32]);
    assert!(Vault::create_on(storage(), Arc::new(SystemClock), other).is_err(), "VOW is there already");
    // Without the key it can be read, and not written to.
    let reader = Vault::open_on(storage(), Arc::new(SystemClock), None).unwrap();
    assert_eq!(reader.committed(&host.id()).unwrap().len(), 1);
    let deposit = reader.deposit(&host.public()).unwrap();
    let next = host.snapshot(2, 1, &mut dice);
    next.put(&deposit).unwrap();
    assert!(next.commit(&deposit).is_err());
    let nowhere = double.storage("b");
    assert!(matches!(
        Vault::open_on(Arc::new(nowhere), Arc::new(SystemClock), None),
        Err(VaultError::NoVault { .. })
    ));
}

#[test]
fn processes_that_commit_at_once_agree_on_one_order() {
    const EACH: u64 = 12;
    let double = Double::start();
    let vaults: Vec<Vault> = (0..4).map(|_| vault(&double)).collect();
    std::thread::scope(|scope| {
        for (n, vault) in (1..).zip(&vaults) {
            scope.spawn(move || {
                let (host, mut dice) = (FakeHost::new(n), Dice::new(n.into()));
                vault.join(&host.public()).unwrap();
                for sequence in 1..=EACH {
                    taken(vault, &host, sequence, &mut dice);
                }
            });
        }
    });
    let fresh = vault(&double);
    let state = fresh.state().unwrap();
    assert_eq!(state.position, 4 * EACH);
    for (n, vault) in (1..).zip(&vaults) {
        assert_eq!(vault.head().unwrap(), fresh.head().unwrap());
        let receipts = fresh.committed(&FakeHost::new(n).id()).unwrap();
        let sequences: Vec<_> = receipts.iter().map(|receipt| receipt.sequence).collect();
        assert_eq!(sequences, (1..=EACH).collect::<Vec<_>>());
    }
    // One entry at each position, ever: the bucket keeps versions and would show others.
    let bucket = double.bucket();
    let entries: Vec<_> = bucket.keys.iter().filter(|(name, _)| name.contains("/ledger/")).collect();
    assert_eq!(entries.len() as u64, 4 * EACH);
    assert!(entries.iter().all(|(_, versions)| versions.len() == 1));
}

#[test]
fn two_machines_with_one_key_and_two_vault_processes_make_no_fork() {
    let double = Double::start();
    let host = FakeHost::new(1);
    let vaults = [vault(&double), vault(&double)];
    vaults[0].join(&host.public()).unwrap();
    for sequence in 1..=8 {
        let committed: Vec<_> = std::thread::scope(|scope| {
            let spawn = |n: usize| {
                let (vault, host) = (&vaults[n], &host);
                scope.spawn(move || {
                    let deposit = vault.deposit(&host.public()).unwrap();
                    let snapshot = host.snapshot(sequence, 1, &mut Dice::new(sequence * 2 + n as u64));
                    snapshot.put(&deposit).unwrap();
                    snapshot.commit(&deposit)
                })
            };
            [spawn(0), spawn(1)].map(|thread| thread.join().unwrap()).into()
        });
        let accepted = committed.iter().filter(|it| it.is_ok()).count();
        assert_eq!(accepted, 1, "{committed:?}");
        assert!(committed.iter().any(|it| matches!(it, Err(VaultError::Refused(_)))), "{committed:?}");
    }
    let sequences: BTreeSet<_> =
        vaults[0].committed(&host.id()).unwrap().iter().map(|it| it.sequence).collect();
    assert_eq!(sequences.len(), 8);
}

/// The n-th request of a commit fails for good, for every n: what was acknowledged is there, and the same commit completes later.
#[test]
fn a_commit_that_fails_at_any_request_can_be_repeated() {
    let double = Double::start();
    // No patience: what fails, fails.
    let patience = Duration::ZERO;
    let storage = || double.storage_with("a/vault", S3Options { patience, ..options() });
    let (host, mut dice) = (FakeHost::new(1), Dice::new(1));
    vault(&double).join(&host.public()).unwrap();
    for lost in [false, true] {
        let mut sequence = if lost { 100 } else { 1 };
        for n in 0.. {
            sequence += 1;
            let vault = vault_on(storage());
            let deposit = vault.deposit(&host.public()).unwrap();
            let snapshot = host.snapshot(sequence, 2, &mut dice);
            snapshot.put(&deposit).unwrap();
            // What is known of the ledger is not read again: else each commit would take one request more than the one before.
            vault.state().unwrap();
            double.faults.pass.store(n, SeqCst);
            // The one after those that pass does nothing, or does it and says nothing.
            let fault = if lost { &double.faults.lose_answer } else { &double.faults.internal_error };
            fault.store(1, SeqCst);
            let committed = snapshot.commit(&deposit);
            let was_hit = fault.swap(0, SeqCst) == 0;
            double.faults.pass.store(0, SeqCst);
            let before = vault_on(storage()).committed(&host.id()).unwrap();
            let is_there = before.iter().any(|receipt| receipt.sequence == sequence);
            assert!(is_there || committed.is_err(), "request {n}: acknowledged and lost");
            let receipt = snapshot.commit(&vault_on(storage()).deposit(&host.public()).unwrap()).unwrap();
            let after = vault_on(storage()).committed(&host.id()).unwrap();
            assert_eq!(after.iter().filter(|it| **it == receipt).count(), 1);
            if !was_hit {
                assert!(n > 3 || lost, "it took only {n} requests");
                break;
            }
        }
    }
}

/// Everything that a snapshot names, with when its lock ends.
fn ends(double: &Double, host: &FakeHost, snapshot: &Snapshot) -> Vec<s3s::dto::Timestamp> {
    let bucket = double.bucket();
    let of = |object: &Object| {
        let folder = match object.kind {
            Kind::Pack => format!("packs/{}", &object.id.to_string()[..2]),
            kind => kind.folder().to_owned(),
        };
        let key = format!("a/vault/hosts/{}/{folder}/{}", host.id(), object.id);
        bucket.keys[&key].last().unwrap().lock.clone().unwrap().1
    };
    snapshot.objects.iter().chain([&snapshot.manifest]).map(of).collect()
}

#[test]
fn what_a_new_snapshot_names_is_locked_as_long_as_the_rules_say_from_then_on() {
    let double = Double::start();
    let clock = Arc::new(Moved::default());
    let open = || Vault::create_on(Arc::new(double.storage("a/vault")), clock.clone(), key()).unwrap();
    let (host, mut dice) = (FakeHost::new(1), Dice::new(1));
    open().join(&host.public()).unwrap();
    let first = taken(&open(), &host, 1, &mut dice);
    let lock = Duration::from_secs(14 * 86_400);
    let at_least = |time: std::time::SystemTime| s3s::dto::Timestamp::from(time - Duration::from_secs(60));
    let now = std::time::SystemTime::now();
    assert!(ends(&double, &host, &first).iter().all(|end| *end >= at_least(now + lock)));

    // Ten days later another snapshot needs the same packs.
    let days = Duration::from_secs(10 * 86_400);
    clock.0.store(10 * DAY, SeqCst);
    let packs: Vec<_> = first.of_kind(Kind::Pack).into_iter().cloned().collect();
    let second = host.snapshot_of(2, &packs, &mut dice);
    for vault in [open(), open()] {
        let deposit = vault.deposit(&host.public()).unwrap();
        second.put(&deposit).unwrap();
        second.commit(&deposit).unwrap();
        assert!(ends(&double, &host, &second).iter().all(|end| *end >= at_least(now + days + lock)));
    }
    // A lock that cannot be had is no receipt.
    let third = host.snapshot_of(3, &packs, &mut dice);
    clock.0.store(30 * DAY, SeqCst);
    let vault = open();
    let deposit = vault.deposit(&host.public()).unwrap();
    third.put(&deposit).unwrap();
    double.faults.refuse_locks.store(true, SeqCst);
    assert!(third.commit(&deposit).is_err());
    assert_eq!(vault.committed(&host.id()).unwrap().len(), 2);
    double.faults.refuse_locks.store(false, SeqCst);
    // Its manifest is there since the first try, with the lock of that day.
    let later = Duration::from_secs(40 * 86_400);
    clock.0.store(40 * DAY, SeqCst);
    third.commit(&deposit).unwrap();
    assert!(ends(&double, &host, &third).iter().all(|end| *end >= at_least(now + later + lock)));
}

#[test]
fn a_sweep_removes_versions_when_their_lock_has_ended_and_leaves_nothing_behind() {
    let double = Double::start();
    let clock = Arc::new(Moved::default());
    let vault = Vault::create_on(Arc::new(double.storage("a/vault")), clock.clone(), key()).unwrap();
    let (host, mut dice) = (FakeHost::new(1), Dice::new(1));
    vault.join(&host.public()).unwrap();
    let kept = taken(&vault, &host, 1, &mut dice);
    let unnamed = Object::random(Kind::Pack, 5000, &mut dice);
    let deposit = vault.deposit(&host.public()).unwrap();
    deposit.put(Kind::Pack, &unnamed.id, &unnamed.bytes).unwrap();
    let is_there = || double.bucket().keys.keys().any(|key| key.ends_with(&unnamed.id.to_string()));
    let (mut deleted, mut locked, mut day) = (0, 0, 0);
    while deleted == 0 {
        assert!(day < 60, "it is never deleted");
        assert!(is_there());
        day += 1;
        // Day by day, as it is meant to be: the store's clock as ours.
        clock.0.store(day * DAY, SeqCst);
        double.bucket().ahead = Duration::from_nanos((day * DAY) as u64);
        let report = vault.sweep(&SweepOptions::default(), &|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(report.stopped, None, "day {day}");
        deleted += report.hosts.iter().map(|swept| swept.deleted.objects).sum::<u64>();
        locked += report.hosts.iter().map(|swept| swept.locked).sum::<u64>();
    }
    assert!(locked > 0 && day > 17, "locked {locked} times, gone on day {day}");
    assert!(!is_there(), "no version, no delete marker");
    for object in kept.objects.iter().chain([&kept.manifest]) {
        assert_eq!(vault.get(&host.id(), object.kind, &object.id).unwrap(), object.bytes);
    }
}

/// Packs seem to lie in 256 folders. In a bucket that is nothing that a listing has to follow.
#[test]
fn everything_of_a_host_is_listed_with_as_many_requests_as_it_has_pages() {
    let double = Double::with(true, true, 50);
    let (vault, host, mut dice) = (vault(&double), FakeHost::new(1), Dice::new(1));
    vault.join(&host.public()).unwrap();
    let deposit = vault.deposit(&host.public()).unwrap();
    let mut ids: Vec<_> = (0..120)
        .map(|_| {
            let pack = Object::random(Kind::Pack, 200, &mut dice);
            deposit.put(pack.kind, &pack.id, &pack.bytes).unwrap();
            pack.id
        })
        .collect();
    ids.sort_unstable();
    double.requests();
    let listed: Vec<_> =
        vault.objects(&host.id(), Kind::Pack).unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, ids);
    let requests = double.requests();
    assert!(requests.len() <= 4, "{requests:?}");
    // A page of it, from the middle: no more than that is asked for.
    let (page, more) = vault.objects_after(&host.id(), Kind::Pack, Some(&ids[40]), 30).unwrap();
    assert!(more && page.iter().map(|(id, _)| *id).eq(ids[41..71].iter().copied()));
    assert!(double.requests().iter().filter(|request| request.contains("versions")).count() == 1);
    let (page, more) = vault.objects_after(&host.id(), Kind::Pack, Some(&ids[110]), 30).unwrap();
    assert!(!more && page.len() == 9);
    // Nothing is passed over in silence.
    double.bucket().put(&format!("a/vault/hosts/{}/packs/zz/stranger", host.id()), "x".into(), false, None);
    let error = vault.objects(&host.id(), Kind::Pack).unwrap_err().to_string();
    assert!(error.contains("zz/stranger") && error.contains("does not belong there"), "{error}");
}

/// A ledger is read in one go when a vault is opened, whatever of it stands in chapters.
#[test]
fn a_long_ledger_is_read_and_what_does_not_fit_is_noticed() {
    let double = Double::start();
    let (vault, host, mut dice) = (vault(&double), FakeHost::new(1), Dice::new(1));
    vault.join(&host.public()).unwrap();
    taken(&vault, &host, 1, &mut dice);
    for _ in 0..1050 {
        vault.accept_clock().unwrap();
    }
    let position = vault.state().unwrap().position;
    let again = self::vault(&double);
    assert_eq!((again.state().unwrap().position, again.head().unwrap()), (position, vault.head().unwrap()));
    // A chapter that cannot be read is no evidence: its entries are.
    let chapter = double.bucket().keys.keys().find(|key| key.contains("cache/chapters/")).unwrap().clone();
    let damaged = bytes::Bytes::from_static(b"damaged");
    double.bucket().keys.get_mut(&chapter).unwrap().last_mut().unwrap().bytes = damaged.clone();
    assert_eq!(self::vault(&double).head().unwrap(), vault.head().unwrap());
    // And a rebuild makes it anew from them.
    vault.rebuild().unwrap();
    assert!(double.bucket().keys[&chapter].iter().all(|version| version.bytes.len() > 100_000));
    double.bucket().keys.get_mut(&chapter).unwrap().last_mut().unwrap().bytes = damaged.clone();
    let entry = format!("a/vault/ledger/{:020}", 700);
    let good = std::mem::replace(&mut double.bucket().keys.get_mut(&entry).unwrap()[0].bytes, damaged);
    let broken = Vault::open_on(Arc::new(double.storage("a/vault")), Arc::new(SystemClock), None).unwrap();
    assert!(matches!(broken.state(), Err(VaultError::Ledger { position: 700, .. })));
    double.bucket().keys.get_mut(&entry).unwrap()[0].bytes = good;
    assert_eq!(broken.state().unwrap().position, position);
}

/// From a bucket, one object after the other would take minutes: several come at once, and no more than memory has room for.
#[test]
fn entries_details_and_manifests_are_read_several_at_once() {
    let double = Double::start();
    let (vault, host, mut dice) = (vault(&double), FakeHost::new(1), Dice::new(1));
    vault.join(&host.public()).unwrap();
    for sequence in 1..=12 {
        let snapshot = taken(&vault, &host, sequence, &mut dice);
        for note in ["before the move", "after the move"] {
            vault.mark(&host.id(), &snapshot.manifest.id, Mark::Pinned, note).unwrap();
        }
    }
    let alone = ["ledger", "details", "manifests"].map(|folder| double.most_at_once(folder));
    assert_eq!(alone, [1; 3]);
    double.faults.slow_ms.store(100, SeqCst);
    let other = self::vault(&double);
    assert_eq!(other.state().unwrap().position, vault.state().unwrap().position);
    assert!((2..=8).contains(&double.most_at_once("details")), "{}", double.most_at_once("details"));
    assert_eq!(double.most_at_once("manifests"), 1, "a state needs none");
    let report = other.verify_ledger().unwrap();
    assert_eq!((report.entries, report.kept, report.problems), (36, 12, Vec::new()));
    for folder in ["ledger", "manifests"] {
        assert!((2..=32).contains(&double.most_at_once(folder)), "{folder}: {}", double.most_at_once(folder));
    }
    // What is wrong with one of many is said of that one.
    double.faults.slow_ms.store(0, SeqCst);
    let gone = vault.committed(&host.id()).unwrap()[4].manifest;
    double.bucket().keys.retain(|key, _| !key.ends_with(&gone.to_string()));
    let report = other.verify_ledger().unwrap();
    let [problem] = &report.problems[..] else { panic!("{report:?}") };
    assert!(problem.contains(&gone.short()), "{problem}");
    let detail = double.bucket().keys.keys().filter(|key| key.contains("/details/")).nth(9).unwrap().clone();
    double.bucket().keys.remove(&detail);
    let report = other.verify_ledger().unwrap();
    assert_eq!((report.entries, report.problems.len()), (36, 2), "{report:?}");
}

fn reads(requests: &[String], of: &str) -> usize {
    requests.iter().filter(|request| request.starts_with("GET ") && request.contains(of)).count()
}

#[test]
fn with_a_cache_an_hourly_commit_reads_only_what_is_new() {
    let double = Double::start();
    let (host, mut dice) = (FakeHost::new(1), Dice::new(1));
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("cache");
    let cached = || {
        let storage = Arc::new(double.storage("a/vault"));
        vault_on(CachedStorage::new(storage, 32 << 20).with_folder(&folder, 32 << 20).unwrap())
    };
    let vault = cached();
    vault.join(&host.public()).unwrap();
    let mut packs: Vec<_> = (0..3000).map(|_| Object::random(Kind::Pack, 200, &mut dice)).collect();
    let deposit = vault.deposit(&host.public()).unwrap();
    std::thread::scope(|scope| {
        for part in packs.chunks(500) {
            let deposit = &deposit;
            scope.spawn(move || {
                part.iter().for_each(|pack| deposit.put(pack.kind, &pack.id, &pack.bytes).unwrap())
            });
        }
    });
    let mut commit = |vault: &Vault, sequence: u64| {
        let deposit = vault.deposit(&host.public()).unwrap();
        packs.push(Object::random(Kind::Pack, 200, &mut dice));
        let snapshot = host.snapshot_of(sequence, &packs, &mut dice);
        let lists = snapshot.of_kind(Kind::List);
        for object in snapshot.objects.iter().filter(|object| object.kind != Kind::Pack).chain(packs.last()) {
            deposit.put(object.kind, &object.id, &object.bytes).unwrap();
        }
        double.requests();
        snapshot.commit(&deposit).unwrap();
        let requests = double.requests();
        (lists.len(), reads(&requests, "/lists/"), requests.len())
    };
    let (lists, read, _) = commit(&vault, 1);
    assert!(lists > 4 && read == lists, "{read} of {lists}");
    let (lists, read, requests) = commit(&vault, 2);
    assert!(read <= 2 && requests < 20, "{read} of {lists} lists, {requests} requests");
    // Another process on the same machine, after a restart: it also asks once until when things are locked.
    let (_, read, _) = commit(&cached(), 3);
    assert!(read <= 2, "{read}");
    let uncached = self::vault(&double);
    let (lists, read, _) = commit(&uncached, 4);
    assert!(read >= lists, "{read} of {lists}: without a cache everything is read");
}

#[test]
fn a_cache_of_another_vault_and_a_damaged_one_are_not_believed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("cache");
    let mut dice = Dice::new(1);
    let mut roots = Vec::new();
    for seed in [1, 2] {
        let double = Double::start();
        let storage = Arc::new(double.storage("a/vault"));
        let cached = CachedStorage::new(storage.clone(), 1 << 20).with_folder(&folder, 1 << 20).unwrap();
        let cached = Arc::new(cached);
        let vault =
            Vault::create_on(cached.clone(), Arc::new(SystemClock), SigningKey::from_seed(&[seed; 32]))
                .unwrap();
        let host = FakeHost::new(1);
        vault.join(&host.public()).unwrap();
        let snapshot = taken(&vault, &host, 1, &mut dice);
        assert_eq!(vault.committed(&host.id()).unwrap().len(), 1);
        let list = snapshot.of_kind(Kind::List)[0].clone();
        assert_eq!(vault.get(&host.id(), Kind::List, &list.id).unwrap(), list.bytes);
        // Gone from the store: the look that a commit takes sees that, whatever the cache has.
        double.bucket().keys.retain(|key, _| !key.ends_with(&list.id.to_string()));
        let deposit = vault.deposit(&host.public()).unwrap();
        assert_eq!(deposit.missing(Kind::List, &[list.id]).unwrap(), [list.id]);
        assert!(cached.beneath().read(&format!("hosts/{}/lists/{}", host.id(), list.id), 1 << 20).is_err());
        roots.push((double, list));
    }
    for file in std::fs::read_dir(&folder).unwrap() {
        std::fs::write(file.unwrap().path(), b"damage").unwrap();
    }
    let double = Double::start();
    let storage = CachedStorage::new(Arc::new(double.storage("a/vault")), 1 << 20);
    let vault = vault_on(storage.with_folder(&folder, 1 << 20).unwrap());
    let host = FakeHost::new(1);
    vault.join(&host.public()).unwrap();
    let list = &roots[0].1;
    assert!(matches!(vault.get(&host.id(), Kind::List, &list.id), Err(VaultError::Absent { .. })));
    vault.deposit(&host.public()).unwrap().put(Kind::List, &list.id, &list.bytes).unwrap();
    assert_eq!(vault.get(&host.id(), Kind::List, &list.id).unwrap(), list.bytes);
}

#[test]
fn a_cached_storage_conforms() {
    let double = Double::start();
    crate::conformance::conformance(&CachedStorage::new(Arc::new(double.storage("a")), 1 << 20), 200);
}
