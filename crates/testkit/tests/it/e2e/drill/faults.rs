//! What is wrong with the machine that drills is said, and never taken for a fault of the snapshot: each fault has its own words.

use super::super::sources::{back_up, change, host_of, script};
use super::super::{etcd, ldap};
use super::scene::Scene;
use super::{drill, names, noticed, proofs, started_below, texts, working_in};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use vow_testkit::loop_disk::Volume;
use vow_testkit::shell::Done;
use vow_testkit::{mariadb, postgres, redis, shell};

/// The proofs of a drill by source.
#[track_caller]
fn by_source(done: &Done) -> BTreeMap<String, Value> {
    proofs(done).into_iter().map(|proof| (proof["source"].as_str().unwrap().to_owned(), proof)).collect()
}

/// Insists that each of these sources was blocked with these words, and the rest proven.
#[track_caller]
fn blocked(done: &Done, wanted: &[(&str, &str)]) {
    for (source, proof) in by_source(done) {
        let words = wanted.iter().find(|(name, _)| *name == source);
        let status = if words.is_some() { "blocked" } else { "proven" };
        assert_eq!(proof["status"], status, "{source}\n{}", done.story());
        if let Some((_, words)) = words {
            let said = texts(&proof, "blocked");
            assert!(said.contains(words), "{source}: {words:?} is not said: {said}");
        }
    }
}

#[test]
fn whatever_this_machine_lacks_is_said_for_every_type() {
    if !shell::is_root("whatever_this_machine_lacks_is_said_for_every_type") {
        return;
    }
    let (scene, etcd, ldap) = (Scene::new(), etcd::Server::start(), ldap::Server::start());
    ldap.fill(30);
    let _ = etcd.ctl(&["put", "a", "b"]).expect(0);
    let host = &scene.host;
    let site =
        format!("site = {{ root = {:?} }}", scene.folder.path().join("www/html").display().to_string());
    change(host, "type = \"files\"", &format!("type = \"files\"\n{site}"));
    host.add_to_plan(&format!("[[source]]\nname = \"keys\"\ntype = \"etcd\"\nurl = \"{}\"", etcd.url));
    host.add_to_plan(&format!(
        "[[source]]\nname = \"people\"\ntype = \"ldap\"\nconfig = \"{}\"",
        ldap.config().display()
    ));
    let big = scene.folder.path().join("app/big.db").display().to_string();
    shell::tool("sqlite3", [&big, "CREATE TABLE t AS SELECT zeroblob(40000000) AS b"]);
    host.backup();
    let identity = host.identity().display().to_string();
    let words = |place: &Path| {
        let words = ["drill", "--json", "--identity", &identity, "--scratch"].map(str::to_owned);
        words.into_iter().chain([place.display().to_string()]).collect::<Vec<_>>()
    };

    // No programs: what stands in these folders is hidden from this drill alone.
    let hidden = "for folder in /usr/lib/postgresql /usr/sbin /usr/bin; do mount -t tmpfs none $folder || exit 99; done; exec \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", hidden, "sh"];
    let done = shell::run(&mut host.wrapped(&wrapper, words(&scene.place))).expect(3);
    blocked(
        &done,
        &[
            ("files", "unshare cannot be started"),
            ("orders", "postgresql-client-"),
            ("shop", "MariaDB's client programs (on Debian: mariadb-client)"),
            ("cache", "redis-server was not found; install it (on Debian: redis-server)"),
            ("keys", "etcdctl was not found; install it (on Debian: etcd-client)"),
            ("people", "slapadd was not found; install it (on Debian: slapd)"),
        ],
    );

    // The clients are there, and the servers are not.
    let hidden =
        "mount -t tmpfs none /usr/sbin && mount --bind \"$0\" /usr/lib/postgresql/*/bin && exec \"$@\"";
    let clients = scene.folder.path().join("clients");
    fs::create_dir(&clients).unwrap();
    for program in ["psql", "pg_dump", "pg_dumpall", "pg_restore"] {
        fs::copy(postgres::programs().join(program), clients.join(program)).unwrap();
    }
    let clients = clients.display().to_string();
    let wrapper = ["unshare", "--mount", "sh", "-c", hidden, &clients];
    let done = shell::run(&mut host.wrapped(&wrapper, words(&scene.place))).expect(3);
    blocked(
        &done,
        &[
            ("orders", "needs initdb"),
            ("shop", "the server's package (on Debian: mariadb-server)"),
            ("people", "slapadd was not found"),
        ],
    );

    // No room.
    let disk = Volume::tmpfs("size=24m,mode=755");
    fs::set_permissions(disk.beside(), fs::Permissions::from_mode(0o755)).unwrap();
    let done = shell::run(&mut host.command(words(&disk.path()))).expect(3);
    let place = disk.path().display().to_string();
    let needs = format!("MiB in {place}");
    blocked(
        &done,
        &[
            ("files", &needs),
            ("orders", &needs),
            ("shop", &needs),
            ("cache", &needs),
            ("apps", "the scratch place is full; name a roomier one with --scratch"),
            ("keys", "the scratch place is full"),
        ],
    );
    for source in ["files", "orders", "shop", "cache"] {
        let said = texts(&by_source(&done)[source], "blocked");
        assert!(said.contains("--scratch"), "{source}: {said}");
    }
    assert!(names(&disk.path()).is_empty());

    // A place whose path is too long for a socket.
    let deep = scene.folder.path().join("a".repeat(80));
    fs::create_dir(&deep).unwrap();
    let done = shell::run(&mut host.command(words(&deep))).expect(3);
    let long = "the path of a socket has 107 bytes at most";
    blocked(&done, &[("orders", long), ("shop", long), ("cache", long)]);
    assert!(
        names(&deep).is_empty() && names(&scene.place).is_empty() && started_below(&scene.place).is_empty()
    );
}

/// Starts a drill of `db` on a disk of its own, and leaves no more room on it as soon as the server works there.
#[track_caller]
fn fills_up(host: &vow_testkit::Host) {
    let disk = Volume::tmpfs("size=4g,mode=755");
    let place = disk.path();
    fs::set_permissions(disk.beside(), fs::Permissions::from_mode(0o755)).unwrap();
    let (at, identity) = (place.display().to_string(), host.identity().display().to_string());
    let mut running = host.start(["drill", "db", "--json", "--scratch", &at, "--identity", &identity]);
    let began = Instant::now();
    while working_in(&place).is_empty() && !running.has_ended() && began.elapsed() < Duration::from_secs(120)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    // Smaller than what is used it cannot be made, and more is used all the time.
    let used = || {
        let stat = rustix::fs::statvfs(&place).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    };
    let full = || {
        let size = format!("remount,size={}", used() + (256 << 10));
        shell::run(Command::new("mount").args(["-o", &size]).arg(&place)).code == Some(0)
    };
    while !full() && !running.has_ended() {}
    assert!(!running.has_ended(), "too fast: {}", running.wait().story());
    let done = running.wait().expect(3);
    let proof = proofs(&done).remove(0);
    assert_eq!(proof["status"], "blocked", "{}", done.story());
    assert!(texts(&proof, "blocked").contains("the scratch place is full"), "{}", done.story());
    assert!(names(&place).is_empty() && working_in(&place).is_empty());
}

#[test]
fn a_disk_that_fills_up_in_the_middle_is_said() {
    if !shell::is_root("a_disk_that_fills_up_in_the_middle_is_said") {
        return;
    }
    let server = postgres::Server::start();
    server.sql("postgres", "create database shop");
    server.sql(
        "shop",
        "create table t as select n, repeat(md5(n::text), 20) as x from generate_series(1, 60000) n",
    );
    let (host, _folder) = host_of("postgres", &format!("url = \"{}\"", server.url()));
    let _ = back_up(&host).expect(0);
    fills_up(&host);
    let server = mariadb::Server::start();
    server.sql(
        "",
        "create database shop; use shop; create table t (n int primary key, x text) engine=InnoDB; \
         insert into t select seq, repeat(md5(seq), 20) from seq_1_to_60000",
    );
    let (host, _folder) = host_of("mariadb", &format!("url = \"{}\"", server.url()));
    let _ = back_up(&host).expect(0);
    fills_up(&host);
}

#[test]
fn two_drills_at_once_do_not_disturb_each_other() {
    let server = redis::Server::start();
    server.cli(&["EVAL", "for i = 1, 2000 do redis.call('SET', 'k' .. i, 'v') end", "0"]);
    let (host, folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let _ = back_up(&host).expect(0);
    let (at, identity) = (place.display().to_string(), host.identity().display().to_string());
    let all: Vec<_> = (0..4)
        .map(|_| host.start(["drill", "db", "--json", "--scratch", &at, "--identity", &identity]))
        .collect();
    for running in all {
        let done = running.wait().expect(0);
        assert_eq!(proofs(&done)[0]["status"], "proven", "{}", done.story());
    }
    assert_eq!(names(&host.state().join("drill/proofs")).len(), 4);
    assert!(names(&place).is_empty() && working_in(&place).is_empty());
}

/// A snapshot whose server says that it is of the major version before.
#[test]
fn a_server_of_another_major_version_proves_nothing_that_differs() {
    let server = postgres::Server::start();
    server.sql("postgres", "create database shop");
    server.sql("shop", "create table t (n int); insert into t values (1)");
    let version: u32 = server.sql("postgres", "show server_version_num").trim().parse().unwrap();
    let (tools, (here, other)) = (server.folder("tools"), (version / 10_000, version / 10_000 - 1));
    for program in ["pg_dump", "pg_restore", "pg_dumpall"] {
        symlink(postgres::programs().join(program), tools.join(program)).unwrap();
    }
    let real = postgres::programs().join("psql").display().to_string();
    script(&tools, "psql", &real, &format!("$REAL \"$@\" | sed -u s/{version}/{}/g", other * 10_000 + 5));
    let lines = format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display());
    let (host, folder) = host_of("postgres", &lines);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = back_up(&host).expect(0);
    // Where nothing differs, the newer server proves as much, and the drill still notices what is wrong.
    let done = drill(&host, ["db", "--sabotage"]).expect(0);
    assert_eq!(proofs(&done)[0]["status"], "proven");
    noticed(&done, &["changed row", "dropped table", "truncated dump"]);
    host.add_to_plan("[[source.expect]]\ndatabase = \"shop\"\nsql = \"SELECT count(*) = 7 FROM t\"");
    let proof = proofs(&drill(&host, ["db"]).expect(3)).remove(0);
    let said = texts(&proof, "blocked");
    let wanted = format!("PostgreSQL {other} is not installed here; restored into version {here}");
    assert!(proof["status"] == "blocked" && said.contains(&wanted), "{proof}");
    assert!(texts(&proof, "notes").contains("gave false"), "{proof}");
}

/// The same for MariaDB; what a series is like is the business of `mariadb::versions`.
#[test]
fn a_mariadb_of_another_series_proves_nothing_that_differs() {
    let server = mariadb::Server::start();
    server.sql(
        "",
        "create database shop; use shop; create table t (n int primary key, x text); insert into t values (1, 'a')",
    );
    let version = server.sql("", "select @@version").trim().to_owned();
    let here = version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let (tools, real) = (server.path("tools"), mariadb::program("mariadb").display().to_string());
    fs::create_dir(&tools).unwrap();
    fs::set_permissions(&tools, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(mariadb::program("mariadb-dump"), tools.join("mariadb-dump")).unwrap();
    script(&tools, "mariadb", &real, &format!("$REAL \"$@\" | sed -u s/{version}/10.9.1-MariaDB/g"));
    let lines = format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display());
    let (host, folder) = host_of("mariadb", &lines);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = back_up(&host).expect(0);
    // Where nothing differs, the other server proves as much; and the drill still notices what is wrong.
    let done = drill(&host, ["db", "--sabotage"]).expect(0);
    let proof = proofs(&done).remove(0);
    assert!(texts(&proof, "notes").contains(&format!("proven with MariaDB {here}: 10.9,")), "{proof}");
    noticed(&done, &["changed row", "dropped table", "truncated dump"]);
    host.add_to_plan("[[source.expect]]\ndatabase = \"shop\"\nsql = \"SELECT count(*) = 7 FROM t\"");
    let proof = proofs(&drill(&host, ["db"]).expect(3)).remove(0);
    let wanted = format!("MariaDB 10.9 is not installed here; restored into version {here}");
    assert!(proof["status"] == "blocked" && texts(&proof, "blocked").contains(&wanted), "{proof}");
    assert!(texts(&proof, "notes").contains("gave 0"), "{proof}");
}

#[test]
fn an_rdb_of_a_newer_server_is_not_taken_for_a_damaged_one() {
    let server = redis::Server::with("rdbchecksum no");
    server.cli(&["SET", "a", "b"]);
    let tools = server.path("tools");
    fs::create_dir(&tools).unwrap();
    let newer = "$REAL \"$@\" | python3 -c 'import sys; b = sys.stdin.buffer.read(); sys.stdout.buffer.write(b[:5] + b\"0099\" + b[9:])'";
    script(&tools, "redis-cli", "/usr/bin/redis-cli", newer);
    // As the newer server's own checker would.
    script(
        &tools,
        "redis-check-rdb",
        "",
        "cat > /dev/null; echo '\\o/ RDB looks OK! \\o/'; echo '[info] 1 keys read'; echo '[info] 0 expires'; echo '[info] 0 already expired'",
    );
    let (host, _folder) =
        host_of("redis", &format!("url = \"{}\"\ntools = \"{}\"", server.url(), tools.display()));
    let _ = back_up(&host).expect(3);
    let proof = proofs(&drill(&host, ["db"]).expect(3)).remove(0);
    assert_eq!(proof["status"], "blocked", "{proof}");
    assert!(texts(&proof, "blocked").contains("too old for this RDB"), "{proof}");
}
