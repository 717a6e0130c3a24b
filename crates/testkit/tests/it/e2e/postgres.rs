//! PostgreSQL, with real servers: what is captured, what comes back, and everything that must not look like a success.

mod failures;
mod lies;
mod physical;
mod restored;
mod secrets;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_sources::adapter::{Ground, Proof, adapter};
use vow_store::archive::Archive;
use vow_store::session::Identities;
use vow_testkit::postgres::Server;
use vow_testkit::{Host, host, shell::Done};
use vow_vault::Vault;

/// A server with a database `shop` that has everything.
fn filled() -> Server {
    let server = Server::start();
    server.sql("postgres", "create role bob; alter role bob set work_mem = '7MB'; create role \"Two Words\" login password 'x'; grant bob to \"Two Words\"");
    let place = server.folder("ts").display().to_string();
    server.sql("postgres", &format!("create tablespace ts owner bob location '{place}'"));
    server.sql("postgres", "create database shop");
    server.sql("postgres", "alter database shop set timezone = 'Asia/Tokyo'");
    server.file("shop", &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/e2e/postgres/every_kind.sql"));
    server.sql("shop", "create table app.in_ts (a int) tablespace ts");
    server
}

/// A host with a source `db` that is this server, and more lines for it.
fn host_of(server: &Server, lines: &str) -> (Host, tempfile::TempDir) {
    let folder = host::scratch();
    fs::create_dir(folder.path().join("data")).unwrap();
    let host = Host::at(&folder.path().join("host"), &[&folder.path().join("data")]);
    let url = server.url();
    host.add_to_plan(&format!("[[source]]\nname = \"db\"\ntype = \"postgres\"\nurl = \"{url}\"\n{lines}"));
    (host, folder)
}

fn back_up(host: &Host) -> Done {
    host.run(["backup", "db", "--json"])
}

/// Runs a command with the recovery kit.
fn open(host: &Host, arguments: &[&str]) -> Done {
    let identity = host.identity().display().to_string();
    host.run(arguments.iter().copied().chain(["--identity", &identity]))
}

fn truth(host: &Host) -> serde_json::Value {
    let text = open(host, &["cat", "db@latest:/truth.json"]).expect(0).text();
    serde_json::from_str(&text).unwrap()
}

/// Restores the newest snapshot into a scratch server and compares it with its truth.
fn prove(host: &Host) -> Proof {
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), &host.vault()).unwrap();
    let identity = fs::read_to_string(host.identity()).unwrap();
    let keys = Arc::new(Identities::parse(&identity).unwrap());
    let archive = Archive::new(Arc::new(vault), Some(keys), Vec::new());
    let snapshot = archive.open(&archive.find("db@latest").unwrap()).unwrap();
    let place = host::scratch();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path(), mode).unwrap();
    adapter("postgres").unwrap().prove(&snapshot, Ground::at(place.path()), &[], &|| false).unwrap()
}
