//! Servers and tools that do not let themselves be captured: a clear failure, or a degraded snapshot that says what is missing.

use super::super::sources::assert_hidden;
use super::{back_up, change, fails, filled, host_of, prove, script};
use std::fs;
use std::os::unix::fs::symlink;
use vow_testkit::redis::Server;

const PASSWORD: &str = "s3cret-of-the-server";

#[test]
fn a_dump_that_is_cut_or_lies_makes_no_snapshot() {
    let server = filled("");
    let old = server.path("old.rdb");
    let other = Server::start();
    other.cli(&["SET", "a", "b"]);
    for (server, file) in [(&server, &old), (&other, &server.path("other.rdb"))] {
        let path = file.display().to_string();
        server.cli(&["--rdb", &path]);
    }
    let (old, foreign) = (old.display().to_string(), server.path("other.rdb").display().to_string());
    let pid = server.pid();
    let cases = [
        ("empty", "exit 0".to_owned(), "nothing came"),
        ("text", "echo hello".into(), "no RDB"),
        ("cut", "$REAL \"$@\" | head -c 20000".into(), "cut or damaged"),
        ("cut-late", format!("head -c -3 {old}"), "cut or damaged"),
        ("flipped", format!("{{ head -c 5000 {old}; printf X; tail -c +5002 {old}; }}"), "cut or damaged"),
        ("status", "$REAL \"$@\"; exit 7".into(), "exit status: 7"),
        ("foreign", format!("cat {foreign}"), "of another server"),
        // The status of a pipeline is that of its last program.
        ("dies", format!("$REAL \"$@\" | {{ head -c 2000; kill -9 {pid}; cat; }}"), "server at"),
    ];
    for (name, text, says) in cases {
        let tools = server.path(name);
        fs::create_dir(&tools).unwrap();
        symlink("/usr/bin/redis-check-rdb", tools.join("redis-check-rdb")).unwrap();
        script(&tools, "redis-cli", "/usr/bin/redis-cli", &text);
        let (host, _folder) =
            host_of("redis", &format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display()));
        fails(&host, &[says]);
    }
}

#[test]
fn a_checker_that_refuses_makes_no_snapshot() {
    let server = filled("");
    let tools = server.path("tools");
    fs::create_dir(&tools).unwrap();
    symlink("/usr/bin/redis-cli", tools.join("redis-cli")).unwrap();
    script(&tools, "redis-check-rdb", "", "cat > /dev/null; echo '--- RDB ERROR DETECTED ---'; exit 1");
    let (host, _folder) =
        host_of("redis", &format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display()));
    fails(&host, &["RDB ERROR DETECTED"]);
    fs::remove_file(tools.join("redis-check-rdb")).unwrap();
    fails(&host, &["redis-check-rdb was not found", "redis-tools"]);
}

#[test]
fn passwords_work_and_are_seen_nowhere() {
    let server = filled(&format!("requirepass {PASSWORD}"));
    let (host, folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    fails(&host, &["NOAUTH"]);
    let keeper = host.dir().join("password");
    fs::write(&keeper, format!("{PASSWORD}\n")).unwrap();
    change(&host, "type = \"redis\"", "type = \"redis\"\npassword_file = \"password\"");
    assert_hidden(PASSWORD, folder.path(), &keeper, || back_up(&host).expect(0));
    assert!(prove(&host, "redis").holds());
    fs::write(&keeper, "wrong-hunter2").unwrap();
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("WRONGPASS") && !done.said().contains("hunter2"), "{}", done.story());
}

#[test]
fn a_user_with_few_rights_gives_a_snapshot_that_says_what_is_missing() {
    let server = filled("");
    server.cli(&[
        "ACL",
        "SETUSER",
        "bk",
        "on",
        "nopass",
        "+psync",
        "+sync",
        "+replconf",
        "+ping",
        "+info",
        "+time",
    ]);
    let url = server.url().replace("redis://", "redis://bk@");
    let (host, _folder) = host_of("redis", &format!("url = \"{url}\""));
    let done = back_up(&host).expect(3);
    for word in ["ACL users", "settings", "functions"] {
        assert!(done.said().contains(word), "{word}: {}", done.story());
    }
    assert!(prove(&host, "redis").holds());
    server.cli(&["ACL", "SETUSER", "bk", "-info"]);
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("refused INFO"), "{}", done.story());
}

/// The trap: `appendonly yes` beside a full dump.rdb. The server starts empty and says nothing.
#[test]
fn a_server_that_lost_everything_is_not_captured_as_if_nothing_had_happened() {
    let mut server = filled("");
    let (host, _folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    let _ = back_up(&host).expect(0);
    // The child that wrote for the backup may still be about to end.
    while server.cli(&["INFO", "persistence"]).contains("rdb_bgsave_in_progress:1") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    server.cli(&["SAVE"]);
    server.crash();
    let config = fs::read_to_string(server.path("redis.conf")).unwrap();
    fs::write(server.path("redis.conf"), format!("{config}\nappendonly yes\n")).unwrap();
    server.up();
    assert_eq!(server.cli(&["DBSIZE"]), "0");
    let done = back_up(&host).expect(1);
    for word in ["had 5010 keys", "--allow-empty"] {
        assert!(done.said().contains(word), "{word}: {}", done.story());
    }
    let _ = host.run(["backup", "db", "--allow-empty"]).expect(0);
}

#[test]
fn a_replica_without_its_master_is_refused() {
    let server = filled("");
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let (host, _folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    fails(&host, &["not connected with its master, 127.0.0.1 port 1"]);
}

#[test]
fn a_server_that_is_not_there_is_named_and_one_that_is_is_found() {
    let mut server = filled("");
    let (host, _folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    let found = host.run(["discover", "--json"]).expect(0).summary();
    let servers = found["servers"].as_array().unwrap();
    let ours = servers.iter().find(|one| one["url"] == server.url()).unwrap_or_else(|| panic!("{found}"));
    assert_eq!((&ours["source"], &ours["type"]), (&"db".into(), &"redis".into()));
    let names: Vec<_> =
        ours["databases"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["0", "3"]);
    server.crash();
    let place = server.path("s").display().to_string();
    fails(&host, &["no connection", &place]);
}
