//! Values: what the server gives of its keys is what the RDB must bring back, and one that differs is found.

use super::{back_up, document, host_of, prove, script};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use vow_testkit::redis::Server;

/// Nine keys of every kind in two databases. Without checksums in its RDB, damage to it is noticed by nobody else.
fn few() -> Server {
    let server = Server::with("rdbchecksum no");
    for words in [
        &["SET", "text", "hello"][..],
        &["SET", "soon", "x", "EX", "100000"],
        &["RPUSH", "list", "a", "b", "c"],
        &["SADD", "set", "a", "b", "1"],
        &["SADD", "numbers", "1", "2", "3"],
        &["ZADD", "ranks", "1.5", "a", "2", "b", "-inf", "c"],
        &["HSET", "hash", "f", "v", "g", "w"],
        &["XADD", "stream", "1-1", "f", "v"],
        &["-n", "3", "SET", "other", "database"],
    ] {
        server.cli(words);
    }
    server
}

/// A folder with Redis' programs, in which `redis-cli` is this script.
fn tools(server: &Server, name: &str, text: &str) -> PathBuf {
    let folder = server.path(name);
    fs::create_dir(&folder).unwrap();
    symlink("/usr/bin/redis-check-rdb", folder.join("redis-check-rdb")).unwrap();
    script(&folder, "redis-cli", "/usr/bin/redis-cli", text);
    folder
}

#[test]
fn a_value_that_is_not_what_the_server_had_is_found() {
    let server = few();
    let (host, _folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    // Partial: the server writes no checksum.
    let _ = back_up(&host).expect(3);
    let truth = document(&host, "truth.json");
    let values = truth["values"].as_array().unwrap();
    let kinds: BTreeSet<_> = values.iter().map(|value| value["kind"].as_str().unwrap()).collect();
    assert_eq!(values.len(), 9, "{values:?}");
    assert_eq!(kinds, BTreeSet::from(["hash", "list", "set", "stream", "string", "zset"]));
    assert_eq!(values.iter().filter(|value| value["expires_ms"] == -1).count(), 8);
    let proof = prove(&host, "redis");
    assert!(proof.holds(), "{proof:?}");
    assert!(proof.notes.iter().any(|note| note.contains("the values of 9 of 9 keys")), "{proof:?}");

    let lying = "$REAL \"$@\" | sed s/hello/hullo/";
    let tools = tools(&server, "lying", lying);
    let (host, _folder) =
        host_of("redis", &format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display()));
    let _ = back_up(&host).expect(3);
    let proof = prove(&host, "redis");
    let found: Vec<_> = proof
        .problems
        .iter()
        .filter(|text| text.contains("a string, came back with another value"))
        .collect();
    assert_eq!((found.len(), proof.problems.len()), (1, 1), "{proof:?}");
    // The key is in the snapshot, and in no message.
    assert!(found[0].contains("database 0: key ") && !found[0].contains("text"), "{found:?}");
}

#[test]
fn what_changes_while_it_is_dumped_is_not_held_against_the_dump() {
    let server = few();
    let socket = server.path("s").display().to_string();
    // Changed and changed back: it looks the same before and after, and is another one in the dump.
    let busy = format!(
        "$REAL -s {socket} SET text other >/dev/null; $REAL -s {socket} EXPIRE soon 5000 >/dev/null; $REAL \"$@\"; code=$?; \
         $REAL -s {socket} SET text hello >/dev/null; exit $code"
    );
    let tools = tools(&server, "busy", &busy);
    let (host, _folder) =
        host_of("redis", &format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display()));
    let _ = back_up(&host).expect(3);
    let keys = document(&host, "truth.json")["values"].clone();
    let digits = |key: &str| vow_base::id::hex(key.as_bytes());
    let has = |key: &str| keys.as_array().unwrap().iter().any(|value| value["key"] == digits(key));
    assert!(!has("text") && !has("soon") && has("list") && has("other"), "{keys}");
    let proof = prove(&host, "redis");
    assert!(proof.holds(), "{proof:?}");
}

#[test]
fn a_user_that_may_not_read_values_gives_a_snapshot_that_proves_less() {
    let server = few();
    let user = |rights: &str| {
        let words: Vec<_> =
            ["ACL", "SETUSER", "bk", "reset", "on", "nopass"].into_iter().chain(rights.split(' ')).collect();
        server.cli(&words);
    };
    let least = "+psync +sync +replconf +ping +info +time +acl|list +config|get +function|list";
    user(least);
    let url = server.url().replace("redis://", "redis://bk@");
    let (host, _folder) = host_of("redis", &format!("url = \"{url}\""));
    let done = back_up(&host).expect(3);
    let rights = "~* &__redis__:invalidate +@read +select +subscribe +client|id +client|tracking";
    assert!(done.said().contains("no values were read") && done.said().contains(rights), "{}", done.story());
    let proof = prove(&host, "redis");
    assert!(
        proof.holds() && proof.notes.iter().any(|note| note.contains("no value was compared")),
        "{proof:?}"
    );
    user(&format!("{least} {rights}"));
    let done = back_up(&host).expect(3);
    assert!(!done.said().contains("no values were read"), "{}", done.story());
    assert_eq!(document(&host, "truth.json")["values"].as_array().map(Vec::len), Some(9));
}
