//! What was lost comes back: all of a server, one database, one table.

use super::{back_up, filled, host_of, open, prove, truth};
use std::sync::atomic::{AtomicBool, Ordering};
use vow_testkit::postgres::Server;

/// Says only where two scripts differ.
#[track_caller]
fn same_script(now: &str, before: &str, what: &str) {
    let only = |a: &str, b: &str| {
        let lines: std::collections::HashSet<_> = b.lines().collect();
        a.lines().filter(|line| !lines.contains(line)).take(10).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(now == before, "{what}: only now {:?}, only before {:?}", only(now, before), only(before, now));
}

#[test]
fn a_server_that_was_destroyed_comes_back_whole() {
    let mut server = filled();
    let (host, _folder) = host_of(&server, "");
    let done = back_up(&host).expect(0);
    assert_eq!(done.summary()["snapshots"][0]["status"], "ok");
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    assert!(proof.holds() && proof.compared > 100, "{proof:?}");
    let (before, schema) = (truth(&host), server.script("shop", &[]));
    server.crash();
    std::fs::remove_dir_all(server.data()).unwrap();
    std::fs::remove_dir_all(server.path("ts")).unwrap();
    let place = server.folder("ts").display().to_string();
    assert!(!place.is_empty());

    let other = Server::start();
    let url = other.url();
    let done = open(&host, &["restore", "db@latest", "--into", &url, "--json"]).expect(0).summary();
    assert_eq!(done["problems"], serde_json::json!([]));
    same_script(&other.script("shop", &[]), &schema, "the fixed point: a dump of what came back is the dump");
    assert_eq!(other.sql("shop", "show timezone"), "Asia/Tokyo", "settings of the database");
    assert_eq!(
        other.sql("postgres", "select rolconfig from pg_roles where rolname = 'bob'"),
        "{work_mem=7MB}"
    );
    assert_eq!(other.sql("postgres", "select spcname from pg_tablespace where spcname = 'ts'"), "ts");
    // What the new server says about itself is what the old one said.
    let (again, _folder) = host_of(&other, "");
    let _ = back_up(&again).expect(0);
    let mut after = truth(&again);
    for key in ["objects", "tables", "large_objects", "sequences", "kinds"] {
        let shop = |truth: &serde_json::Value| {
            truth["databases"].as_array().unwrap().iter().find(|database| database["name"] == "shop").unwrap()
                [key]
                .clone()
        };
        assert_eq!(shop(&after), shop(&before), "{key}");
    }
    assert_eq!(after["roles"].take(), before["roles"]);
    // A second time it would overwrite: refused, and nothing is changed.
    let refused = open(&host, &["restore", "db@latest", "--into", &url]).expect(1);
    assert!(refused.stderr.contains("shop") && refused.stderr.contains("--replace"), "{}", refused.stderr);
}

/// Views that select from a table, without their schemas.
fn views_on(server: &Server, table: &str) -> String {
    let sql = "select distinct c.relname from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class \
        where d.classid = 'pg_rewrite'::regclass and c.relkind in ('v', 'm') and d.refobjid = ";
    server.sql("shop", &format!("{sql}'{table}'::regclass"))
}

#[test]
fn a_dropped_table_comes_back_with_everything_that_is_its_own() {
    let server = filled();
    server.sql(
        "shop",
        "create statistics app.pair on id, t from app.child; create view app.on_child as select t from app.child; \
         create publication of_child for table app.child",
    );
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let url = server.url();
    for table in ["app.child", "app.part"] {
        let parts = format!("{table}*");
        let before = server.script("shop", &["-t", &parts]);
        let statistics =
            "select string_agg(pg_get_statisticsobjdef(oid), ';' order by oid) from pg_statistic_ext";
        let (counted, views) = (server.sql("shop", statistics), views_on(&server, table));
        server.sql("shop", &format!("drop table {table} cascade"));
        let restore =
            ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", table, "--json"];
        let done = open(&host, &restore).expect(0).summary();
        assert_eq!(done["problems"], serde_json::json!([]));
        assert_eq!(server.sql("shop", statistics), counted, "{table}");
        let notes = done["notes"].to_string();
        for view in views.lines() {
            assert!(notes.contains(view), "{view} is not said to be gone: {notes}");
        }
        same_script(&server.script("shop", &["-t", &parts]), &before, table);
    }
    // The identity goes on where it was.
    server.sql("shop", "insert into app.child (t) values ('next')");
    assert_eq!(server.sql("shop", "select id from app.child where t = 'next'"), "204");

    // Beside, when it is there.
    let restore = ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", "child"];
    let done = open(&host, &[&restore[..], &["--json"]].concat()).expect(0).summary();
    let beside = done["table"].as_str().unwrap().to_owned();
    assert_eq!(server.sql("shop", &format!("select count(*) from {beside}")), "203");
    assert_eq!(
        server.sql("shop", "select count(*) from app.child"),
        "204",
        "the one that was there is untouched"
    );
    let _ = open(&host, &restore).expect(1);
    server.sql("shop", &format!("drop table {beside}"));
    // Under a name of one's own; with a key that does not fit any more.
    server.sql("shop", "delete from app.child; delete from app.part; delete from app.parent where id = 7");
    let named = [&restore[..], &["--schema-as", "back", "--json"]].concat();
    let done = open(&host, &named).expect(3).summary();
    assert!(done["problems"][0].as_str().unwrap().contains("NOT VALID"), "{done}");
    assert_eq!(server.sql("shop", "select count(*) from back.child"), "203");
    // Replaced, when that is asked for.
    let replaced = [&restore[..], &["--replace", "--json"]].concat();
    let _ = open(&host, &replaced).expect_one_of(&[0, 3]);
    assert_eq!(server.sql("shop", "select count(*) from app.child"), "203");
    let wrong = ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", "nosuch"];
    assert!(open(&host, &wrong).expect(1).stderr.contains("no table nosuch"));
    // Not under a view.
    server.sql("shop", "create view app.leans as select t from app.child");
    let done = open(&host, &replaced).expect(1);
    assert!(done.said().contains("view app.leans"), "{}", done.story());
    let unsaid = ["restore", "db@latest", "--into", &url, "--table", "app.child"];
    assert!(
        open(&host, &unsaid).expect(1).stderr.contains("postgres, shop"),
        "which databases there are is said"
    );
}

#[test]
fn a_database_that_cannot_be_loaded_leaves_nothing_behind() {
    let server = filled();
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    // Its tablespace can lie in one place only.
    drop(server);
    let other = Server::start();
    let url = other.url();
    // Its owner is not there.
    let done = open(&host, &["restore", "db@latest", "--into", &url, "--database", "shop"]).expect(1);
    assert!(done.stderr.contains("--with-roles"), "{}", done.story());
    assert_eq!(other.sql("postgres", "select count(*) from pg_database where datname = 'shop'"), "0");
}

#[test]
fn a_database_comes_back_beside_the_one_that_is_there_or_in_its_place() {
    let server = filled();
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    server.sql("shop", "delete from app.child");
    let url = server.url();
    let one = ["restore", "db@latest", "--into", &url, "--database", "shop", "--json"];
    let done = open(&host, &one).expect(0).summary();
    let beside = done["databases"][0]["restored_as"].as_str().unwrap().to_owned();
    assert_ne!(beside, "shop");
    assert_eq!(server.sql(&beside, "select count(*) from app.child"), "203");
    assert_eq!(server.sql("shop", "select count(*) from app.child"), "0");
    // A subscription cannot be dropped with its database; it is the operator's to end.
    server.sql("shop", "alter subscription sub set (slot_name = none); drop subscription sub");
    let _ = open(&host, &[&one[..], &["--replace"]].concat()).expect(0);
    assert_eq!(server.sql("shop", "select count(*) from app.child"), "203");
    assert_eq!(server.sql("shop", "show timezone"), "Asia/Tokyo");
}

/// Writers go on, tables come and go, and what is captured is one moment.
#[test]
fn a_backup_under_load_is_coherent() {
    let server = filled();
    server.sql("shop", "create table app.a (n bigint); create table app.b (n bigint); insert into app.a values (0); insert into app.b values (0)");
    let (host, _folder) = host_of(&server, "");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for work in [
            // One transaction keeps both the same.
            "begin; update app.a set n = n + 1; update app.b set n = n + 1; insert into app.child (t) values ('load'); commit",
            "create table app.coming (a serial)\ninsert into app.coming default values\ndrop table app.coming",
            "alter table app.part add column extra int; alter table app.part drop column extra; truncate app.unlogged",
            "alter table app.a add column extra int; alter table app.a drop column extra",
        ] {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Two of these may meet: then one of them fails, as it would in life. Lines are transactions.
                    let _ = server.try_sql("shop", work);
                }
            });
        }
        for _ in 0..2 {
            let done = back_up(&host);
            if done.code != Some(0) {
                stop.store(true, Ordering::Relaxed);
                panic!("a backup under load failed\n{}\n{}", done.said(), done.story());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    let dump = open(&host, &["cat", "db@latest:/databases/shop.dump"]).expect(0);
    let file = server.path("shop.dump");
    std::fs::write(&file, &dump.stdout).unwrap();
    let mut command = server.client("pg_restore", "shop");
    command.args(["-f", "-", "--data-only", "-t", "a", "-t", "b"]).arg(&file);
    let script = vow_testkit::shell::run(&mut command).expect(0).text();
    let rows: Vec<_> = script.lines().filter(|line| line.parse::<u64>().is_ok()).collect();
    assert!(rows.len() == 2 && rows[0] == rows[1], "{rows:?}");
}

#[test]
fn a_second_dump_adds_little() {
    let server = Server::start();
    server.sql(
        "postgres",
        "create table t as select i, md5(i::text) || md5((-i)::text) as text from generate_series(1, 300000) i; alter table t add primary key (i)",
    );
    let (host, _folder) = host_of(&server, "");
    let first = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    server.sql("postgres", "update t set text = 'changed' where i in (5, 100000, 250000)");
    let second = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    let (bytes, added) = (first["bytes"].as_u64().unwrap(), second["added_bytes"].as_u64().unwrap());
    assert!(bytes > 20_000_000 && added < bytes / 20, "{added} of {bytes}");
}
