//! Paths that mean something to other programs.

use super::siege::Siege;
use crate::stand::{Stand, snapshot};
use vow_base::vault::Kind;

#[test]
fn odd_paths_are_the_same_nothing() {
    let stand = Stand::new("");
    let (host, victim) = (stand.host(1, "acme"), stand.host(2, "other"));
    assert_eq!(host.commit(&snapshot(1, 1)).status, 200);
    assert_eq!(victim.commit(&snapshot(2, 1)).status, 200);
    let siege = Siege::begin(&stand);
    let (own, other) = (host.id().to_string(), victim.id().to_string());
    let index = snapshot(1, 1).of_kind(Kind::Index)[0].id.to_string();
    let (good, pack) = (format!("/v1/hosts/{own}/index/{index}"), snapshot(2, 1).objects[0].id.to_string());
    assert_eq!(host.ask("GET", &good, None).status, 200);
    let hex = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let odd = [
        "/".to_owned(),
        "//".into(),
        "/v1".into(),
        "/v1/".into(),
        "/v1/vault/".into(),
        "/v1//vault".into(),
        "//v1/vault".into(),
        "/V1/vault".into(),
        "/v1/./vault".into(),
        "/v1/hosts/../vault".into(),
        "/v1/%76ault".into(),
        "/v1%2fvault".into(),
        "/v1%2Fvault".into(),
        "/v1/vault%00".into(),
        "/v1/vault;x=1".into(),
        "/v1\\vault".into(),
        "/../../../etc/passwd".into(),
        "/%2e%2e/%2e%2e/etc/passwd".into(),
        "/v1/hosts/..%2f..%2fvault.key".into(),
        "/vault.key".into(),
        "/VOW".into(),
        "/hosts".into(),
        "/ledger/00000000000000000001".into(),
        format!("{good}/"),
        format!("{good}/missing"),
        format!("{good}%00"),
        format!("{good}%20"),
        format!("{good}0"),
        good[..good.len() - 1].to_owned(),
        format!("/v1/hosts/{}/index/{index}", own.to_uppercase()),
        format!("/v1/hosts/{own}/index/{}", index.to_uppercase()),
        format!("/v1/hosts/{own}/Index/{index}"),
        format!("/v1/hosts/{own}//index/{index}"),
        format!("/v1/hosts//{own}/index/{index}"),
        format!("/v1/hosts/{own}/./index/{index}"),
        format!("/v1/hosts/{own}/packs/../index/{index}"),
        format!("/v1/hosts/{own}/index/../../{other}/packs/{pack}"),
        format!("/v1/hosts/{own}/index/..%2f..%2f{other}%2fpacks%2f{pack}"),
        format!("/v1/hosts/{own}/index/%2e%2e/host.pub"),
        format!("/v1/hosts/{own}/host.pub"),
        format!("/v1/hosts/{own}/about"),
        format!("/v1/hosts/{}/index/{index}", hex(&own)),
        format!("/v1/hosts/{own}/{}/{index}", hex("index")),
        format!("/v1/hosts/{own}/index/{}", hex(&index)),
        format!("/v1/hosts/{own}/manifests/{}", "a".repeat(10_000)),
        format!("/{}", "a/".repeat(5_000)),
        format!("http://vault{good}"),
        format!("https://vault:8443{good}"),
        "*".into(),
        "vault:443".into(),
    ];
    let nothing = host.ask("GET", "/nothing", None);
    assert_eq!(nothing.status, 404);
    for path in &odd {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            let mut wire = host.connect().unwrap();
            let head = format!("{method} {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 0\r\n\r\n");
            wire.send(head.as_bytes()).unwrap();
            let reply =
                wire.answer(method == "HEAD").unwrap_or_else(|error| panic!("{method} {path}: {error}"));
            // What no HTTP request may look like is refused before anybody reads it.
            assert!(
                reply.status == 404 && (method == "HEAD" || reply.body == nothing.body)
                    || reply.status == 400,
                "{method} {path}: {reply:?}"
            );
        }
    }
    // Queries that are not the one shown.
    for query in ["?", "?after=1&x=1", "?after=", "?after=01", "?after=-1", "?AFTER=1", "?after=%31", "?x"] {
        let reply = host.ask("GET", &format!("/v1/hosts/{own}/receipts{query}"), None);
        assert_eq!((reply.status, reply.word().as_str()), (400, "malformed"), "{query}");
        let reply = host.ask("GET", &format!("{good}{query}"), None);
        assert_eq!((reply.status, reply.word().as_str()), (400, "malformed"), "{query}");
        let reply = host.ask("GET", &format!("/v1/hosts/{other}/receipts{query}"), None);
        assert_eq!(reply.status, 404, "{query}");
    }
    // Bytes that are no HTTP at all.
    for raw in [
        &b"GET /v1/vault\0 HTTP/1.1\r\nhost: v\r\n\r\n"[..],
        b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: v\r\n\r\n",
        b"GET /v1/vault HTTP/9.9\r\nhost: v\r\n\r\n",
        b"GET  /v1/vault HTTP/1.1\r\nhost: v\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/vault HTTP/1.1\r\nhost: v\r\na b: c\r\n\r\n",
        b"GET /v1/vault HTTP/1.1\r\n folded: x\r\n\r\n",
    ] {
        let mut wire = host.connect().unwrap();
        wire.send(raw).unwrap();
        wire.send(b"\r\n\r\n\r\n\r\n").unwrap();
        let status = wire.answer(false).map_or(0, |reply| reply.status);
        assert!([0, 400, 404, 505].contains(&status), "{raw:?}: {status}");
    }
    siege.end(|_| false);
}
