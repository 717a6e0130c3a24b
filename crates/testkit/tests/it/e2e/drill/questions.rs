//! What the plan asks of a PostgreSQL database: asked as a role that can read and nothing else.

use super::super::sources::host_of;
use super::{drill, names, proofs, texts};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use vow_testkit::postgres::Server;

#[test]
fn a_plan_asks_of_what_came_back_and_can_change_nothing() {
    let server = Server::start();
    server.sql("postgres", "create database shop");
    server.sql(
        "shop",
        "create table orders (id bigint primary key, note text); insert into orders select n, 'order ' || n from generate_series(1, 500) n; \
         create schema hr; create table hr.pay (name text, sum int); insert into hr.pay values ('a', 7); \
         alter table orders enable row level security; alter table orders force row level security; \
         revoke connect on database shop from public; \
         create function meddle() returns int language sql as 'delete from orders returning 1'",
    );
    let (host, folder) = host_of("postgres", &format!("url = \"{}\"", server.url()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let at = place.display().to_string();
    let ask = |rules: &[&str]| {
        rules.iter().for_each(|rule| host.add_to_plan(&format!("[[source.expect]]\n{rule}")))
    };
    ask(&[
        "sql = \"SELECT count(*) > 0 FROM orders\"",
        "database = \"shop\"\nsql = \"SELECT sum(sum) FROM hr.pay -- all of it\"\nat_least = 7\nat_most = 7",
        "sql = \"SELECT max(note) FROM orders;\"\nequals = \"order 99\"",
    ]);
    let _ = host.run(["backup", "db", "--json"]).expect(0);
    let proof = proofs(&drill(&host, ["db", "--scratch", &at]).expect(0)).remove(0);
    assert_eq!(proof["status"], "proven");
    ask(&[
        "sql = \"SELECT count(*) FROM orders\"\nequals = \"499\"",
        "sql = \"SELECT meddle()\"",
        "sql = \"DELETE FROM orders RETURNING 1\"",
        "sql = \"SELECT count(*), 1 AS more FROM orders\"",
        "database = \"nosuch\"\nsql = \"SELECT true\"",
    ]);
    let proof = proofs(&drill(&host, ["db", "--scratch", &at]).expect(4)).remove(0);
    let problems = texts(&proof, "problems");
    for wanted in [
        "gave 500, and should give \"499\"",
        "\"SELECT meddle()\" failed: ",
        "\"DELETE FROM orders RETURNING 1\" failed: ",
        "answered with 2 values",
        "for the database \"nosuch\", which is not in the snapshot",
    ] {
        assert!(problems.contains(wanted), "{wanted}: {problems}");
    }
    assert_eq!(proof["problems"].as_array().map(Vec::len), Some(5), "{problems}");
    assert!(names(&place).is_empty());
    let bad = |rule: &str, words: &str| {
        let plan = fs::read_to_string(host.config()).unwrap();
        ask(&[rule]);
        let said = host.run(["config", "check"]).expect(2);
        assert!(said.said().contains(words), "{words}: {}", said.story());
        fs::write(host.config(), plan).unwrap();
    };
    bad("sql = \" \"", "there is no sql");
    bad("path = \"/a\"", "of a database a query is expected");
    bad("sql = \"SELECT 1\"\nequals = \"1\"\nat_most = 2", "equals excludes");
}
