//! The local socket, joining and shutting out, and the token for figures.

use crate::stand::{Stand, snapshot};
use vow_protocol::Word;
use vow_protocol::wire::Hex;
use vow_vault::server::admin::{NewJoinToken, Revocation};

#[test]
fn a_host_joins_with_its_readers_and_is_shut_out_again() {
    let stand = Stand::new("");
    let token = NewJoinToken {
        right: "write".into(),
        tenant: Some("acme".into()),
        name: Some("web-1".into()),
        term_secs: Some(60),
    };
    let made = stand.admin().join_token(&token).unwrap();
    assert_eq!(made.fingerprint, stand.pin.to_string());
    let (host, reader) = (stand.stranger(1), stand.stranger(9));
    let readers = [vow_base::id::hex(&reader.key.public().0)];
    let body = serde_json::json!({"secret": made.secret, "name": "web-1", "readers": readers}).to_string();
    let first = host.ask("POST", "/v1/join", Some(body.as_bytes()));
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.json()["role"], "write");
    assert_eq!(first.json()["tenant"], "acme");
    assert_eq!(host.ask("POST", "/v1/join", Some(body.as_bytes())).body, first.body);
    let thief = stand.stranger(2).ask("POST", "/v1/join", Some(body.as_bytes()));
    assert_eq!((thief.status, thief.word().as_str()), (404, "absent"));
    let keyless =
        stand.stranger(3).connect_without_key().unwrap().ask("POST", "/v1/join", Some(body.as_bytes()));
    assert_eq!(keyless.unwrap().word(), "key");
    // At once, without waiting for anything to be refreshed.
    assert_eq!(host.commit(&snapshot(1, 1)).status, 200);
    let pack = &snapshot(1, 1).objects[0];
    assert_eq!(reader.ask("GET", &host.path(pack.kind, &pack.id), None).body, pack.bytes);
    let hosts = stand.admin().hosts().unwrap();
    assert_eq!((hosts.len(), hosts[0].name.as_str(), hosts[0].revoked), (1, "web-1", false));
    assert_eq!(stand.admin().grants().unwrap().len(), 1);
    // Shut out, on a connection that is open.
    let mut open = host.connect().unwrap();
    let receipts = format!("/v1/hosts/{}/receipts", host.id());
    assert_eq!(open.ask("GET", &receipts, None).unwrap().status, 200);
    let out = |key| Revocation { key: Hex(key), right: None, note: "test".into() };
    assert_eq!(stand.admin().revoke(&out(host.id())).unwrap().rights, ["write"]);
    assert_eq!(open.ask("GET", &receipts, None).unwrap().status, 404);
    assert_eq!(host.put(pack).status, 404);
    let reads = format!("restore=host={}", host.id());
    assert_eq!(stand.admin().revoke(&out(reader.id())).unwrap().rights, [reads]);
    assert_eq!(reader.ask("GET", &host.path(pack.kind, &pack.id), None).status, 404);
    let twice = stand.admin().revoke(&out(host.id())).unwrap_err();
    assert_eq!(twice.word(), Some(Word::Refused));
    assert!(stand.admin().hosts().unwrap()[0].revoked);
    assert!(stand.admin().status().unwrap().hosts[0].revoked, "and so the console hears of it");
    let log = stand.log();
    assert!(log.contains("\"verb\":\"join\"") && log.contains("\"outcome\":\"ok\""), "{log}");
    assert!(!log.contains(made.secret.text()), "a secret in the log");
}

#[test]
fn attempts_to_join_are_few() {
    let stand = Stand::new("[limits]\njoins_per_minute = 3\n");
    let stranger = stand.stranger(5);
    let guess = |n: u8| {
        let secret = vow_protocol::JoinSecret::from_bytes(&[n; 16]);
        let body = serde_json::json!({"secret": secret, "name": "x"}).to_string();
        stranger.ask("POST", "/v1/join", Some(body.as_bytes()))
    };
    assert!((0..3).all(|n| guess(n).status == 404));
    let limited = guess(4);
    assert_eq!((limited.status, limited.word().as_str()), (429, "limit"));
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() >= 10);
    // Somebody elsewhere is not affected, nor is a host.
    stand.host(1, "acme");
}

#[test]
fn the_bearer_of_the_token_may_read_the_figures() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret-token-of-prometheus\n").unwrap();
    let stand = Stand::new(&format!("metrics_token_file = {:?}\n", file.path()));
    let ask = |token: &str| {
        let mut wire = stand.stranger(5).connect_without_key().unwrap();
        wire.send(format!("GET /metrics HTTP/1.1\r\nhost: v\r\nauthorization: {token}\r\n\r\n").as_bytes())
            .unwrap();
        wire.answer(false).unwrap().status
    };
    assert_eq!(ask("Bearer s3cret-token-of-prometheus"), 200);
    for wrong in ["Bearer s3cret-token-of-prometheuS", "Bearer ", "s3cret-token-of-prometheus", "Basic x"] {
        assert_eq!(ask(wrong), 401, "{wrong}");
    }
    assert!(!stand.log().contains("s3cret"));
}

#[test]
fn the_local_socket_is_for_its_owner_and_refuses_what_it_does_not_know() {
    let stand = Stand::new("");
    let bad = NewJoinToken { right: "god".into(), ..NewJoinToken::default() };
    assert_eq!(stand.admin().join_token(&bad).unwrap_err().word(), Some(Word::Malformed));
    let bad = NewJoinToken { right: "write".into(), tenant: Some("../x".into()), ..NewJoinToken::default() };
    assert_eq!(stand.admin().join_token(&bad).unwrap_err().word(), Some(Word::Refused));
    let status = stand.admin().status().unwrap();
    assert_eq!((status.ledger, status.hosts.len()), (0, 0));
    let socket = stand.scratch().join("run/vault.sock");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&socket).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    if vow_testkit::shell::is_root("the local socket and other users") {
        // Even where the socket is open to all, its server is not.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&socket, open).unwrap();
        for folder in [stand.scratch(), &stand.scratch().join("run")] {
            std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                      s.sendall(b'GET /v1/hosts HTTP/1.1\\r\\nhost: v\\r\\n\\r\\n'); print(len(s.recv(100)))";
        let output = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", script])
            .arg(&socket)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(said == "0" || !output.status.success(), "{output:?}");
        assert!(stand.admin().status().is_ok());
    }
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_it_began() {
    let mut stand = Stand::new("");
    let host = stand.host(1, "acme");
    let pack = vow_testkit::fixture::Object::random(
        vow_base::vault::Kind::Pack,
        400_000,
        &mut vow_testkit::Dice::new(2),
    );
    let mut slow = host.connect().unwrap();
    let path = host.path(pack.kind, &pack.id);
    slow.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 400000\r\n\r\n").as_bytes())
        .unwrap();
    slow.send(&pack.bytes[..200_000]).unwrap();
    let mut idle = host.connect().unwrap();
    assert_eq!(idle.ask("GET", "/v1/vault", None).unwrap().status, 200);
    std::thread::sleep(std::time::Duration::from_millis(200));
    stand.terminate();
    assert!(idle.is_closed_within(std::time::Duration::from_secs(5)));
    assert!(host.connect().is_err(), "no new connections");
    slow.send(&pack.bytes[200_000..]).unwrap();
    assert_eq!(slow.answer(false).unwrap().status, 201);
    assert_eq!(stand.ended(), Some(0));
    assert!(!stand.scratch().join("run/vault.sock").exists());
    assert_eq!(std::fs::read_dir(stand.vault.join("tmp")).unwrap().count(), 0);
}
