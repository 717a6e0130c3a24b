//! Reading, listing and writing what is somebody else's. Foreign and absent are told apart by nothing.

use super::siege::Siege;
use crate::stand::{Party, Stand, path_of, snapshot};
use crate::wire::Reply;
use std::time::{Duration, Instant};
use vow_base::ObjectId;
use vow_base::vault::Kind;

const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

/// What tells one answer from another, but its date.
fn face(reply: &Reply) -> (u16, Vec<u8>, Vec<(String, String)>) {
    let headers = reply.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (reply.status, reply.body.clone(), headers)
}

#[test]
fn a_host_reads_nothing_but_its_index_segments() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    let siege = Siege::begin(&stand);
    for object in own.objects.iter().chain([&own.manifest]).filter(|object| object.kind != Kind::Index) {
        for method in ["GET", "HEAD"] {
            let mut wire = host.connect().unwrap();
            let reply = wire.ask(method, &host.path(object.kind, &object.id), None).unwrap();
            assert_eq!(reply.status, 404);
        }
        let mut wire = host.connect().unwrap();
        let path = host.path(object.kind, &object.id);
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: v\r\nrange: bytes=0-0\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(wire.answer(false).unwrap().status, 404);
        let list = format!("/v1/hosts/{}/{}", host.id(), object.kind.folder());
        assert_eq!(host.ask("GET", &list, None).status, 404);
    }
    for path in ["/v1/hosts", "/v1/ledger", "/v1/status", "/metrics"] {
        assert_eq!(host.ask("GET", path, None).status, 404, "{path}");
    }
    assert_eq!(host.ask("GET", &format!("/v1/hosts/{}/snapshots", host.id()), None).status, 404);
    siege.end(|_| false);
}

#[test]
fn foreign_and_absent_look_alike_for_every_request() {
    let stand = Stand::new("");
    let (host, victim, sister) = (stand.host(1, "acme"), stand.host(2, "other"), stand.host(3, "acme"));
    let theirs = snapshot(2, 1);
    assert_eq!(victim.commit(&theirs).status, 200);
    assert_eq!(sister.commit(&snapshot(3, 1)).status, 200);
    let nowhere = stand.stranger(77).id();
    let reader = stand.with(10, &format!("restore=host={}", host.id()));
    let siege = Siege::begin(&stand);
    let ask = |party: &Party, method: &str, path: String, body: Option<&[u8]>| {
        face(&party.ask(method, &path, body))
    };
    for party in [&host, &reader] {
        for kind in KINDS {
            let there =
                theirs.objects.iter().chain([&theirs.manifest]).find(|object| object.kind == kind).unwrap();
            let gone = ObjectId([9; 32]);
            for (method, body) in [("GET", None), ("PUT", Some(&there.bytes[..]))] {
                let absent = ask(party, method, path_of(&nowhere, kind, &gone), body);
                assert_eq!(absent.0, 404);
                for id in [&there.id, &gone] {
                    assert_eq!(ask(party, method, path_of(&victim.id(), kind, id), body), absent);
                    assert_eq!(ask(party, method, path_of(&sister.id(), kind, id), body), absent);
                }
            }
            let ids = format!(r#"{{"ids":["{}"]}}"#, there.id);
            for (method, tail, body) in [
                ("POST", format!("{}/missing", kind.folder()), Some(ids.as_bytes())),
                ("GET", kind.folder().to_owned(), None),
                ("GET", "receipts".to_owned(), None),
                ("GET", "snapshots".to_owned(), None),
            ] {
                let of = |host| format!("/v1/hosts/{host}/{tail}");
                let absent = ask(party, method, of(nowhere), body);
                assert_eq!(absent.0, 404);
                assert_eq!(ask(party, method, of(victim.id()), body), absent, "{method} {tail}");
                assert_eq!(ask(party, method, of(sister.id()), body), absent, "{method} {tail}");
            }
        }
    }
    siege.end(|_| false);
}

/// Not a proof, but it fails when somebody looks at the disk before deciding: the medians of many requests lie close together.
#[test]
fn foreign_and_absent_take_the_same_time() {
    let stand = Stand::new("[limits]\nrequests_per_second = 100000\n");
    let (host, victim) = (stand.host(1, "acme"), stand.host(2, "other"));
    let theirs = snapshot(2, 1);
    assert_eq!(victim.commit(&theirs).status, 200);
    let there = path_of(&victim.id(), Kind::Pack, &theirs.objects[0].id);
    let gone = path_of(&stand.stranger(77).id(), Kind::Pack, &ObjectId([9; 32]));
    let mut wire = host.connect().unwrap();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..2000 {
        for (path, times) in [&there, &gone].into_iter().zip(&mut times) {
            let began = Instant::now();
            assert_eq!(wire.ask("GET", path, None).unwrap().status, 404);
            times.push(began.elapsed());
        }
    }
    let [foreign, absent] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let apart = foreign.abs_diff(absent);
    println!("foreign {foreign:?}, absent {absent:?}");
    assert!(apart < Duration::from_micros(30).max(absent / 5), "foreign {foreign:?}, absent {absent:?}");
}
