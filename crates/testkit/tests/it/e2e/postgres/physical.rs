//! Base backups and the log: all of a server as it was, and any moment after.

use super::lies::tools_with;
use super::{back_up, filled, host_of, open, prove};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use vow_testkit::postgres::{Recovered, Server};
use vow_testkit::{Host, host, shell};

fn physical(server: &Server, lines: &str) -> (Host, tempfile::TempDir) {
    let staging = server.folder("staging").display().to_string();
    host_of(server, &format!("method = \"physical\"\nstaging = \"{staging}\"\n{lines}"))
}

/// Restores all of a snapshot into a folder that a server can be started from.
fn restore(host: &Host, snapshot: &str, more: &[&str]) -> (tempfile::TempDir, Recovered) {
    let place = host::scratch();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let target = place.path().join("back").display().to_string();
    let arguments = [&["restore", snapshot, "--target", &target, "--json"], more].concat();
    let _ = open(host, &arguments).expect(0);
    fs::set_permissions(Path::new(&target), fs::Permissions::from_mode(0o755)).unwrap();
    let server = Recovered::start(&Path::new(&target).join("base"));
    (place, server)
}

#[test]
fn a_base_backup_comes_back_as_a_server() {
    let server = filled();
    server.sql("shop", "insert into app.unlogged values (1); create table app.big as select i, md5(i::text) as t from generate_series(1, 100000) i");
    let (host, _folder) = physical(&server, "");
    let done = back_up(&host).expect(0);
    let first = done.summary()["snapshots"][0].clone();
    assert!(first["notes"].to_string().contains("app.unlogged"), "{first}");
    assert!(fs::read_dir(server.path("staging")).unwrap().next().is_none(), "the staging folder stayed");
    // What did not change is found again.
    server.sql("shop", "update app.big set t = 'changed' where i = 77");
    let second = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    let (bytes, added) = (second["bytes"].as_u64().unwrap(), second["added_bytes"].as_u64().unwrap());
    assert!(bytes > 30_000_000 && added < bytes / 10, "{added} of {bytes}");
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    assert!(proof.holds() && proof.compared > 10, "{proof:?}");
    // A server starts from it, with everything but what is unlogged, and archives nothing.
    let (_place, back) = restore(&host, "db@latest", &[]);
    assert_eq!(back.sql("shop", "select t from app.big where i = 77"), "changed");
    assert_eq!(back.sql("shop", "select count(*) from app.child"), "203");
    assert_eq!(back.sql("shop", "select count(*) from app.unlogged"), "0");
    assert_eq!(back.sql("shop", "select count(*) from app.in_ts"), "0");
    assert_eq!(back.sql("shop", "show archive_mode"), "off");
    let place =
        back.sql("shop", "select pg_tablespace_location(oid) from pg_tablespace where spcname = 'ts'");
    assert!(place.starts_with(&_place.path().display().to_string()), "{place}");
    let identifier = "select system_identifier from pg_control_system()";
    assert_eq!(back.sql("shop", identifier), server.sql("shop", identifier));
    // One database of it into a running server, beside the one that is there.
    let url = server.url();
    let one = ["restore", "db@latest", "--into", &url, "--database", "shop", "--json"];
    let done = open(&host, &one).expect(0).summary();
    let beside = done["databases"][0]["restored_as"].as_str().unwrap().to_owned();
    assert_eq!(server.sql(&beside, "select count(*) from app.big"), "100000");
}

#[test]
fn another_server_or_a_full_disk_is_refused() {
    let server = Server::start();
    let (host, _folder) = physical(&server, "");
    let _ = back_up(&host).expect(0);
    let other = Server::start();
    let plan = fs::read_to_string(host.config()).unwrap();
    let url = format!("url = \"{}\"", server.url());
    fs::write(host.config(), plan.replace(&url, &format!("url = \"{}\"", other.url()))).unwrap();
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("system identifier"), "{}", done.story());
    fs::write(host.config(), &plan).unwrap();
    if !shell::is_root("a staging folder that is too small") {
        return;
    }
    let small = vow_testkit::Volume::tmpfs("size=64m");
    let staging = server.path("staging").display().to_string();
    fs::write(host.config(), plan.replace(&staging, &small.path().display().to_string())).unwrap();
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("MiB are free") && done.said().contains("staging"), "{}", done.story());
}

#[test]
fn a_base_backup_that_is_damaged_makes_no_snapshot() {
    let server = Server::start();
    for (name, script, says) in [
        (
            "damaged",
            "$REAL \"$@\" && printf x | dd of=\"$2/base/1/1259\" conv=notrunc status=none",
            "manifest",
        ),
        ("missing", "$REAL \"$@\" && rm \"$2/base/1/1259\"", "manifest"),
        ("killed", "kill -9 $SERVER; exec $REAL \"$@\"", "pg_basebackup failed"),
    ] {
        let tools = tools_with(&server, &format!("tools-{name}"), "pg_basebackup", script);
        let staging = server.folder(&format!("staging-{name}")).display().to_string();
        let lines =
            format!("method = \"physical\"\nstaging = \"{staging}\"\ntools = \"{}\"", tools.display());
        let (host, _folder) = host_of(&server, &lines);
        let done = back_up(&host).expect(1);
        assert!(done.said().contains(says), "{name}: {says:?} is not said\n{}", done.story());
        let listed = host.run(["snapshots", "--json"]).expect(0).summary();
        assert_eq!(listed["snapshots"], serde_json::json!([]), "{name}: there is a snapshot");
        assert!(fs::read_dir(&staging).unwrap().next().is_none(), "{name}: the staging folder stayed");
    }
}

/// Whether a piece of the log that is in the vault has this segment.
fn is_sent(host: &Host, segment: &str) -> bool {
    let listed = host.run(["snapshots", "--json"]).expect(0).summary();
    let pieces = listed["snapshots"].as_array().unwrap().iter().filter(|one| one["source"] == "db.wal");
    let has_it = |id: &str| open(host, &["ls", id]).expect(0).text().contains(segment);
    pieces.filter_map(|piece| piece["id"].as_str()).any(has_it)
}

/// Ends the segment at hand, and waits until a piece of the log has it. That any piece arrives is not enough: the first one may hold what
/// was written before only.
#[track_caller]
fn until_sent(host: &Host, server: &Server) {
    let segment = server.sql("postgres", "select pg_walfile_name(pg_current_wal_lsn())");
    let began = Instant::now();
    while !is_sent(host, &segment) {
        server.sql(
            "postgres",
            "create table if not exists public.tick (a int); drop table public.tick; select pg_switch_wal()",
        );
        assert!(began.elapsed() < Duration::from_secs(120), "no piece of the log arrives");
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_moment_before_a_bad_transaction_comes_back() {
    let server = Server::start();
    server.sql("postgres", "create database shop");
    server.sql("shop", "create table t (a int primary key, b text); insert into t select i, 'early' from generate_series(1, 1000) i");
    let spool = server.folder("wal").display().to_string();
    let (host, _folder) = physical(&server, &format!("wal = true\nwal_spool = \"{spool}\""));
    let receiver = shell::start(&mut host.command(["wal-receive", "db"]));
    let slot = "select count(*) from pg_replication_slots where slot_name = 'vow_db' and active";
    let began = Instant::now();
    while server.sql("postgres", slot) != "1" {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is received");
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = back_up(&host).expect(0);
    server.sql("shop", "insert into t select i, 'late' from generate_series(1001, 1500) i");
    until_sent(&host, &server);
    // Killed, it goes on where it was: what was written meanwhile is not lost.
    let _ = receiver.kill();
    server.sql("shop", "update t set b = 'good' where a = 7");
    server.sql("postgres", "select pg_switch_wal()");
    server.sql("shop", "update t set b = 'good' where a = 8");
    let moment = server.sql(
        "postgres",
        "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z'",
    );
    server.sql("shop", "drop table t");
    let mut receiver = shell::start(&mut host.command(["wal-receive", "db"]));
    until_sent(&host, &server);
    assert!(!receiver.has_ended());
    receiver.signal("TERM");
    let _ = receiver.wait();

    let (_place, back) = restore(&host, "db@latest", &["--time", &moment]);
    assert_eq!(back.sql("shop", "select count(*), count(*) filter (where b = 'good') from t"), "1500|2");
    drop(back);
    // The same into the running server.
    let url = server.url();
    let one =
        ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", "t", "--time", &moment];
    let _ = open(&host, &one).expect(0);
    assert_eq!(server.sql("shop", "select count(*), count(*) filter (where b = 'good') from t"), "1500|2");
    // To the end of the log, the table is gone.
    let (_place, back) = restore(&host, "db@latest", &["--time", "latest"]);
    assert_eq!(back.sql("shop", "select to_regclass('t') is null"), "t");
    // What cannot be is said.
    let target = host.dir().join("nowhere").display().to_string();
    let early = ["restore", "db@latest", "--target", &target, "--time", "2001-01-01 00:00:00Z"];
    assert!(open(&host, &early).expect(2).stderr.contains("earlier"));
    let late = ["restore", "db@latest", "--target", &target, "--time", "2101-01-01 00:00:00Z"];
    assert!(open(&host, &late).expect(1).stderr.contains("does not reach"));
    let zoneless = ["restore", "db@latest", "--target", &target, "--time", "2026-01-01 00:00:00"];
    assert!(open(&host, &zoneless).expect(2).stderr.contains("zone"));
}

#[test]
fn a_slot_that_holds_back_too_much_and_a_gap_are_said() {
    let server = Server::start();
    let spool = server.folder("wal").display().to_string();
    let (host, _folder) =
        physical(&server, &format!("wal = true\nwal_spool = \"{spool}\"\nwal_max_lag = \"1 MiB\""));
    server.sql("postgres", "select pg_create_physical_replication_slot('vow_db', true)");
    let _ = back_up(&host).expect_one_of(&[0, 3]);
    server.sql(
        "postgres",
        "create table t as select i, md5(i::text) from generate_series(1, 50000) i; select pg_switch_wal()",
    );
    let done = host.run(["wal-receive", "db", "--once"]);
    assert!(done.said().contains("max_slot_wal_keep_size"), "{}", done.story());
    assert!(done.said().contains("wal_max_lag"), "{}", done.story());
    let receiver = shell::start(&mut host.command(["wal-receive", "db"]));
    until_sent(&host, &server);
    let _ = receiver.kill();
    // Somebody drops the slot, and the log in between goes away.
    let began = Instant::now();
    while server.try_sql("postgres", "select pg_drop_replication_slot('vow_db')").code != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(60), "the slot stays in use");
        std::thread::sleep(Duration::from_millis(200));
    }
    for _ in 0..3 {
        server.sql("postgres", "create table u (a int); drop table u; select pg_switch_wal()");
        server.sql("postgres", "checkpoint");
    }
    for file in fs::read_dir(&spool).unwrap().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.len() == 24 || name.ends_with(".partial") {
            fs::remove_file(file.path()).unwrap();
        }
    }
    let receiver = shell::start(&mut host.command(["wal-receive", "db"]));
    until_sent(&host, &server);
    let done = receiver.kill();
    assert!(done.said().contains("gap"), "{}", done.story());
    // Nothing is written when the log does not reach.
    let target = host::scratch();
    let target = target.path().join("restored");
    let to = target.display().to_string();
    let base = host.run(["snapshots", "--json"]).expect(0).summary();
    let base =
        base["snapshots"].as_array().unwrap().iter().find(|one| one["source"] == "db").unwrap()["id"].clone();
    let refused =
        open(&host, &["restore", base.as_str().unwrap(), "--target", &to, "--time", "latest"]).expect(1);
    assert!(refused.said().contains("the log lacks"), "{}", refused.story());
    assert!(!target.exists(), "nothing is written");
}
