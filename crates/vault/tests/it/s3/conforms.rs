//! What every storage does, on every kind of bucket.

use crate::conformance::conformance;
use crate::double::{Double, options};
use std::sync::atomic::Ordering::SeqCst;
use vow_base::ObjectId;
use vow_base::publish::{PublishError, Published};
use vow_vault::storage::Storage;
use vow_vault::storage::s3::S3Options;

#[test]
fn a_bucket_with_locks() {
    conformance(&Double::start().storage("some/where"), 2500);
}

#[test]
fn a_bucket_with_locks_and_small_pages() {
    conformance(&Double::with(true, true, 7).storage("some/where"), 200);
}

#[test]
fn a_bucket_with_versions_only() {
    conformance(&Double::with(true, false, 100).storage(""), 1100);
}

#[test]
fn a_plain_bucket() {
    conformance(&Double::with(false, false, 100).storage("vow"), 1100);
}

#[test]
fn a_plain_bucket_with_pages_of_one() {
    conformance(&Double::with(false, false, 1).storage("vow"), 40);
    conformance(&Double::with(true, true, 1).storage("vow"), 40);
}

#[test]
fn prefixes_keep_vaults_apart() {
    let double = Double::start();
    let (a, b) = (double.storage("a"), double.storage("a/b"));
    a.create("VOW", b"of a", None).unwrap();
    assert_eq!(b.stat("VOW").unwrap(), None);
    b.create("VOW", b"of b", None).unwrap();
    assert_eq!(a.read("VOW", 100).unwrap(), b"of a");
    assert_eq!(a.names("").unwrap(), ["VOW", "b"]);
    assert_eq!(b.names("").unwrap(), ["VOW"]);
    // What consoles make so that a folder shows.
    double.bucket().put("a/", bytes::Bytes::new(), false, None);
    assert_eq!(a.names("").unwrap(), ["VOW", "b"]);
}

#[test]
fn names_that_a_vault_never_gives_are_refused() {
    let storage = Double::start().storage("a");
    for name in ["../b/VOW", "/VOW", "a//b", "a\0b", "a%2Fb", "", "ä"] {
        assert!(storage.read(name, 10).is_err(), "{name:?}");
        assert!(storage.create(name, b"x", None).is_err(), "{name:?}");
    }
    assert!(storage.begin("vault.key", None, true).is_err(), "no secret in a bucket");
}

#[test]
fn the_store_checks_the_same_digest_that_is_the_name() {
    let double = Double::start();
    let storage = double.storage("a");
    let id = ObjectId::of(b"bytes");
    double.faults.garble.store(true, SeqCst);
    storage.create(&id.to_string(), b"bytes", Some(&id)).unwrap();
    double.faults.garble.store(false, SeqCst);
    // What is there already is read, not believed.
    let again = storage.create(&id.to_string(), b"bytes", Some(&id)).unwrap_err();
    assert!(matches!(again, PublishError::Occupied { .. }), "{again}");
}

#[test]
fn uploads_share_their_memory_and_all_come_to_an_end() {
    let double = Double::start();
    let mib = 1024 * 1024;
    // Room for the largest object, and little else.
    let storage = double.storage_with("a", S3Options { buffer_bytes: 70 * mib, ..options() });
    let bytes = vec![7; 20 * mib];
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (storage, bytes) = (&storage, &bytes);
            scope.spawn(move || {
                let mut upload = storage.begin(&format!("large-{n}"), None, false).unwrap();
                for piece in bytes.chunks(mib / 2) {
                    upload.write(piece).unwrap();
                    std::thread::yield_now();
                }
                assert_eq!(upload.finish().unwrap(), Published::New);
            });
        }
        // Small ones wait for nobody.
        scope.spawn(|| storage.create("small", b"small", None).unwrap());
    });
    assert_eq!(storage.names("").unwrap().len(), 9);
    let mut too_large = storage.begin("too-large", None, false).unwrap();
    let written = (0..140).try_for_each(|_| too_large.write(&bytes[..mib / 2]));
    assert_eq!(written.unwrap_err().source.kind(), std::io::ErrorKind::FileTooLarge);
}
