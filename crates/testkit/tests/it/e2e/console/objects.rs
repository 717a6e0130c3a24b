//! Objects that go from MariaDB and Redis: counted by the adapters, told in reports, judged, and closed when they are back.

use std::fs;
use vow_testkit::host::scratch;
use vow_testkit::{ConsoleServer, Host, mariadb, redis};

#[test]
fn what_is_gone_from_mariadb_and_redis_becomes_a_ticket_until_it_is_back() {
    let (folder, sql, keys) = (scratch(), mariadb::Server::start(), redis::Server::start());
    let library = "#!lua name=shop\nredis.register_function('f', function() return 7 end)";
    let fill = || {
        sql.sql("mysql", "CREATE DATABASE IF NOT EXISTS shop");
        for number in 0..4 {
            sql.sql("mysql", &format!("CREATE TABLE IF NOT EXISTS shop.t{number} (a int)"));
        }
        sql.sql("mysql", "CREATE OR REPLACE FUNCTION shop.f() RETURNS int DETERMINISTIC RETURN 7");
        keys.cli(&["FUNCTION", "LOAD", "REPLACE", library]);
        keys.cli(&["ACL", "SETUSER", "bob", "on", "nopass", "~a:*", "+get"]);
        keys.cli(&["SET", "text", "hello"]);
    };
    fill();
    let console = ConsoleServer::made_with(&folder.path().join("console"), "look_every = \"1s\"");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a"), "a").unwrap();
    let host = Host::at(&folder.path().join("host"), &[&data]);
    host.add_to_plan(&format!(
        "[[source]]\nname = \"shop\"\ntype = \"mariadb\"\nurl = \"{}\"\n[[source]]\nname = \"cache\"\ntype = \"redis\"\nurl = \"{}\"",
        sql.url(),
        keys.url()
    ));
    console.admit(&host);
    let _ = host.run(["backup"]).expect(0);
    let of = |open: &[(String, String)]| -> Vec<(String, String)> {
        open.iter().filter(|(key, _)| key.contains("/objects/")).cloned().collect()
    };
    console.wait_for("nothing is gone", |open| of(open).is_empty());

    sql.sql("mysql", "DROP TABLE shop.t3");
    sql.sql("mysql", "DROP FUNCTION shop.f");
    keys.cli(&["FUNCTION", "DELETE", "shop"]);
    keys.cli(&["ACL", "DELUSER", "bob"]);
    let _ = host.run(["backup"]).expect(0);
    console.wait_for("what is gone is told", |open| of(open).len() == 2);
    let gone = of(&console.tickets());
    let said = |source: &str| {
        let found = gone.iter().find(|(key, _)| key.ends_with(&format!("/{source}")));
        found.map(|(_, sentence)| sentence.clone()).unwrap_or_else(|| panic!("{source}: {gone:#?}"))
    };
    for part in ["1 table fewer (4 before, 3 now)", "1 function fewer (1 before, 0 now)"] {
        assert!(said("shop").contains(part), "{gone:#?}");
    }
    for part in ["1 function library fewer (1 before, 0 now)", "1 user fewer (2 before, 1 now)"] {
        assert!(said("cache").contains(part), "{gone:#?}");
    }

    fill();
    let _ = host.run(["backup"]).expect(0);
    console.wait_for("closed by recovery", |open| of(open).is_empty());
}
