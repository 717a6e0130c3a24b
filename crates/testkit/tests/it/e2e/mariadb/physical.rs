//! All of a server by `mariadb-backup`: what comes back, what is said, and what must not look like a success.

use super::restored::same_script;
use super::{back_up, filled, host_of, no_snapshot, open, prove, truth};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_testkit::mariadb::{Server, program};
use vow_testkit::{Host, host, shell};

const PHYSICAL: &str = "method = \"physical\"";

/// Restores all of a snapshot into a folder, and starts a server from it.
fn restore(host: &Host, snapshot: &str, more: &[&str]) -> (tempfile::TempDir, Server) {
    let place = host::scratch();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let target = place.path().join("back");
    let at = target.display().to_string();
    let arguments = [&["restore", snapshot, "--target", &at, "--json"], more].concat();
    let _ = open(host, &arguments).expect(0);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!target.join("backup.mbstream").exists(), "it takes the room of a second copy");
    let server = Server::of_data(&target.join("data"));
    (place, server)
}

/// What a server has, apart from the numbers that it had set aside for rows to come: those end with a restart.
fn scripted(server: &Server, what: &[&str]) -> String {
    let without = |line: &str| match line.split_once(" AUTO_INCREMENT=") {
        Some((before, rest)) if line.starts_with(") ENGINE=") => {
            format!("{before} {}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => line.to_owned(),
    };
    server.script(what).lines().map(without).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_copy_of_all_files_comes_back_as_a_server() {
    let server = filled();
    server.sql(
        "shop",
        "create table my_isam (a int) engine = myisam; insert into my_isam values (1), (2); \
        create table in_memory (a int) engine = memory; insert into in_memory values (1); \
        create table in_aria (a int) engine = aria; insert into in_aria values (7); \
        create table big as select seq, md5(seq) as x from seq_1_to_200000",
    );
    let (host, _folder) = host_of(&server, PHYSICAL);
    let first = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    assert_eq!(first["status"], "ok", "{first}");
    assert!(first["notes"].to_string().contains("shop.in_memory (MEMORY)"), "{first}");
    let known = truth(&host);
    assert_eq!((&known["coherent"], &known["physical"]["exact"]), (&true.into(), &true.into()), "{known}");
    assert_eq!(known["physical"]["not_measured"], 0);
    assert!(
        known["tables"]
            .as_array()
            .unwrap()
            .iter()
            .any(|table| table["name"] == "my_isam" && table["rows"] == 2)
    );
    let facts = super::document(&host, "server.json");
    let position = server.sql("", "show master status");
    assert!(position.contains(&facts["position"]["offset"].to_string()), "{position} {facts}");
    assert_eq!(facts["position"]["gtid"].as_str().unwrap(), server.sql("", "select @@gtid_binlog_pos"));
    // What did not change is found again.
    server.sql("shop", "update big set x = 'changed' where seq = 77");
    let second = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    let (bytes, added) = (second["bytes"].as_u64().unwrap(), second["added_bytes"].as_u64().unwrap());
    assert!(bytes > 30_000_000 && added < bytes / 5, "{added} of {bytes}");
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    assert!(proof.holds() && proof.compared > 80, "{proof:?}");
    // A server starts from it, with its users, and is what it was.
    let (_place, back) = restore(&host, "db@latest", &[]);
    let script = ["--databases", "shop", "odd `na-me", "--ignore-table=shop.in_memory"];
    same_script(&scripted(&back, &script), &scripted(&server, &script), "a server from the copy");
    assert_eq!(back.sql("shop", "select count(*) from in_memory"), "0");
    let grants = "show grants for bob@localhost";
    assert_eq!(back.sql("", grants), server.sql("", grants));
    assert_eq!(back.sql("", "select count(*) from mysql.user where user = 'vow_scratch'"), "0");
    drop(back);
    // One table and one database of it, into the running server.
    let url = server.url();
    server.sql("shop", "drop table big");
    let one = ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", "big", "--json"];
    let done = open(&host, &one).expect(0).summary();
    assert_eq!(done["rows"], 200_000, "{done}");
    assert_eq!(server.sql("shop", "select x from big where seq = 77"), "changed");
    let one = ["restore", "db@latest", "--into", &url, "--database", "odd `na-me", "--replace", "--json"];
    let _ = open(&host, &one).expect(0);
}

#[test]
fn all_of_it_goes_into_an_empty_server_and_a_drill_proves_it() {
    let server = filled();
    let (host, folder) = host_of(&server, PHYSICAL);
    let _ = back_up(&host).expect(0);
    let script = ["--databases", "shop", "odd `na-me"];
    let before = scripted(&server, &script);
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = place.display().to_string();
    let done = open(&host, &["drill", "db", "--sabotage", "--json", "--scratch", &at]).expect(0);
    let proof = done.summary()["proofs"][0].clone();
    assert_eq!(proof["status"], "proven", "{}", done.story());
    assert!(fs::read_dir(&place).unwrap().next().is_none(), "the scratch place is empty again");
    let other = Server::start();
    let url = other.url();
    let done = open(&host, &["restore", "db@latest", "--into", &url, "--json"]).expect(0).summary();
    assert_eq!(done["problems"], serde_json::json!([]));
    same_script(&scripted(&other, &script), &before, "another server");
    let grants = "show grants for bob@localhost";
    assert_eq!(other.sql("", grants), server.sql("", grants));
    assert_eq!(other.sql("", "select count(*) from mysql.user where user = 'vow_scratch'"), "0");
    if shell::is_root("a scratch place that is too small") {
        let small = vow_testkit::Volume::tmpfs("size=100m,mode=755");
        let at = small.path().display().to_string();
        let done = open(&host, &["drill", "db", "--json", "--scratch", &at]).expect(3);
        let proof = done.summary()["proofs"][0].clone();
        assert_eq!(proof["status"], "blocked", "{}", done.story());
        assert!(proof["blocked"].to_string().contains("--scratch"), "{proof}");
    }
}

/// A folder with `mariadb-backup` as a script; `$REAL` is the true one.
fn tools(server: &Server, name: &str, script: &str) -> PathBuf {
    let folder = server.path(name);
    fs::create_dir(&folder).unwrap();
    for name in ["mariadb", "mariadb-dump"] {
        std::os::unix::fs::symlink(program(name), folder.join(name)).unwrap();
    }
    let real = program("mariadb-backup").display().to_string();
    let text = format!("#!/bin/sh\nREAL={real}\nSERVER={}\n{script}\n", server.pid());
    let path = folder.join("mariadb-backup");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_copy_that_is_cut_or_lies_makes_no_snapshot() {
    let server = filled();
    server.sql("shop", "create table big as select seq, md5(seq) as x from seq_1_to_100000");
    const HONEST: &str = "case \"$*\" in *--version) exec $REAL \"$@\";; esac";
    let cases = [
        ("cut", "$REAL \"$@\" | head -c 20000000; echo '[00] completed OK!' >&2", "ends in the middle"),
        ("flipped", "$REAL \"$@\" | sed 's/InnoDB/InnoBD/'", "its stream"),
        ("silent", "$REAL \"$@\" 2>/dev/null", "did not say that it is complete"),
        ("went-on", "$REAL \"$@\"; echo 'and then something else' >&2", "did not say that it is complete"),
        ("status", "$REAL \"$@\"; exit 7", "exit status: 7"),
        ("empty", "echo '[00] completed OK!' >&2", "its stream is empty"),
        (
            "text",
            "echo hello, this is no stream at all; echo '[00] completed OK!' >&2",
            "something else than a chunk",
        ),
        // In the middle of the copy the server goes away.
        ("killed", "$REAL \"$@\" | { head -c 3000000; kill -9 $SERVER; cat; }", "db"),
    ];
    for (name, script, says) in cases {
        let tools = tools(&server, name, &format!("{HONEST}\n{script}"));
        let (host, _folder) = host_of(&server, &format!("{PHYSICAL}\ntools = \"{}\"", tools.display()));
        let done = back_up(&host).expect(1);
        assert!(done.said().contains(says), "{name}: {says:?} is not said\n{}", done.story());
        no_snapshot(&host, name);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_copied() {
    let server = filled();
    let refused = |lines: &str, url: &str, words: &[&str]| {
        let (host, _folder) = host_of(&server, &format!("{PHYSICAL}\n{lines}"));
        let plan = fs::read_to_string(host.config()).unwrap();
        fs::write(host.config(), plan.replace(&server.url(), url)).unwrap();
        let done = back_up(&host).expect(1);
        for word in words {
            assert!(done.said().contains(word), "{word:?} is not said\n{}", done.story());
        }
        no_snapshot(&host, words[0]);
    };
    let url = server.url();
    let other = "echo 'mariadb-backup based on MariaDB server 10.6.18-MariaDB debian-linux-gnu (x86_64)' >&2";
    let tools = tools(&server, "other", other).display().to_string();
    refused(&format!("tools = \"{tools}\""), &url, &["10.6", "10.11", "its own series"]);
    server.sql("", "create user few@localhost; grant select, show view, trigger, event, reload, process on *.* to few@localhost");
    refused("", &url.replace("root@", "few@"), &["LOCK TABLES, BINLOG MONITOR", "GRANT"]);
    let elsewhere = server.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o777)).unwrap();
    server.sql("shop", &format!("create table outside (a int) data directory = '{}'", elsewhere.display()));
    refused("", &url, &["DATA DIRECTORY", "elsewhere/shop/outside.ibd"]);
    server.sql("shop", "drop table outside");
    // A lock that somebody holds for ever.
    server.sql("", "create user the_holder@localhost; grant all on *.* to the_holder@localhost");
    let mut holder = server.client("mariadb");
    holder.args(["--user=the_holder", "--database=shop", "-e", "lock tables latin write; select sleep(300)"]);
    let mut holder = holder.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let held = "select count(*) from information_schema.processlist where user = 'the_holder' and state = 'User sleep'";
    while server.sql("", held) == "0" {
        std::thread::sleep(Duration::from_millis(20));
    }
    refused("lock_wait_secs = 2", &url, &["stayed locked", "the_holder"]);
    holder.kill().unwrap();
    holder.wait().unwrap();
}

/// Writers go on, and what is copied is one moment.
#[test]
fn a_copy_under_load_is_coherent() {
    let server = filled();
    server.sql("shop", "create table a (n bigint); create table b (n bigint); insert into a values (0); insert into b values (0); \
        create table no_transactions (n bigint) engine = myisam");
    let (host, _folder) = host_of(&server, PHYSICAL);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for work in [
            "begin; update a set n = n + 1; update b set n = n + 1; insert into child (t) values ('load'); commit",
            "insert into no_transactions values (1)",
            "create or replace table coming (a int); insert into coming values (1); drop table coming",
        ] {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = server.try_sql("shop", work);
                }
            });
        }
        let done = back_up(&host);
        stop.store(true, Ordering::Relaxed);
        // A table without transactions was written to while it was copied: that is said.
        let done = done.expect(3);
        assert!(done.said().contains("shop.no_transactions (MyISAM)"), "{}", done.story());
    });
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    let (_place, back) = restore(&host, "db@latest", &[]);
    assert_eq!(back.sql("shop", "select (select n from a) = (select n from b)"), "1");
}

/// What a host that was taken over may have sealed must not write elsewhere, nor be started as it is.
#[test]
fn a_place_that_is_in_use_is_not_touched() {
    let server = Server::start();
    server.sql("", "create database d; create table d.t (a int)");
    let (host, _folder) = host_of(&server, PHYSICAL);
    let _ = back_up(&host).expect(0);
    let place = host::scratch();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::write(place.path().join("data/mine"), "x").unwrap();
    let target = place.path().display().to_string();
    let done = open(&host, &["restore", "db@latest", "--target", &target]).expect(1);
    assert!(done.stderr.contains("data already"), "{}", done.stderr);
    let names: Vec<_> =
        fs::read_dir(place.path().join("data")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["mine"]);
    // The raw stream, for who wants to use the tools by hand.
    let raw = place.path().join("raw");
    let done =
        open(&host, &["restore", "db@latest:/backup.mbstream", "--target", &raw.display().to_string()]);
    let _ = done.expect(0);
    let unpacked = place.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let stream = fs::File::open(raw.join("backup.mbstream")).unwrap();
    let status = std::process::Command::new(program("mbstream"))
        .arg("-x")
        .arg("-C")
        .arg(&unpacked)
        .stdin(stream)
        .status();
    assert!(
        status.unwrap().success()
            && unpacked.join("ibdata1").exists()
            && Path::new(&unpacked).join("d").exists()
    );
}
