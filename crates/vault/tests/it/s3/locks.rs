//! Locks: on everything, never shorter, and not for ever because of a clock.

use crate::double::{Double, options};
use s3s::dto::Timestamp;
use std::time::{Duration, SystemTime};
use vow_vault::storage::Storage;
use vow_vault::storage::s3::S3Options;

const DAY: Duration = Duration::from_secs(86_400);

fn nanos(time: SystemTime) -> i64 {
    time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// Until when the newest version of a key is locked.
fn until(double: &Double, key: &str) -> Option<(bool, Timestamp)> {
    double.bucket().keys[key].last().unwrap().lock.clone()
}

#[test]
fn every_object_is_locked_from_the_start() {
    let double = Double::start();
    let storage = double.storage_with("a", S3Options { lock: DAY * 10, grace: DAY * 2, ..options() });
    storage.create("ledger/1", b"x", None).unwrap();
    storage.create("cache/x", b"x", None).unwrap();
    let (strict, end) = until(&double, "a/ledger/1").unwrap();
    let now = SystemTime::now();
    assert!(strict && end > (now + DAY * 12 - DAY / 24).into() && end < (now + DAY * 12 + DAY / 24).into());
    assert_eq!(until(&double, "a/cache/x"), None, "what can be deleted at any time");
}

#[test]
fn nothing_is_locked_where_nothing_can_be() {
    for versions in [false, true] {
        let double = Double::with(versions, false, 1000);
        let storage = double.storage("a");
        storage.create("x", b"x", None).unwrap();
        storage.extend_lock("x", nanos(SystemTime::now() + DAY)).unwrap();
        assert_eq!(until(&double, "a/x"), None);
        assert!(!storage.protection().locks);
    }
}

#[test]
fn a_lock_is_extended_and_never_shortened() {
    let double = Double::start();
    let options = S3Options { lock: DAY * 10, grace: DAY * 2, ..options() };
    let storage = double.storage_with("a", options.clone());
    storage.create("x", b"x", None).unwrap();
    let first = until(&double, "a/x").unwrap().1;
    let extend = |days| storage.extend_lock("x", nanos(SystemTime::now() + DAY * days));
    double.requests();
    for days in [0, 1, 9, 11] {
        extend(days).unwrap();
        assert_eq!(until(&double, "a/x").unwrap().1, first);
    }
    assert_eq!(double.requests().len(), 0, "what is known costs nothing");
    extend(13).unwrap();
    let second = until(&double, "a/x").unwrap().1;
    assert!(second > (SystemTime::now() + DAY * 13).into());
    assert_eq!(double.requests().len(), 2);
    extend(13).unwrap();
    extend(14).unwrap();
    assert_eq!(double.requests().len(), 0, "it was extended by the grace more than asked");
    assert_eq!(until(&double, "a/x").unwrap().1, second);

    // Another process, which knows nothing yet.
    let other = double.storage_with("a", options);
    double.requests();
    other.extend_lock("x", nanos(SystemTime::now() + DAY)).unwrap();
    assert_eq!(until(&double, "a/x").unwrap().1, second);
    other.extend_lock("x", nanos(SystemTime::now() + DAY)).unwrap();
    assert_eq!(double.requests().len(), 1, "one question, once");
}

#[test]
fn an_object_without_a_lock_gets_one_and_a_hidden_one_too() {
    let double = Double::start();
    double.bucket().put("a/x", "x".into(), false, None);
    let storage = double.storage("a");
    storage.extend_lock("x", nanos(SystemTime::now() + DAY)).unwrap();
    assert!(until(&double, "a/x").unwrap().0);
    double.bucket().put("a/y", "y".into(), false, None);
    double.bucket().put("a/y", "".into(), true, None);
    storage.extend_lock("y", nanos(SystemTime::now() + DAY)).unwrap();
    assert!(double.bucket().keys["a/y"][0].lock.is_some());
    assert!(storage.extend_lock("absent", nanos(SystemTime::now() + DAY)).unwrap_err().is_absent());
}

#[test]
fn a_clock_that_jumped_locks_nothing_for_years() {
    let double = Double::start();
    let storage = double.storage("a");
    storage.create("x", b"x", None).unwrap();
    let before = until(&double, "a/x");
    let error = storage.extend_lock("x", nanos(SystemTime::now() + DAY * 365 * 12)).unwrap_err().to_string();
    assert!(error.contains("clock"), "{error}");
    assert_eq!(until(&double, "a/x"), before);
    assert!(storage.extend_lock("x", i64::MAX).is_err());
}
