//! Creating, opening and joining: what is refused, and what can be done again.

use crate::disks::{Bench, on_both_disks};
use std::sync::Arc;
use vow_base::vault::{Retrieve, VaultError};
use vow_testkit::fixture::FakeHost;
use vow_testkit::{FixedClock, MemDisk};
use vow_vault::Vault;

on_both_disks!(
    a_vault_opens_with_the_key_it_was_made_with,
    creating_and_joining_again_changes_nothing,
    a_folder_with_other_things_is_refused,
    a_vault_that_lost_its_first_file_is_not_made_anew,
    where_there_is_no_vault_none_is_opened,
    an_unknown_version_is_refused_by_name,
    another_vault_than_expected_is_refused,
    a_host_that_has_not_joined_has_no_deposit,
    hosts_are_those_that_joined,
);

fn a_vault_opens_with_the_key_it_was_made_with(bench: &Bench) {
    let made = bench.create();
    let opened = bench.open();
    assert_eq!(opened.public_key(), made.public_key());
    assert_eq!(opened.place(), bench.vault_path().display().to_string());
    assert!(opened.fingerprint().starts_with("SHA256:") && opened.fingerprint().len() == 7 + 64);
    let names = ["VOW", "hosts", "ledger", "lock", "tmp", "vault.key"];
    assert_eq!(bench.disk.list(&bench.vault_path()).unwrap(), names);
    assert!(bench.disk.list(&bench.vault_path().join("tmp")).unwrap().is_empty());
}

fn creating_and_joining_again_changes_nothing(bench: &Bench) {
    let (first, key) = (bench.create(), FakeHost::new(1).public());
    first.join(&key).unwrap();
    let again = bench.create();
    again.join(&key).unwrap();
    assert_eq!(again.fingerprint(), first.fingerprint());
    assert_eq!(again.hosts().unwrap(), [key]);
}

fn a_folder_with_other_things_is_refused(bench: &Bench) {
    bench.disk.create_dir(&bench.vault_path()).unwrap();
    bench.disk.create_dir(&bench.vault_path().join("lost+found")).unwrap();
    bench.write(&bench.vault_path().join("holiday.jpg"), b"sea");
    let create = || Vault::create(bench.disk.clone(), Arc::new(FixedClock(1)), &bench.vault_path());
    let error = create().unwrap_err().to_string();
    assert!(error.contains("holiday.jpg"), "{error}");
    assert_eq!(bench.disk.list(&bench.vault_path()).unwrap(), ["holiday.jpg", "lost+found"]);
    bench.disk.remove(&bench.vault_path().join("holiday.jpg")).unwrap();
    create().unwrap();
}

fn a_vault_that_lost_its_first_file_is_not_made_anew(bench: &Bench) {
    bench.deposit(&FakeHost::new(1).public());
    bench.disk.remove(&bench.vault_path().join("VOW")).unwrap();
    let created = Vault::create(bench.disk.clone(), Arc::new(FixedClock(1)), &bench.vault_path());
    assert!(created.unwrap_err().to_string().contains("lacks its file VOW"));
}

fn where_there_is_no_vault_none_is_opened(bench: &Bench) {
    let open = || Vault::open(bench.disk.clone(), Arc::new(FixedClock(1)), &bench.vault_path());
    assert!(matches!(open(), Err(VaultError::NoVault { .. })));
    bench.disk.create_dir(&bench.vault_path()).unwrap();
    assert!(matches!(open(), Err(VaultError::NoVault { .. })));
}

fn an_unknown_version_is_refused_by_name(bench: &Bench) {
    bench.disk.create_dir(&bench.vault_path()).unwrap();
    bench.write(&bench.vault_path().join("VOW"), b"vow vault 2\nsomething else\n");
    let opened = Vault::open(bench.disk.clone(), Arc::new(FixedClock(1)), &bench.vault_path());
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("vow vault 2") && error.contains("version 1"), "{error}");
}

fn another_vault_than_expected_is_refused(bench: &Bench) {
    let vault = bench.create();
    vault.expect_fingerprint(&vault.fingerprint()).unwrap();
    let other = format!("SHA256:{}", "0".repeat(64));
    assert!(matches!(vault.expect_fingerprint(&other), Err(VaultError::OtherVault { .. })));
}

fn a_host_that_has_not_joined_has_no_deposit(bench: &Bench) {
    let vault = bench.create();
    let error = vault.deposit(&FakeHost::new(1).public()).unwrap_err().to_string();
    assert!(error.contains("has not joined"), "{error}");
}

fn hosts_are_those_that_joined(bench: &Bench) {
    let vault = bench.create();
    assert!(vault.hosts().unwrap().is_empty());
    let keys = [FakeHost::new(1).public(), FakeHost::new(2).public()];
    keys.iter().for_each(|key| vault.join(key).unwrap());
    let mut found = vault.hosts().unwrap();
    found.sort_by_key(|key| *key != keys[0]);
    assert_eq!(found, keys);

    let hosts = bench.vault_path().join("hosts");
    // A key that is not the folder's.
    let (one, two) = (keys[0].host_id().to_string(), keys[1].host_id().to_string());
    bench.disk.remove(&hosts.join(&one).join("host.pub")).unwrap();
    bench.disk.rename_new(&hosts.join(&two).join("host.pub"), &hosts.join(&one).join("host.pub")).unwrap();
    assert!(vault.hosts().unwrap_err().to_string().contains(&one));
    // Something that is no host.
    bench.write(&hosts.join(".directory"), b"");
    assert!(vault.hosts().unwrap_err().to_string().contains(".directory"));
}

#[test]
fn the_signing_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::real();
    bench.create();
    let meta = std::fs::metadata(bench.vault_path().join("vault.key")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);

    let disk = MemDisk::new();
    Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(1)), "/v".as_ref()).unwrap();
    assert!(disk.is_secret("/v/vault.key".as_ref()) && !disk.is_secret("/v/VOW".as_ref()));
}

#[test]
fn many_who_create_the_same_vault_at_once_agree_on_its_key() {
    let bench = Bench::real();
    let prints: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.create().fingerprint())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
}
