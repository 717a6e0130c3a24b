//! What is gone for good: a host that is closed, with a reason that is kept, and a vault that is watched no more. Nothing of them stays open.

use crate::stand::{NOW, Stand, failed, get, on_both, post, report, run};
use serde_json::json;
use vow_console::admin;
use vow_console::auth::Role;
use vow_console::db::tickets::InTransaction;
use vow_console::db::{Scope, audit, tickets, vaults};
use vow_console::ingest::look;
use vow_console::records::{Status, Ticket};
use vow_protocol::report::{Alive, Body};

const PRINT: &str = "SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

async fn all(stand: &Stand, closed: bool) -> Vec<Ticket> {
    let wanted = tickets::Wanted { closed, ..tickets::Wanted::default() };
    tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &wanted, 100, 0).await.unwrap()
}

async fn acts(stand: &Stand) -> Vec<(String, String, String)> {
    let entries = audit::list(&mut stand.app.read().await.unwrap(), Scope::All, i64::MAX, 100).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.object, entry.detail)).collect()
}

on_both! {
    a_host_is_closed_with_a_reason_and_its_tickets_with_it(stand) {
        let host = stand.host("acme", "web-1").await;
        let other = stand.host("acme", "web-2").await;
        for (of, id) in [(&host, 1), (&other, 11)] {
            stand.put(of, report(of, id, Body::Run(Box::new(failed("orders", NOW - 60, "no server"))))).await.unwrap();
            let mut alive = report(of, id + 1, Body::Alive(Alive::default()));
            alive.made_secs = NOW - 30;
            stand.put(of, alive).await.unwrap();
        }
        // One of them falls silent too.
        let later = NOW + 3 * 3600;
        stand.set_time(later);
        let mut alive = report(&other, 13, Body::Alive(Alive::default()));
        alive.made_secs = later;
        stand.put(&other, alive).await.unwrap();
        look(&stand.app.db, &stand.app.judge, later, later).await.unwrap();
        let words = |tickets: &[Ticket]| {
            let mut words: Vec<_> = tickets.iter().map(|ticket| ticket.key.to_string()).filter(|key| !key.contains("/policy/")).collect();
            words.sort();
            words
        };
        assert_eq!(words(&all(&stand, false).await), ["acme/failed/source/web-1/orders", "acme/failed/source/web-2/orders", "acme/host-silent/host/web-1"]);
        let (_, web) = stand.serve();
        let operator = stand.token(Role::Operator, None).await;
        let target = format!("/api/v1/hosts/{}/close", host.host_id);
        for body in [json!({"closed": true}), json!({"closed": true, "reason": " "})] {
            assert_eq!(post(web, &target, &operator, body).await.status, 400);
        }
        assert_eq!(all(&stand, false).await.len(), 3);
        post(web, &target, &operator, json!({"closed": true, "reason": "sold on Monday"})).await.expect(200);
        assert_eq!(words(&all(&stand, false).await), ["acme/failed/source/web-2/orders"]);
        let closed = all(&stand, true).await;
        assert!(closed.len() == 2 && closed.iter().all(|ticket| ticket.status == Status::Closed));
        let detail = get(web, &format!("/tickets/{}", closed[0].id), &operator).await.expect(200);
        assert!(detail.body.contains("the host was closed: sold on Monday"), "{}", detail.body);
        let done = acts(&stand).await;
        let kept = done.iter().find(|(action, ..)| action == "host.decommission").unwrap();
        assert_eq!((kept.1.as_str(), kept.2.contains("sold on Monday")), ("host acme/web-1", true), "{done:?}");
        assert_eq!(post(web, &target, &operator, json!({"closed": true, "reason": "again"})).await.status, 409);
        // Time does not bring them back, and it is found where it is looked for.
        look(&stand.app.db, &stand.app.judge, later, later + 86_400).await.unwrap();
        assert!(!words(&all(&stand, false).await).iter().any(|key| key.contains("web-1")));
        assert!(!get(web, "/", &operator).await.body.contains("web-1"));
        assert!(get(web, "/?closed=true", &operator).await.body.contains("web-1"));
        // It is there after all: what is wrong with it is wrong again.
        post(web, &target, &operator, json!({"closed": false})).await.expect(200);
        look(&stand.app.db, &stand.app.judge, later + 60, later + 60).await.unwrap();
        assert!(words(&all(&stand, false).await).contains(&"acme/host-silent/host/web-1".to_owned()));
        stand.stop().await;
    }

    the_page_of_a_host_asks_for_the_reason(stand) {
        let host = stand.host("acme", "web-1").await;
        let (_, web) = stand.serve();
        let page = get(web, &format!("/hosts/{}", host.host_id), &stand.token(Role::Operator, None).await).await.expect(200);
        let form = page.body.split("value=\"close\"").nth(1).unwrap().split("</form>").next().unwrap();
        assert!(form.contains("name=\"reason\"") && form.contains("required"), "{form}");
        let seen = get(web, &format!("/hosts/{}", host.host_id), &stand.token(Role::Auditor, None).await).await.expect(200);
        assert!(!seen.body.contains("value=\"close\""));
        stand.stop().await;
    }

    tickets_of_a_vault_close_when_it_is_watched_no_more(stand) {
        let host = stand.host("acme", "web-1").await;
        stand.put(&host, report(&host, 1, Body::Run(Box::new(run("system", NOW - 60))))).await.unwrap();
        let mut conn = stand.app.db.write().await.unwrap();
        let since = NOW - 86_400;
        let id = vaults::add(&mut conn, "remote", None, "https://vault.example.net:8443", PRINT, since).await.unwrap();
        vaults::failed(&mut conn, id, "no route", since).await.unwrap();
        conn.commit().await.unwrap();
        let vault = vaults::get(&mut stand.app.read().await.unwrap(), Scope::All, id).await.unwrap().unwrap();
        let store = InTransaction::begin(&stand.app.db, &[]).await.unwrap();
        stand.app.judge.vault(&store, &vault, NOW).await.unwrap();
        store.into_conn().commit().await.unwrap();
        let open = all(&stand, false).await;
        assert_eq!(open.iter().map(|ticket| ticket.key.rule.word()).collect::<Vec<_>>(), ["vault-silent"]);
        let (_, web) = stand.serve();
        let token = stand.token(Role::Administrator, None).await;
        // From the ticket to the vault, from the vault to its ticket and its record.
        let ticket = format!("/tickets/{}", open[0].id);
        assert!(get(web, &ticket, &token).await.expect(200).body.contains(&format!("href=\"/vaults/{id}\"")));
        let page = get(web, &format!("/vaults/{id}"), &token).await.expect(200);
        for link in [ticket, format!("/vaults/{id}/record")] {
            assert!(page.body.contains(&format!("href=\"{link}\"")), "{link}");
        }
        admin::remove_vault(&stand.app, &admin::at_the_machine(), "remote").await.unwrap();
        assert!(all(&stand, false).await.is_empty());
        assert!(admin::remove_vault(&stand.app, &admin::at_the_machine(), "remote").await.is_err());
        assert!(acts(&stand).await.iter().any(|(action, object, _)| action == "vault.remove" && object == "vault remote"));
        stand.stop().await;
    }
}
