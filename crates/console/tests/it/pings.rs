//! Pings of other tools: what clients of healthchecks send.

use crate::stand::{NOW, on_both};
use crate::wire::ask;
use vow_console::admin::{self, NewPing};
use vow_console::db::{Scope, hosts, runs, sources};

on_both! {
    a_ping_is_a_run(stand) {
        let new = NewPing { tenant: "acme".into(), host: "old-1".into(), source: "nightly".into(), parser: None };
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
}
