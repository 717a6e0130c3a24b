//! What was lost comes back: all of a server, one database, one table.

use super::{back_up, document, filled, host_of, open, prove, truth};
use std::sync::atomic::{AtomicBool, Ordering};
use vow_testkit::mariadb::Server;

/// Says only where two scripts differ.
#[track_caller]
pub(super) fn same_script(now: &str, before: &str, what: &str) {
    let only = |a: &str, b: &str| {
        let lines: std::collections::HashSet<_> = b.lines().collect();
        a.lines().filter(|line| !lines.contains(line)).take(10).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(now == before, "{what}: only now {:?}, only before {:?}", only(now, before), only(before, now));
}

const WHOLE: &[&str] = &["--databases", "shop", "odd `na-me"];

#[test]
fn a_server_that_was_destroyed_comes_back_whole() {
    let mut server = filled();
    let (host, _folder) = host_of(&server, "");
    let done = back_up(&host).expect(0);
    assert_eq!(done.summary()["snapshots"][0]["status"], "ok", "{}", done.story());
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    assert!(proof.holds() && proof.compared > 80, "{proof:?}");
    let (before, facts) = (truth(&host), document(&host, "server.json"));
    assert!(facts["position"]["gtid"].as_str().unwrap().contains("-7-"), "{facts}");
    assert_eq!(before["coherent"], true);
    let history = before["tables"].as_array().unwrap().iter().find(|table| table["name"] == "hist").unwrap();
    assert_eq!(history["rows"], 3, "with the history");
    let (schema, grants) = (server.script(WHOLE), server.sql("", "show grants for bob@localhost"));
    let emoji = server.sql("shop", "select hex(name) from parent where id = 1");
    server.crash();
    std::fs::remove_dir_all(server.data()).unwrap();

    let other = Server::start();
    let url = other.url();
    let done = open(&host, &["restore", "db@latest", "--into", &url, "--json"]).expect(0).summary();
    assert_eq!(done["problems"], serde_json::json!([]));
    same_script(&other.script(WHOLE), &schema, "a dump of what came back is the dump");
    assert_eq!(other.sql("", "show grants for bob@localhost"), grants);
    assert_eq!(
        other.sql("shop", "select hex(name) from parent where id = 1"),
        emoji,
        "four bytes of UTF-8 survive"
    );
    assert_eq!(other.sql("shop", "select count(*) from hist for system_time all"), "3");
    assert_eq!(other.sql("", "select @@global.event_scheduler"), "ON", "set back");
    assert_eq!(
        other.sql("", "select status from information_schema.events where event_name = 'ev'"),
        "ENABLED"
    );
    assert_eq!(other.sql("", "select count(*) from mysql.servers where server_name = 'srv'"), "1");
    // What the new server says about itself is what the old one said.
    let (again, _folder) = host_of(&other, "");
    let _ = back_up(&again).expect(0);
    let after = truth(&again);
    for key in ["objects", "tables", "sequences", "kinds"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    // A second time it would overwrite: refused, and nothing is changed.
    let refused = open(&host, &["restore", "db@latest", "--into", &url]).expect(1);
    assert!(refused.stderr.contains("shop") && refused.stderr.contains("--replace"), "{}", refused.stderr);
}

#[test]
fn a_dropped_table_comes_back_with_everything_that_is_its_own() {
    let server = filled();
    server.sql("shop", "create trigger tr3 after insert on child for each row set @x = 1");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let url = server.url();
    for table in ["child", "part", "of_sequence", "hist"] {
        let before = server.script(&["shop", table]);
        server.sql("shop", &format!("drop table {table}"));
        if table == "of_sequence" {
            server.sql("shop", "drop sequence sq");
        }
        let restore =
            ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", table, "--json"];
        let done = open(&host, &restore).expect(0).summary();
        assert_eq!(done["problems"], serde_json::json!([]));
        same_script(&server.script(&["shop", table]), &before, table);
    }
    server.sql("shop", "insert into of_sequence (v) values (2)");

    // Beside, when it is there: with its triggers, and keys that lead to the tables of the old database.
    let restore = ["restore", "db@latest", "--into", &url, "--table", "shop.child"];
    server.sql("shop", "delete from child where id = 1");
    let done = open(&host, &[&restore[..], &["--json"]].concat()).expect(0).summary();
    let beside = done["table"].as_str().unwrap().to_owned();
    assert!(beside != "`shop`.`child`" && beside.ends_with(".`child`"), "{beside}");
    assert_eq!(server.sql("shop", &format!("select count(*) from {beside}")), "203");
    assert_eq!(
        server.sql("shop", "select count(*) from child"),
        "202",
        "the one that was there is untouched"
    );
    let made = server.sql("shop", &format!("show create table {beside}"));
    assert!(made.contains("REFERENCES `shop`.`parent`"), "{made}");
    let schema = beside.split('.').next().unwrap().trim_matches('`').to_owned();
    let trigger =
        format!("select count(*) from information_schema.triggers where trigger_schema = '{schema}'");
    assert_eq!(server.sql("", &trigger), "1");
    let _ = open(&host, &restore).expect(1);

    // In a database of one's own; with a key that does not hold any more.
    server.sql("shop", "delete from child; set foreign_key_checks = 0; delete from parent where id = 7");
    let done = open(&host, &[&restore[..], &["--schema-as", "back", "--json"]].concat()).expect(3).summary();
    assert!(done["problems"][0].as_str().unwrap().contains("fk1"), "{done}");
    assert_eq!(server.sql("back", "select count(*) from child"), "203");
    // Replaced, when that is asked for.
    let _ = open(&host, &[&restore[..], &["--replace", "--json"]].concat()).expect(3);
    assert_eq!(server.sql("shop", "select count(*) from child"), "203");
    assert_eq!(server.sql("", "select count(*) from information_schema.triggers where trigger_schema = 'shop' and event_object_table = 'child'"), "1");
    // Its key leads to the table of its own database, and new rows can be written.
    let made = server.sql("shop", "show create table child");
    assert!(made.contains("REFERENCES `parent`"), "{made}");
    server.sql("shop", "insert into child (parent_id, t) values (1, 'new')");
    // One that others refer to, as well.
    server.sql("shop", "set foreign_key_checks = 0; delete from parent where id = 8");
    let parent = ["restore", "db@latest", "--into", &url, "--table", "shop.parent", "--replace", "--json"];
    assert_eq!(open(&host, &parent).expect(0).summary()["problems"], serde_json::json!([]));
    assert_eq!(server.sql("shop", "select count(*) from parent where id = 8"), "1");
    server.sql("shop", "insert into child (parent_id, t) values (8, 'new')");
    assert_ne!(
        server.try_sql("shop", "insert into child (parent_id, t) values (100000, 'no')").code,
        Some(0)
    );
    let wrong = ["restore", "db@latest", "--into", &url, "--database", "shop", "--table", "nosuch"];
    assert!(open(&host, &wrong).expect(1).stderr.contains("no table nosuch"));
    let dirty =
        "select group_concat(schema_name) from information_schema.schemata where schema_name like '%\\_new'";
    assert_eq!(server.sql("", dirty), "NULL", "nothing is left over");
}

#[test]
fn a_database_comes_back_beside_the_one_that_is_there_or_in_its_place() {
    let server = filled();
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let before = server.script(&["shop"]);
    server.sql("shop", "delete from child");
    let url = server.url();
    let one = ["restore", "db@latest", "--into", &url, "--database", "shop", "--json"];
    let done = open(&host, &one).expect(0).summary();
    let beside = done["databases"][0]["restored_as"].as_str().unwrap().to_owned();
    assert_ne!(beside, "shop");
    assert_eq!(server.sql(&beside, "select count(*) from child"), "203");
    assert_eq!(server.sql("shop", "select count(*) from child"), "0");
    let events = format!("select count(*) from information_schema.events where event_schema = '{beside}'");
    assert_eq!(server.sql("", &events), "0", "an event would run twice");
    let _ = open(&host, &one).expect(1);
    let _ = open(&host, &[&one[..], &["--replace"]].concat()).expect(0);
    same_script(&server.script(&["shop"]), &before, "shop");
    let done =
        open(&host, &["restore", "db@latest", "--target", &host.dir().join("out").display().to_string()])
            .expect(0);
    assert!(
        host.dir().join("out/databases.sql").exists() && host.dir().join("out/system.sql").exists(),
        "{}",
        done.story()
    );
}

/// Writers go on, tables come and go, and what is captured is one moment.
#[test]
fn a_backup_under_load_is_coherent() {
    let server = filled();
    server.sql("shop", "create table a (n bigint); create table b (n bigint); insert into a values (0); insert into b values (0)");
    let (host, _folder) = host_of(&server, "");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (work, pause) in [
            // One transaction keeps both the same.
            (
                "begin; update a set n = n + 1; update b set n = n + 1; insert into child (t) values ('load'); commit",
                0,
            ),
            ("create or replace table coming (a int); insert into coming values (1); drop table coming", 300),
            (
                "alter table part add column extra int, algorithm = copy; alter table part drop column extra",
                900,
            ),
        ] {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = server.try_sql("shop", work);
                    std::thread::sleep(std::time::Duration::from_millis(pause));
                }
            });
        }
        let done = back_up(&host);
        stop.store(true, Ordering::Relaxed);
        let _ = done.expect(0);
    });
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    let dump = open(&host, &["cat", "db@latest:/databases.sql"]).expect(0).text();
    let rows: Vec<_> = ["`a`", "`b`"]
        .iter()
        .map(|table| {
            dump.split(&format!("INSERT INTO {table} VALUES"))
                .nth(1)
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .trim()
        })
        .collect();
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn a_second_dump_adds_little() {
    let server = Server::start();
    server.sql("", "create database d; use d; create table t (i int primary key, x varchar(80)); insert into t select seq, concat(md5(seq), md5(-seq)) from seq_1_to_300000");
    let (host, _folder) = host_of(&server, "");
    let first = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    server.sql("d", "update t set x = 'changed' where i in (5, 100000, 250000)");
    let second = back_up(&host).expect(0).summary()["snapshots"][0].clone();
    let (bytes, added) = (first["bytes"].as_u64().unwrap(), second["added_bytes"].as_u64().unwrap());
    assert!(bytes > 20_000_000 && added < bytes / 20, "{added} of {bytes}");
}

/// A role whose administrator is gone is in no output of `mariadb-dump --system`, which grants it all the same; and how it installs plugins no
/// server understands.
#[test]
fn roles_and_plugins_come_back() {
    let server = Server::start_with("log-bin=bin");
    server.sql(
        "",
        "create database shop; create table shop.t (a int); create role led; create role chief; create role alone with admin chief; \
         drop role chief; create user bob@localhost identified by 'bobs-password'; grant select on shop.* to alone, led; \
         grant led to bob@localhost; set default role led for bob@localhost; \
         install soname 'auth_ed25519'; create user ed@localhost identified via ed25519 using password('x'); \
         insert into mysql.roles_mapping (host, user, role, admin_option) values ('localhost', 'bob', 'alone', 'N'); flush privileges",
    );
    let (host, _folder) = host_of(&server, "binlog = true");
    let _ = back_up(&host).expect(0);
    let _ = host.run(["binlog-receive", "db", "--once"]).expect(0);
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    // As it was captured, and by way of a scratch server at a moment after that.
    for more in [&[][..], &["--time", "latest"]] {
        let other = Server::start();
        let url = other.url();
        let restore = [&["restore", "db@latest", "--into", &url, "--json"][..], more].concat();
        let done = open(&host, &restore).expect(0).summary();
        assert_eq!(done["problems"], serde_json::json!([]), "{more:?}");
        let roles = "select group_concat(user order by user) from mysql.user where is_role = 'Y'";
        assert_eq!(other.sql("", roles), "alone,led", "{more:?}");
        let plugin = "select plugin_status from information_schema.plugins where plugin_name = 'ed25519'";
        assert_eq!(other.sql("", plugin), "ACTIVE", "{more:?}");
        for role in ["alone", "led"] {
            let grants = other.sql("", &format!("show grants for {role}"));
            assert!(grants.contains("`shop`.*"), "{more:?} {grants}");
            let members =
                format!("select count(*) from mysql.roles_mapping where role = '{role}' and user = 'bob'");
            assert_eq!(other.sql("", &members), "1", "{more:?} {role}");
            // Somebody can go on granting it.
            other.sql(
                "",
                &format!("create user new@localhost; grant {role} to new@localhost; drop user new@localhost"),
            );
        }
    }
}
