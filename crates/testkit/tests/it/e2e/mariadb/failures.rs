//! Servers that do not let themselves be captured: each case ends in a clear failure, or in a degraded snapshot that says what is
//! missing.

use super::{back_up, filled, host_of, no_snapshot, prove, truth};
use std::fs;
use std::process::Stdio;
use std::time::Duration;
use vow_testkit::mariadb::Server;

#[track_caller]
fn fails(host: &vow_testkit::Host, words: &[&str]) {
    let done = back_up(host).expect(1);
    for word in words {
        assert!(done.said().contains(word), "{word:?} is not said\n{}", done.story());
    }
    no_snapshot(host, words[0]);
}

fn as_user(host: &vow_testkit::Host, user: &str) {
    let plan = fs::read_to_string(host.config()).unwrap();
    let start = plan.find("mariadb://").unwrap() + "mariadb://".len();
    let end = start + plan[start..].find('@').unwrap();
    fs::write(host.config(), format!("{}{user}{}", &plan[..start], &plan[end..])).unwrap();
}

#[test]
fn what_an_account_may_not_do_is_named() {
    let server = filled();
    let (host, _folder) = host_of(&server, "");
    server.sql("", "create user few@localhost; grant select, lock tables on *.* to few@localhost");
    as_user(&host, "few");
    fails(&host, &["RELOAD"]);
    // It may hold the server still; views it may not see.
    server.sql("", "grant reload, process on *.* to few@localhost");
    fails(&host, &["SHOW VIEW"]);
    // Nothing fails any more, and triggers and events would be missing in silence.
    server.sql("", "grant show view on *.* to few@localhost");
    let done = back_up(&host);
    assert_ne!(done.code, Some(0), "{}", done.story());
    assert!(done.said().contains("TRIGGER"), "{}", done.story());
    server.sql("", "grant trigger, event on *.* to few@localhost");
    let done = back_up(&host);
    assert_eq!(done.code, Some(0), "{}", done.story());
    // Of a replica it would not be told how far behind it is.
    assert!(done.said().contains("SLAVE MONITOR"), "{}", done.story());
    let whole = truth(&host);
    assert!(
        whole["kinds"]["trigger"].as_u64() > Some(1) && whole["kinds"]["event"] == 1,
        "{}",
        whole["kinds"]
    );
    // A role brings them just as well.
    server.sql("", "create role backup; grant select, lock tables, reload, process, show view, trigger, event, binlog monitor on *.* to backup; \
        create user by_role@localhost; grant backup to by_role@localhost; set default role backup for by_role@localhost");
    as_user(&host, "by_role");
    let _ = back_up(&host).expect(0);
    // One table only.
    server.sql("", "create user one@localhost; grant reload on *.* to one@localhost; grant select on shop.parent to one@localhost");
    as_user(&host, "one");
    let done = back_up(&host);
    assert_ne!(done.code, Some(0), "{}", done.story());
}

#[test]
fn a_lock_held_for_ever_is_said_with_who_is_there() {
    let server = filled();
    server.sql("", "create user the_holder@localhost; grant all on *.* to the_holder@localhost");
    let mut holder = server.client("mariadb");
    holder.args(["--user=the_holder", "--database=shop", "-e", "lock tables part write; select sleep(100)"]);
    let mut holder = holder.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let held = "select count(*) from information_schema.processlist where user = 'the_holder' and state = 'User sleep'";
    while server.sql("", held) == "0" {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (host, _folder) = host_of(&server, "lock_wait_secs = 2");
    fails(&host, &["stayed locked", "the_holder"]);
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn another_server_in_its_place_is_refused() {
    let server = Server::start();
    server.sql("", "create database d");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let other = Server::start();
    let plan = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), plan.replace(&server.url(), &other.url())).unwrap();
    let done = back_up(&host).expect(1);
    for word in ["system identifier", "--accept-server"] {
        assert!(done.said().contains(word), "{}", done.story());
    }
    let _ = host.run(["backup", "db", "--accept-server"]).expect(0);
    let _ = back_up(&host).expect(0);
    // A replica that follows nobody any more.
    other.sql("", "change master to master_host = '127.0.0.1', master_port = 1, master_user = 'x', master_password = 'y'");
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("a replica that lies behind"), "{}", done.story());
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut server = Server::start();
    let (host, _folder) = host_of(&server, "");
    server.crash();
    fails(&host, &["cannot connect", "db"]);
}

/// A view on what was dropped stops a dump in the middle; one whose definer is gone is dumped well, restored well, and does not work.
#[test]
fn views_that_do_not_work_are_found() {
    let server = Server::start();
    server.sql("", "create database d; use d; create table t (a int); create table u (a int); create user gone@localhost; grant all on *.* to gone@localhost; \
        create definer = gone@localhost view w as select * from t; create view v as select * from u; drop user gone@localhost");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let proof = prove(&host);
    assert!(proof.problems.iter().any(|problem| problem.contains("view `d`.`w`")), "{proof:?}");
    server.sql("d", "drop table u");
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("`v`") || done.said().contains("'d.v'"), "{}", done.story());
}

#[test]
fn what_is_excluded_is_said_and_discovered() {
    let server = Server::start();
    server.sql("", "create database kept; create database left_out; create table kept.t (a int)");
    let (host, _folder) = host_of(&server, "exclude = [\"left_out\", \"misspelt\"]");
    let dry = host.run(["backup", "db", "--dry-run"]).expect(0);
    for word in ["would dump database \"kept\"", "\"left_out\" is excluded"] {
        assert!(dry.said().contains(word), "{word}\n{}", dry.story());
    }
    let done = back_up(&host).expect(0);
    assert!(done.said().contains("which is not there"), "{}", done.story());
    let truth = truth(&host);
    assert_eq!(truth["databases"], serde_json::json!(["kept"]));
    assert_eq!(truth["not_dumped"][0]["database"], "left_out");
    // What is found on this machine says the same.
    let found = host.run(["discover", "--json"]).expect(0).summary();
    let servers = found["servers"].as_array().unwrap();
    let ours = servers.iter().find(|s| s["data"] == server.data().display().to_string()).unwrap();
    assert_eq!((&ours["source"], &ours["type"]), (&"db".into(), &"mariadb".into()));
    let status = |name: &str| {
        let databases = ours["databases"].as_array().unwrap();
        databases.iter().find(|database| database["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!((status("kept"), status("left_out")), ("covered".into(), "excluded".into()));
    // Its data directory inside a source of files is left out, and the type to use is named.
    host.add_source("files-of-db", &server.path(""));
    let files = host.run(["backup", "files-of-db"]);
    assert!(files.said().contains("mariadb"), "{}", files.story());
}

#[test]
fn a_server_without_a_binary_log_or_databases_is_captured_as_well() {
    let server = Server::start_with("skip-log-bin");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    assert_eq!(truth(&host)["databases"], serde_json::json!([]));
    server.sql("", "create database d; create table d.t (a int); insert into d.t values (1)");
    let _ = back_up(&host).expect(0);
    assert!(super::document(&host, "server.json")["position"].is_null());
    assert!(prove(&host).holds());
}
