//! Drills of the other types: the damage that each must notice, and nothing left behind when one is killed.

use super::super::sources::{back_up, host_of};
use super::{drill, kill_amid, names, noticed, proofs, texts, working_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use vow_testkit::{Host, mariadb, redis, shell};

/// A place for scratch servers, which other accounts can reach.
fn place(folder: &tempfile::TempDir) -> PathBuf {
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    place
}

fn start(host: &Host, place: &std::path::Path) -> shell::Running {
    let (place, identity) = (place.display().to_string(), host.identity().display().to_string());
    host.start(["drill", "db", "--scratch", &place, "--identity", &identity])
}

/// A killed drill's servers and folders are found by the next one, also by one of another place.
#[track_caller]
fn is_tidied_up(host: &Host, place: &std::path::Path) {
    let done = drill(host, ["files"]).expect(0);
    assert!(done.said().contains("killed had left"), "{}", done.story());
    assert!(names(place).is_empty() && working_in(place).is_empty());
}

#[test]
fn mariadb_notices_damage_answers_questions_and_is_tidied_up() {
    let server = mariadb::Server::start();
    server.sql(
        "",
        "create database shop; use shop; create table orders (id bigint primary key, note varchar(40)); \
         insert into orders select seq, concat('order ', seq) from seq_1_to_2000; \
         create table notes (note text); insert into notes values ('a'), ('b'); \
         create view big as select * from orders where id > 1000; \
         create function twice(n int) returns int deterministic return 2 * n; create user asker@localhost",
    );
    let (host, folder) = host_of("mariadb", &format!("url = \"{}\"", server.url()));
    fs::write(folder.path().join("data/a"), "a").unwrap();
    let place = place(&folder);
    host.backup();
    let at = place.display().to_string();
    kill_amid(start(&host, &place), &place, 1);
    is_tidied_up(&host, &place);
    for rule in [
        "sql = \"SELECT count(*) > 0 FROM orders\"\ndatabase = \"shop\"",
        "sql = \"SELECT max(twice(id)) FROM shop.big -- views and functions\"\nat_least = 4000\nat_most = 4000",
        "sql = \"SELECT note FROM notes ORDER BY note LIMIT 1;\"\nequals = \"a\"",
    ] {
        host.add_to_plan(&format!("[[source.expect]]\n{rule}"));
    }
    let done = drill(&host, ["db", "--sabotage", "--scratch", &at]).expect(0);
    noticed(
        &done,
        &["changed row", "lost row", "dropped table", "missing routine", "truncated dump", "wrong key"],
    );
    let before = proofs(&done).remove(0);
    assert!(before["restore_secs"].as_f64() > Some(0.0) && before["compare_secs"].as_f64() > Some(0.0));
    for rule in [
        "sql = \"SELECT count(*) FROM orders\"\nat_most = 10",
        "sql = \"DELETE FROM orders\"",
        "sql = \"SELECT 1 FROM nosuch\"",
        "sql = \"SELECT NULL\"",
        "sql = \"SELECT 1\"\ndatabase = \"elsewhere\"",
    ] {
        host.add_to_plan(&format!("[[source.expect]]\n{rule}"));
    }
    let proof = proofs(&drill(&host, ["db", "--scratch", &at]).expect(4)).remove(0);
    let problems = texts(&proof, "problems");
    for wanted in [
        "gave 2000, and should give 10 or less",
        "\"DELETE FROM orders\" failed: ",
        "nosuch",
        "\"SELECT NULL\" gave null",
        "for the database \"elsewhere\", which is not in the snapshot",
    ] {
        assert!(problems.contains(wanted), "{wanted}: {problems}");
    }
    assert!(names(&place).is_empty() && working_in(&place).is_empty());
}

#[test]
fn redis_notices_damage_and_is_tidied_up() {
    let server = redis::Server::start();
    for words in [
        &["SET", "text", "hello"][..],
        &["FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function() return 7 end)"],
        &["EVAL", "for i = 1, 5000 do redis.call('SET', 'k' .. i, string.rep('v', i % 100)) end", "0"],
    ] {
        server.cli(words);
    }
    let (host, folder) = host_of("redis", &format!("url = \"{}\"", server.url()));
    fs::write(folder.path().join("data/a"), "a").unwrap();
    let place = place(&folder);
    host.backup();
    kill_amid(start(&host, &place), &place, 1);
    is_tidied_up(&host, &place);
    let done = drill(&host, ["db", "--sabotage", "--scratch", &place.display().to_string()]).expect(0);
    noticed(
        &done,
        &[
            "truncated dump",
            "flipped bit in the dump",
            "lost keys",
            "missing routine",
            "changed value",
            "flipped bit in a pack",
        ],
    );
    assert!(proofs(&done)[0]["restore_secs"].as_f64() > Some(0.0));
    host.add_to_plan("[[source.expect]]\nsql = \"SELECT 1\"");
    let bad = host.run(["config", "check"]).expect(2);
    assert!(bad.said().contains("nothing can be expected of a source of type \"redis\""), "{}", bad.story());
}

#[test]
fn sqlite_notices_damage_answers_questions_and_looks_through_views() {
    let folder = vow_testkit::host::scratch();
    let data = folder.path().join("app");
    fs::create_dir(&data).unwrap();
    let path = data.join("app.db");
    let sql = |text: &str| shell::tool("sqlite3", ["-bail", &path.display().to_string(), text]);
    sql(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); CREATE VIEW names AS SELECT name FROM people; \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO people SELECT i, 'name ' || i FROM n;",
    );
    let (host, scratch) = host_of("sqlite", &format!("paths = [\"{}\"]", data.display()));
    let place = place(&scratch);
    let at = place.display().to_string();
    host.add_to_plan("[[source.expect]]\nsql = \"SELECT count(*) FROM names\"\nequals = \"2000\"");
    let shown = host.run(["config", "show"]).expect(0).text();
    assert!(shown.contains("equals = \"2000\""), "{shown}");
    let _ = back_up(&host).expect(0);
    let done = drill(&host, ["db", "--sabotage", "--scratch", &at]).expect(0);
    noticed(
        &done,
        &["truncated file", "zeroed page", "changed row", "lost row", "dropped table", "wrong key"],
    );
    // A view that lost what it selects from, and a plan that asks for what is not so, or may not be.
    sql("CREATE TABLE gone (a); CREATE VIEW broken AS SELECT a FROM gone; DROP TABLE gone");
    for rule in [
        "sql = \"SELECT 0\"",
        "sql = \"DELETE FROM people RETURNING 1\"",
        "sql = \"SELECT 1 UNION SELECT 2\"",
    ] {
        host.add_to_plan(&format!("[[source.expect]]\n{rule}"));
    }
    let _ = back_up(&host).expect(0);
    let proof = proofs(&drill(&host, ["db", "--scratch", &at]).expect(4)).remove(0);
    let problems = texts(&proof, "problems");
    for wanted in [
        "view broken cannot be selected from",
        "gave 0, and should give true",
        "readonly",
        "answered with 2 rows",
    ] {
        assert!(problems.contains(wanted), "{wanted}: {problems}");
    }
    assert_eq!(proof["problems"].as_array().map(Vec::len), Some(4), "{problems}");
    assert!(names(&place).is_empty());
}
