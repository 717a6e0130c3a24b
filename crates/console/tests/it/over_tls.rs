//! A database over TLS: a real PostgreSQL that takes nothing else, and must prove its name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use vow_console::db::{Db, DbError, Place};
use vow_testkit::{postgres, shell};

fn pem(path: &Path, label: &str, der: &[u8]) {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    std::fs::write(path, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
        .unwrap();
}

/// An authority, which goes into a file.
fn authority(path: &Path) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    pem(path, "CERTIFICATE", authority.der());
    authority
}

struct Stand {
    server: postgres::Server,
    port: u16,
    folder: tempfile::TempDir,
}

impl Stand {
    /// A server for `localhost`, which listens with TLS only and wants a password.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = postgres::Server::start();
        let authority = authority(&folder.path().join("ca.pem"));
        authority_of_others(folder.path());
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let data = server.data();
        pem(&data.join("server.crt"), "CERTIFICATE", certificate.der());
        pem(&data.join("server.key"), "PRIVATE KEY", &key.serialize_der());
        std::fs::set_permissions(data.join("server.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        if rustix_root() {
            for name in ["server.crt", "server.key"] {
                shell::tool("chown", ["postgres", &data.join(name).display().to_string()]);
            }
        }
        let rules = data.join("pg_hba.conf");
        let before = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("{before}hostssl vow vow 127.0.0.1/32 scram-sha-256\n")).unwrap();
        server.sql("postgres", "CREATE ROLE vow LOGIN PASSWORD 'tell nobody'\nCREATE DATABASE vow OWNER vow");
        // Nobody else gets the port in the moment between; if somebody did, the server would not start and say so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        server.sql("postgres", &format!("ALTER SYSTEM SET listen_addresses = '127.0.0.1'\nALTER SYSTEM SET port = {port}\nALTER SYSTEM SET ssl = on"));
        server.crash();
        server.up();
        Self { server, port, folder }
    }

    async fn open(&self, host: &str, more: &str, ca: Option<&str>) -> Result<Db, DbError> {
        let ca: Option<PathBuf> = ca.map(|name| self.folder.path().join(name));
        let url = format!("postgres://vow@{host}:{}/vow{more}", self.port);
        Db::open(&Place::Postgres { url, password: Some("tell nobody".to_owned().into()), ca }).await
    }
}

fn authority_of_others(folder: &Path) {
    let _ = authority(&folder.join("other.pem"));
}

fn rustix_root() -> bool {
    shell::tool("id", ["-u"]).trim() == "0"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_proves_its_name_or_is_not_used() {
    let stand = tokio::task::spawn_blocking(Stand::start).await.unwrap();
    let db = stand.open("localhost", "", Some("ca.pem")).await.unwrap();
    let encrypted = "SELECT COUNT(*) AS n FROM pg_stat_ssl s JOIN pg_stat_activity a ON a.pid = s.pid WHERE s.ssl AND a.usename = 'vow'";
    let number = db.read().await.unwrap().one(encrypted, vec![]).await.unwrap().int("n").unwrap();
    assert!(number >= 1);
    db.close().await;
    // The same by the words of the URL.
    let ca = stand.folder.path().join("ca.pem");
    let words = format!("?sslmode=verify-full&sslrootcert={}", ca.display());
    stand.open("localhost", &words, None).await.unwrap().close().await;
    for (host, words, ca, why) in [
        ("localhost", "", Some("other.pem"), "invalid peer certificate"),
        ("127.0.0.1", "", Some("ca.pem"), "not valid for name"),
        // What the URL says does not weaken what the file asks for.
        ("localhost", "?sslmode=disable", Some("other.pem"), "invalid peer certificate"),
        ("localhost", "", Some("nothing.pem"), "nothing.pem"),
        ("localhost", "?sslmode=disable", None, "no encryption"),
    ] {
        let error = stand.open(host, words, ca).await.unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains("tell nobody"), "{host} {words} {ca:?}: {error}");
    }
    drop(stand.server);
}
