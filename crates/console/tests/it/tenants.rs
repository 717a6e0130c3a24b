//! Every route is asked for another tenant by id, with every role: it is as if nothing were there.

use crate::login::{cookie, form, hidden, login, page};
use crate::stand::{NOW, PASSWORD, Stand, failed, get, on_both, post, report, run};
use serde_json::json;
use vow_console::admin::{self, NewPing};
use vow_console::auth::Role;
use vow_console::db::{Scope, pings, proofs, runs, sources, tickets};
use vow_protocol::report::{Body, ProofReport, Verdict};

/// The ids of what one tenant has.
struct Owned {
    tenant: i64,
    host: i64,
    source: i64,
    run: i64,
    proof: i64,
    ticket: String,
    ping: i64,
}

async fn owned(stand: &Stand, tenant: &str, id: u64) -> Owned {
    let host = stand.host(tenant, "web-1").await;
    stand.put(&host, report(&host, id, Body::Run(Box::new(run("orders", NOW - 600))))).await.unwrap();
    stand
        .put(&host, report(&host, id + 1, Body::Run(Box::new(failed("orders", NOW - 60, tenant)))))
        .await
        .unwrap();
    let proof = ProofReport {
        source: "orders".into(),
        source_type: "files".into(),
        snapshot: "ab".repeat(32),
        received_secs: NOW - 900,
        level: "local".into(),
        vault: None,
        recipient: "r".into(),
        started_secs: NOW - 300,
        restore_secs: 10.0,
        compare_secs: 1.0,
        verdict: Verdict::Proven,
        compared: 7,
        files: 1,
        files_read: 1,
        bytes: 1,
        problems: vec![],
        blocked: vec![],
        restore_target_secs: None,
        drill_within_secs: None,
    };
    stand.put(&host, report(&host, id + 2, Body::Proof(Box::new(proof)))).await.unwrap();
    let mut conn = stand.app.read().await.unwrap();
    let scope = Scope::Tenant(host.tenant_id);
    let source = sources::find(&mut conn, host.host_id, "orders").await.unwrap().unwrap();
    let proof = proofs::list(&mut conn, scope, 1).await.unwrap()[0].id;
    let run = runs::of_source(&mut conn, source, i64::MAX, 1).await.unwrap()[0].id;
    let open = tickets::list(&mut conn, scope, &tickets::Wanted::default(), 1, 0).await.unwrap();
    let ticket = open[0].id.clone();
    drop(conn);
    let new = NewPing {
        tenant: tenant.into(),
        host: "old-1".into(),
        source: "nightly".into(),
        parser: None,
        every_secs: None,
    };
    admin::add_ping(&stand.app, &admin::at_the_machine(), &new).await.unwrap();
    let ping = pings::list(&mut stand.app.read().await.unwrap(), scope).await.unwrap()[0].id;
    Owned { tenant: host.tenant_id, host: host.host_id, source, run, proof, ticket, ping }
}

/// Every route that names something of a tenant. The one place where a new route is added.
fn reads(of: &Owned) -> Vec<String> {
    let Owned { tenant, host, source, run, proof, ticket, .. } = of;
    let mut all = vec![
        format!("/tenants/{tenant}"),
        format!("/hosts/{host}"),
        format!("/tenants/{tenant}/audit"),
        format!("/tenants/{tenant}/reports/2026-09.html"),
        format!("/hosts/{host}/audit"),
        format!("/api/v1/tenants/{tenant}/audit"),
        format!("/api/v1/tenants/{tenant}/policy"),
        format!("/api/v1/tenants/{tenant}/records"),
        format!("/api/v1/tenants/{tenant}/findings"),
        format!("/api/v1/hosts/{host}/audit"),
        format!("/sources/{source}"),
        format!("/runs/{run}"),
        format!("/tickets/{ticket}"),
        format!("/tickets?tenant={tenant}"),
        format!("/proofs/{proof}"),
    ];
    all.extend(
        [
            "hosts/{h}",
            "sources/{s}",
            "sources/{s}/days",
            "sources/{s}/runs",
            "sources/{s}/snapshots",
            "runs/{r}",
            "tickets/{t}",
            "proofs/{p}",
        ]
        .map(|route| {
            let route = route.replace("{h}", &host.to_string()).replace("{s}", &source.to_string());
            let route = route
                .replace("{r}", &run.to_string())
                .replace("{t}", ticket)
                .replace("{p}", &proof.to_string());
            format!("/api/v1/{route}")
        }),
    );
    all
}

fn writes(of: &Owned) -> Vec<(String, serde_json::Value)> {
    let Owned { host, source, ticket, .. } = of;
    vec![
        (format!("/api/v1/hosts/{host}/quiet"), json!({"hours": 1})),
        (format!("/api/v1/hosts/{host}/close"), json!({"closed": true})),
        (format!("/api/v1/hosts/{host}/keys/{}/revoke", "ab".repeat(32)), json!({})),
        (format!("/api/v1/sources/{source}/adjust"), json!({})),
        (format!("/api/v1/hosts/{host}/audit"), json!({"step": "place", "place": {"name": "here"}})),
        (format!("/api/v1/tenants/{}/records", of.tenant), json!({"owner": "ann"})),
        (format!("/api/v1/tenants/{}/audit", of.tenant), json!({})),
        (format!("/api/v1/pings/{}/revoke", of.ping), json!({})),
        (format!("/api/v1/tickets/{ticket}"), json!({"action": "comment", "text": "hello"})),
    ]
}

on_both! {
    nobody_reaches_another_tenant_by_id(stand) {
        let own = owned(&stand, "acme", 10).await;
        let foreign = owned(&stand, "rival", 20).await;
        let (_, web) = stand.serve();
        let absent = get(web, "/hosts/999999", &stand.token(Role::Customer, Some("acme")).await).await;
        for role in Role::ALL {
            let token = stand.token(role, Some("acme")).await;
            for route in reads(&own) {
                let reply = get(web, &route, &token).await;
                assert_eq!(reply.status, 200, "{role} {route}\n{}", reply.body);
                assert!(!reply.body.contains("rival"), "{role} {route}");
            }
            for route in reads(&foreign) {
                let reply = get(web, &route, &token).await;
                assert_eq!(reply.status, 404, "{role} {route}");
                assert!(!reply.body.contains("rival"), "{role} {route}");
                if !route.starts_with("/api") {
                    // The same answer as for what does not exist, to the letter.
                    assert_eq!(reply.body, absent.body, "{role} {route}");
                }
            }
            for (route, body) in writes(&foreign) {
                let status = post(web, &route, &token, body).await.status;
                let may = matches!(role, Role::Administrator | Role::Operator);
                assert_eq!(status, if may { 404 } else { 403 }, "{role} {route}");
            }
            for list in ["/", "/tickets", "/tenants", "/proofs", "/api/v1/hosts", "/api/v1/tickets", "/api/v1/tenants", "/api/v1/proofs", "/api/v1/debts", "/api/v1/overview"] {
                let reply = get(web, list, &token).await;
                assert_eq!(reply.status, 200, "{role} {list}");
                assert!(!reply.body.contains("rival"), "{role} {list}");
            }
        }
        let untouched = tickets::get(&mut stand.app.read().await.unwrap(), Scope::All, &foreign.ticket).await.unwrap().unwrap().0;
        assert_eq!(untouched.key.tenant, "rival");
        stand.stop().await;
    }

    no_form_of_a_page_reaches_another_tenant(stand) {
        let own = owned(&stand, "acme", 10).await;
        let foreign = owned(&stand, "rival", 20).await;
        stand.user("ann", Role::Operator, Some("acme")).await;
        let (_, web) = stand.serve();
        let cookie = cookie(&login(web, "ann", PASSWORD, "").await);
        let token = hidden(&page(web, "/", &cookie).await.expect(200), "form_token");
        // The last of them makes its host the past.
        let forms = |of: &Owned| {
            [
                (format!("/sources/{}", of.source), "adjusted=".to_owned()),
                (format!("/tickets/{}", of.ticket), "do=acknowledge".into()),
                (format!("/tickets/{}", of.ticket), "do=comment&text=hello".into()),
                (format!("/tenants/{}/audit", of.tenant), "do=review&owner=ann&contact=ann".into()),
                (format!("/tenants/{}/audit", of.tenant), "do=audit".into()),
                (format!("/hosts/{}/audit", of.host), "do=place&place=here".into()),
                (format!("/hosts/{}", of.host), "do=quiet&hours=4".into()),
                ("/users".into(), format!("do=ping-revoke&id={}", of.ping)),
                (format!("/hosts/{}", of.host), "do=close&reason=gone".into()),
            ]
        };
        for (target, body) in forms(&foreign) {
            let body = format!("form_token={token}&{body}");
            assert_eq!(form(web, &target, &[("cookie", &cookie)], &body).await.status, 404, "{target} {body}");
        }
        for (target, body) in forms(&own) {
            let body = format!("form_token={token}&{body}");
            let status = form(web, &target, &[("cookie", &cookie)], &body).await.status;
            assert!(matches!(status, 200 | 303), "the same of one's own: {target} {body}: {status}");
        }
        stand.stop().await;
    }

    what_a_role_may_not_do_is_refused(stand) {
        let own = owned(&stand, "acme", 10).await;
        let (_, web) = stand.serve();
        let nobody = get(web, "/api/v1/hosts", "none").await;
        assert_eq!((nobody.status, nobody.json()["error"].as_str().map(str::to_owned)), (401, Some("nobody".into())));
        assert_eq!(get(web, "/hosts/1", "none").await.header("location"), Some("/login"));
        for (route, allowed) in [
            ("/vaults", [true, true, true, false]),
            ("/api/v1/vaults", [true, true, true, false]),
            ("/audit", [true, true, true, false]),
            ("/api/v1/audit", [true, true, true, false]),
            ("/metrics", [true, true, true, false]),
            ("/users", [true, true, false, false]),
            ("/api/v1/users", [true, true, false, false]),
            ("/api/v1/pings", [true, true, false, false]),
            ("/api/v1/tokens", [true, false, false, false]),
            ("/", [true, true, true, true]),
        ] {
            for (role, allowed) in Role::ALL.into_iter().zip(allowed) {
                let tenant = (role == Role::Customer).then_some("acme");
                let token = stand.token(role, tenant).await;
                assert_eq!(get(web, route, &token).await.status, if allowed { 200 } else { 403 }, "{role} {route}");
            }
        }
        for (route, body) in writes(&own) {
            for (role, allowed) in [(Role::Auditor, false), (Role::Customer, false), (Role::Operator, true)] {
                let token = stand.token(role, Some("acme")).await;
                let status = post(web, &route, &token, body.clone()).await.status;
                assert_eq!(status == 403, !allowed, "{role} {route}: {status}");
            }
        }
        stand.stop().await;
    }
}
