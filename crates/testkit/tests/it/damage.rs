//! Damage: seen when read, never written over, never passed on, and named.

use crate::disks::Bench;
use std::sync::Arc;
use vow_base::disk::Disk;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_testkit::fixture::{FakeHost, Object};
use vow_testkit::{Dice, FixedClock, MemDisk};
use vow_vault::{HostDeposit, Vault};

struct Patient {
    disk: MemDisk,
    vault: Vault,
    deposit: HostDeposit,
    host: FakeHost,
    dice: Dice,
}

impl Patient {
    fn new() -> Self {
        let (disk, host) = (MemDisk::new(), FakeHost::new(1));
        let vault = Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(1)), "/v".as_ref()).unwrap();
        vault.join(&host.public()).unwrap();
        let deposit = vault.deposit(&host.public()).unwrap();
        Self { disk, vault, deposit, host, dice: Dice::new(3) }
    }

    fn with_commits(count: u64) -> Self {
        let mut patient = Self::new();
        for sequence in 1..=count {
            let snapshot = patient.host.snapshot(sequence, 1, &mut patient.dice);
            snapshot.put(&patient.deposit).unwrap();
            snapshot.commit(&patient.deposit).unwrap();
        }
        patient
    }

    fn path(&self, object: &Object) -> std::path::PathBuf {
        let (name, folder) = (object.id.to_string(), object.kind.folder());
        let host = format!("/v/hosts/{}", self.host.id());
        match object.kind {
            Kind::Pack => format!("{host}/{folder}/{}/{name}", &name[..2]).into(),
            _ => format!("{host}/{folder}/{name}").into(),
        }
    }

    fn reopened(&self) -> Vault {
        Vault::open(Arc::new(self.disk.clone()), Arc::new(FixedClock(2)), "/v".as_ref()).unwrap()
    }

    /// At which position the ledger is said to be wrong by whoever opens the vault now.
    fn wrong_position(&self) -> u64 {
        match self.reopened().committed(&self.host.id()) {
            Err(VaultError::Ledger { position, .. }) => position,
            other => panic!("the damage was not seen: {other:?}"),
        }
    }

    fn entry(position: u64) -> std::path::PathBuf {
        format!("/v/ledger/{position:020}").into()
    }
}

#[test]
fn every_changed_byte_of_an_object_is_noticed() {
    let mut patient = Patient::new();
    for kind in [Kind::Pack, Kind::List, Kind::Index] {
        let object = Object::random(kind, 150, &mut patient.dice);
        patient.deposit.put(kind, &object.id, &object.bytes).unwrap();
        let path = patient.path(&object);
        for at in 0..object.bytes.len() {
            patient.disk.damage(&path, |bytes| bytes[at] ^= 1);
            let read = patient.vault.get(&patient.host.id(), kind, &object.id);
            assert!(matches!(read, Err(VaultError::Damaged { .. })), "{kind} byte {at}");
            patient.disk.damage(&path, |bytes| bytes[at] ^= 1);
        }
        assert_eq!(patient.vault.get(&patient.host.id(), kind, &object.id).unwrap(), object.bytes);
    }
}

#[test]
fn putting_over_a_damaged_object_is_refused_and_changes_nothing() {
    let mut patient = Patient::new();
    let pack = Object::random(Kind::Pack, 500, &mut patient.dice);
    patient.deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap();
    let path = patient.path(&pack);
    let changes: [fn(&mut Vec<u8>); 4] =
        [|bytes| bytes.truncate(100), |bytes| bytes.push(0), |bytes| bytes.fill(0), |bytes| bytes.clear()];
    for change in changes {
        patient.disk.damage(&path, change);
        let before = patient.disk.crash(|_| vow_testkit::mem_disk::Fate::Kept);
        let put = patient.deposit.put(Kind::Pack, &pack.id, &pack.bytes);
        assert!(matches!(put, Err(VaultError::Damaged { .. })), "{put:?}");
        use vow_base::disk::Disk;
        assert_eq!(patient.disk.read(&path, 1000).unwrap(), before.read(&path, 1000).unwrap());
        assert!(patient.disk.list("/v/tmp".as_ref()).unwrap().is_empty());
        patient.disk.damage(&path, |bytes| *bytes = pack.bytes.clone());
    }
}

#[test]
fn a_damaged_list_segment_stops_the_commit() {
    let mut patient = Patient::new();
    let snapshot = patient.host.snapshot(1, 2, &mut patient.dice);
    snapshot.put(&patient.deposit).unwrap();
    patient.disk.damage(&patient.path(snapshot.of_kind(Kind::List)[0]), |bytes| bytes[20] ^= 1);
    let committed = snapshot.commit(&patient.deposit);
    assert!(matches!(committed, Err(VaultError::Damaged { kind: Kind::List, .. })), "{committed:?}");
}

#[test]
fn every_changed_byte_of_the_ledger_is_noticed_and_its_position_named() {
    let patient = Patient::with_commits(5);
    for position in [1, 3, 5] {
        let path = Patient::entry(position);
        let length = vow_base::disk::Disk::len(&patient.disk, &path).unwrap().unwrap() as usize;
        for at in 0..length {
            patient.disk.damage(&path, |bytes| bytes[at] ^= 1);
            assert_eq!(patient.wrong_position(), position, "byte {at}");
            patient.disk.damage(&path, |bytes| bytes[at] ^= 1);
        }
    }
    assert_eq!(patient.reopened().committed(&patient.host.id()).unwrap().len(), 5);
}

#[test]
fn a_lost_or_foreign_ledger_entry_is_noticed() {
    let mut patient = Patient::with_commits(5);
    patient.disk.lose(&Patient::entry(5));
    // To whoever knew it, even the loss of the newest one shows.
    let known = patient.vault.committed(&patient.host.id());
    assert!(matches!(known, Err(VaultError::Ledger { position: 5, .. })), "{known:?}");
    patient.disk.lose(&Patient::entry(3));
    assert_eq!(patient.wrong_position(), 3);
    let snapshot = patient.host.snapshot(9, 1, &mut patient.dice);
    snapshot.put(&patient.deposit).unwrap();
    assert!(matches!(snapshot.commit(&patient.deposit), Err(VaultError::Ledger { .. })));
}

#[test]
fn two_swapped_ledger_entries_are_noticed() {
    use vow_base::disk::Disk;
    let patient = Patient::with_commits(4);
    let (two, three) = (Patient::entry(2), Patient::entry(3));
    let (a, b) = (patient.disk.read(&two, 9999).unwrap(), patient.disk.read(&three, 9999).unwrap());
    patient.disk.damage(&two, |bytes| *bytes = b);
    patient.disk.damage(&three, |bytes| *bytes = a);
    assert_eq!(patient.wrong_position(), 2);
}

#[test]
fn a_receipt_of_another_vault_is_noticed() {
    use vow_base::disk::Disk;
    let (patient, other) = (Patient::with_commits(1), Patient::with_commits(1));
    let foreign = other.disk.read(&Patient::entry(1), 9999).unwrap();
    patient.disk.damage(&Patient::entry(1), |bytes| *bytes = foreign);
    assert_eq!(patient.wrong_position(), 1);
}

#[test]
fn what_does_not_belong_into_a_vault_is_named() {
    let bench = Bench::memory();
    let host = FakeHost::new(1);
    let (vault, _) = bench.deposit(&host.public());
    let folder = bench.vault_path().join("hosts").join(host.id().to_string());
    let id = "ab".repeat(32);
    // No id; an id in capitals; an id in the folder of other ids; a folder that is none of the 256.
    let strays = [
        (Kind::Pack, "packs/ab/notes.txt".to_owned()),
        (Kind::Pack, format!("packs/ab/{}", id.to_uppercase())),
        (Kind::Pack, format!("packs/ac/{id}")),
        (Kind::Pack, "packs/.trash".to_owned()),
        (Kind::List, "lists/~".to_owned()),
        (Kind::Index, "index/x".to_owned()),
        (Kind::Manifest, "manifests/x".to_owned()),
    ];
    for (kind, stray) in strays {
        assert!(vault.objects(&host.id(), kind).unwrap().is_empty());
        bench.write(&folder.join(&stray), b"?");
        let error = vault.objects(&host.id(), kind).unwrap_err().to_string();
        assert!(error.contains(stray.rsplit('/').next().unwrap()), "{error}");
        bench.disk.remove(&folder.join(&stray)).unwrap();
    }
    let name = format!("packs/ab/{id}");
    bench.disk.create_dir(&folder.join(name)).unwrap();
    assert!(vault.objects(&host.id(), Kind::Pack).unwrap_err().to_string().contains(&id));
}

#[test]
fn a_folder_that_is_gone_is_an_error_and_is_not_made_again() {
    let mut patient = Patient::new();
    let pack = Object::random(Kind::Pack, 500, &mut patient.dice);
    let path = patient.path(&pack);
    patient.disk.lose(path.parent().unwrap());
    assert!(patient.vault.objects(&patient.host.id(), Kind::Pack).is_err());
    let error = patient.deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
}

#[test]
fn another_signing_key_than_the_vaults_signs_nothing() {
    let mut patient = Patient::new();
    patient.disk.damage("/v/vault.key".as_ref(), |bytes| *bytes = "07".repeat(32).into_bytes());
    let snapshot = patient.host.snapshot(1, 1, &mut patient.dice);
    snapshot.put(&patient.deposit).unwrap();
    let error = snapshot.commit(&patient.deposit).unwrap_err().to_string();
    assert!(error.contains("vault.key"), "{error}");
}

#[test]
fn a_long_ledger_is_read_by_chapters_that_are_believed_no_more_than_entries() {
    let patient = Patient::with_commits(1);
    let note = |n: u64| patient.vault.set_rules(&format!("# {n}"), "a test").unwrap().position;
    while note(0) < 1100 {}
    let reads = |disk: &MemDisk| {
        let before = disk.operations().len();
        let vault = Vault::open(Arc::new(disk.clone()), Arc::new(FixedClock(2)), "/v".as_ref()).unwrap();
        assert_eq!(vault.state().unwrap().position, 1100);
        let ledger = |path: &std::path::Path| path.starts_with("/v/ledger") || path.starts_with("/v/cache");
        disk.operations()[before..].iter().filter(|done| ledger(&done.path)).count()
    };
    let chapter: std::path::PathBuf = format!("/v/cache/chapters/{:020}", 1024).into();
    assert!(reads(&patient.disk) < 200, "a chapter and what came after it");

    // Damaged, forged or cut chapters cost reads and nothing else. The ledger itself says what is so.
    let entry = patient.disk.read(&Patient::entry(7), 4096).unwrap();
    for damage in 0..4 {
        let disk = patient.disk.crash(|_| vow_testkit::mem_disk::Fate::Kept);
        disk.damage(&chapter, |bytes| match damage {
            0 => bytes.truncate(1000),
            1 => bytes.clear(),
            2 => bytes.splice(0..4, [0xff; 4]).for_each(drop),
            _ => bytes.extend_from_slice(&entry),
        });
        assert!(reads(&disk) > 1024, "{damage}");
    }
    patient.disk.damage(&chapter, |bytes| bytes[5000] ^= 1);
    assert_eq!(patient.reopened().state().unwrap().position, 1100, "a chapter that tells another story");
    assert!(patient.vault.verify_ledger().unwrap().problems.is_empty());
}
