//! Lengths that lie, bodies in parts, and other protocols in disguise.

use super::siege::Siege;
use crate::stand::{Stand, snapshot};
use std::time::Duration;
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::Object;

#[test]
fn lengths_that_lie_store_nothing() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let pack = Object::random(Kind::Pack, 5000, &mut Dice::new(1));
    let siege = Siege::begin(&stand);
    let path = host.path(Kind::Pack, &pack.id);
    let send = |head: &str, body: &[u8]| {
        let mut wire = host.connect().unwrap();
        wire.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\n{head}\r\n").as_bytes()).unwrap();
        let _ = wire.send(body);
        let status = wire.answer(false).map_or(0, |reply| reply.status);
        (wire, status)
    };
    let chunked =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
    for (head, body, expected) in [
        ("", pack.bytes.clone(), &[411][..]),
        ("transfer-encoding: chunked\r\n", chunked(&pack.bytes), &[411]),
        ("transfer-encoding: chunked\r\ncontent-length: 5000\r\n", chunked(&pack.bytes), &[400, 411]),
        ("content-length: 5000\r\ntransfer-encoding: chunked\r\n", chunked(&pack.bytes), &[400, 411]),
        ("transfer-encoding: gzip, chunked\r\n", chunked(&pack.bytes), &[400, 411]),
        ("transfer-encoding: identity\r\ncontent-length: 5000\r\n", pack.bytes.clone(), &[400, 411]),
        ("content-length: 5000\r\ncontent-length: 4999\r\n", pack.bytes.clone(), &[400]),
        ("content-length: 5000, 5000\r\n", pack.bytes.clone(), &[400]),
        ("content-length: +5000\r\n", pack.bytes.clone(), &[400]),
        ("content-length: 5e3\r\n", pack.bytes.clone(), &[400]),
        ("content-length: -1\r\n", pack.bytes.clone(), &[400]),
        ("content-length: 0x1388\r\n", pack.bytes.clone(), &[400]),
        ("content-length: 99999999999999999999\r\n", pack.bytes.clone(), &[400, 431]),
        ("content-length: 18446744073709551614\r\n", pack.bytes.clone(), &[413, 431]),
        ("content-length: 67108865\r\n", pack.bytes.clone(), &[413]),
        ("content-length: 0\r\n", pack.bytes.clone(), &[400]),
        ("content-length: 4999\r\n", pack.bytes.clone(), &[422]),
    ] {
        let (_, status) = send(head, &body);
        assert!(expected.contains(&status), "{head:?}: {status}");
    }
    // A length that is only said: nothing is held for it, and the connection goes when the other side does.
    let held: Vec<_> = (0..20)
        .map(|_| {
            let mut wire = host.connect().unwrap();
            wire.send(
                format!("PUT {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 67108864\r\n\r\n").as_bytes(),
            )
            .unwrap();
            wire
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    assert!(stand.memory().0 < 150 << 20);
    drop(held);
    siege.end(|_| false);
    assert_eq!(host.put(&pack).status, 201);
}

#[test]
fn what_follows_a_refused_body_is_no_request() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let pack = Object::random(Kind::Pack, 300, &mut Dice::new(1));
    let hidden =
        format!("PUT {} HTTP/1.1\r\nhost: v\r\ncontent-length: 300\r\n\r\n", host.path(Kind::Pack, &pack.id));
    let hidden = [hidden.as_bytes(), &pack.bytes].concat();
    for head in ["content-length: 67108865\r\n", "transfer-encoding: chunked\r\n", ""] {
        let mut wire = host.connect().unwrap();
        let target = host.path(Kind::Pack, &vow_base::ObjectId([5; 32]));
        wire.send(format!("PUT {target} HTTP/1.1\r\nhost: v\r\n{head}\r\n").as_bytes()).unwrap();
        let first = wire.answer(false).unwrap();
        assert!(matches!(first.status, 411 | 413), "{head} {}", first.status);
        let _ = wire.send(&hidden);
        if !head.is_empty() {
            // With a body that was not read, the connection cannot go on.
            assert!(wire.answer(false).is_err(), "{head}");
        }
    }
    // A request without a body may be followed by another: that one is a real one.
    siege.end(|name| name.ends_with(&pack.id.to_string()));
}

#[test]
fn other_protocols_are_not_spoken() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    host.commit(&snapshot(1, 1));
    let siege = Siege::begin(&stand);
    for head in [
        "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n",
        "expect: 100-continue\r\n",
        "expect: 200-ok\r\n",
    ] {
        let mut wire = host.connect().unwrap();
        wire.send(format!("GET /v1/vault HTTP/1.1\r\nhost: v\r\n{head}\r\n").as_bytes()).unwrap();
        assert_eq!(wire.answer(false).unwrap().status, 200, "{head}");
    }
    // HTTP/2 with prior knowledge: a connection preface, settings, and a stream of garbage.
    let mut wire = host.connect().unwrap();
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").unwrap();
    let status = wire.answer(false).map_or(0, |reply| reply.status);
    assert!([0, 400, 404, 505].contains(&status), "{status}");
    // TLS without a client's HTTP: nothing but http/1.1 is agreed on.
    let mut config =
        rustls::ClientConfig::clone(&vow_protocol::tls::client_config(stand.pin, Some(&host.key)).unwrap());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = rustls::pki_types::ServerName::try_from("vault").unwrap();
    let mut tls = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut tcp = std::net::TcpStream::connect(stand.address).unwrap();
    let failed = (0..10).find_map(|_| tls.complete_io(&mut tcp).err());
    assert!(failed.is_some(), "h2 was agreed on: {:?}", tls.alpn_protocol());
    siege.end(|_| false);
}
