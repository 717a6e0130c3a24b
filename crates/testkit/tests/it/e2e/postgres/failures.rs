//! Servers that do not let themselves be captured: each case ends in a clear failure, or in a degraded snapshot that says what is
//! missing.

use super::{back_up, filled, host_of};
use std::fs;
use std::process::Stdio;
use vow_testkit::postgres::Server;

#[track_caller]
fn fails(host: &vow_testkit::Host, words: &[&str]) {
    let done = back_up(host).expect(1);
    for word in words {
        assert!(done.said().contains(word), "{word:?} is not said\n{}", done.story());
    }
}

fn with_user(server: &Server, user: &str, lines: &str) -> (vow_testkit::Host, tempfile::TempDir) {
    let (host, folder) = host_of(server, lines);
    let plan = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), plan.replace("postgres://postgres@", &format!("postgres://{user}@"))).unwrap();
    (host, folder)
}

#[test]
fn what_a_role_may_not_read_is_named() {
    let server = filled();
    server.sql("postgres", "create role reader login; grant pg_read_all_data to reader");
    let only_shop = "exclude = [\"template1\", \"postgres\"]";
    // Row security would hide rows.
    let (host, _folder) = with_user(&server, "reader", only_shop);
    fails(&host, &["shop", "child", "row-level security"]);
    // Large objects may not be read.
    server.sql("shop", "alter role reader bypassrls");
    fails(&host, &["large object"]);
    server.sql("shop", "select lo_unlink(4711), lo_unlink(4712)");
    // Now everything can be read but passwords of roles, mappings and subscriptions: degraded or refused, never silently whole.
    let done = back_up(&host);
    assert_ne!(done.code, Some(0), "{}", done.story());
    // One table is missing.
    server.sql("postgres", "create role few login");
    server.sql("shop", "grant usage on schema app to few");
    let (host, _folder) = with_user(&server, "few", only_shop);
    fails(&host, &["shop", "permission denied for table"]);
}

#[test]
fn passwords_of_roles_that_may_not_be_read_are_said_to_be_missing() {
    let server = Server::start();
    server.sql(
        "postgres",
        "create role reader login; create table t as select 1 as a; grant select on t to reader",
    );
    let (host, _folder) = with_user(&server, "reader", "");
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("passwords of roles"), "{}", done.story());
}

#[test]
fn a_lock_held_for_ever_is_named_with_its_holder() {
    let server = filled();
    let mut holder = server.client("psql", "shop");
    holder
        .args(["-X", "-c", "begin; lock table app.child in access exclusive mode; select pg_sleep(30)"])
        .env("PGAPPNAME", "the_holder");
    let mut holder = holder.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let held = "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'app.child'::regclass";
    while server.sql("shop", held) == "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (host, _folder) = host_of(&server, "lock_wait_secs = 1");
    fails(&host, &["app.child", "the_holder", "1 s"]);
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn another_server_in_its_place_is_refused() {
    let server = Server::start();
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let other = Server::start();
    let plan = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), plan.replace(&server.url(), &other.url())).unwrap();
    fails(&host, &["system identifier", "--accept-server"]);
    let _ = host.run(["backup", "db", "--accept-server"]).expect(0);
    let _ = back_up(&host).expect(0);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut server = Server::start();
    let (host, _folder) = host_of(&server, "");
    server.crash();
    fails(&host, &["cannot connect", "db"]);
}

/// A function can be broken by what was dropped: the dump works, and the proof says so.
#[test]
fn a_view_that_does_not_work_is_found_by_the_proof() {
    let server = Server::start();
    server.sql("postgres", "create table t as select 1 as a; create function f() returns int language plpgsql immutable as 'begin return (select a from public.t); end'; \
        create view v as select f() / 1 as x; create table u (c int default f()); drop table t");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let proof = super::prove(&host);
    assert!(proof.problems.iter().any(|problem| problem.contains("view public.v")), "{proof:?}");
}

#[test]
fn a_database_that_lets_nobody_in_is_said_to_be_missing() {
    let server = Server::start();
    server.sql("postgres", "create database closed");
    server.sql("postgres", "create database left_out");
    server.sql("postgres", "alter database closed allow_connections false");
    let (host, _folder) = host_of(&server, "exclude = [\"left_out\", \"misspelt\"]");
    let dry = host.run(["backup", "db", "--dry-run"]).expect(3);
    for word in ["would dump database \"postgres\"", "closed", "\"misspelt\", which is not there"] {
        assert!(dry.said().contains(word), "{word}\n{}", dry.story());
    }
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("closed.dump"), "{}", done.story());
    let truth = super::truth(&host);
    let names: Vec<_> =
        truth["databases"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["postgres", "template1"]);
    assert_eq!(truth["not_dumped"].as_array().unwrap().len(), 3);
    // What is found on this machine says the same.
    let found = host.run(["discover", "--json"]).expect(0).summary();
    let servers = found["servers"].as_array().unwrap();
    let ours = servers.iter().find(|s| s["data"] == server.data().display().to_string()).unwrap();
    assert_eq!(ours["source"], "db");
    let status = |name: &str| {
        let databases = ours["databases"].as_array().unwrap();
        databases.iter().find(|database| database["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!(
        (status("postgres"), status("left_out"), status("closed")),
        ("covered".into(), "excluded".into(), "uncovered".into())
    );
}

/// A standby that is told to stay behind: what it gives is old, and that is said.
#[test]
fn a_replica_that_lags_makes_the_snapshot_partial() {
    if !vow_testkit::shell::is_root("a_replica_that_lags_makes_the_snapshot_partial") {
        return;
    }
    let server = Server::start();
    server.sql("postgres", "create table t as select 1 as a");
    let data = server.path("standby");
    let place = server.folder("standby_socket").display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command.arg(vow_testkit::postgres::programs().join(program)).args(arguments).current_dir("/");
        vow_testkit::shell::run(&mut command)
    };
    let (data, host_of_primary) = (data.display().to_string(), server.path("").display().to_string());
    let _ =
        run("pg_basebackup", &["-D", &data, "-R", "-h", &host_of_primary, "-U", "postgres", "-c", "fast"])
            .expect(0);
    let options = format!("-c unix_socket_directories={place} -c recovery_min_apply_delay=1h");
    let log = format!("{place}/log");
    let started = run("pg_ctl", &["-s", "-w", "-D", &data, "-l", &log, "-o", &options, "start"]);
    server.sql("postgres", "create table u as select 2 as a");
    let folder = vow_testkit::host::scratch();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let host = vow_testkit::Host::at(&folder.path().join("host"), &[&folder.path().join("data")]);
    host.add_to_plan(&format!(
        "[[source]]\nname = \"db\"\ntype = \"postgres\"\nurl = \"postgres://postgres@/?host={place}\"\nmax_lag_secs = 1"
    ));
    // It is late from when it has received what it does not apply.
    let late = "select pg_last_wal_receive_lsn() <> pg_last_wal_replay_lsn()";
    let is_late = || run("psql", &["-XAtq", "-h", &place, "-U", "postgres", "-c", late]).text().trim() == "t";
    let began = std::time::Instant::now();
    while started.code == Some(0) && !is_late() && began.elapsed() < std::time::Duration::from_secs(60) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let done = back_up(&host);
    let _ = run("pg_ctl", &["-s", "-D", &data, "-m", "immediate", "stop"]);
    assert_eq!(started.code, Some(0), "{}", started.story());
    let done = done.expect(3);
    assert!(done.said().contains("behind"), "{}", done.story());
}
