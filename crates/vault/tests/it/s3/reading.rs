//! Reading with credentials that may do nothing else: what is left when a vault's server is gone.

use crate::double::{Double, SECRET};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use vow_base::clock::SystemClock;
use vow_base::sign::SigningKey;
use vow_base::vault::{Kind, Retrieve, VaultError};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Snapshot};
use vow_vault::Vault;
use vow_vault::storage::s3::{Protection, S3Storage};
use vow_vault::storage::{CachedStorage, Storage};

fn filled(double: &Double) -> (FakeHost, Snapshot) {
    let key = SigningKey::from_seed(&[9; 32]);
    let vault = Vault::create_on(Arc::new(double.storage("a/vault")), Arc::new(SystemClock), key).unwrap();
    let host = FakeHost::new(1);
    vault.join(&host.public()).unwrap();
    let deposit = vault.deposit(&host.public()).unwrap();
    let snapshot = host.snapshot(1, 5, &mut Dice::new(1));
    snapshot.put(&deposit).unwrap();
    snapshot.commit(&deposit).unwrap();
    (host, snapshot)
}

fn reader(double: &Double) -> (S3Storage, Vault) {
    let storage = S3Storage::open_to_read(&Double::url("a/vault"), double.env()).unwrap();
    let cached = CachedStorage::new(Arc::new(storage.clone()), 1 << 20);
    (storage, Vault::open_on(Arc::new(cached), Arc::new(SystemClock), None).unwrap())
}

#[test]
fn credentials_that_only_read_are_enough_and_nothing_but_reading_is_asked() {
    for (versions, locks) in [(true, true), (true, false), (false, false)] {
        let double = Double::with(versions, locks, 3);
        let (host, snapshot) = filled(&double);
        double.faults.read_only.store(true, SeqCst);
        double.requests();
        let (_, vault) = reader(&double);
        assert_eq!(vault.hosts().unwrap(), [host.public()]);
        assert_eq!(vault.committed(&host.id()).unwrap().len(), 1);
        assert_eq!(vault.objects(&host.id(), Kind::Pack).unwrap().len(), snapshot.of_kind(Kind::Pack).len());
        for object in snapshot.objects.iter().chain([&snapshot.manifest]) {
            assert_eq!(vault.get(&host.id(), object.kind, &object.id).unwrap(), object.bytes);
        }
        let pack = snapshot.of_kind(Kind::Pack)[0];
        assert_eq!(vault.pack_range(&host.id(), &pack.id, 10, 20).unwrap(), pack.bytes[10..30]);
        assert!(vault.verify_ledger().unwrap().problems.is_empty());
        let requests = double.requests();
        assert!(
            requests.iter().all(|request| request.starts_with("GET ") || request.starts_with("HEAD ")),
            "{requests:?}"
        );
        // And what is asked for all the same is refused, not pretended.
        let deposit = vault.deposit(&host.public()).unwrap();
        assert!(host.snapshot(2, 1, &mut Dice::new(2)).put(&deposit).is_err());
    }
}

#[test]
fn what_is_hidden_is_read_where_versions_may_be_seen() {
    let double = Double::start();
    let (host, snapshot) = filled(&double);
    let pack = snapshot.of_kind(Kind::Pack)[0];
    let key = format!("a/vault/hosts/{}/packs/{}/{}", host.id(), &pack.id.to_string()[..2], pack.id);
    double.bucket().put(&key, bytes::Bytes::new(), true, None);
    double.faults.read_only.store(true, SeqCst);
    let (storage, vault) = reader(&double);
    assert_eq!(storage.protection(), Protection { versions: true, locks: false });
    assert_eq!(vault.get(&host.id(), Kind::Pack, &pack.id).unwrap(), pack.bytes);
    double.faults.hide_versions.store(true, SeqCst);
    let (storage, vault) = reader(&double);
    assert!(!storage.protection().versions);
    assert!(matches!(vault.get(&host.id(), Kind::Pack, &pack.id), Err(VaultError::Absent { .. })));
    let list = snapshot.of_kind(Kind::List)[0];
    assert_eq!(vault.get(&host.id(), Kind::List, &list.id).unwrap(), list.bytes);
}

#[test]
fn a_bucket_without_a_vault_or_without_an_answer_says_so() {
    let double = Double::start();
    double.faults.read_only.store(true, SeqCst);
    let storage = S3Storage::open_to_read(&Double::url("nowhere"), double.env()).unwrap();
    let none = Vault::open_on(Arc::new(storage), Arc::new(SystemClock), None).unwrap_err();
    assert!(matches!(&none, VaultError::NoVault { place } if place == "s3://vow-test/nowhere"), "{none}");
    let mut env = double.env();
    env.retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    env.push(("AWS_SECRET_ACCESS_KEY".into(), "another".into()));
    let error = S3Storage::open_to_read(&Double::url("a"), env).map_err(|error| error.to_string());
    let error = error.and_then(|storage| storage.read("vault.pub", 100).map_err(|error| error.to_string()));
    let error = error.unwrap_err();
    assert!(error.contains("s3://vow-test/a") && !error.contains(SECRET), "{error}");
}
