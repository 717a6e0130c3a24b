//! A person says that a change is how it is from now on: the ticket closes, the rule learns it, the name and the reason stay.

use crate::stand::{NOW, Stand, get, on_both, post, report, run};
use serde_json::json;
use vow_console::auth::Role;
use vow_console::db::hosts::KnownHost;
use vow_console::db::{Scope, sources, tickets};
use vow_console::records::Ticket;
use vow_protocol::report::Body;

const DAY: i64 = 86_400;

/// A run of the day `day`, of which so many megabytes came.
async fn day(stand: &Stand, host: &KnownHost, day: i64, megabytes: u64) {
    let started = NOW - (40 - day) * DAY;
    stand.set_time(started + 120);
    let mut body = run("orders", started);
    (body.bytes, body.added_bytes) = (megabytes << 20, 1 << 20);
    let mut told = report(host, day as u64, Body::Run(Box::new(body)));
    told.made_secs = started + 60;
    stand.put(host, told).await.unwrap();
}

async fn of_size(stand: &Stand) -> Vec<Ticket> {
    let wanted = tickets::Wanted::default();
    let all = tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &wanted, 100, 0).await.unwrap();
    all.into_iter().filter(|ticket| ticket.key.rule.word() == "size").collect()
}

on_both! {
    what_was_marked_as_expected_is_usual_from_then_on(stand) {
        let host = stand.host("acme", "db-1").await;
        for number in 1..=15 {
            day(&stand, &host, number, 1000 + number as u64 % 3).await;
        }
        assert!(of_size(&stand).await.is_empty());
        day(&stand, &host, 16, 400).await;
        let open = of_size(&stand).await;
        assert_eq!(open.len(), 1, "a loss of sixty per cent");
        let (_, web) = stand.serve();
        let operator = stand.token(Role::Operator, None).await;
        let target = format!("/api/v1/tickets/{}", open[0].id);
        assert_eq!(post(web, &target, &operator, json!({"action": "expect", "reason": " "})).await.status, 409);
        post(web, &target, &operator, json!({"action": "expect", "reason": "the archive moved to db-2"})).await.expect(200);
        assert!(of_size(&stand).await.is_empty());
        for number in 17..=22 {
            day(&stand, &host, number, 400 + number as u64 % 3).await;
            assert!(of_size(&stand).await.is_empty(), "day {number}");
        }
        // A loss from there is one again.
        day(&stand, &host, 23, 100).await;
        assert_eq!(of_size(&stand).await.len(), 1);
        let source = sources::find(&mut stand.app.read().await.unwrap(), host.host_id, "orders").await.unwrap().unwrap();
        let page = get(web, &format!("/sources/{source}"), &operator).await.expect(200);
        assert!(page.body.contains("the archive moved to db-2") && page.body.contains("a program"), "who said it, and why");
        stand.stop().await;
    }

    rules_are_adjusted_for_one_source_alone(stand) {
        let hosts = [stand.host("acme", "db-1").await, stand.host("acme", "db-2").await];
        for host in &hosts {
            for number in 1..=15 {
                day(&stand, host, number, 1000 + number as u64 % 3).await;
            }
        }
        let source = sources::find(&mut stand.app.read().await.unwrap(), hosts[0].host_id, "orders").await.unwrap().unwrap();
        let (_, web) = stand.serve();
        let operator = stand.token(Role::Operator, None).await;
        let target = format!("/api/v1/sources/{source}/adjust");
        assert_eq!(post(web, &target, &operator, json!({"sise": {}})).await.status, 400);
        post(web, &target, &operator, json!({"off": ["size"]})).await.expect(200);
        for host in &hosts {
            day(&stand, host, 16, 400).await;
        }
        let open = of_size(&stand).await;
        assert_eq!(open.iter().map(|ticket| ticket.key.subject.to_string()).collect::<Vec<_>>(), ["db-2/orders"]);
        stand.stop().await;
    }
}
