//! What is promised is never promised twice, and what came to nothing is free again.

use super::*;
use crate::server::config::{Bytes, QuotaFor};
use vow_base::sign::PublicKey;

fn host(seed: u8, tenant: &str, name: &str) -> AdmittedHost {
    AdmittedHost { key: PublicKey([seed; 32]), tenant: tenant.into(), name: name.into(), revoked: false }
}

fn usage() -> Arc<Usage> {
    let exception = |tenant: &str, name: Option<&str>, bytes| QuotaFor {
        tenant: tenant.into(),
        name: name.map(str::to_owned),
        bytes: Bytes(bytes),
    };
    Usage::new(Quota {
        host: Some(Bytes(100)),
        tenant: Some(Bytes(250)),
        exceptions: vec![exception("acme", Some("big"), 240), exception("tiny", None, 10)],
    })
}

#[test]
fn a_promise_is_kept_or_comes_back() {
    let (usage, web) = (usage(), host(1, "acme", "web"));
    let first = usage.promise(&web, 60, false).expect("room");
    let second = usage.promise(&web, 40, false).expect("room");
    assert_eq!(usage.promise(&web, 1, false).err().map(|over| over.used_bytes), Some(100));
    drop(first);
    let third = usage.promise(&web, 60, false).expect("it came back");
    second.keep();
    third.keep();
    assert_eq!(usage.of_host(&web.key.host_id()).0, Tally { objects: 2, bytes: 100 });
    assert!(usage.promise(&web, 1, false).is_err());
    // What is stored can be committed all the same.
    assert!(usage.promise(&web, 1 << 20, true).is_ok());
}

#[test]
fn a_customer_has_one_quota_and_there_are_exceptions() {
    let (usage, web, big) = (usage(), host(1, "acme", "web"), host(2, "acme", "big"));
    usage.promise(&big, 200, false).expect("an exception").keep();
    let over = usage.promise(&web, 60, false).err().expect("too much for the customer");
    assert!(over.of_tenant && over.used_bytes == 200 && over.quota_bytes == 250);
    assert!(usage.promise(&host(3, "tiny", "a"), 11, false).is_err());
    assert!(usage.promise(&host(4, "other", "a"), 100, false).is_ok());
    // Without a customer only the host's own quota counts.
    let nobodys: Vec<_> = (5..20).map(|n| usage.promise(&host(n, "", "x"), 100, false)).collect();
    assert!(nobodys.iter().all(Result::is_ok));
}

#[test]
fn a_race_of_many_stays_within_the_quota() {
    let (usage, web) = (usage(), host(1, "acme", "web"));
    let won: usize = std::thread::scope(|scope| {
        let race = || (0..100).filter_map(|_| usage.promise(&web, 7, false).ok()).map(Promise::keep).count();
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
        racers.into_iter().map(|racer| racer.join().expect("no panic")).sum()
    });
    assert_eq!(won, 14);
    assert_eq!(usage.of_host(&web.key.host_id()).0.bytes, 98);
}

#[test]
fn a_count_replaces_what_was_guessed() {
    let (usage, web) = (usage(), host(1, "acme", "web"));
    let id = web.key.host_id();
    usage.promise(&web, 10, false).expect("room").keep();
    let mark = usage.begin_count(&web);
    assert!(!usage.of_host(&id).1);
    usage.promise(&web, 5, false).expect("room").keep();
    let found = Tally { objects: 4, bytes: 80 };
    assert!(usage.end_count(&id, mark, found), "something came while it was counted");
    assert_eq!(usage.of_host(&id), (Tally { objects: 5, bytes: 85 }, true));
    let mark = usage.begin_count(&web);
    assert!(!usage.end_count(&id, mark, Tally { objects: 1, bytes: 20 }), "nothing came");
    assert_eq!(usage.total(), Tally { objects: 1, bytes: 20 });
    // The customer's sum followed: 20 are used, 100 of the host's own are allowed.
    let big = host(2, "acme", "big");
    assert!(usage.promise(&big, 230, false).is_ok());
    assert!(usage.promise(&big, 231, false).is_err());
}
