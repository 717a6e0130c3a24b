//! Stores and connections that fail: tried again for a while, and then an error that says what and where.

use crate::double::{Double, options};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use vow_base::publish::{PublishError, Published};
use vow_vault::storage::Storage;
use vow_vault::storage::s3::{S3Options, S3Storage};

const FOR_EVER: usize = usize::MAX;

#[test]
fn a_store_that_is_busy_for_a_moment_is_asked_again() {
    let double = Double::start();
    let storage = double.storage("a");
    for n in 0..4 {
        let name = format!("name-{n}");
        double.faults.slow_down.store(n, SeqCst);
        double.faults.internal_error.store(n, SeqCst);
        assert_eq!(storage.create(&name, b"bytes", None).unwrap(), Published::New);
        double.faults.slow_down.store(n, SeqCst);
        assert_eq!(storage.read(&name, 10).unwrap(), b"bytes");
        double.faults.internal_error.store(n, SeqCst);
        assert_eq!(storage.list("").unwrap().len(), n + 1);
        double.faults.hang_up.store(n, SeqCst);
        assert_eq!(storage.stat(&name).unwrap().unwrap().length, 5);
    }
}

#[test]
fn a_store_that_stays_busy_is_an_error_soon_enough() {
    let double = Double::start();
    let patience = Duration::from_millis(500);
    let storage = double.storage_with("a", S3Options { patience, ..options() });
    storage.create("there", b"bytes", None).unwrap();
    for fault in [&double.faults.slow_down, &double.faults.internal_error, &double.faults.hang_up] {
        fault.store(FOR_EVER, SeqCst);
        let begun = Instant::now();
        let errors = [
            storage.create("name", b"bytes", None).unwrap_err().to_string(),
            storage.read("there", 10).unwrap_err().to_string(),
            storage.stat("there").unwrap_err().to_string(),
            storage.list("folder").unwrap_err().to_string(),
        ];
        assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
        fault.store(0, SeqCst);
        for (error, name) in errors.iter().zip(["name", "there", "there", "folder"]) {
            assert!(error.contains(&format!("s3://vow-test/a/{name}")), "{error}");
            let cause = ["SlowDown", "InternalError", "did not answer", "HTTP status 50"];
            assert!(cause.iter().any(|cause| error.contains(cause)), "{error}");
        }
    }
    assert_eq!(storage.stat("name").unwrap(), None);
    assert_eq!(storage.read("there", 10).unwrap(), b"bytes");
}

#[test]
fn answers_that_are_cut_off_are_completed() {
    let double = Double::start();
    let storage = double.storage("a");
    let bytes: Vec<u8> = (0..500_000_u32).map(|n| (n >> 3) as u8).collect();
    storage.create("large", &bytes, None).unwrap();
    for cuts in [1, 2, 3] {
        double.faults.cut.store(cuts, SeqCst);
        assert!(storage.read("large", 1 << 20).unwrap() == bytes);
        double.faults.cut.store(cuts, SeqCst);
        assert!(storage.read_range("large", 1000, 300_000).unwrap() == bytes[1000..301_000]);
        double.faults.cut.store(cuts, SeqCst);
        assert_eq!(storage.names("").unwrap(), ["large"]);
        // Comparing reads, too.
        double.faults.cut.store(cuts, SeqCst);
        assert_eq!(storage.create("large", &bytes, None).unwrap(), Published::AlreadyThere);
    }
    double.faults.cut.store(FOR_EVER, SeqCst);
    assert!(storage.read("large", 1 << 20).is_err());
    assert!(storage.list("").is_err());
}

#[test]
fn a_lost_answer_loses_nothing_and_repeats_nothing() {
    let double = Double::start();
    let storage = double.storage("a");
    for lost in [1, 2] {
        let name = format!("name-{lost}");
        double.faults.lose_answer.store(lost, SeqCst);
        // The first try was the one that did it; the next one finds it done.
        assert_eq!(storage.create(&name, b"bytes", None).unwrap(), Published::AlreadyThere);
        assert_eq!(double.bucket().keys[&format!("a/{name}")].len(), 1);
        double.faults.lose_answer.store(0, SeqCst);
    }
    // Somebody else's bytes are not taken for ours.
    storage.create("taken", b"theirs", None).unwrap();
    double.faults.hang_up.store(1, SeqCst);
    assert!(matches!(storage.create("taken", b"ours", None), Err(PublishError::Occupied { .. })));
}

#[test]
fn a_conflict_that_comes_to_nothing_is_tried_again() {
    let double = Double::start();
    let storage = double.storage("a");
    double.faults.conflict.store(3, SeqCst);
    assert_eq!(storage.create("name", b"bytes", None).unwrap(), Published::New);
    double.faults.conflict.store(FOR_EVER, SeqCst);
    assert!(matches!(storage.create("other", b"bytes", None), Err(PublishError::Disk(_))));
    // With somebody who did finish it is a matter of bytes.
    assert_eq!(storage.create("name", b"bytes", None).unwrap(), Published::AlreadyThere);
    assert!(matches!(storage.create("name", b"other", None), Err(PublishError::Occupied { .. })));
}

#[test]
fn a_bucket_that_is_not_there_is_an_error_and_not_an_empty_one() {
    let double = Double::start();
    let error = S3Storage::open("s3://no-such-bucket/a", double.env(), options()).unwrap_err().to_string();
    assert!(error.contains("NoSuchBucket") && error.contains("s3://no-such-bucket/a"), "{error}");
}

#[test]
fn nobody_listening_is_an_error() {
    let env = Double::start().env();
    let patience = Duration::from_secs(1);
    let error =
        S3Storage::open(&Double::url("a"), env, S3Options { patience, ..options() }).unwrap_err().to_string();
    assert!(error.contains("s3://vow-test/a") && error.contains("refused"), "{error}");
}
