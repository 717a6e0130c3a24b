//! What vaults tell: receipts before and after reports, copies that go.

use crate::stand::{Kind, NOW, Stand, on_both, report, run};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use vow_console::db::{Scope, settings, snapshots, sources, tickets, vaults};
use vow_console::ingest::look;
use vow_console::server::config::Term;
use vow_protocol::report::{Alive, Body, Expected, LevelReport};

const PRINT: &str = "SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

async fn vault(stand: &Stand) -> i64 {
    let mut conn = stand.app.db.write().await.unwrap();
    let id =
        vaults::add(&mut conn, "remote", None, "https://vault.example.net:8443", PRINT, NOW).await.unwrap();
    conn.commit().await.unwrap();
    id
}

fn reported(started: i64) -> vow_protocol::report::RunReport {
    let mut body = run("system", started);
    body.levels = vec![LevelReport {
        name: "remote".into(),
        vault: Some(PRINT.into()),
        received: Some(true),
        error: None,
    }];
    body
}

on_both! {
    a_receipt_and_a_report_meet_in_any_order(stand) {
        let host = stand.host("acme", "web-1").await;
        let vault_id = vault(&stand).await;
        let receive = async |manifest: &str, at: i64| {
            let mut conn = stand.app.db.write().await.unwrap();
            let id = snapshots::id_of(&mut conn, (host.host_id, host.tenant_id), manifest, at).await.unwrap();
            let news = snapshots::received(&mut conn, id, vault_id, at as u64, at).await.unwrap();
            conn.commit().await.unwrap();
            news
        };
        // The vault was quicker.
        let early = reported(NOW - 600);
        assert!(receive(early.snapshot.as_ref().unwrap(), NOW - 550).await);
        assert!(!receive(early.snapshot.as_ref().unwrap(), NOW - 550).await);
        stand.put(&host, report(&host, 1, Body::Run(Box::new(early.clone())))).await.unwrap();
        let mut conn = stand.app.read().await.unwrap();
        let source = sources::find(&mut conn, host.host_id, "system").await.unwrap().unwrap();
        let level = sources::levels(&mut conn, &[source]).await.unwrap().remove(0);
        assert_eq!((level.snapshot.as_ref(), level.received_secs), (early.snapshot.as_ref(), Some(NOW - 550)));
        let kept = snapshots::of_source(&mut conn, source, 10).await.unwrap();
        assert_eq!((kept.len(), kept[0].copies.len(), kept[0].first_received_secs), (1, 1, Some(NOW - 550)));
        drop(conn);
        // The vault keeps it no more.
        let mut conn = stand.app.db.write().await.unwrap();
        let gone = snapshots::keep_only(&mut conn, vault_id, host.host_id, &BTreeSet::new(), u64::MAX >> 1, NOW).await.unwrap();
        conn.commit().await.unwrap();
        assert_eq!(gone, 1);
        let kept = snapshots::of_source(&mut stand.app.read().await.unwrap(), source, 10).await.unwrap();
        assert!(kept.is_empty());
        let whole = snapshots::by_manifest(&mut stand.app.read().await.unwrap(), Scope::All, host.host_id, early.snapshot.as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!(whole.copies[0].gone_secs, Some(NOW));
    }

    what_is_over_is_removed_and_the_rest_stays(stand) {
        let host = stand.host("acme", "web-1").await;
        for (number, days) in [(1, 40_i64), (2, 20), (3, 10)] {
            let at = NOW - days * 86_400;
            stand.set_time(at + 60);
            stand.put(&host, report(&host, number, Body::Run(Box::new(run("system", at))))).await.unwrap();
        }
        let bad_at = NOW - 30 * 86_400;
        stand.set_time(bad_at + 60);
        stand.put(&host, report(&host, 4, Body::Run(Box::new(crate::stand::failed("other", bad_at, "no"))))).await.unwrap();
        stand.set_time(NOW);
        let terms = vow_console::db::prune::Terms { runs_secs: 14 * 86_400, problems_secs: 400 * 86_400, days_secs: 25 * 86_400 };
        for _ in 0..2 {
            vow_console::db::prune::all(&stand.app.db, terms, NOW).await.unwrap();
        }
        let mut conn = stand.app.read().await.unwrap();
        let source = sources::find(&mut conn, host.host_id, "system").await.unwrap().unwrap();
        let left = vow_console::db::runs::of_source(&mut conn, source, i64::MAX, 10).await.unwrap();
        assert_eq!(left.iter().map(|run| (NOW - run.started_secs) / 86_400).collect::<Vec<_>>(), [10]);
        assert_eq!(vow_console::db::runs::days(&mut conn, source, 0).await.unwrap().len(), 2);
        let other = sources::find(&mut conn, host.host_id, "other").await.unwrap().unwrap();
        assert_eq!(vow_console::db::runs::of_source(&mut conn, other, i64::MAX, 10).await.unwrap().len(), 1);
    }

    a_level_whose_vault_nobody_watches_is_left_to_the_hosts_word(stand) {
        let host = stand.host("acme", "web-1").await;
        let expected = Expected {
            source: "system".into(),
            source_type: "files".into(),
            schedule: Some("0 * * * *".into()),
            time_zone: None,
            next_secs: None,
            levels: vec!["local".into()],
            restore_target_secs: None,
            drill_within_secs: None,
        };
        let alive = |id, at| {
            let mut told = report(&host, id, Body::Alive(Alive { sources: vec![expected.clone()], ..Alive::default() }));
            told.made_secs = at;
            told
        };
        stand.put(&host, alive(1, NOW)).await.unwrap();
        let mut body = run("system", NOW - 600);
        body.levels = vec![LevelReport { name: "local".into(), vault: Some(PRINT.replace('a', "b")), received: Some(true), error: None }];
        stand.put(&host, report(&host, 2, Body::Run(Box::new(body)))).await.unwrap();
        let rules = async |at: i64, id: u64| {
            stand.set_time(at);
            stand.put(&host, alive(id, at)).await.unwrap();
            look(&stand.app.db, &stand.app.judge, at, at).await.unwrap();
            let open = tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &Default::default(), 10, 0).await.unwrap();
            open.iter().map(|ticket| ticket.key.rule.word()).collect::<Vec<_>>()
        };
        assert!(rules(NOW + 60, 3).await.is_empty());
        assert_eq!(rules(NOW + 8 * 3600, 4).await, ["missing"], "the folder of a host has no receipts: its silence counts");
    }
}

/// A vault that takes the connection and says nothing more must not keep the console from asking the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_vault_is_asked_by_its_own_clock() {
    let mut stand = Stand::new(Kind::Sqlite).await;
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = &mut Arc::get_mut(&mut stand.app).expect("nobody else has it yet").config;
    config.ask_vaults_every = Term(Duration::from_secs(1));
    let (hosts, _) = stand.serve();
    let mut conn = stand.app.db.write().await.unwrap();
    let silent = format!("https://{}", hung.local_addr().unwrap());
    let hanging = vaults::add(&mut conn, "hung", None, &silent, PRINT, NOW).await.unwrap();
    // Nobody who has the key that is expected here: an answer at once, and a bad one.
    let refusing = vaults::add(
        &mut conn,
        "refusing",
        None,
        &format!("https://{hosts}"),
        &PRINT.replace("aaaa", "bbbb"),
        NOW,
    )
    .await
    .unwrap();
    conn.commit().await.unwrap();
    let asked = async |id: i64| {
        let name = format!("done/vault/{id}");
        settings::get::<i64>(&mut stand.app.read().await.unwrap(), &name).await.unwrap()
    };
    for at in [NOW, NOW + 100, NOW + 200] {
        stand.set_time(at);
        while asked(refusing).await != Some(at) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(asked(hanging).await, Some(NOW), "it still is asked for the first time");
    }
    stand.stop().await;
}
