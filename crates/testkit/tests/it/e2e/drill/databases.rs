//! PostgreSQL: restored into a scratch server, and nothing of it left behind.

use super::{drill, kill_amid, names, proofs, texts, working_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use vow_testkit::host::scratch;
use vow_testkit::postgres::Server;
use vow_testkit::{Host, shell};

struct Shop {
    host: Host,
    place: PathBuf,
    _server: Server,
    _folder: tempfile::TempDir,
}

/// A host with one database, backed up.
fn shop() -> Shop {
    let server = Server::start();
    server.sql("postgres", "create database shop");
    server.sql(
        "shop",
        "create table orders (id bigint primary key, note text); insert into orders select n, 'order ' || n from generate_series(1, 2000) n; \
         create view big as select * from orders where id > 1000; \
         create function twice(n int) returns int language sql as 'select 2 * n'; create sequence tickets start 7; create table notes (note text); insert into notes values ('a'), ('b')",
    );
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/a"), "a").unwrap();
    let host = Host::at(&folder.path().join("host"), &[&folder.path().join("data")]);
    host.add_to_plan(&format!(
        "[[source]]\nname = \"db\"\ntype = \"postgres\"\nurl = \"{}\"\nrestore_target = \"1 h\"",
        server.url()
    ));
    host.backup();
    Shop { host, place, _server: server, _folder: folder }
}

#[test]
fn a_server_is_proven_and_every_source_of_the_plan_is_drilled() {
    let shop = shop();
    let place = shop.place.display().to_string();
    let done = drill(&shop.host, ["--scratch", &place]).expect(0);
    let proofs = proofs(&done);
    let db = proofs.iter().find(|proof| proof["source"] == "db").unwrap();
    assert_eq!(proofs.len(), 2, "{}", done.story());
    assert_eq!(db["status"], "proven", "{}", done.story());
    assert!(db["compared"].as_u64() > Some(5) && db["restore_secs"].as_f64() > Some(0.0));
    assert_eq!(db["restore_target_secs"], 3600);
    assert!(names(&shop.place).is_empty());
}

#[test]
fn what_a_killed_drill_leaves_is_found_and_removed_by_the_next_one() {
    if !shell::is_root("what_a_killed_drill_leaves_is_found_and_removed_by_the_next_one") {
        return;
    }
    let shop = shop();
    let place = shop.place.display().to_string();
    let identity = shop.host.identity().display().to_string();
    let running = shop.host.start(["drill", "db", "--scratch", &place, "--identity", &identity]);
    // Its server is up: several processes work in the place.
    kill_amid(running, &shop.place, 3);
    // The place is not named again: the record of it is enough.
    let done = drill(&shop.host, ["files"]).expect(0);
    assert!(done.said().contains("killed had left"), "{}", done.story());
    assert!(names(&shop.place).is_empty() && working_in(&shop.place).is_empty());
}

#[test]
fn what_cannot_be_tried_here_is_no_pass_and_no_failure() {
    let shop = shop();
    let missing = shop.place.join("nothing here").display().to_string();
    let done = drill(&shop.host, ["db", "--scratch", &missing]).expect(3);
    let proof = proofs(&done).remove(0);
    assert_eq!(proof["status"], "blocked");
    assert!(texts(&proof, "blocked").contains("scratch"), "{}", done.story());
    assert_eq!(proof["compared"], 0);
}

#[test]
fn a_drill_of_a_server_notices_every_damage_that_it_is_shown() {
    let shop = shop();
    let place = shop.place.display().to_string();
    let done = drill(&shop.host, ["db", "--sabotage", "--scratch", &place]).expect(0);
    let proof = proofs(&done).remove(0);
    let tried = proof["sabotages"].as_array().cloned().unwrap_or_default();
    for wanted in
        ["changed row", "lost row", "dropped table", "missing routine", "truncated dump", "wrong key"]
    {
        let one = tried.iter().find(|one| one["name"] == wanted);
        assert!(one.is_some_and(|one| one["noticed"] == true), "{wanted}\n{}", done.story());
    }
    assert!(names(&shop.place).is_empty());
}
