//! `docs/console-openapi.json` against the running server: schemathesis asks everything it describes, in every way it can think of.

use crate::stand::{Kind, NOW, Stand, failed, report, run};
use serde_json::{Value, json};
use std::process::Command;
use vow_console::admin::{self, NewPing};
use vow_console::auth::Role;
use vow_console::db::{Scope, tickets};
use vow_protocol::report::Body;
use vow_testkit::shell::is_soak;

const DOCUMENT: &str = include_str!("../../../../docs/console-openapi.json");

/// The document, in which numbers and names are often ones that exist: else nearly every answer would be the same 404.
fn document(ticket: &str, uuid: &str) -> Value {
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
    for (path, item) in document["paths"].as_object_mut().unwrap() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            for parameter in
                operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten()
            {
                let known = match parameter["name"].as_str().unwrap() {
                    "id" if path.contains("/tickets/") => json!([ticket]),
                    // Not the ones that this test itself is known by.
                    "id" => json!([1, 2]),
                    "uuid" => json!([uuid]),
                    "what" => json!(["start", "fail", "log", "0", "3", "255"]),
                    _ => continue,
                };
                let any = parameter["schema"].take();
                parameter["schema"] = json!({"anyOf": [{"enum": known}, any]});
                parameter["example"] = known[0].clone();
            }
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_that_the_document_describes() {
    let python = std::env::var_os("VOW_TEST_PYTHON")
        .expect("VOW_TEST_PYTHON with tools/requirements.txt: ./test sets it");
    let mut stand = Stand::new(Kind::Sqlite).await;
    for (at, tenant) in ["acme", "other"].into_iter().enumerate() {
        let host = stand.host(tenant, "web-1").await;
        let id = at as u64 * 10;
        stand.put(&host, report(&host, id + 1, Body::Run(Box::new(run("system", NOW - 600))))).await.unwrap();
        stand
            .put(&host, report(&host, id + 2, Body::Run(Box::new(failed("orders", NOW - 60, "no")))))
            .await
            .unwrap();
    }
    for name in ["a", "b"] {
        stand.user(name, Role::Operator, None).await;
        let _ = stand.token(Role::Auditor, None).await;
    }
    let new = NewPing {
        tenant: "acme".into(),
        host: "old-1".into(),
        source: "nightly".into(),
        parser: Some("restic".into()),
        every_secs: None,
    };
    let uuid = admin::add_ping(&stand.app, &admin::at_the_machine(), &new).await.unwrap();
    let open =
        tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &tickets::Wanted::default(), 9, 0)
            .await
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, document(&open[0].id, &uuid).to_string()).unwrap();
    let parties = [
        ("administrator", stand.token(Role::Administrator, None).await),
        ("customer", stand.token(Role::Customer, Some("acme")).await),
    ];
    let (_, web) = stand.serve();
    let seconds = if is_soak() { "300" } else { "8" };
    for (name, token) in parties {
        let mut command = Command::new(&python);
        command
            .current_dir(folder.path())
            .args(["-m", "schemathesis.cli", "run"])
            .arg(&path)
            .args(["--url", &format!("http://{web}"), "--header", &format!("Authorization: Bearer {token}")])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"])
            .args(["--phases", "examples,coverage,fuzzing", "--max-time", seconds, "--continue-on-failure", "--warnings", "off"])
            .args(["--suppress-health-check", "all", "--no-color", "--seed", "1"])
            .env("PYTHONWARNINGS", "ignore");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "as {name}:\n{said}");
        assert!(said.contains(" generated, "), "as {name}: nothing was asked\n{said}");
    }
    // It still answers, and what it was asked did not shut the administrator out.
    stand.stop().await;
}
