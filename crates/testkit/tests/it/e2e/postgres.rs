//! PostgreSQL, with real servers: what is captured, what comes back, and everything that must not look like a success.

mod changing;
mod failures;
mod fixed_point;
mod large;
mod lies;
mod physical;
mod restored;
mod secrets;

use super::sources::{self, back_up, open};
use std::path::Path;
use vow_sources::adapter::Proof;
use vow_testkit::Host;
use vow_testkit::postgres::Server;

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
    sources::host_of("postgres", &format!("url = \"{}\"\n{lines}", server.url()))
}

fn truth(host: &Host) -> serde_json::Value {
    sources::document(host, "truth.json")
}

/// Restores the newest snapshot into a scratch server and compares it with its truth.
fn prove(host: &Host) -> Proof {
    sources::prove(host, "postgres")
}
