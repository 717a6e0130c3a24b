//! The one function that publishes, by itself: what every user of it gets, not only the vault.

use std::io::ErrorKind;
use std::path::Path;
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_base::disk::{Disk, DiskError, DiskFile, DiskLock};
use vow_base::publish::{Handle, PublishError, Published, Publishing, create_folders, parent, publish};
use vow_testkit::MemDisk;
use vow_testkit::mem_disk::{Action, Fate, Fault};

const PATH: &str = "/state/cache/a/object";

fn disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir("/tmp".as_ref()).unwrap();
    disk
}

fn publish_on(disk: &MemDisk, bytes: &[u8]) -> Result<Published, PublishError> {
    publish(disk, "/tmp".as_ref(), PATH.as_ref(), bytes, Some(&ObjectId::of(bytes)), false)
}

#[test]
fn it_is_durable_with_every_folder_made_for_it() {
    let disk = disk();
    assert_eq!(publish_on(&disk, b"bytes").unwrap(), Published::New);
    let cut = disk.crash(|_| Fate::Lost);
    assert_eq!(cut.read(PATH.as_ref(), 100).unwrap(), b"bytes");
    // Even when nothing new is written, the name is made durable: whoever gave it may have died before.
    let before = disk.operations().len();
    assert_eq!(publish_on(&disk, b"bytes").unwrap(), Published::AlreadyThere);
    let last = disk.operations().pop().unwrap();
    assert!(disk.operations().len() > before && last.action == Action::SyncDir, "{last:?}");
}

#[test]
fn what_stands_there_is_never_replaced() {
    let disk = disk();
    publish_on(&disk, b"bytes").unwrap();
    for other in [&b"other"[..], b"longer", b""] {
        let outcome = publish_on(&disk, other);
        let Err(PublishError::Occupied { reason, .. }) = outcome else { panic!("{outcome:?}") };
        let reasons = ["its bytes differ".to_owned(), format!("it has 5 bytes instead of {}", other.len())];
        assert_eq!(reason, reasons[usize::from(other.len() != 5)]);
    }
    assert_eq!(disk.read(PATH.as_ref(), 100).unwrap(), b"bytes");
    disk.remove(PATH.as_ref()).unwrap();
    disk.create_dir(PATH.as_ref()).unwrap();
    assert!(matches!(publish_on(&disk, b"bytes"), Err(PublishError::Occupied { .. })));
    assert!(disk.list("/tmp".as_ref()).unwrap().is_empty());
}

#[test]
fn whichever_operation_fails_nothing_partial_gets_the_name() {
    for n in 0.. {
        let disk = disk();
        disk.fail_at(n, Fault::Full);
        let outcome = publish_on(&disk, b"bytes");
        disk.heal();
        if let Err(error) = &outcome {
            let first = matches!(error, PublishError::Disk(error) if error.is_full());
            assert!(first, "operation {n}: the first error is the one that is reported, not {error}");
        }
        let (names, kept) = (disk.clone(), disk.crash(|_| Fate::Kept));
        for state in [names, kept] {
            match state.read(PATH.as_ref(), 100) {
                Ok(bytes) => assert_eq!(bytes, b"bytes", "operation {n}"),
                Err(error) => assert!(outcome.is_err() && error.source.kind() == ErrorKind::NotFound),
            }
        }
        publish_on(&disk, b"bytes").unwrap();
        if outcome.is_ok() {
            return assert!(n > 5, "the failures were not reached");
        }
    }
}

#[test]
fn what_is_not_what_its_name_says_gets_no_name() {
    let disk = disk();
    let name = ObjectId::of(b"bytes");
    let outcome = publish(&disk, "/tmp".as_ref(), PATH.as_ref(), b"other", Some(&name), false);
    let Err(PublishError::WrongHash { found, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(found, ObjectId::of(b"other"));
    assert!(disk.read(PATH.as_ref(), 100).is_err() && disk.list("/tmp".as_ref()).unwrap().is_empty());
}

#[test]
fn of_two_that_publish_at_once_the_second_finds_the_first() {
    for (bytes, same) in [(b"bytes", true), (b"other", false)] {
        let disk = disk();
        let begin = || {
            Publishing::begin(Handle::Borrowed(&disk), "/tmp".as_ref(), PATH.as_ref(), None, false).unwrap()
        };
        let (mut first, mut second) = (begin(), begin());
        // In pieces, each with the other's between.
        for (one, two) in b"bytes".iter().zip(bytes) {
            first.write(&[*one]).unwrap();
            second.write(&[*two]).unwrap();
        }
        assert_eq!(first.finish().unwrap(), Published::New);
        match second.finish() {
            Ok(Published::AlreadyThere) => assert!(same),
            Err(PublishError::Occupied { .. }) => assert!(!same),
            other => panic!("{other:?}"),
        }
        assert_eq!(disk.read(PATH.as_ref(), 100).unwrap(), b"bytes");
        assert!(disk.list("/tmp".as_ref()).unwrap().is_empty());
    }
}

/// A disk on which somebody else makes every folder but the root just after it was looked for.
struct Late(MemDisk);

impl Disk for Late {
    fn is_dir(&self, path: &Path) -> Result<bool, DiskError> {
        Ok(path == Path::new("/"))
    }
    fn create_new(&self, path: &Path, secret: bool) -> Result<Box<dyn DiskFile>, DiskError> {
        self.0.create_new(path, secret)
    }
    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.0.create_dir(path)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.0.rename_new(from, to)
    }
    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.0.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.0.sync_dir(path)
    }
    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        self.0.read(path, limit_bytes)
    }
    fn read_range(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.0.read_range(path, offset, length)
    }
    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        self.0.list(path)
    }
    fn stat(&self, path: &Path) -> Result<Option<(u64, Nanos)>, DiskError> {
        self.0.stat(path)
    }
    fn space(&self, path: &Path) -> Result<Option<(u64, u64)>, DiskError> {
        self.0.space(path)
    }
    fn try_lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError> {
        self.0.try_lock(path)
    }
}

#[test]
fn a_folder_that_somebody_else_makes_meanwhile_is_as_good() {
    let late = Late(disk());
    create_folders(&late, "/state/cache".as_ref()).unwrap();
    let once = late.0.operations().len();
    create_folders(&late, "/state/cache".as_ref()).unwrap();
    assert!(late.0.is_dir("/state/cache".as_ref()).unwrap());
    // Whoever made them may not have come to it yet: each name is made durable here as well.
    assert!(late.0.operations()[once..].iter().any(|operation| operation.action == Action::SyncDir));
    late.0.create_new("/state/file".as_ref(), false).unwrap();
    assert!(create_folders(&late, "/state/file/below".as_ref()).is_err());
}

#[test]
fn a_temporary_name_that_is_taken_stays_with_its_owner() {
    // The first attempt fails where the temporary file is made: nothing is removed, because nothing is ours.
    let dry = disk();
    let skip = dry.operations().len();
    publish_on(&dry, b"bytes").unwrap();
    let create = dry.operations()[skip..].iter().position(|o| o.action == Action::CreateNew).unwrap();
    let disk = disk();
    disk.fail_at(create, Fault::Broken);
    publish_on(&disk, b"bytes").unwrap_err();
    assert!(disk.operations().iter().all(|o| o.action != Action::Remove));
    assert!(!disk.is_dir(Path::new(PATH)).unwrap());
}

#[test]
fn a_bare_name_stands_in_the_working_folder() {
    for (path, folder) in [("vault", "."), ("a/b", "a"), ("/a", "/"), ("/", "/"), (".", ".")] {
        assert_eq!(parent(path.as_ref()), Path::new(folder), "{path}");
    }
    // A working folder that was removed has no parent in which it could be made.
    assert!(!disk().is_dir(".".as_ref()).unwrap() && create_folders(&disk(), ".".as_ref()).is_err());
}
