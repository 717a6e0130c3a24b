//! `docs/console-openapi.json` says what is there, and everything that is there.

use crate::stand::{Kind, Stand};
use crate::wire::ask;
use std::collections::BTreeSet;
use vow_console::auth::Role;

const DOCUMENT: &str = include_str!("../../../../docs/console-openapi.json");
const ROUTER: &str = include_str!("../../src/api.rs");

/// Paths and methods of the router, as it is written.
fn routed() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for route in ROUTER.split(".route(\"").skip(1) {
        let (path, rest) = route.split_once("\", ").unwrap();
        let base = if path.starts_with("/ping/") { "" } else { "/api/v1" };
        for method in ["get", "post"] {
            if rest.contains(&format!("{method}(")) || rest.starts_with("any(") {
                found.insert((format!("{base}{path}"), method.to_owned()));
            }
        }
    }
    found
}

fn documented() -> serde_json::Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let document = documented();
    let mut told = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            told.insert((path.clone(), method.clone()));
        }
    }
    let known = routed();
    assert!(known.len() > 30);
    for route in &known {
        assert!(told.contains(route), "{route:?} is not in the document");
    }
    for route in told.iter().filter(|(path, _)| path.starts_with("/api") || path.starts_with("/ping")) {
        assert!(known.contains(route), "{route:?} is only in the document");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_the_names_that_the_document_gives_them() {
    let mut stand = Stand::new(Kind::Sqlite).await;
    let host = stand.host("acme", "web-1").await;
    let body = vow_protocol::report::Body::Run(Box::new(crate::stand::failed(
        "system",
        crate::stand::NOW - 60,
        "no",
    )));
    stand.put(&host, crate::stand::report(&host, 1, body)).await.unwrap();
    let (_, web) = stand.serve();
    let bearer = format!("Bearer {}", stand.token(Role::Administrator, None).await);
    let document = documented();
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(answer) =
            item["get"]["responses"]["200"]["content"]["application/json"]["schema"].as_object()
        else {
            continue;
        };
        let target = path.replace("{id}", "1");
        let bearer = bearer.clone();
        let reply =
            tokio::task::spawn_blocking(move || ask(web, "GET", &target, &[("authorization", &bearer)], b""))
                .await
                .unwrap();
        if reply.status == 404 && path.contains("{id}") {
            // No proof, no vault, a ticket has another id.
            continue;
        }
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let json = reply.json();
        for name in answer.get("required").and_then(|names| names.as_array()).into_iter().flatten() {
            assert!(json.get(name.as_str().unwrap()).is_some(), "{path} has no {name}");
        }
        if let (Some(names), Some(given)) =
            (answer.get("properties").and_then(|names| names.as_object()), json.as_object())
        {
            for name in given.keys() {
                assert!(names.contains_key(name), "{path} has {name}, which the document does not");
            }
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
    stand.stop().await;
}

/// Names that stand in a text, as they are registered.
fn figures(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_word(c)).filter(|word| word.starts_with("vow_console_"));
    words.map(|word| word.trim_end_matches("_total").to_owned()).collect()
}

#[test]
fn figures_that_alerts_and_the_dashboard_name_are_there() {
    let registered = include_str!("../../src/server/figures.rs");
    for text in [
        include_str!("../../../../packaging/prometheus/alerts.yml"),
        include_str!("../../../../packaging/grafana/vow.json"),
    ] {
        let named = figures(text);
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            let own = name.trim_start_matches("vow_console_");
            assert!(
                registered.contains(&format!("\"{own}\", \""))
                    || registered.contains(&format!("\"{own}\",\n")),
                "there is no {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_for_whoever_sees_everything() {
    let mut stand = Stand::new(Kind::Sqlite).await;
    stand.host("acme", "web-1").await;
    let (_, web) = stand.serve();
    let all = stand.token(Role::Auditor, None).await;
    let metrics = crate::stand::get(web, "/metrics", &all).await.expect(200).body;
    assert!(
        metrics.contains("vow_console_hosts{what=\"unheard\"} 1") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    for role in [Role::Customer, Role::Auditor] {
        let token = stand.token(role, Some("acme")).await;
        assert_eq!(crate::stand::get(web, "/metrics", &token).await.status, 403);
    }
    stand.stop().await;
}
