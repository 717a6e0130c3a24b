//! What was captured comes back: proven in a scratch server, restored as files, restored into a running server.

use super::{back_up, document, filled, host_of, open, prove};
use std::fs;
use vow_testkit::host;
use vow_testkit::redis::Server;

fn source(server: &Server) -> String {
    format!("url = \"{}\"", server.url())
}

#[test]
fn everything_comes_back() {
    let server = filled("");
    let (host, _folder) = host_of("redis", &source(&server));
    let dry = host.run(["backup", "db", "--dry-run"]).expect(0);
    assert!(dry.said().contains("would dump 5010 keys in 2 databases"), "{}", dry.story());
    let _ = back_up(&host).expect(0);
    let truth = document(&host, "truth.json");
    assert_eq!((&truth["keys"], &truth["expires"]), (&5010.into(), &1.into()));
    assert_eq!(truth["functions"], serde_json::json!(["mylib"]));
    assert_eq!(truth["users"], serde_json::json!(["bob", "default"]));
    let settings = document(&host, "config.json");
    assert_eq!(settings["unixsocket"], server.path("s").display().to_string());
    let config = open(&host, &["cat", "db@latest:/redis.conf"]).expect(0).text();
    assert_eq!(config, fs::read_to_string(server.path("redis.conf")).unwrap());

    let proof = prove(&host, "redis");
    assert!(proof.holds(), "{proof:?}");
    // All keys, two databases, one library, one user, and values.
    let values = truth["values"].as_array().unwrap().len() as u64;
    assert!(values > 500 && proof.compared == 5 + values, "{proof:?}");

    // The mark that redis-cli leaves behind the end is no part of the file: the official tool and a new server take it.
    let target = host::scratch();
    let done =
        open(&host, &["restore", "db@latest", "--target", &target.path().display().to_string()]).expect(0);
    assert!(done.said().contains("appendonly no"), "{}", done.story());
    let dump = target.path().join("dump.rdb");
    assert_eq!(fs::metadata(&dump).unwrap().len(), truth["bytes"].as_u64().unwrap());
    let mut fresh = Server::start();
    fresh.crash();
    fs::copy(&dump, fresh.path("dump.rdb")).unwrap();
    fresh.up();
    assert_eq!(fresh.digest(), server.digest());
    assert_eq!(fresh.cli(&["FCALL", "f", "0"]), "7");
}

#[test]
fn a_running_server_gets_what_it_lacks_and_loses_nothing() {
    let server = filled("");
    let (host, _folder) = host_of("redis", &source(&server));
    let _ = back_up(&host).expect(0);
    let digest = server.digest();
    let into = |arguments: &[&str]| {
        let other = server.url();
        let all: Vec<_> = ["restore", "db@latest", "--json", "--into", &other]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        open(&host, &all)
    };
    // Everything is there: nothing is touched.
    server.cli(&["SET", "text", "newer"]);
    let refused = into(&[]).expect(1);
    for word in ["5009 keys", "--replace", "nothing was written"] {
        assert!(refused.said().contains(word), "{word}: {}", refused.story());
    }
    assert_eq!(server.cli(&["GET", "text"]), "newer");
    let replaced = into(&["--replace"]).expect(0);
    assert_eq!(replaced.summary()["rows"], 5010);
    assert_eq!(server.digest(), digest);

    // The server is lost; a new one gets all of it, and one gets one database.
    let fresh = Server::start();
    fresh.cli(&["SET", "mine", "stays"]);
    let url = fresh.url();
    let done = open(&host, &["restore", "db@latest", "--json", "--into", &url, "--with-roles"]).expect(0);
    assert_eq!(done.summary()["databases"].as_array().unwrap().len(), 2, "{}", done.story());
    assert_eq!(fresh.cli(&["GET", "mine"]), "stays");
    assert_eq!(fresh.cli(&["FCALL", "f", "0"]), "7");
    assert!(fresh.cli(&["TTL", "soon"]).parse::<u32>().unwrap() > 90_000);
    let users = |server: &Server| {
        server.cli(&["ACL", "LIST"]).lines().find(|line| line.contains("bob")).map(str::to_owned)
    };
    assert_eq!(users(&fresh), users(&server));
    fresh.cli(&["DEL", "mine"]);
    assert_eq!(fresh.digest(), digest);

    let one = Server::start();
    let url = one.url();
    let _ = open(&host, &["restore", "db@latest", "--into", &url, "--database", "3"]).expect(0);
    assert_eq!(
        (one.cli(&["DBSIZE"]), one.cli(&["-n", "3", "GET", "other"])),
        ("0".into(), "database".into())
    );
    let wrong = open(&host, &["restore", "db@latest", "--into", &url, "--database", "5"]).expect(1);
    assert!(wrong.said().contains("no keys in database 5"), "{}", wrong.story());
}

#[test]
fn a_server_under_load_is_captured_whole() {
    let server = filled("");
    let (host, _folder) = host_of("redis", &source(&server));
    let mut load = std::process::Command::new("redis-cli");
    load.arg("-s").arg(server.path("s")).args([
        "-r",
        "1000000",
        "EVAL",
        "redis.call('INCR', 'n'); redis.call('SET', 'm' .. redis.call('GET', 'n'), 'x')",
        "0",
    ]);
    let mut load = load.stdout(std::process::Stdio::null()).spawn().unwrap();
    while server.cli(&["EXISTS", "n"]) == "0" {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let done = back_up(&host);
    load.kill().unwrap();
    load.wait().unwrap();
    let _ = done.expect(0);
    let proof = prove(&host, "redis");
    assert!(proof.holds(), "{proof:?}");
}
