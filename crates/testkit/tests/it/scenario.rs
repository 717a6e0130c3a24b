//! The life of a small vault, step by step, remembering what was acknowledged; and what must be true of it ever after.

use std::path::Path;
use std::sync::Arc;
use vow_base::receipt::Receipt;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_testkit::fixture::{FakeHost, Object, Snapshot};
use vow_testkit::mem_disk::{Action, Fate};
use vow_testkit::{Dice, FixedClock, MemDisk};
use vow_vault::Vault;

/// One folder above it is there; the other is made with it.
pub(crate) const ROOT: &str = "/srv/backup/vault";

/// What is going to be stored: the same in every run.
pub(crate) struct Scenario {
    pub(crate) host: FakeHost,
    snapshots: Vec<Snapshot>,
    /// Whether every program creates and joins, or only the first one that finds it undone.
    eager: bool,
}

/// What was acknowledged before something failed.
#[derive(Default)]
pub(crate) struct Acknowledged {
    fingerprint: Option<String>,
    joined: bool,
    objects: Vec<Object>,
    receipts: Vec<Receipt>,
}

impl Scenario {
    pub(crate) fn new(eager: bool) -> Self {
        let (host, mut dice) = (FakeHost::new(1), Dice::new(11));
        // The newer one first: the older one catches up. They share a pack.
        let newer = host.snapshot(2, 2, &mut dice);
        let pack = Object::random(Kind::Pack, 300, &mut dice);
        let packs = [newer.of_kind(Kind::Pack)[0].clone(), pack];
        let older = host.snapshot_of(1, &packs, &mut dice);
        Self { host, snapshots: vec![newer, older], eager }
    }

    /// Create, join, put and commit, until something fails.
    pub(crate) fn run(&self, disk: &MemDisk) -> (Acknowledged, Result<(), VaultError>) {
        let mut acknowledged = Acknowledged::default();
        let ended = self.steps(disk, &mut acknowledged);
        (acknowledged, ended)
    }

    fn steps(&self, disk: &MemDisk, acknowledged: &mut Acknowledged) -> Result<(), VaultError> {
        let vault = self.vault(disk, acknowledged)?;
        if self.eager || !vault.hosts()?.contains(&self.host.public()) {
            vault.join(&self.host.public())?;
            acknowledged.fingerprint = Some(vault.fingerprint());
            acknowledged.joined = true;
            self.check(&disk.crash(|_| Fate::Lost), acknowledged, "directly after a join");
        }
        let deposit = vault.deposit(&self.host.public())?;
        acknowledged.fingerprint = Some(vault.fingerprint());
        acknowledged.joined = true;
        for snapshot in &self.snapshots {
            for object in &snapshot.objects {
                // As the engine does: what is said to be there is not sent again.
                if !deposit.missing(object.kind, &[object.id])?.is_empty() {
                    deposit.put(object.kind, &object.id, &object.bytes)?;
                    acknowledged.objects.push(object.clone());
                }
            }
            acknowledged.receipts.push(snapshot.commit(&deposit)?);
            acknowledged.objects.extend(snapshot.objects.iter().cloned());
            acknowledged.objects.push(snapshot.manifest.clone());
            let cut = disk.crash(|_| Fate::Lost);
            self.check(&cut, acknowledged, "directly after a commit");
        }
        assert_eq!(deposit.receipts()?, acknowledged.receipts);
        Ok(())
    }

    fn vault(&self, disk: &MemDisk, acknowledged: &mut Acknowledged) -> Result<Vault, VaultError> {
        let (disk, clock) = (Arc::new(disk.clone()), Arc::new(FixedClock(5)));
        if !self.eager {
            match Vault::open(disk.clone(), clock.clone(), Path::new(ROOT)) {
                Err(VaultError::NoVault { .. }) => {}
                opened => return opened,
            }
        }
        let vault = Vault::create(disk, clock, Path::new(ROOT))?;
        acknowledged.fingerprint = Some(vault.fingerprint());
        Ok(vault)
    }

    /// On this disk everything acknowledged is there and whole, and nothing is there that is not whole.
    pub(crate) fn check(&self, disk: &MemDisk, acknowledged: &Acknowledged, context: &str) {
        let opened = Vault::open(Arc::new(disk.clone()), Arc::new(FixedClock(6)), Path::new(ROOT));
        let vault = match opened {
            Ok(vault) => vault,
            Err(VaultError::NoVault { .. }) if acknowledged.fingerprint.is_none() => return,
            Err(error) => panic!("{context}: {error}"),
        };
        if let Some(fingerprint) = &acknowledged.fingerprint {
            assert_eq!(&vault.fingerprint(), fingerprint, "{context}");
        }
        let hosts = vault.hosts().unwrap_or_else(|error| panic!("{context}: {error}"));
        if hosts.is_empty() {
            assert!(!acknowledged.joined, "{context}: the host is gone");
            return;
        }
        self.check_objects(&vault, acknowledged, context);
    }

    fn check_objects(&self, vault: &Vault, acknowledged: &Acknowledged, context: &str) {
        let host = self.host.id();
        for kind in [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest] {
            let listed = vault.objects(&host, kind).unwrap_or_else(|error| panic!("{context}: {error}"));
            for (id, _) in listed {
                vault.get(&host, kind, &id).unwrap_or_else(|error| panic!("{context}: {error}"));
            }
        }
        for object in &acknowledged.objects {
            let read = vault.get(&host, object.kind, &object.id);
            assert_eq!(
                read.unwrap_or_else(|error| panic!("{context}: acknowledged, but {error}")),
                object.bytes
            );
        }
        let committed = vault.committed(&host).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(committed.starts_with(&acknowledged.receipts), "{context}: a receipt is gone");
        // Whatever has a receipt can be restored, even when the answer never reached the host.
        for receipt in committed {
            let snapshot = self.snapshots.iter().find(|snapshot| snapshot.manifest.id == receipt.manifest);
            for object in &snapshot.unwrap_or_else(|| panic!("{context}: a made-up receipt")).objects {
                vault
                    .get(&host, object.kind, &object.id)
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
            }
        }
    }

    /// The same, and then everything can be done that was not done before.
    pub(crate) fn check_and_complete(&self, disk: &MemDisk, acknowledged: &Acknowledged, context: &str) {
        self.check(disk, acknowledged, context);
        let (completed, ended) = self.run(disk);
        ended.unwrap_or_else(|error| panic!("{context}: it cannot be completed: {error}"));
        assert!(completed.receipts.starts_with(&acknowledged.receipts), "{context}");
        self.check(disk, &completed, context);
        let cut = disk.crash(|_| Fate::Lost);
        self.check(&cut, &completed, &format!("{context}, completed, power cut"));
    }
}

/// A disk with a folder.
pub(crate) fn new_disk() -> MemDisk {
    use vow_base::disk::Disk;
    let disk = MemDisk::new();
    disk.create_dir("/srv".as_ref()).unwrap();
    disk.sync_dir("/".as_ref()).unwrap();
    disk
}

/// The numbers of the operations worth interrupting: of the 256 alike folders that a join makes, few.
pub(crate) fn interesting(disk: &MemDisk, skip: usize) -> Vec<usize> {
    let operations = disk.operations().split_off(skip);
    let alike = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("packs"));
    let numbered = operations.iter().enumerate();
    numbered
        .filter(|(n, operation)| {
            operation.action != Action::CreateDir || !alike(&operation.path) || n % 50 == 0
        })
        .map(|(n, _)| n)
        .collect()
}
