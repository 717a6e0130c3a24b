//! MariaDB, with real servers: what is captured, what comes back, and everything that must not look like a success.

mod binlog;
mod changing;
mod coherence;
mod failures;
mod large;
mod lies;
mod physical;
mod restored;
mod secrets;

use super::sources::{self, back_up, document, open};
use std::path::Path;
use vow_sources::adapter::Proof;
use vow_testkit::Host;
use vow_testkit::mariadb::Server;

/// A server with databases that have everything.
fn filled() -> Server {
    let server = Server::start();
    server.file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/e2e/mariadb/every_kind.sql"));
    server
}

/// A host with a source `db` that is this server, and more lines for it.
fn host_of(server: &Server, lines: &str) -> (Host, tempfile::TempDir) {
    sources::host_of("mariadb", &format!("url = \"{}\"\n{lines}", server.url()))
}

fn truth(host: &Host) -> serde_json::Value {
    document(host, "truth.json")
}

fn no_snapshot(host: &Host, what: &str) {
    let listed = host.run(["snapshots", "--json"]).expect(0).summary();
    assert_eq!(listed["snapshots"], serde_json::json!([]), "{what}: there is a snapshot");
}

/// Restores the newest snapshot into a scratch server and compares it with its truth.
fn prove(host: &Host) -> Proof {
    sources::prove(host, "mariadb")
}
