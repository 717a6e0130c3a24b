//! Empty servers that are kept: taken when they are as they were made, made again when they are not.

use super::super::sources::host_of;
use super::{drill, names, proofs, working_in};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use vow_testkit::{mariadb, postgres};

#[test]
fn a_server_is_initialised_once_and_again_when_its_copy_is_spoiled() {
    let postgres = postgres::Server::start();
    postgres.sql("postgres", "create database shop");
    postgres.sql("shop", "create table t (n int); insert into t values (1), (2)");
    // Pages of another size than usual: a server that was made for others would not start.
    let mariadb = mariadb::Server::start_with("innodb_page_size=8k");
    mariadb.sql(
        "",
        "create database shop; create table shop.t (n int) engine=InnoDB; insert into shop.t values (1), (2)",
    );
    let (host, folder) = host_of("postgres", &format!("url = \"{}\"", postgres.url()));
    host.add_to_plan(&format!("[[source]]\nname = \"my\"\ntype = \"mariadb\"\nurl = \"{}\"", mariadb.url()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let _ = host.run(["backup", "db", "my"]).expect(0);
    let at = place.display().to_string();
    let proven = |source: &str| {
        let done = drill(&host, [source, "--scratch", &at]).expect(0);
        assert_eq!(proofs(&done)[0]["status"], "proven", "{}", done.story());
    };
    let templates = host.state().join("drill/templates");
    let made = |name: &str| fs::metadata(templates.join(name)).unwrap().ino();
    for (source, vital) in [("db", "global/pg_control"), ("my", "ibdata1")] {
        let before = names(&templates);
        proven(source);
        let name = names(&templates).into_iter().find(|name| !before.contains(name)).expect("it is kept");
        let first = made(&name);
        proven(source);
        assert_eq!((names(&templates).len(), made(&name)), (before.len() + 1, first), "it is taken");
        // No server starts from this one: it goes, and the drill does without.
        fs::write(templates.join(&name).join(vital), "spoiled").unwrap();
        proven(source);
        assert!(!templates.join(&name).exists());
        proven(source);
        assert!(templates.join(&name).exists());
    }
    // Others could have put something there.
    fs::set_permissions(&templates, fs::Permissions::from_mode(0o777)).unwrap();
    for name in names(&templates) {
        fs::write(templates.join(name).join("PG_VERSION"), "spoiled").unwrap();
    }
    proven("db");
    assert!(names(&place).is_empty() && working_in(&place).is_empty());
}
