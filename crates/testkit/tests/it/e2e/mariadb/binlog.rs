//! The binary log: received, sealed, and replayed to a moment before the mistake.

use super::{back_up, host_of, open};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vow_testkit::mariadb::Server;
use vow_testkit::{Host, host, shell};

/// A server with a table of a thousand rows, and more lines in its option file.
fn shop(lines: &str) -> Server {
    let server = Server::start_with(lines);
    server.sql(
        "",
        "create database shop; use shop; create table t (a int primary key, b text); \
        insert into t select seq, 'early' from seq_1_to_1000; create user bob@localhost",
    );
    server
}

/// Sends all that the server has now.
fn receive(host: &Host) -> shell::Done {
    host.run(["binlog-receive", "db", "--once", "--json"])
}

/// The next whole second by the server's clock, and nothing happens around it: moments are told to the second.
fn moment(server: &Server) -> String {
    let second = |sql: &str| server.sql("", sql).parse::<i64>().unwrap();
    let now = second("select unix_timestamp()");
    let wait = |until: i64| {
        while second("select unix_timestamp()") < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait(now + 1);
    let moment = server.sql("", "select date_format(utc_timestamp(), '%Y-%m-%d %H:%i:%sZ')");
    wait(second("select unix_timestamp()") + 1);
    moment
}

/// Restores into a folder, and starts a server from it.
fn restore(host: &Host, snapshot: &str, time: &str) -> (tempfile::TempDir, Server) {
    let place = host::scratch();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let target = place.path().join("back");
    let at = target.display().to_string();
    let _ = open(host, &["restore", snapshot, "--target", &at, "--time", time, "--json"]).expect(0);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
    let mut names: Vec<PathBuf> =
        fs::read_dir(&target).unwrap().flatten().map(|entry| entry.path()).collect();
    names.retain(|path| path.is_dir());
    assert_eq!(names, [target.join("data")], "nothing of the scratch server and of the log stays");
    let server = Server::of_data(&target.join("data"));
    (place, server)
}

const ROWS: &str = "select concat(count(*), '|', sum(b = 'good')) from t";

fn goes_back(lines: &str) {
    let server = shop("");
    let (host, _folder) = host_of(&server, &format!("{lines}\nbinlog = true"));
    let first = back_up(&host).expect(0).summary()["snapshots"][0]["id"].as_str().unwrap().to_owned();
    server.sql("shop", "insert into t select seq, 'late' from seq_1001_to_1500");
    let done = receive(&host).expect(0);
    assert!(done.summary()["snapshots"].as_u64() > Some(0), "{}", done.story());
    server.sql("shop", "update t set b = 'good' where a = 7; flush binary logs; update t set b = 'good' where a = 8; \
        create table made_later (a int); insert into made_later values (1); grant select on shop.* to bob@localhost");
    let moment = moment(&server);
    server.sql(
        "shop",
        "begin; delete from t where a > 3; update t set b = 'ruined'; commit; drop table made_later",
    );
    let past = self::moment(&server);
    // Nothing of what was done since the last time is in a vault yet.
    let target = host.dir().join("nowhere").display().to_string();
    let at = |time: &str| open(&host, &["restore", &first, "--target", &target, "--time", time]);
    let done = at(&moment).expect(1);
    assert!(done.stderr.contains("does not reach"), "{}", done.stderr);
    let _ = receive(&host).expect(0);

    let (_place, back) = restore(&host, &first, &moment);
    assert_eq!(back.sql("shop", ROWS), "1500|2");
    assert_eq!(back.sql("shop", "select a from made_later"), "1");
    assert!(back.sql("", "show grants for bob@localhost").contains("`shop`.*"));
    assert_eq!(back.sql("", "select count(*) from mysql.user where user = 'vow_scratch'"), "0");
    drop(back);
    // Into the running server: the ruined table is put back.
    let url = server.url();
    let one = [
        "restore",
        &first,
        "--into",
        &url,
        "--database",
        "shop",
        "--table",
        "t",
        "--replace",
        "--time",
        &moment,
    ];
    let _ = open(&host, &one).expect(0);
    assert_eq!(server.sql("shop", ROWS), "1500|2");
    let one = ["restore", &first, "--into", &url, "--table", "shop.made_later", "--time", &moment];
    let _ = open(&host, &one).expect(0);
    // A second later, and at the end, the mistake is there.
    let other = Server::start();
    for time in [&past, "latest"] {
        let all = ["restore", &first, "--into", &other.url(), "--replace", "--time", time];
        let _ = open(&host, &all).expect(0);
        assert_eq!(other.sql("shop", "select concat(count(*), '|', min(b)) from t"), "3|ruined");
    }
    // What cannot be is said.
    let early = at("2001-01-01 00:00:00Z").expect(2);
    assert!(early.stderr.contains("earlier"), "{}", early.stderr);
    let late = at("2101-01-01 00:00:00Z").expect(1);
    assert!(late.stderr.contains("does not reach"), "{}", late.stderr);
    assert!(!host.dir().join("nowhere").join("data").exists());
}

#[test]
fn a_copy_of_files_goes_back_to_a_moment_before_a_bad_transaction() {
    goes_back("method = \"physical\"");
}

#[test]
fn a_dump_goes_back_to_a_moment_before_a_bad_transaction() {
    goes_back("");
}

/// How many pieces of the log are in the vault.
fn pieces(host: &Host) -> usize {
    let listed = host.run(["snapshots", "--json"]).expect(0).summary();
    listed["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|snapshot| snapshot["source"] == "db.binlog")
        .count()
}

#[track_caller]
fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_receiver_goes_on_after_it_or_the_server_was_killed() {
    let mut server = shop("");
    let (host, _folder) = host_of(&server, "binlog = true\nbinlog_flush_secs = 1");
    let _ = back_up(&host).expect(0);
    let receiver = shell::start(&mut host.command(["binlog-receive", "db"]));
    until("nothing is received", || pieces(&host) > 0);
    // What is not finished yet is not lost with the receiver, nor with the server.
    server.sql("shop", "insert into t values (2001, 'one')");
    let _ = receiver.kill();
    server.sql("shop", "insert into t values (2002, 'two')");
    server.crash();
    server.up();
    server.sql("shop", "insert into t values (2003, 'three')");
    let mut receiver = shell::start(&mut host.command(["binlog-receive", "db"]));
    let before = pieces(&host);
    until("nothing is received again", || pieces(&host) > before);
    // The server goes away for a while.
    server.crash();
    server.up();
    server.sql("shop", "insert into t values (2004, 'four')");
    let before = pieces(&host);
    until("nothing is received after a restart of the server", || pieces(&host) > before + 1);
    assert!(!receiver.has_ended());
    receiver.signal("TERM");
    let done = receiver.wait();
    assert!(!done.said().contains("gap") && !done.said().contains("lacks"), "{}", done.story());
    let _ = receive(&host).expect(0);
    let url = server.url();
    let one = ["restore", "db@latest", "--into", &url, "--table", "shop.t", "--replace", "--time", "latest"];
    let _ = open(&host, &one).expect(0);
    assert_eq!(server.sql("shop", "select count(*) from t where a > 2000"), "4");
    // The spool holds nothing that a vault has.
    let spool = host.state().join("log/db");
    let left =
        fs::read_dir(&spool).unwrap().flatten().filter(|entry| entry.file_name() != "captured").count();
    assert!(left <= 1, "{left} files stayed in the spool");
}

#[test]
fn a_gap_is_said_when_it_comes_to_be_and_refused_when_it_matters() {
    let server = shop("");
    let (host, _folder) = host_of(&server, "binlog = true");
    let first = back_up(&host).expect(0).summary()["snapshots"][0]["id"].as_str().unwrap().to_owned();
    let _ = receive(&host).expect(0);
    // The server throws away what was not received.
    server.sql("shop", "insert into t values (3001, 'lost'); flush binary logs; flush binary logs");
    let newest = server.sql("", "show master status").split('\t').next().unwrap().to_owned();
    // One that is still being read along stays for a while.
    until("the old files stay", || {
        server.sql("", &format!("purge binary logs to '{newest}'"));
        server.sql("", "show binary logs").lines().count() == 1
    });
    let done = receive(&host);
    for word in ["removed", "make a new one", "lacks"] {
        assert!(done.said().contains(word), "{word:?} is not said\n{}", done.story());
    }
    assert_ne!(done.code, Some(0), "{}", done.story());
    let target = host.dir().join("nowhere").display().to_string();
    let done = open(&host, &["restore", &first, "--target", &target, "--time", "latest"]).expect(1);
    assert!(done.stderr.contains("the binary log lacks"), "{}", done.stderr);
    // A new snapshot does not need what is gone.
    let _ = back_up(&host).expect(0);
    server.sql("shop", "insert into t values (3002, 'after')");
    let _ = receive(&host).expect(0);
    let url = server.url();
    let one = ["restore", "db@latest", "--into", &url, "--table", "shop.t", "--replace", "--time", "latest"];
    let _ = open(&host, &one).expect(0);
    assert_eq!(server.sql("shop", "select count(*) from t where a > 3000"), "2");
}

/// Numbers that were there before come again: they must not be taken for what they are not.
#[test]
fn a_log_that_was_begun_anew_is_no_log_of_an_older_snapshot() {
    let server = shop("");
    let (host, _folder) = host_of(&server, "binlog = true");
    let _ = receive(&host).expect(0);
    server.sql("shop", "flush binary logs; flush binary logs");
    let first = back_up(&host).expect(0).summary()["snapshots"][0]["id"].as_str().unwrap().to_owned();
    let _ = receive(&host).expect(0);
    let number = |file: &str| file.rsplit('.').next().unwrap().parse::<u64>().unwrap();
    let newest = || server.sql("", "show master status").split('\t').next().unwrap().to_owned();
    let reached = number(&newest());
    until("the log is in use", || server.try_sql("", "reset master").code == Some(0));
    let done = receive(&host);
    for word in ["begun its binary log anew", "begins anew"] {
        assert!(done.said().contains(word), "{word:?} is not said\n{}", done.story());
    }
    while number(&newest()) <= reached + 1 {
        server.sql("shop", "flush binary logs");
    }
    let _ = receive(&host).expect(0);
    let target = host.dir().join("nowhere").display().to_string();
    let done = open(&host, &["restore", &first, "--target", &target, "--time", "latest"]).expect(1);
    assert!(done.stderr.contains("begins anew") || done.stderr.contains("RESET MASTER"), "{}", done.stderr);
    assert!(!host.dir().join("nowhere").join("data").exists());
    // A new snapshot goes on as ever.
    let _ = back_up(&host).expect(0);
    server.sql("shop", "insert into t values (4001, 'after')");
    let _ = receive(&host).expect(0);
    let one = [
        "restore",
        "db@latest",
        "--into",
        &server.url(),
        "--table",
        "shop.t",
        "--replace",
        "--time",
        "latest",
    ];
    let _ = open(&host, &one).expect(0);
    assert_eq!(server.sql("shop", "select count(*) from t where a > 4000"), "1");
}

/// The receiver was away while the server began its log anew, and went on until it had a file of the number that is awaited.
#[test]
fn numbers_that_come_again_are_not_taken_for_those_of_before() {
    let server = shop("");
    let (host, _folder) = host_of(&server, "binlog = true");
    let first = back_up(&host).expect(0).summary()["snapshots"][0]["id"].as_str().unwrap().to_owned();
    server.sql("shop", "insert into t values (5001, 'received'); flush binary logs");
    let _ = receive(&host).expect(0);
    let newest = || server.sql("", "show master status").split('\t').next().unwrap().to_owned();
    let number = |file: &str| file.rsplit('.').next().unwrap().parse::<u64>().unwrap();
    let reached = number(&newest());
    server.sql("shop", "insert into t values (5002, 'lost')");
    until("the log is in use", || server.try_sql("", "reset master").code == Some(0));
    server.sql("shop", "insert into t values (5003, 'after')");
    while number(&newest()) <= reached + 1 {
        server.sql("shop", "flush binary logs");
    }
    let done = receive(&host).expect(3);
    assert!(
        done.said().contains("begins anew") && done.said().contains("make a new one"),
        "{}",
        done.story()
    );
    let one =
        ["restore", &first, "--into", &server.url(), "--table", "shop.t", "--replace", "--time", "latest"];
    let done = open(&host, &one).expect(1);
    assert!(done.stderr.contains("does not go on where"), "{}", done.story());
    assert_eq!(server.sql("shop", "select count(*) from t where a > 5000"), "3", "nothing was changed");
}

#[test]
fn what_cannot_be_received_is_refused() {
    let server = shop("skip-log-bin");
    let (host, _folder) = host_of(&server, "");
    let done = receive(&host).expect(2);
    assert!(done.said().contains("binlog = true"), "{}", done.story());
    let (host, _folder) = host_of(&server, "binlog = true");
    let done = receive(&host).expect(1);
    assert!(done.said().contains("set log_bin"), "{}", done.story());
    // A snapshot of such a server has no position to go on from.
    let _ = back_up(&host).expect(0);
    let target = host.dir().join("nowhere").display().to_string();
    let done = open(&host, &["restore", "db@latest", "--target", &target, "--time", "latest"]).expect(1);
    assert!(done.stderr.contains("where it stands in the binary log"), "{}", done.stderr);
    let server = shop("");
    server.sql(
        "",
        "create user few@localhost; grant select, reload, process, binlog monitor on *.* to few@localhost",
    );
    let (host, _folder) = host_of(&server, "binlog = true");
    let plan = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), plan.replace("root@", "few@")).unwrap();
    let done = receive(&host).expect(1);
    assert!(done.said().contains("REPLICATION SLAVE"), "{}", done.story());
}
