//! What goes wrong on the way and below: hosts that are not known, bodies that are too long, a database that is locked, full, restarted.

use crate::stand::{Kind, NOW, Stand, on_both, report, run};
use crate::wire::{Reply, ask_as};
use std::net::SocketAddr;
use vow_base::Fingerprint;
use vow_base::sign::SigningKey;
use vow_console::admin::{self, NewJoinToken};
use vow_console::db::{Db, DbError, Place, settings};
use vow_console::ingest::IngestError;
use vow_protocol::JoinToken;
use vow_protocol::report::Body;

struct Caller {
    hosts: SocketAddr,
    pin: Fingerprint,
}

impl Caller {
    fn of(stand: &Stand, hosts: SocketAddr) -> Self {
        Self { hosts, pin: Fingerprint::of(&stand.app.public_key) }
    }

    async fn ask(
        &self,
        seed: Option<u8>,
        method: &'static str,
        target: &'static str,
        body: Vec<u8>,
        length: usize,
    ) -> Reply {
        let (hosts, pin) = (self.hosts, self.pin);
        tokio::task::spawn_blocking(move || {
            let key = seed.map(|seed| SigningKey::from_seed(&[seed; 32]));
            ask_as(hosts, pin, key.as_ref(), (method, target), &body, length)
        })
        .await
        .unwrap()
    }

    async fn report(&self, seed: Option<u8>, body: Vec<u8>) -> Reply {
        let length = body.len();
        self.ask(seed, "POST", "/v1/reports", body, length).await
    }
}

on_both! {
    a_host_joins_with_a_token_and_reports(stand) {
        let (hosts, _) = stand.serve();
        let caller = Caller::of(&stand, hosts);
        let host = vow_console::db::hosts::KnownHost { host_id: 0, tenant_id: 0, tenant: "acme".into(), host: "web-1".into() };
        let good = serde_json::to_vec(&report(&host, 1, Body::Run(Box::new(run("system", NOW - 60))))).unwrap();
        let unknown = caller.report(Some(5), good.clone()).await.expect(404);
        assert_eq!(unknown.json()["error"], "not-joined");
        assert_eq!(caller.report(None, good.clone()).await.expect(401).json()["error"], "key");
        let new = NewJoinToken { tenant: Some("acme".into()), name: None, hours: None };
        let text = admin::add_join_token(&stand.app, &admin::at_the_machine(), &new).await.unwrap();
        let token: JoinToken = text.parse().unwrap();
        assert_eq!(token.fingerprint, caller.pin);
        let join = |name: &str| serde_json::json!({"secret": token.secret.text(), "tenant": "acme", "name": name}).to_string().into_bytes();
        let joined = caller.ask(Some(5), "POST", "/v1/join", join("web-1"), join("web-1").len()).await.expect(200);
        assert_eq!((joined.json()["tenant"].as_str(), joined.json()["name"].as_str()), (Some("acme"), Some("web-1")));
        // The same key again: the same answer; another key: nothing.
        caller.ask(Some(5), "POST", "/v1/join", join("web-1"), join("web-1").len()).await.expect(200);
        caller.ask(Some(6), "POST", "/v1/join", join("web-1"), join("web-1").len()).await.expect(404);
        let stored = caller.report(Some(5), good.clone()).await.expect(200);
        assert_eq!(stored.body, r#"{"stored":true}"#);
        caller.report(Some(5), good).await.expect(200);
        let foreign = vow_console::db::hosts::KnownHost { tenant: "rival".into(), ..host.clone() };
        let foreign = serde_json::to_vec(&report(&foreign, 2, Body::Run(Box::new(run("system", NOW - 60))))).unwrap();
        assert_eq!(caller.report(Some(5), foreign).await.expect(409).json()["error"], "refused");
        let about = caller.ask(Some(5), "GET", "/v1/console", vec![], 0).await.expect(200);
        assert_eq!(about.json()["host"], "web-1");
        stand.stop().await;
    }

    what_is_too_long_is_refused_before_it_is_read(stand) {
        let host = stand.host("acme", "web-1").await;
        stand.keyed(&host, 5).await;
        let (hosts, _) = stand.serve();
        let caller = Caller::of(&stand, hosts);
        let long = caller.ask(Some(5), "POST", "/v1/reports", b"{".to_vec(), 100 << 20).await;
        assert_eq!((long.status, long.json()["error"].as_str().map(str::to_owned)), (413, Some("length".into())));
        assert_eq!(caller.report(Some(5), b"{\"format\":".to_vec()).await.expect(400).json()["error"], "malformed");
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
        assert_eq!(caller.report(Some(5), deep).await.expect(400).json()["error"], "malformed");
        stand.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_the_database_locked_waits() {
    let stand = Stand::new(Kind::Sqlite).await;
    let host = stand.host("acme", "web-1").await;
    let other = Db::open(&stand.place).await.unwrap();
    let held = other.write().await.unwrap();
    let app = stand.app.clone();
    let arrived = vow_console::ingest::Arrived {
        known: host.clone(),
        report: report(&host, 1, Body::Run(Box::new(run("system", NOW - 60)))),
        output: None,
    };
    let waiting = tokio::spawn(async move { app.queue.put(arrived).await });
    // Readers need not wait.
    let read: Option<i64> = settings::get(&mut stand.app.read().await.unwrap(), "x").await.unwrap();
    assert_eq!(read, None);
    assert!(!waiting.is_finished());
    drop(held);
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stores_nothing_and_loses_nothing() {
    let stand = Stand::new(Kind::Sqlite).await;
    let host = stand.host("acme", "web-1").await;
    stand.put(&host, report(&host, 1, Body::Run(Box::new(run("system", NOW - 600))))).await.unwrap();
    let mut conn = stand.app.db.write().await.unwrap();
    // A limit of pages is to SQLite what a full disk is.
    let pages = conn.one("PRAGMA page_count", vec![]).await.unwrap().int("page_count").unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
    conn.rows(limit, vec![]).await.unwrap();
    conn.commit().await.unwrap();
    let mut full = None;
    for number in 2..500 {
        let mut big = run("system", NOW - 500 + number as i64);
        big.notes = vec!["x".repeat(4000); 40];
        if let Err(error) = stand.put(&host, report(&host, number, Body::Run(Box::new(big)))).await {
            full = Some((number, error));
            break;
        }
    }
    let (number, error) = full.expect("it was never full");
    assert!(matches!(error, IngestError::Db(DbError::Full(_))), "{error:?}");
    // The connection is a new one, and the limit was that of the old one: there is room again.
    stand.put(&host, report(&host, number, Body::Run(Box::new(run("system", NOW - 10))))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_restarted_is_used_again() {
    let mut server = tokio::task::spawn_blocking(vow_testkit::postgres::Server::start).await.unwrap();
    let folder = server.path("").display().to_string();
    let url = format!("postgres:///postgres?host={}&user=postgres", folder.trim_end_matches('/'));
    let db = Db::open(&Place::Postgres { url, password: None, ca: None }).await.unwrap();
    let set = async |value: i64| {
        let mut conn = db.write().await?;
        settings::set(&mut conn, "x", &value).await?;
        conn.commit().await
    };
    set(1).await.unwrap();
    let mut server = tokio::task::spawn_blocking(move || {
        // The server of tests forgets what is not written when it crashes; this is about connections.
        server.sql("postgres", "CHECKPOINT");
        server.crash();
        server
    })
    .await
    .unwrap();
    let away = set(2).await.expect_err("the server is away");
    assert!(away.is_passing(), "{away:?}");
    let _server = tokio::task::spawn_blocking(move || {
        server.up();
        server
    })
    .await
    .unwrap();
    // Connections that broke are thrown away one after the other.
    let mut last = None;
    for value in 3..40 {
        last = Some(set(value).await);
        if last.as_ref().is_some_and(Result::is_ok) {
            break;
        }
    }
    assert!(last.as_ref().unwrap().is_ok(), "{last:?}");
    db.close().await;
}
