//! The two disks that conformance tests run on, and the proof that the twin behaves like the real one.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use vow_base::disk::{Disk, RealDisk};
use vow_base::sign::PublicKey;
use vow_testkit::{FixedClock, MemDisk};
use vow_vault::{HostDeposit, Vault};

/// A disk with a folder on it for a test.
pub(crate) struct Bench {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) root: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) fn real() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().to_owned();
        Self { disk: Arc::new(RealDisk), root, _temporary: Some(temporary) }
    }

    pub(crate) fn memory() -> Self {
        Self { disk: Arc::new(MemDisk::new()), root: "/".into(), _temporary: None }
    }

    pub(crate) fn vault_path(&self) -> PathBuf {
        self.root.join("vault")
    }

    pub(crate) fn create(&self) -> Vault {
        Vault::create(self.disk.clone(), Arc::new(FixedClock(77)), &self.vault_path()).unwrap()
    }

    pub(crate) fn open(&self) -> Vault {
        Vault::open(self.disk.clone(), Arc::new(FixedClock(78)), &self.vault_path()).unwrap()
    }

    /// A new vault, and the deposit of a host that joined it.
    pub(crate) fn deposit(&self, key: &PublicKey) -> (Vault, HostDeposit) {
        let vault = self.create();
        vault.join(key).unwrap();
        let deposit = vault.deposit(key).unwrap();
        (vault, deposit)
    }

    /// Writes a file as somebody else would.
    pub(crate) fn write(&self, path: &std::path::Path, bytes: &[u8]) {
        let mut file = self.disk.create_new(path, false).unwrap();
        file.write(bytes).unwrap();
        file.sync().unwrap();
    }
}

/// Makes tests of functions that take a `&Bench`: each on both disks.
macro_rules! on_both_disks {
    ($($name:ident),* $(,)?) => {
        mod real {
            $(#[test] fn $name() { super::$name(&crate::disks::Bench::real()); })*
        }
        mod memory {
            $(#[test] fn $name() { super::$name(&crate::disks::Bench::memory()); })*
        }
    };
}
pub(crate) use on_both_disks;

on_both_disks!(a_disk_refuses_what_the_contract_says, a_lock_excludes_until_it_is_dropped);

fn a_disk_refuses_what_the_contract_says(bench: &Bench) {
    let disk = &*bench.disk;
    let path = |name: &str| bench.root.join(name);
    let kind = |error: vow_base::disk::DiskError| error.source.kind();

    disk.create_dir(&path("a")).unwrap();
    assert_eq!(kind(disk.create_dir(&path("a")).unwrap_err()), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create_dir(&path("b/c")).unwrap_err()), ErrorKind::NotFound);

    bench.write(&path("a/one"), b"one");
    bench.write(&path("a/two"), b"two");
    assert_eq!(kind(disk.create_new(&path("a/one"), false).err().unwrap()), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create_new(&path("b/one"), false).err().unwrap()), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename_new(&path("a/one"), &path("a/two")).unwrap_err()), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.rename_new(&path("a/one"), &path("a")).unwrap_err()), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.rename_new(&path("a/no"), &path("a/x")).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename_new(&path("a/one"), &path("b/x")).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(&path("a/no")).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.sync_dir(&path("b")).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.list(&path("b")).unwrap_err()), ErrorKind::NotFound);

    assert_eq!(disk.read(&path("a/two"), 3).unwrap(), b"two");
    assert_eq!(kind(disk.read(&path("a/two"), 2).unwrap_err()), ErrorKind::InvalidData);
    assert_eq!(disk.read_range(&path("a/two"), 1, 2).unwrap(), b"wo");
    assert_eq!(kind(disk.read_range(&path("a/two"), 2, 2).unwrap_err()), ErrorKind::UnexpectedEof);
    assert_eq!(kind(disk.read_range(&path("a/two"), u64::MAX, 2).unwrap_err()), ErrorKind::UnexpectedEof);
    assert_eq!(disk.len(&path("a/two")).unwrap(), Some(3));
    assert_eq!(disk.len(&path("a")).unwrap(), None);
    assert_eq!(disk.len(&path("no")).unwrap(), None);

    disk.rename_new(&path("a/one"), &path("a/three")).unwrap();
    disk.remove(&path("a/two")).unwrap();
    assert_eq!(disk.list(&path("a")).unwrap(), ["three"]);
    let is_dir = |name: &str| disk.is_dir(&path(name)).unwrap();
    assert!(is_dir("a") && !is_dir("a/three") && !is_dir("no") && !is_dir("a/three/below"));
}

fn a_lock_excludes_until_it_is_dropped(bench: &Bench) {
    let path = bench.root.join("lock");
    assert_eq!(bench.disk.try_lock(&path).err().unwrap().source.kind(), ErrorKind::NotFound);
    bench.write(&path, b"");
    let first = bench.disk.try_lock(&path).unwrap();
    assert!(first.is_some());
    assert!(bench.disk.try_lock(&path).unwrap().is_none());
    drop(first);
    assert!(bench.disk.try_lock(&path).unwrap().is_some());
}
