//! The one function that publishes, by itself: what every user of it gets, not only the vault.

use std::io::ErrorKind;
use std::path::Path;
use vow_base::ObjectId;
use vow_base::disk::Disk;
use vow_base::publish::{PublishError, Published, parent, publish};
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
        assert!(matches!(publish_on(&disk, other), Err(PublishError::Occupied { .. })));
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
    assert!(!disk.is_dir(Path::new(PATH)));
}

#[test]
fn a_bare_name_stands_in_the_working_folder() {
    for (path, folder) in [("vault", "."), ("a/b", "a"), ("/a", "/"), ("/", "/"), (".", ".")] {
        assert_eq!(parent(path.as_ref()), Path::new(folder), "{path}");
    }
}
