//! PostgreSQL: restored into a scratch server, and nothing of it left behind.

use super::super::sources::{back_up, host_of};
use super::{drill, kill_amid, names, proofs, texts, working_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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

/// What a dump holds may ask another server when it is restored. The one that it was captured from would let it in: it is the same
/// account that asks, and a network of one's own keeps nobody from a socket.
#[test]
fn a_drill_reaches_no_server_of_this_machine() {
    let server = Server::start();
    server.sql("postgres", "create database live");
    server.sql("live", "create table hits (n int)");
    server.sql("postgres", "create database shop");
    let reach = format!(
        "create extension dblink; create function touch() returns int language plpgsql as $$ begin \
           perform public.dblink_exec('host={} user=postgres dbname=live', 'insert into hits values (1)'); return 1; end $$; \
         create materialized view reach as select touch() as n",
        server.path("").display()
    );
    server.sql("shop", &reach);
    let hits = || server.sql("live", "select count(*) from hits").trim().to_owned();
    assert_eq!(hits(), "1", "it gets there by itself");
    let (host, folder) = host_of("postgres", &format!("url = \"{}\"", server.url()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = back_up(&host).expect(0);
    let done = drill(&host, ["db"]).expect(3);
    assert_eq!(hits(), "1", "a drill wrote into a server that it must not reach\n{}", done.story());
    let proof = proofs(&done).remove(0);
    let said = texts(&proof, "blocked");
    assert!(proof["status"] == "blocked" && said.contains("asks another server"), "{}", done.story());
    assert!(!done.story().contains("cannot be hidden here"), "{}", done.story());
}

/// The extension is there when it is captured, and its control file is not when it is drilled.
#[test]
fn what_needs_an_extension_that_is_missing_here_is_no_pass() {
    if !shell::is_root("what_needs_an_extension_that_is_missing_here_is_no_pass") {
        return;
    }
    let server = Server::start();
    server.sql("postgres", "create database shop");
    server.sql(
        "shop",
        "create extension pg_trgm; create table words (word text); insert into words values ('pear'); \
         create index on words using gin (word gin_trgm_ops)",
    );
    let shared = server.sql("postgres", "select setting from pg_config where name = 'SHAREDIR'");
    let extensions = Path::new(shared.trim()).join("extension");
    let (host, folder) = host_of("postgres", &format!("url = \"{}\"", server.url()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = back_up(&host).expect(0);
    host.add_to_plan("[[source.expect]]\ndatabase = \"shop\"\nsql = \"SELECT count(*) = 1 FROM words\"");
    assert_eq!(proofs(&drill(&host, ["db"]).expect(0))[0]["status"], "proven");

    let less = folder.path().join("extension");
    shell::tool("cp", ["-a", &extensions.display().to_string(), &less.display().to_string()]);
    fs::remove_file(less.join("pg_trgm.control")).unwrap();
    let hidden = "mount --bind \"$1\" \"$2\" || exit 99; shift 2; exec \"$@\"";
    let (less, extensions) = (less.display().to_string(), extensions.display().to_string());
    let wrapper = ["unshare", "--mount", "sh", "-c", hidden, "sh", &less, &extensions];
    let identity = host.identity().display().to_string();
    let words = ["drill", "db", "--json", "--identity", &identity];
    let done = shell::run(&mut host.wrapped(&wrapper, words)).expect(3);
    let proof = proofs(&done).remove(0);
    let said = texts(&proof, "blocked");
    assert_eq!(proof["status"], "blocked", "{}", done.story());
    assert!(said.contains("database \"shop\" cannot be drilled here: extension pg_trgm missing"), "{said}");
    assert!(proof["ledger_position"].is_null() && texts(&proof, "problems").is_empty(), "{}", done.story());
}
