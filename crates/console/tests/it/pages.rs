//! Every page, with names and texts that are scripts.

use crate::stand::{Kind, NOW, Stand, get, on_both, report, run};
use vow_console::auth::Role;
use vow_console::db::{Scope, hosts, runs, sources, tickets};
use vow_protocol::report::{Alive, Body, LevelReport, Outcome};

const SCRIPT: &str = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>\u{202e}";

on_both! {
    stored_scripts_are_texts(stand) {
        // Names of hosts come through joining, which takes no such name; the database may hold one all the same.
        let host = stand.host("acme", "web-1").await;
        let mut odd = host.clone();
        let mut conn = stand.app.db.write().await.unwrap();
        odd.host_id = hosts::host_id(&mut conn, host.tenant_id, SCRIPT, NOW).await.unwrap();
        conn.commit().await.unwrap();
        odd.host = SCRIPT.into();
        let mut body = run(&SCRIPT.replace('\u{202e}', ""), NOW - 60);
        body.outcome = Outcome::Failed;
        body.snapshot = None;
        body.error = Some(SCRIPT.into());
        body.hint = Some(SCRIPT.into());
        body.problems = vec![SCRIPT.into()];
        body.notes = vec![SCRIPT.into()];
        body.source_type = SCRIPT.into();
        body.levels = vec![LevelReport { name: SCRIPT.into(), vault: None, received: Some(false), error: Some(SCRIPT.into()) }];
        stand.put(&odd, report(&odd, 1, Body::Run(Box::new(body)))).await.unwrap();
        let document = serde_json::json!({
            "findings": [{"finding": SCRIPT, "text": SCRIPT, "hint": SCRIPT, "offer": SCRIPT, "check": SCRIPT, "severity": SCRIPT}],
            "waived": [{"finding": "x", "text": SCRIPT, "waived": {"reason": SCRIPT, "by": SCRIPT, "until": "2999-01-01"}}],
            "ledger": [{"state": "unknown", "what": SCRIPT, "path": SCRIPT, "bytes": -1}],
            "exclusions": [{"source": SCRIPT, "pattern": SCRIPT, "files": 1}],
            "unseen": [{"what": SCRIPT, "why": SCRIPT}, SCRIPT],
        });
        stand.put(&odd, report(&odd, 2, Body::Audit(Box::new(document.clone())))).await.unwrap();
        stand.put(&odd, report(&odd, 3, Body::Inventory(Box::new(document)))).await.unwrap();
        let mut told = report(&odd, 4, Body::Alive(Alive::default()));
        told.software = SCRIPT.into();
        stand.put(&odd, told).await.unwrap();
        let mut conn = stand.app.read().await.unwrap();
        let source = sources::of_host(&mut conn, odd.host_id).await.unwrap()[0].id;
        let run = runs::of_source(&mut conn, source, i64::MAX, 1).await.unwrap()[0].id;
        let open = tickets::list(&mut conn, Scope::All, &tickets::Wanted::default(), 10, 0).await.unwrap();
        drop(conn);
        let (_, web) = stand.serve();
        let token = stand.token(Role::Administrator, None).await;
        let mut targets = vec![
            format!("/hosts/{}/audit", odd.host_id), format!("/tenants/{}/audit", host.tenant_id), format!("/tenants/{}/reports/2026-09.html", host.tenant_id),
            "/".to_owned(), "/?q=%3Cscript%3E".into(), "/tenants".into(), format!("/tenants/{}", host.tenant_id), format!("/hosts/{}", odd.host_id),
            format!("/sources/{source}"), format!("/runs/{run}"), "/tickets".into(), "/proofs".into(), "/vaults".into(), "/users".into(), "/audit".into(),
        ];
        targets.extend(open.iter().map(|ticket| format!("/tickets/{}", ticket.id)));
        assert!(!open.is_empty());
        for target in targets {
            let reply = get(web, &target, &token).await.expect(200);
            assert!(!reply.body.contains("<script"), "{target}");
            assert!(!reply.body.contains("<img"), "{target}");
            assert!(!reply.body.contains('\u{202e}'), "{target}");
        }
        stand.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_console_that_was_just_made_say_what_to_do_next() {
    let mut stand = Stand::new(Kind::Sqlite).await;
    let (_, web) = stand.serve();
    let token = stand.token(Role::Administrator, None).await;
    for (target, says) in [
        ("/", "vow console vault add NAME TOKEN"),
        ("/", "vow console join TOKEN"),
        ("/tickets", "nothing was judged"),
        ("/tickets", "Nobody is told of tickets"),
        ("/tickets?closed=true", "None was closed yet"),
        ("/tenants", "comes with its first"),
        ("/proofs", "vow drill"),
        ("/vaults", "vow vault join-token --role console"),
        ("/users", "Make a token"),
        ("/audit", "token.add"),
    ] {
        let page = get(web, target, &token).await.expect(200);
        assert!(page.body.contains(says), "{target}: {says:?}\n{}", page.body);
    }
    // Whoever may not let anybody in is not told how.
    let auditor = stand.token(Role::Auditor, None).await;
    let page = get(web, "/", &auditor).await.expect(200);
    assert!(page.body.contains("Whoever runs this console") && !page.body.contains("join TOKEN"));
    // A search without a result is no empty console.
    stand.host("acme", "web-1").await;
    let page = get(web, "/?q=nothing-is-called-so", &token).await.expect(200);
    assert!(page.body.contains("No host is like that") && !page.body.contains("join TOKEN"));
    stand.stop().await;
}
