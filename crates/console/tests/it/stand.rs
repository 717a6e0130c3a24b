//! A console for a test: its database, a clock that is set, and its server when one is wanted.

use crate::wire::{Reply, ask};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;
use vow_base::clock::{Clock, Nanos};
use vow_base::sign::SigningKey;
use vow_console::admin::{self, NewToken, NewUser};
use vow_console::auth::Role;
use vow_console::db::hosts::{self, KnownHost};
use vow_console::db::{Db, Place};
use vow_console::ingest::{Arrived, IngestError, Judge};
use vow_console::server::{App, Config, Server, Stop};
use vow_protocol::report::{Body, FORMAT, LevelReport, Outcome, Report, RunReport, VERSION};
use vow_testkit::postgres;

/// A day in the life of tests.
pub(crate) const NOW: i64 = 1_790_000_000;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// The same test on both databases.
macro_rules! on_both {
    ($($(#[$attribute:meta])* $name:ident($stand:ident) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            async fn test(#[allow(unused_mut)] mut $stand: $crate::stand::Stand) $body
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() { test($crate::stand::Stand::new($crate::stand::Kind::Sqlite).await).await; }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() { test($crate::stand::Stand::new($crate::stand::Kind::Postgres).await).await; }
        }
    )*};
}
pub(crate) use on_both;

/// A clock that is set by hand.
#[derive(Default)]
pub(crate) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Nanos {
        self.0.load(Ordering::SeqCst) * 1_000_000_000
    }
}

pub(crate) struct Stand {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) place: Place,
    pub(crate) key: [u8; 32],
    _dir: TempDir,
    stop: Option<(Stop, tokio::task::JoinHandle<()>)>,
    // Ends after the last test that uses it.
    _server: Option<Arc<postgres::Server>>,
}

/// One server for all tests that run at a time, each with a database of its own.
fn server() -> Arc<postgres::Server> {
    static SERVER: Mutex<Weak<postgres::Server>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(postgres::Server::start());
    *shared = Arc::downgrade(&server);
    server
}

impl Stand {
    pub(crate) async fn new(kind: Kind) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let dir = tempfile::tempdir().unwrap();
        let (place, server) = match kind {
            Kind::Sqlite => (Place::File(dir.path().join("console.db")), None),
            Kind::Postgres => {
                let server = tokio::task::spawn_blocking(server).await.unwrap();
                let name = format!("t{}", NUMBER.fetch_add(1, Ordering::SeqCst));
                server.sql("postgres", &format!("CREATE DATABASE {name}"));
                let folder = server.path("").display().to_string();
                let url = format!("postgres:///{name}?host={}&user=postgres", folder.trim_end_matches('/'));
                (Place::Postgres { url, password: None, ca: None }, Some(server))
            }
        };
        let clock = Arc::new(SetClock::default());
        clock.0.store(NOW, Ordering::SeqCst);
        let key = [7; 32];
        let app = open(&place, clock.clone(), key).await;
        Self { app, clock, place, key, _dir: dir, stop: None, _server: server }
    }

    /// Another console on the same database.
    pub(crate) async fn second(&self) -> Arc<App> {
        open(&self.place, self.clock.clone(), self.key).await
    }

    pub(crate) fn set_time(&self, secs: i64) {
        self.clock.0.store(secs, Ordering::SeqCst);
    }

    /// A host that is known.
    pub(crate) async fn host(&self, tenant: &str, name: &str) -> KnownHost {
        let mut conn = self.app.db.write().await.unwrap();
        let tenant_id = hosts::tenant_id(&mut conn, tenant, NOW).await.unwrap();
        let host_id = hosts::host_id(&mut conn, tenant_id, name, NOW).await.unwrap();
        conn.commit().await.unwrap();
        KnownHost { host_id, tenant_id, tenant: tenant.into(), host: name.into() }
    }

    /// A key that stands for a host.
    pub(crate) async fn keyed(&self, host: &KnownHost, seed: u8) -> SigningKey {
        let key = SigningKey::from_seed(&[seed; 32]);
        let public = key.public();
        let mut conn = self.app.db.write().await.unwrap();
        let id = public.host_id().to_string();
        hosts::enrol(&mut conn, host.host_id, &id, &vow_base::id::hex(&public.0), "token", NOW)
            .await
            .unwrap();
        conn.commit().await.unwrap();
        key
    }

    pub(crate) async fn put(&self, host: &KnownHost, report: Report) -> Result<(), IngestError> {
        self.app.queue.put(Arrived { known: host.clone(), report, output: None }).await
    }

    pub(crate) async fn user(&self, name: &str, role: Role, tenant: Option<&str>) {
        let new = NewUser {
            name: name.into(),
            password: PASSWORD.to_owned().into(),
            role,
            tenant: tenant.map(Into::into),
        };
        admin::add_user(&self.app, &admin::at_the_machine(), &new).await.unwrap();
    }

    pub(crate) async fn token(&self, role: Role, tenant: Option<&str>) -> String {
        let new = NewToken { name: "a program".into(), role, tenant: tenant.map(Into::into), days: None };
        admin::add_token(&self.app, &admin::at_the_machine(), &new).await.unwrap().to_string()
    }

    /// Starts the server: where hosts reach it, and where browsers do.
    pub(crate) fn serve(&mut self) -> (SocketAddr, SocketAddr) {
        let server = Server::open(self.app.clone(), SigningKey::from_seed(&self.key)).unwrap();
        let addresses = (server.host_addresses()[0], server.web_addresses()[0]);
        let stop = Stop::default();
        let told = stop.clone();
        let running = tokio::spawn(async move { server.run(&told).await.unwrap() });
        self.stop = Some((stop, running));
        addresses
    }

    /// Stops it, and waits for its end.
    pub(crate) async fn stop(&mut self) {
        if let Some((stop, running)) = self.stop.take() {
            stop.stop();
            running.await.unwrap();
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.stop {
            stop.stop();
        }
    }
}

pub(crate) const PASSWORD: &str = "correct horse battery";

async fn open(place: &Place, clock: Arc<SetClock>, key: [u8; 32]) -> Arc<App> {
    let db = Db::open(place).await.unwrap();
    let config = Config {
        address: Some("https://console.example.net:8444".parse().unwrap()),
        listen_hosts: vec!["127.0.0.1:0".parse().unwrap()],
        listen_web: vec!["127.0.0.1:0".parse().unwrap()],
        ..Config::default()
    };
    let judge = Judge { listening_since_secs: NOW - 1_000_000, ..Judge::default() };
    let public = SigningKey::from_seed(&key).public();
    Arc::new(App::new(db, Arc::new(judge), clock, config, public, vec![]))
}

/// A report of a host, with an id made of a number.
pub(crate) fn report(host: &KnownHost, id: u64, body: Body) -> Report {
    Report {
        format: FORMAT.into(),
        version: VERSION,
        id: format!("{id:032x}"),
        tenant: host.tenant.clone(),
        host: host.host.clone(),
        made_secs: NOW,
        software: "vow 0.1.0".into(),
        body,
    }
}

/// A run that was whole.
pub(crate) fn run(source: &str, started_secs: i64) -> RunReport {
    RunReport {
        run: format!("{started_secs:032x}"),
        source: source.into(),
        source_type: "files".into(),
        started_secs,
        duration_secs: 60.0,
        outcome: Outcome::Ok,
        snapshot: Some(format!("{started_secs:064x}")),
        sequence: Some(1),
        files: 100,
        dirs: 10,
        bytes: 1 << 30,
        added_bytes: 1 << 20,
        errors: 0,
        error: None,
        hint: None,
        problems: vec![],
        notes: vec![],
        levels: vec![LevelReport { name: "local".into(), vault: None, received: Some(true), error: None }],
        end_marker: None,
        shape: None,
        objects: Default::default(),
        attempt: 1,
        next_secs: Some(started_secs + 3600),
        plan: None,
        recipients: vec![],
    }
}

/// A run that failed.
pub(crate) fn failed(source: &str, started_secs: i64, why: &str) -> RunReport {
    RunReport {
        outcome: Outcome::Failed,
        snapshot: None,
        sequence: None,
        error: Some(why.into()),
        hint: Some("look there".into()),
        ..run(source, started_secs)
    }
}

/// Asks a page or the API with a token.
pub(crate) async fn get(web: SocketAddr, target: &str, token: &str) -> Reply {
    let (target, bearer) = (target.to_owned(), format!("Bearer {token}"));
    tokio::task::spawn_blocking(move || ask(web, "GET", &target, &[("authorization", &bearer)], b""))
        .await
        .unwrap()
}

/// Posts JSON with a token.
pub(crate) async fn post(web: SocketAddr, target: &str, token: &str, body: serde_json::Value) -> Reply {
    let (target, bearer) = (target.to_owned(), format!("Bearer {token}"));
    let body = body.to_string().into_bytes();
    tokio::task::spawn_blocking(move || {
        ask(web, "POST", &target, &[("authorization", &bearer), ("content-type", "application/json")], &body)
    })
    .await
    .unwrap()
}
