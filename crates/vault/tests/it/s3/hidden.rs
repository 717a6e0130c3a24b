//! Delete markers and other objects over what is there, and quarantines, which do the same on purpose.

use crate::double::Double;
use std::sync::atomic::Ordering::SeqCst;
use vow_base::ObjectId;
use vow_base::publish::{PublishError, Published};
use vow_vault::storage::Storage;

/// As somebody with the bucket's credentials does it.
fn delete(double: &Double, key: &str) {
    double.bucket().put(key, bytes::Bytes::new(), true, None);
}

#[test]
fn a_delete_marker_makes_nothing_vanish() {
    for silent in [false, true] {
        let double = Double::start();
        let storage = double.storage("a");
        if silent {
            // A store that does not say why: the probe finds that out.
            double.faults.silent_markers.store(true, SeqCst);
            storage.probe().unwrap();
        }
        storage.create("ledger/1", b"an entry", None).unwrap();
        storage.create("ledger/2", b"another", None).unwrap();
        let seen = storage.stat("ledger/1").unwrap();
        delete(&double, "a/ledger/1");
        delete(&double, "a/ledger/1");
        assert_eq!(storage.stat("ledger/1").unwrap().map(|it| it.version), seen.clone().map(|it| it.version));
        assert_eq!(storage.read("ledger/1", 100).unwrap(), b"an entry");
        assert_eq!(storage.read_range("ledger/1", 3, 5).unwrap(), b"entry");
        assert_eq!(storage.names("ledger").unwrap(), ["1", "2"]);
        let hidden = storage.hidden().unwrap();
        assert!(hidden.len() == 1 && hidden[0].name == "ledger/1" && hidden[0].by_marker, "{hidden:?}");
        // The name is not free: a second entry at this position would be a fork.
        let taken = storage.create("ledger/1", b"a fork", None);
        assert!(matches!(taken, Err(PublishError::Occupied { .. })), "{taken:?}");
        assert_eq!(storage.create("ledger/1", b"an entry", None).unwrap(), Published::AlreadyThere);
        assert_eq!(storage.read("ledger/3", 100).unwrap_err().source.kind(), std::io::ErrorKind::NotFound);
        let locked = storage.remove("ledger/1", &seen.unwrap()).unwrap_err();
        assert_eq!(locked.source.kind(), std::io::ErrorKind::PermissionDenied, "{locked}");
        assert!(storage.stat("ledger/1").unwrap().is_some());
    }
}

#[test]
fn what_is_there_costs_one_request_and_what_is_not_there_costs_one_too() {
    let double = Double::start();
    let storage = double.storage("a");
    storage.create("name", b"x", None).unwrap();
    double.requests();
    storage.stat("name").unwrap();
    storage.stat("absent").unwrap();
    storage.read("name", 10).unwrap();
    storage.read_range("name", 0, 1).unwrap();
    assert_eq!(double.requests().len(), 4);
    let id = ObjectId::of(b"bytes");
    storage.create(&id.to_string(), b"bytes", Some(&id)).unwrap();
    assert_eq!(double.requests().len(), 1);
}

#[test]
fn another_object_over_one_is_told_and_goes_into_quarantine() {
    let double = Double::start();
    let storage = double.storage("a");
    storage.create("hosts/x", b"good", None).unwrap();
    double.bucket().put("a/hosts/x", "bad!".into(), false, None);
    assert_eq!(storage.read("hosts/x", 10).unwrap(), b"bad!");
    let hidden = storage.hidden().unwrap();
    assert!(hidden.len() == 1 && !hidden[0].by_marker && hidden[0].stat.length == 4, "{hidden:?}");
    storage.quarantine("hosts/x", "quarantine/x").unwrap();
    assert_eq!(storage.read("hosts/x", 10).unwrap(), b"good", "what was below it");
    assert_eq!(storage.read("quarantine/x", 10).unwrap(), b"bad!");
    assert!(storage.hidden().unwrap().is_empty());
}

#[test]
fn a_damaged_object_that_is_locked_makes_room_for_a_good_one() {
    let double = Double::start();
    let storage = double.storage("a");
    storage.create("hosts/x", b"bad", None).unwrap();
    storage.quarantine("hosts/x", "quarantine/x").unwrap();
    assert_eq!(storage.stat("hosts/x").unwrap(), None);
    assert!(storage.read("hosts/x", 10).unwrap_err().is_absent());
    assert!(storage.names("hosts").unwrap().is_empty());
    assert!(storage.hidden().unwrap().is_empty(), "this was no stranger");
    assert_eq!(double.bucket().keys["a/hosts/x"][0].bytes, "bad", "it is locked, and still there");
    // Once more, as after a crash half-way.
    storage.quarantine("hosts/x", "quarantine/x").unwrap();
    assert_eq!(storage.create("hosts/x", b"good", None).unwrap(), Published::New);
    assert_eq!(storage.read("hosts/x", 10).unwrap(), b"good");
    assert_eq!(storage.names("hosts").unwrap(), ["x"]);
    // And when a stranger hides the good one.
    delete(&double, "a/hosts/x");
    assert_eq!(storage.read("hosts/x", 10).unwrap(), b"good");
    assert_eq!(storage.hidden().unwrap().len(), 1);
}

#[test]
fn a_sweep_removes_the_version_it_saw_and_nothing_else() {
    let double = Double::with(true, false, 1000);
    let storage = double.storage("a");
    storage.create("x", b"old", None).unwrap();
    let seen = storage.stat("x").unwrap().unwrap();
    double.bucket().put("a/x", "new".into(), false, None);
    storage.remove("x", &seen).unwrap();
    assert_eq!(storage.read("x", 10).unwrap(), b"new");
    assert_eq!(double.bucket().keys["a/x"].len(), 1, "no delete marker");
    storage.remove("x", &storage.stat("x").unwrap().unwrap()).unwrap();
    assert!(!double.bucket().keys.contains_key("a/x"));
    let mut unsaid = seen;
    unsaid.version = None;
    assert!(storage.remove("x", &unsaid).is_err());
}

#[test]
fn without_versions_a_sweep_removes_what_has_not_changed() {
    let double = Double::with(false, false, 1000);
    let storage = double.storage("a");
    storage.create("x", b"old", None).unwrap();
    let seen = storage.stat("x").unwrap().unwrap();
    double.bucket().put("a/x", "new".into(), false, None);
    storage.remove("x", &seen).unwrap();
    assert_eq!(storage.read("x", 10).unwrap(), b"new");
    storage.remove("x", &storage.stat("x").unwrap().unwrap()).unwrap();
    assert_eq!(storage.stat("x").unwrap(), None);
}
