//! Pings of other tools: what clients of healthchecks send.

use crate::stand::{NOW, on_both};
use crate::wire::ask;
use vow_console::admin::{self, NewPing};
use vow_console::db::{Scope, hosts, runs, sources, tickets};
use vow_console::ingest::look;

on_both! {
    a_ping_is_a_run(stand) {
        let new = NewPing { tenant: "acme".into(), host: "old-1".into(), source: "nightly".into(), parser: None, every_secs: None };
        let uuid = admin::add_ping(&stand.app, &admin::at_the_machine(), &new).await.unwrap();
        let (_, web) = stand.serve();
        let sends = move |method: &'static str, what: &'static str, body: &'static str, uuid: String| {
            tokio::task::spawn_blocking(move || ask(web, method, &format!("/ping/{uuid}{what}"), &[], body.as_bytes()).status)
        };
        assert_eq!(sends("GET", "/start", "", uuid.clone()).await.unwrap(), 200);
        stand.set_time(NOW + 300);
        assert_eq!(sends("POST", "", "all is well\n", uuid.clone()).await.unwrap(), 200);
        assert_eq!(sends("HEAD", "/0", "", uuid.clone()).await.unwrap(), 200);
        assert_eq!(sends("POST", "/2", "repository is locked\n", uuid.clone()).await.unwrap(), 200);
        assert_eq!(sends("GET", "/log", "", uuid.clone()).await.unwrap(), 200);
        for (method, what, uuid, status) in [
            ("GET", "", "00000000-0000-4000-8000-000000000000".to_owned(), 404),
            ("GET", "/256", uuid.clone(), 400),
            ("GET", "/x", uuid.clone(), 400),
            ("DELETE", "", uuid.clone(), 400),
        ] {
            assert_eq!(sends(method, what, "", uuid).await.unwrap(), status, "{method} {what}");
        }
        let mut conn = stand.app.read().await.unwrap();
        let host = hosts::list(&mut conn, Scope::All, &Default::default(), 1, 0).await.unwrap()[0].id;
        let source = sources::of_host(&mut conn, host).await.unwrap().remove(0);
        assert_eq!((&*source.name, &*source.source_type), ("nightly", "ping"));
        let mut listed = runs::of_source(&mut conn, source.id, i64::MAX, 10).await.unwrap();
        listed.sort_by_key(|run| run.id);
        assert_eq!(listed.iter().map(|run| (&*run.outcome, run.duration_secs)).collect::<Vec<_>>(), [("ok", 300.0), ("ok", 0.0), ("failed", 0.0)]);
        let (report, output) = runs::details(&mut conn, listed[2].id).await.unwrap().unwrap();
        assert!(report.error.unwrap().contains("repository is locked"));
        assert_eq!(output.as_deref(), Some("repository is locked\n"));
        drop(conn);
        stand.stop().await;
    }

    what_is_logged_belongs_to_the_run_that_ends_next(stand) {
        let new = NewPing { tenant: "acme".into(), host: "old-1".into(), source: "nightly".into(), parser: None, every_secs: None };
        let uuid = admin::add_ping(&stand.app, &admin::at_the_machine(), &new).await.unwrap();
        let (_, web) = stand.serve();
        let sends = async |what: &'static str, body: &'static str| {
            let target = format!("/ping/{uuid}{what}");
            let sent = tokio::task::spawn_blocking(move || ask(web, "POST", &target, &[], body.as_bytes()));
            sent.await.unwrap().expect(200);
        };
        // One that began, logged and was never heard of again leaves nothing to the next.
        sends("/start", "").await;
        sends("/log", "of another run").await;
        sends("/start", "").await;
        sends("/log", "reading the disk").await;
        sends("/log", "disk read\n").await;
        sends("/0", "").await;
        // It says nothing of how a run does, and comes without one as well.
        sends("/log", "before it begins").await;
        sends("/start", "").await;
        sends("/log", "the tape is torn").await;
        sends("/fail", "").await;
        sends("/2", "by itself").await;
        let mut conn = stand.app.read().await.unwrap();
        let host = hosts::list(&mut conn, Scope::All, &Default::default(), 1, 0).await.unwrap()[0].id;
        let source = sources::of_host(&mut conn, host).await.unwrap().remove(0);
        let mut listed = runs::of_source(&mut conn, source.id, i64::MAX, 10).await.unwrap();
        listed.sort_by_key(|run| run.id);
        assert_eq!(listed.iter().map(|run| &*run.outcome).collect::<Vec<_>>(), ["ok", "failed", "failed"]);
        let mut kept = Vec::new();
        for run in &listed {
            kept.push(runs::details(&mut conn, run.id).await.unwrap().unwrap());
        }
        let outputs: Vec<_> = kept.iter().map(|(_, output)| output.as_deref().unwrap()).collect();
        assert_eq!(outputs, ["reading the disk\ndisk read\n", "before it begins\nthe tape is torn\n", "by itself"]);
        assert!(kept[1].0.error.as_ref().unwrap().contains("the tape is torn"), "its last line is the reason");
        drop(conn);
        stand.stop().await;
    }

    what_must_come_every_day_is_missed_also_when_it_never_came(stand) {
        let new = |source: &str, every_secs| NewPing { tenant: "acme".into(), host: "old-1".into(), source: source.into(), parser: None, every_secs };
        let me = admin::at_the_machine();
        admin::add_ping(&stand.app, &me, &new("nightly", Some(86_400))).await.unwrap();
        admin::add_ping(&stand.app, &me, &new("whenever", None)).await.unwrap();
        assert!(admin::add_ping(&stand.app, &me, &new("always", Some(1))).await.is_err());
        let missed = async |at: i64| {
            stand.set_time(at);
            look(&stand.app.db, &stand.app.judge, at, at).await.unwrap();
            let open = tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &Default::default(), 10, 0).await.unwrap();
            open.iter().map(|ticket| ticket.key.to_string()).collect::<Vec<_>>()
        };
        assert!(missed(NOW + 80_000).await.is_empty());
        assert_eq!(missed(NOW + 2 * 86_400).await, ["acme/missing/source/old-1/nightly"]);
    }
}
