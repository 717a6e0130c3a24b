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
