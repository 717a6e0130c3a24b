//! Every request of `docs/protocol.md`, by everybody who may and somebody who may not.

use crate::stand::{Party, Stand, path_of, snapshot};
use crate::tree;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vow_base::ObjectId;
use vow_base::introduction::Introduction;
use vow_base::receipt::Receipt;
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::Object;

fn receipts_of(reply: &crate::wire::Reply) -> Vec<Receipt> {
    let json = reply.json();
    let entries = json["receipts"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| Receipt::open(&STANDARD.decode(entry.as_str().unwrap()).unwrap()).unwrap())
        .collect()
}

#[test]
fn a_snapshot_goes_in_and_comes_back() {
    let stand = Stand::new("");
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=tenant=acme"));
    let snapshot = snapshot(1, 1);
    // Nothing is there; the commit says what it lacks.
    let manifest = host.path(Kind::Manifest, &snapshot.manifest.id);
    let lacking = host.ask("PUT", &manifest, Some(&snapshot.manifest.bytes));
    assert_eq!((lacking.status, lacking.word().as_str()), (409, "missing"), "{}", lacking.text());
    assert!(lacking.json()["count"].as_u64().unwrap() >= 2);
    let packs = snapshot.of_kind(Kind::Pack);
    let ids: Vec<_> = packs.iter().map(|pack| pack.id.to_string()).collect();
    let asked = serde_json::json!({ "ids": ids }).to_string();
    let missing = host.ask("POST", &format!("/v1/hosts/{}/packs/missing", host.id()), Some(asked.as_bytes()));
    assert_eq!(missing.json()["ids"].as_array().unwrap().len(), ids.len());
    for object in &snapshot.objects {
        assert_eq!(host.put(object).status, 201);
        assert_eq!(host.put(object).status, 200, "it is there");
    }
    let missing = host.ask("POST", &format!("/v1/hosts/{}/packs/missing", host.id()), Some(asked.as_bytes()));
    assert_eq!(missing.text(), r#"{"ids":[]}"#);
    let receipt = host.ask("PUT", &manifest, Some(&snapshot.manifest.bytes));
    assert_eq!((receipt.status, receipt.header("content-type")), (200, Some("application/octet-stream")));
    let parsed = Receipt::open(&receipt.body).unwrap();
    assert_eq!((parsed.position, parsed.manifest), (1, snapshot.manifest.id));
    // Again: the same receipt, to the byte.
    assert_eq!(host.ask("PUT", &manifest, Some(&snapshot.manifest.bytes)).body, receipt.body);
    let listed = host.ask("GET", &format!("/v1/hosts/{}/receipts", host.id()), None);
    assert_eq!(receipts_of(&listed), std::slice::from_ref(&parsed));
    let later = host.ask("GET", &format!("/v1/hosts/{}/receipts?after=1", host.id()), None);
    assert_eq!(later.text(), r#"{"receipts":[],"more":false}"#);
    let head = host.ask("GET", "/v1/head", None);
    assert_eq!(head.body, receipt.body);
    // Its own index segments, and nothing else, come back to the host.
    for object in &snapshot.objects {
        let path = host.path(object.kind, &object.id);
        let own = host.ask("GET", &path, None);
        match object.kind {
            Kind::Index => assert_eq!((own.status, own.body), (200, object.bytes.clone())),
            _ => assert_eq!((own.status, own.word().as_str()), (404, "absent")),
        }
        // The reader gets everything.
        let read = reader.ask("GET", &path, None);
        assert_eq!((read.status, &read.body), (200, &object.bytes));
        let head = reader.ask("HEAD", &path, None);
        assert_eq!(head.header("content-length"), Some(object.bytes.len().to_string().as_str()));
    }
    assert_eq!(reader.ask("GET", &manifest, None).body, snapshot.manifest.bytes);
    let snapshots = reader.ask("GET", &format!("/v1/hosts/{}/snapshots", host.id()), None);
    assert_eq!(receipts_of(&snapshots), [parsed]);
    let hosts = reader.ask("GET", "/v1/hosts", None).json();
    assert_eq!(hosts["hosts"][0]["tenant"], "acme");
    assert_eq!(hosts["hosts"][0]["name"], "n1");
}

#[test]
fn parts_of_an_object_are_given_out() {
    let stand = Stand::new("");
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=all"));
    let pack = Object::random(Kind::Pack, 700_000, &mut Dice::new(1));
    assert_eq!(host.put(&pack).status, 201);
    let mut wire = reader.connect().unwrap();
    let mut part = |range: &str| {
        let path = host.path(Kind::Pack, &pack.id);
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: v\r\nrange: {range}\r\n\r\n").as_bytes()).unwrap();
        wire.answer(false).unwrap()
    };
    let reply = part("bytes=299990-600000");
    assert_eq!((reply.status, reply.header("content-range")), (206, Some("bytes 299990-600000/700000")));
    assert_eq!(reply.body, pack.bytes[299_990..=600_000]);
    assert_eq!(part("bytes=699999-699999").body, pack.bytes[699_999..]);
    for outside in ["bytes=0-700000", "bytes=5-4", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", "items=0-1"] {
        let reply = part(outside);
        assert_eq!((reply.status, reply.word().as_str()), (416, "range"), "{outside}");
    }
}

#[test]
fn lists_come_in_pages_and_in_order() {
    let stand = Stand::new("");
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "replicate"));
    let mut dice = Dice::new(3);
    let mut objects: Vec<_> = (0..40).map(|_| Object::random(Kind::Pack, 200, &mut dice)).collect();
    objects.iter().for_each(|object| assert_eq!(host.put(object).status, 201));
    objects.sort_by_key(|object| object.id);
    let list = |after: Option<&ObjectId>| {
        let query = after.map(|id| format!("?after={id}")).unwrap_or_default();
        reader.ask("GET", &format!("/v1/hosts/{}/packs{query}", host.id()), None).json()
    };
    let expected = |from: usize| {
        let listed: Vec<_> =
            objects[from..].iter().map(|o| serde_json::json!([o.id.to_string(), 200])).collect();
        serde_json::json!({"objects": listed, "more": false})
    };
    assert_eq!(list(None), expected(0));
    assert_eq!(list(Some(&objects[17].id)), expected(18));
    assert_eq!(list(Some(&objects[39].id)), expected(40));
}

#[test]
fn wrong_bytes_and_wrong_lengths_are_refused_and_leave_nothing() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let before = stand.tree();
    let pack = Object::random(Kind::Pack, 300_000, &mut Dice::new(1));
    let path = host.path(Kind::Pack, &pack.id);
    let reply = host.ask("PUT", &path, Some(&pack.bytes[1..]));
    assert_eq!((reply.status, reply.word().as_str()), (422, "hash"));
    let reply = host.ask("PUT", &path, Some(b""));
    assert_eq!((reply.status, reply.word().as_str()), (400, "malformed"));
    let raw = |head: &str| {
        let mut wire = host.connect().unwrap();
        wire.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\n{head}\r\n").as_bytes()).unwrap();
        wire.answer(false).unwrap()
    };
    assert_eq!(raw("").word(), "no-length");
    assert_eq!(raw("transfer-encoding: chunked\r\n").word(), "no-length");
    assert_eq!(raw("content-length: 67108865\r\n").word(), "length");
    // Above what HTTP itself can count here.
    assert_eq!(raw("content-length: 18446744073709551615\r\n").status, 431);
    let list = format!("/v1/hosts/{}/lists/{}", host.id(), pack.id);
    let reply = host.ask("PUT", &list, Some(&vec![0; (1 << 20) + 1]));
    assert_eq!((reply.status, reply.word().as_str()), (413, "length"));
    // Cut off in the middle.
    let mut wire = host.connect().unwrap();
    wire.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 300000\r\n\r\n").as_bytes())
        .unwrap();
    wire.send(&pack.bytes[..290_000]).unwrap();
    drop(wire);
    let (temporaries, begun) =
        (|| std::fs::read_dir(stand.vault.join("tmp")).unwrap().count(), std::time::Instant::now());
    while temporaries() > 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "what was cut off is still kept");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    tree::only_added(&before, &stand.vault, |_| false);
    assert_eq!(host.put(&pack).status, 201);
}

#[test]
fn whoever_shows_no_key_or_an_unknown_one_learns_nothing() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    host.commit(&snapshot(1, 1));
    let stranger = stand.stranger(7);
    let mut nobody = stranger.connect_without_key().unwrap();
    let about = nobody.ask("GET", "/v1/vault", None).unwrap();
    assert_eq!(about.status, 200);
    assert_eq!(about.json()["protocol"], 1);
    assert!(about.json().get("role").is_none());
    assert_eq!(nobody.ask("GET", "/healthz", None).unwrap().status, 204);
    let pack = snapshot(1, 1).objects[0].clone();
    let existing = host.path(pack.kind, &pack.id);
    for path in ["/v1/hosts", "/v1/head", "/v1/status", "/metrics", "/v1/ledger", &existing] {
        let reply = nobody.ask("GET", path, None).unwrap();
        assert_eq!((reply.status, reply.word().as_str()), (401, "key"), "{path}");
        let reply = stranger.ask("GET", path, None);
        assert_eq!((reply.status, reply.word().as_str()), (404, "absent"), "{path}");
    }
    // Its own folder: it is told that it has not joined.
    let own = stranger.ask("PUT", &stranger.path(Kind::Pack, &pack.id), Some(&pack.bytes));
    assert_eq!((own.status, own.word().as_str()), (404, "not-joined"));
    let receipts = stranger.ask("GET", &format!("/v1/hosts/{}/receipts", stranger.id()), None);
    assert_eq!(receipts.word(), "not-joined");
    // Reading its own folder is nothing that a host may.
    assert_eq!(stranger.ask("GET", &stranger.path(Kind::Pack, &pack.id), None).word(), "absent");
}

#[test]
fn roles_reach_no_further_than_their_own() {
    let stand = Stand::new("");
    let (own, other) = (stand.host(1, "acme"), stand.host(2, "other"));
    let (mine, theirs) = (snapshot(1, 1), snapshot(2, 1));
    assert_eq!(own.commit(&mine).status, 200);
    assert_eq!(other.commit(&theirs).status, 200);
    let one = stand.with(10, &format!("restore=host={}", own.id()));
    let tenant = stand.with(11, "restore=tenant=other");
    let (all, copy, console) =
        (stand.with(12, "restore=all"), stand.with(13, "replicate"), stand.with(14, "console"));
    let reads = |party: &Party, host: &Party, snapshot: &vow_testkit::fixture::Snapshot| {
        let pack = &snapshot.objects[0];
        party.ask("GET", &host.path(pack.kind, &pack.id), None).status
    };
    for (party, first, second) in
        [(&one, 200, 404), (&tenant, 404, 200), (&all, 200, 200), (&copy, 200, 200), (&console, 404, 404)]
    {
        assert_eq!((reads(party, &own, &mine), reads(party, &other, &theirs)), (first, second));
        // None of them writes.
        let pack = &mine.objects[0];
        assert_eq!(party.ask("PUT", &own.path(pack.kind, &pack.id), Some(&pack.bytes)).status, 404);
        let manifest = own.path(Kind::Manifest, &mine.manifest.id);
        assert_eq!(party.ask("PUT", &manifest, Some(&mine.manifest.bytes)).status, 404);
    }
    for (party, status) in [(&one, 404), (&all, 404), (&copy, 404), (&console, 200), (&own, 404)] {
        assert_eq!(party.ask("GET", "/v1/status", None).status, status);
        assert_eq!(party.ask("GET", "/metrics", None).status, status);
    }
    for (party, status) in [(&one, 404), (&all, 404), (&copy, 200), (&console, 200), (&own, 404)] {
        assert_eq!(party.ask("GET", "/v1/ledger", None).status, status);
    }
    assert_eq!(one.ask("GET", "/v1/hosts", None).json()["hosts"].as_array().unwrap().len(), 1);
    assert_eq!(console.ask("GET", "/v1/hosts", None).json()["hosts"].as_array().unwrap().len(), 2);
    let about = console.ask("GET", "/v1/vault", None).json();
    assert_eq!(about["role"], "console");
    let about = own.ask("GET", "/v1/vault", None).json();
    assert_eq!(
        (about["role"].as_str(), about["host"].as_str()),
        (Some("write"), Some(own.id().to_string().as_str()))
    );
    let absent = path_of(&own.id(), Kind::Pack, &ObjectId([7; 32]));
    let foreign = path_of(&other.id(), Kind::Pack, &theirs.objects[0].id);
    let nowhere = path_of(&stand.stranger(99).id(), Kind::Pack, &ObjectId([7; 32]));
    let replies: Vec<_> = [absent, foreign, nowhere].iter().map(|path| one.ask("GET", path, None)).collect();
    let same = |reply: &crate::wire::Reply| (reply.status, reply.body.clone(), reply.headers.len());
    assert!(replies.iter().all(|reply| same(reply) == same(&replies[0])), "{replies:?}");
}

#[test]
fn the_status_says_what_there_is() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    host.commit(&snapshot(1, 1));
    let console = stand.with(14, "console");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let status = loop {
        let status = console.ask("GET", "/v1/status", None).json();
        // What was stored is counted in the background.
        if status["counts"]["objects"].as_u64() >= Some(5) || std::time::Instant::now() > until {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert_eq!(status["ledger"], 1);
    assert_eq!(status["counts"]["snapshots"], 1);
    assert_eq!(status["hosts"][0]["snapshots"], 1);
    assert!(status["hosts"][0]["last_commit"].as_i64() > Some(0));
    assert!(status["hosts"][0]["bytes"].as_u64() > Some(3 * 4096));
    assert!(status["space"]["free_bytes"].as_u64() > Some(0));
    assert_eq!(status["findings"].as_array().unwrap().len(), 0, "{status}");
    let metrics = console.ask("GET", "/metrics", None);
    let text = metrics.text();
    for line in [
        "vow_vault_requests_total{verb=\"put\",status=\"201\"} 5",
        "vow_vault_requests_total{verb=\"commit\",status=\"200\"} 1",
        "vow_vault_snapshots_committed_total 1",
        "vow_vault_ledger_position 1",
        "vow_vault_hosts 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("vow_vault_host_last_commit_timestamp_seconds{host=\""));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn heads_of_other_vaults_are_kept_as_evidence() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let elsewhere = Receipt {
        version: 1,
        vault_key: crate::stand::key(77).public().0,
        position: 5,
        previous: None,
        host: [1; 32],
        manifest: ObjectId([2; 32]),
        sequence: 1,
        received: 1,
        event: vow_base::receipt::Event::Committed,
    };
    let stored = elsewhere.seal(&crate::stand::key(77));
    assert_eq!(host.ask("POST", "/v1/witness", Some(&stored)).status, 204);
    let forged = elsewhere.seal(&crate::stand::key(78));
    assert_eq!(host.ask("POST", "/v1/witness", Some(&forged)).word(), "refused");
    assert_eq!(host.ask("POST", "/v1/witness", Some(&vec![0; 5000])).word(), "length");
    let kept: Vec<_> = stand.tree().into_keys().filter(|name| name.starts_with("witness/")).collect();
    assert_eq!(kept.len(), 1);
}

#[test]
fn a_host_that_joined_without_an_introduction_brings_it_later() {
    let stand = Stand::new("");
    let (host, other) = (stand.host(1, "acme"), stand.host(2, "acme"));
    let copy = stand.with(13, "replicate");
    let about = |party: &Party| party.ask("GET", "/v1/vault", None).json();
    assert_eq!(about(&host)["introduced"], false);
    assert!(about(&copy).get("introduced").is_none());
    let word = |of: &Party, name: &str| {
        let (tenant, name) = ("acme".to_owned(), name.to_owned());
        Introduction { host: of.key.public(), tenant, name, readers: Vec::new() }.seal(&of.key)
    };
    let path = |of: &Party| format!("/v1/hosts/{}/introduction", of.id());
    assert_eq!(copy.ask("GET", &path(&host), None).status, 404);
    let own = word(&host, "n1");
    // For another host, by another role, with another name.
    assert_eq!(other.ask("PUT", &path(&host), Some(&own)).status, 404);
    assert_eq!(copy.ask("PUT", &path(&host), Some(&own)).status, 404);
    assert_eq!(host.ask("PUT", &path(&host), Some(&word(&host, "n2"))).word(), "refused");
    assert_eq!(host.ask("PUT", &path(&host), Some(&word(&other, "n1"))).word(), "refused");
    assert_eq!(host.ask("PUT", &path(&host), Some(&vec![b'x'; 8193])).word(), "length");
    assert_eq!(host.ask("PUT", &path(&host), Some(&own)).status, 201);
    assert_eq!(host.ask("PUT", &path(&host), Some(&own)).status, 200);
    assert_eq!(about(&host)["introduced"], true);
    let told = copy.ask("GET", &path(&host), None).json();
    assert_eq!(STANDARD.decode(told["introduction"].as_str().unwrap()).unwrap(), own);
    // Nor does it read what it said: a host reads its index segments and its receipts.
    assert_eq!(host.ask("GET", &path(&host), None).status, 404);
}

#[test]
fn every_request_is_one_line_of_the_log_that_names_who_what_of_whom_and_what_came_of_it() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let pack = Object::random(Kind::Pack, 5000, &mut Dice::new(1));
    assert_eq!(host.put(&pack).status, 201);
    assert_eq!(host.ask("GET", &host.path(Kind::Pack, &pack.id), None).status, 404);
    assert_eq!(host.ask("DELETE", &host.path(Kind::Pack, &pack.id), None).status, 404);
    let lines = || -> Vec<serde_json::Value> {
        let log = stand.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter(|line| line["target"] == "vow_vault::access").collect()
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let of = |lines: &[serde_json::Value], verb: &str| {
        let of_verb = |line: &&serde_json::Value| line["fields"]["verb"] == verb;
        lines.iter().filter(of_verb).map(|line| line["fields"].clone()).collect::<Vec<_>>()
    };
    while of(&lines(), "unknown").is_empty() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let lines = lines();
    let object = format!("{}/packs/{}", host.id().short(), pack.id);
    let [put] = &of(&lines, "put")[..] else { panic!("{lines:?}") };
    assert_eq!(
        (&put["object"], &put["outcome"], &put["status"]),
        (&object.as_str().into(), &"ok".into(), &201.into())
    );
    assert_eq!((&put["received"], &put["method"]), (&5000.into(), &"PUT".into()));
    assert!(host.id().to_string().starts_with(put["key"].as_str().unwrap()), "{put}");
    assert!(put["peer"].as_str().unwrap().starts_with("127.0.1.1:"), "{put}");
    let [read] = &of(&lines, "read")[..] else { panic!("{lines:?}") };
    assert_eq!(
        (&read["object"], &read["outcome"], &read["status"]),
        (&object.as_str().into(), &"absent".into(), &404.into())
    );
    let [unknown] = &of(&lines, "unknown")[..] else { panic!("{lines:?}") };
    assert_eq!((&unknown["method"], &unknown["status"]), (&"DELETE".into(), &404.into()));
    // What somebody tried is there as it was sent, and whose key it was tried with.
    assert_eq!(unknown["object"], host.path(Kind::Pack, &pack.id));
    for line in [put, read, unknown] {
        assert_eq!(line["host"], "acme/n1", "{line}");
    }
}
