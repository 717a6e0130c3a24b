//! A vault that is hostile to its clients: whatever it says, they end soon, in little memory, and believe nothing wrong.

use crate::bench::{HOST, RESTORER, key};
use crate::script::{Say, Script, VAULT, answer, ok};
use std::time::{Duration, Instant};
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};
use vow_protocol::limits::ENTRIES_PAGE_MAX;
use vow_protocol::wire::{Base64, Entries, Hex, HostEntry, Hosts, Ids, Objects};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object, Snapshot};

const ID: ObjectId = ObjectId([1; 32]);

fn host() -> HostId {
    key(HOST).public().host_id()
}

fn get(script: &Script) -> Result<Vec<u8>, VaultError> {
    let start = Instant::now();
    let got = script.client(RESTORER).get(&host(), Kind::List, &ID);
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    got
}

#[track_caller]
fn refuses_protocol<T: std::fmt::Debug>(got: Result<T, VaultError>) {
    assert!(matches!(got, Err(VaultError::Protocol { .. })), "{got:?}");
}

#[track_caller]
fn gives_up<T: std::fmt::Debug>(got: Result<T, VaultError>) {
    assert!(matches!(&got, Err(error) if error.is_unreachable()), "{got:?}");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Script::saying(ok(b"gotcha"));
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("location: https://{}/v1/vault\r\n", elsewhere.address);
        refuses_protocol(get(&Script::saying(answer(status, &location, b""))));
    }
    assert!(elsewhere.heard.lock().unwrap().is_empty());
}

#[test]
fn absurd_lengths_are_refused_before_anything_is_read() {
    for length in ["1048577", "1000000000000000000", "18446744073709551615"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let script = Script::start(move |_| vec![Say::Bytes(head.clone().into()), Say::Silence]);
        refuses_protocol(get(&script));
    }
    for length in ["-1", "18446744073709551616", "1, 2", "0x10", "ten"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        refuses_protocol(get(&Script::saying(head)));
    }
}

#[test]
fn bodies_without_end_are_cut_at_the_limit() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [&b"10000\r\n"[..], &[7; 0x10000], b"\r\n"].concat();
    let script = Script::start(move |_| vec![Say::Bytes(chunked.to_vec()), Say::ForEver(chunk.clone())]);
    refuses_protocol(get(&script));
    // Until the connection ends, which it never does.
    let open = b"HTTP/1.1 200 OK\r\n\r\n";
    let script = Script::start(move |_| vec![Say::Bytes(open.to_vec()), Say::ForEver(vec![7; 4096])]);
    refuses_protocol(get(&script));
    let error = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [&b"10000\r\n"[..], &[7; 0x10000], b"\r\n"].concat();
    let script = Script::start(move |_| vec![Say::Bytes(error.to_vec()), Say::ForEver(chunk.clone())]);
    refuses_protocol(get(&script));
}

#[test]
fn heads_without_end_are_given_up() {
    let line = b"HTTP/1.1 200 OK\r\n".to_vec();
    for endless in [b"a: b\r\n".to_vec(), vec![b'a'; 1000], b"x: \xff\xfe\r\n".to_vec()] {
        let line = line.clone();
        let script = Script::start(move |_| vec![Say::Bytes(line.clone()), Say::ForEver(endless.clone())]);
        assert!(matches!(get(&script), Err(VaultError::Protocol { .. } | VaultError::Unreachable { .. })));
    }
    // Each of these is a whole head that promises another one.
    let script = Script::start(|_| vec![Say::ForEver(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())]);
    gives_up(get(&script));
    let script = Script::start(|_| vec![Say::Drip(b"a".to_vec(), Duration::from_millis(50))]);
    assert!(matches!(get(&script), Err(VaultError::Protocol { .. } | VaultError::Unreachable { .. })));
}

#[test]
fn silence_and_drips_are_given_up() {
    gives_up(get(&Script::start(|_| vec![Say::Silence])));
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let script = Script::start(|_| vec![Say::Bytes(head.to_vec()), Say::Silence]);
    gives_up(get(&script));
    let script = Script::start(|_| {
        vec![Say::Bytes(head.to_vec()), Say::Drip(b"x".to_vec(), Duration::from_millis(20))]
    });
    gives_up(get(&script));
}

#[test]
fn an_answer_that_is_cut_short_is_no_answer() {
    gives_up(get(&Script::saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")));
    gives_up(get(&Script::saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n")));
    gives_up(get(&Script::saying("HTTP/1.1 200 OK\r\ncontent-le")));
    gives_up(get(&Script::saying("")));
    let put = Script::saying("HTTP/1.1 20").client(HOST).put(Kind::List, &ObjectId::of(b"x"), b"x");
    gives_up(put);
}

#[test]
fn garbage_is_refused() {
    for garbage in
        ["\0\0\0\0\0\0\0\0\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/9.9 200 OK\r\n\r\n", "200 OK\r\n\r\n"]
    {
        refuses_protocol(get(&Script::saying(garbage)));
    }
    // Statuses that have no meaning here, success among them.
    for status in
        ["202 Accepted", "203 Who", "204 None", "206 Part", "226 IM", "299 Fine", "402 Pay", "505 No"]
    {
        refuses_protocol(get(&Script::saying(answer(status, "", b""))));
    }
    let pack = Object::new(Kind::Pack, vec![7; 500]);
    for status in ["202 Accepted", "204 None", "206 Part"] {
        let script = Script::saying(answer(status, "", b""));
        refuses_protocol(script.client(HOST).put(Kind::Pack, &pack.id, &pack.bytes));
    }
}

#[test]
fn json_that_is_not_the_protocols_is_refused() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let zeros = "00".repeat(32);
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "{\"objects\": {}, \"more\": false}",
        "{\"objects\": [[1, 2]], \"more\": false}",
        "{\"objects\": [], \"more\": \"no\"}",
        "{\"objects\": []}",
        &format!("{{\"objects\": [[\"{zeros}\", -1]], \"more\": false}}"),
        &format!("{{\"objects\": [[\"{zeros}\", 1e99]], \"more\": false}}"),
        &format!("{{\"objects\": [[\"{}\", 1]], \"more\": false}}", "AA".repeat(32)),
        &deep,
    ] {
        let got = Script::saying(ok(body.as_bytes())).client(RESTORER).objects(&host(), Kind::Pack);
        refuses_protocol(got);
    }
}

#[test]
fn an_object_is_what_its_name_says_or_damaged() {
    let damaged = get(&Script::saying(ok(b"something else")));
    assert!(matches!(&damaged, Err(VaultError::Damaged { id, .. }) if *id == ID), "{damaged:?}");
    let right = b"right".to_vec();
    let script = Script::saying(ok(&right));
    assert_eq!(script.client(RESTORER).get(&host(), Kind::List, &ObjectId::of(&right)).unwrap(), right);
}

#[test]
fn a_range_is_the_one_asked_for_or_refused() {
    let range = |script: &Script| script.client(RESTORER).pack_range(&host(), &ID, 10, 4);
    let part = |said: &str, body: &[u8]| {
        Script::saying(answer("206 Partial Content", &format!("content-range: {said}\r\n"), body))
    };
    assert_eq!(range(&part("bytes 10-13/100", b"abcd")).unwrap(), b"abcd");
    for (said, body) in [
        ("bytes 10-13/100", &b"abc"[..]),
        ("bytes 10-13/100", b"abcde"),
        ("bytes 10-14/100", b"abcd"),
        ("bytes 0-3/100", b"abcd"),
        ("bytes 110-13/100", b"abcd"),
        ("", b"abcd"),
    ] {
        refuses_protocol(range(&part(said, body)));
    }
    refuses_protocol(range(&Script::saying(ok(b"abcd"))));
    refuses_protocol(range(&Script::saying(answer("206 Partial Content", "", b"abcd"))));
}

#[test]
fn missing_is_only_what_was_asked_for() {
    let script = Script::json(&Ids { ids: vec![Hex(ObjectId([9; 32]))] });
    refuses_protocol(script.client(HOST).missing(Kind::Pack, &[ID]));
    let script = Script::json(&Ids { ids: vec![Hex(ID), Hex(ID)] });
    assert_eq!(script.client(HOST).missing(Kind::Pack, &[ID]).unwrap(), [ID]);
}

#[test]
fn lists_out_of_order_or_without_end_are_refused() {
    let object = |n: u8| (Hex(ObjectId([n; 32])), 1);
    let list = |objects: Vec<_>, more| {
        let script = Script::json(&Objects { objects, more });
        script.client(RESTORER).objects(&host(), Kind::Pack)
    };
    assert_eq!(list(vec![object(1), object(2)], false).unwrap().len(), 2);
    refuses_protocol(list(vec![object(2), object(1)], false));
    refuses_protocol(list(vec![object(1), object(1)], false));
    // The same page again and again.
    refuses_protocol(list(vec![object(1), object(2)], true));
    refuses_protocol(list(vec![], true));
    let many = (0..20_000u32).map(|n| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        (Hex(ObjectId(id)), 1)
    });
    refuses_protocol(list(many.collect(), false));
    let names = Hosts {
        hosts: vec![HostEntry { key: Hex(key(1).public()), tenant: "".into(), name: "\x1b[2J".into() }],
    };
    refuses_protocol(Script::json(&names).client(RESTORER).hosts());
}

fn receipt(position: u64) -> Receipt {
    Receipt {
        version: 1,
        vault_key: key(VAULT).public().0,
        position,
        previous: Some(ID),
        host: host().0,
        manifest: ID,
        sequence: position,
        received: 1,
        event: Event::Committed,
    }
}

fn page(entries: &[Vec<u8>], more: bool) -> Script {
    Script::json(&Entries { entries: entries.iter().cloned().map(Base64).collect(), more })
}

#[test]
fn receipts_count_only_when_the_pinned_vault_signed_them_for_this_host() {
    let vault = key(VAULT);
    let receipts = |entries: &[Vec<u8>], more| page(entries, more).client(HOST).receipts();
    let good = [receipt(3).seal(&vault), receipt(5).seal(&vault)];
    assert_eq!(receipts(&good, false).unwrap().len(), 2);

    let by_other = Receipt { vault_key: key(9).public().0, ..receipt(3) }.seal(&key(9));
    assert!(matches!(receipts(&[by_other], false), Err(VaultError::Ledger { position: 3, .. })));
    let forged = receipt(3).seal(&key(9));
    assert!(matches!(receipts(&[forged], false), Err(VaultError::Signed { .. })));
    let mut flipped = good[0].clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(receipts(&[flipped], false), Err(VaultError::Signed { .. })));
    for short in [0, 8, 50, good[0].len() - 1] {
        assert!(matches!(receipts(&[good[0][..short].to_vec()], false), Err(VaultError::Signed { .. })));
    }
    let long = vec![[b"VOWRCPT1", &[0; 5000][..]].concat()];
    assert!(matches!(receipts(&long, false), Err(VaultError::Signed { .. })));

    let foreign = Receipt { host: [9; 32], ..receipt(4) }.seal(&vault);
    refuses_protocol(receipts(&[good[0].clone(), foreign], false));
    refuses_protocol(receipts(&[good[1].clone(), good[0].clone()], false));
    refuses_protocol(receipts(&[good[0].clone(), good[0].clone()], false));
    refuses_protocol(receipts(&good, true));
    refuses_protocol(receipts(&[], true));
    let many: Vec<_> = (1..=ENTRIES_PAGE_MAX as u64 + 1).map(|at| receipt(at).seal(&vault)).collect();
    refuses_protocol(receipts(&many, false));
}

#[test]
fn a_ledger_has_no_gaps_and_one_chain() {
    let vault = key(VAULT);
    let first = Receipt { previous: None, ..receipt(1) }.seal(&vault);
    let second = Receipt { previous: Some(ObjectId::of(&first)), ..receipt(2) }.seal(&vault);
    let ledger = |entries: &[Vec<u8>], after| page(entries, false).client(RESTORER).ledger(after, None);
    assert_eq!(ledger(&[first.clone(), second.clone()], 0).unwrap().entries.len(), 2);
    assert_eq!(ledger(std::slice::from_ref(&second), 1).unwrap().entries.len(), 1);
    let wrong = |got, at| {
        assert!(matches!(&got, Err(VaultError::Ledger { position, .. }) if *position == at), "{got:?}");
    };
    wrong(ledger(std::slice::from_ref(&second), 0), 1);
    wrong(ledger(&[first.clone(), receipt(2).seal(&vault)], 0), 2);
    wrong(ledger(&[first.clone(), receipt(3).seal(&vault)], 0), 2);
    wrong(ledger(&[receipt(1).seal(&vault)], 0), 1);
    let head = |bytes: &[u8]| Script::saying(ok(bytes)).client(RESTORER).head();
    assert_eq!(head(&second).unwrap().unwrap().receipt.position, 2);
    assert!(matches!(head(&receipt(3).seal(&key(9))), Err(VaultError::Signed { .. })));
    assert!(matches!(head(b""), Err(VaultError::Signed { .. })));
}

fn snapshot() -> Snapshot {
    FakeHost::new(HOST).snapshot(7, 1, &mut Dice::new(3))
}

#[test]
fn a_receipt_counts_only_for_the_manifest_that_was_committed() {
    let vault = key(VAULT);
    let Snapshot { manifest, .. } = snapshot();
    let commit = |receipt: Receipt| {
        let script = Script::saying(ok(&receipt.seal(&vault)));
        script.client(HOST).commit(&manifest.id, &manifest.bytes)
    };
    let good = Receipt { manifest: manifest.id, sequence: 7, ..receipt(3) };
    assert_eq!(commit(good.clone()).unwrap(), good);
    refuses_protocol(commit(Receipt { manifest: ID, ..good.clone() }));
    refuses_protocol(commit(Receipt { sequence: 8, ..good.clone() }));
    refuses_protocol(commit(Receipt { host: [9; 32], ..good.clone() }));
    let other = Script::saying(ok(&Receipt { vault_key: key(9).public().0, ..good.clone() }.seal(&key(9))));
    let refused = other.client(HOST).commit(&manifest.id, &manifest.bytes);
    assert!(matches!(refused, Err(VaultError::Ledger { .. })), "{refused:?}");
    let forged = Script::saying(ok(&good.seal(&key(9))));
    let refused = forged.client(HOST).commit(&manifest.id, &manifest.bytes);
    assert!(matches!(refused, Err(VaultError::Signed { .. })), "{refused:?}");
    for empty in
        [ok(b""), answer("201 Created", "", b""), answer("409 Conflict", "", b"{\"error\":\"missing\"}")]
    {
        assert!(Script::saying(empty).client(HOST).commit(&manifest.id, &manifest.bytes).is_err());
    }
    let none = br#"{"error":"missing","message":"","missing":[],"count":7}"#;
    let script = Script::saying(answer("409 Conflict", "", none));
    refuses_protocol(script.client(HOST).commit(&manifest.id, &manifest.bytes));
}

#[test]
fn a_vault_that_says_it_is_another_one_is_refused() {
    for (vault, protocol) in [(key(9).public(), 1), (key(VAULT).public(), 2)] {
        let about = vow_protocol::wire::About {
            vault: Hex(vault),
            protocol,
            software: "x".into(),
            time: 0,
            role: None,
            host: None,
            introduced: None,
        };
        refuses_protocol(Script::json(&about).client(HOST).about());
    }
}

#[test]
fn what_it_says_in_errors_is_shown_without_control_characters() {
    let body = format!(r#"{{"error":"refused","message":"\u001b[2J\r\n{}"}}"#, "x".repeat(1 << 20));
    let script = Script::saying(answer("409 Conflict", "", body.as_bytes()));
    let error = script.client(HOST).put(Kind::List, &ObjectId::of(b"x"), b"x").unwrap_err().to_string();
    assert!(error.starts_with("refused:  [2J  xxx") && error.len() < 400, "{error}");
    let error = get(&Script::saying(answer("409 Conflict", "retry-after: 1\r\n", b"<html>"))).unwrap_err();
    assert!(matches!(error, VaultError::Refused(_)), "{error:?}");
}
