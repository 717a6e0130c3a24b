//! Every page in a real Chromium, at a desk and on a phone, light and dark: axe-core finds nothing, nothing runs, nothing is wider than the screen.

use crate::stand::{Kind, NOW, PASSWORD, Stand, failed, report, run};
use std::process::Command;
use vow_console::auth::Role;
use vow_console::db::vaults;
use vow_protocol::report::{Alive, Body, Expected, LevelReport, Outcome, ProofReport, Shape, Tree, Verdict};

const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/look_at_console.py");
const LONG: &str = "a-very-long-name-without-any-place-to-break-it-0123456789-abcde";
const PRINT: &str = "SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A console with something of everything, and names as long as they may be.
async fn fill(stand: &Stand) {
    let level = |received: bool| LevelReport {
        name: LONG.into(),
        vault: Some(PRINT.into()),
        received: Some(received),
        error: (!received).then(|| format!("the vault at https://{LONG}.example.net:8443 is full")),
    };
    let mut conn = stand.app.db.write().await.unwrap();
    let vault =
        vaults::add(&mut conn, LONG, None, &format!("https://{LONG}.example.net"), PRINT, NOW).await.unwrap();
    vaults::failed(&mut conn, vault, &format!("{LONG}{LONG}"), NOW).await.unwrap();
    vaults::set_back(&mut conn, vault, Some("its ledger was read up to entry 9, and ends at 8 now"))
        .await
        .unwrap();
    conn.commit().await.unwrap();
    for (tenant, name) in [("acme", "web-1"), (LONG, LONG), ("acme", "new")] {
        let host = stand.host(tenant, name).await;
        if name == "new" {
            continue;
        }
        let source = format!("{LONG}{LONG}");
        let mut id = u64::from(name == LONG) * 1000;
        let mut next = || {
            id += 1;
            id
        };
        let expected = Expected {
            source: source.clone(),
            source_type: "files".into(),
            schedule: Some("0 * * * *".into()),
            time_zone: Some("Europe/Berlin".into()),
            next_secs: Some(NOW + 600),
            levels: vec![LONG.into()],
            restore_target_secs: Some(60),
            drill_within_secs: None,
        };
        let alive = Alive { sources: vec![expected], waiting: 3, ..Alive::default() };
        stand.put(&host, report(&host, next(), Body::Alive(alive))).await.unwrap();
        for back in (1..12).rev() {
            let mut body = run(&source, NOW - back * 3600);
            body.levels = vec![level(back > 1)];
            body.bytes = if back == 1 { 90 << 20 } else { 5 << 30 };
            body.objects = [("table".to_owned(), 40), ("routine".to_owned(), 3)].into();
            body.shape = Some(Shape {
                trees: [(format!("/srv/{LONG}/{LONG}"), Tree { files: 1000, bytes: 1 << 30 })].into(),
                ..Shape::default()
            });
            if back == 1 {
                body.outcome = Outcome::Partial;
                body.errors = 1;
                body.problems = vec![format!("/srv/{LONG}/{LONG}/{LONG}/{LONG}: permission denied")];
            }
            stand.put(&host, report(&host, next(), Body::Run(Box::new(body)))).await.unwrap();
        }
        let why = format!("pg_dump ended with 1: {}", "x".repeat(300));
        stand
            .put(&host, report(&host, next(), Body::Run(Box::new(failed("orders", NOW - 60, &why)))))
            .await
            .unwrap();
        for verdict in [Verdict::Proven, Verdict::Failed] {
            let proof = ProofReport {
                source: source.clone(),
                source_type: "files".into(),
                snapshot: "ab".repeat(32),
                received_secs: NOW - 900,
                level: LONG.into(),
                vault: Some(PRINT.into()),
                recipient: "3f".repeat(16),
                started_secs: NOW - 300,
                restore_secs: 100.0,
                compare_secs: 1.0,
                verdict,
                compared: 7,
                files: 1,
                files_read: 1,
                bytes: 1,
                problems: vec![format!("/srv/{LONG}/{LONG}: other bytes")],
                blocked: vec![],
                restore_target_secs: Some(60),
                drill_within_secs: None,
            };
            stand.put(&host, report(&host, next(), Body::Proof(Box::new(proof)))).await.unwrap();
        }
        let document = serde_json::json!({"findings": [{"message": LONG.repeat(3)}], "found": [{"path": format!("/srv/{LONG}{LONG}")}]});
        stand.put(&host, report(&host, next(), Body::Audit(Box::new(document.clone())))).await.unwrap();
        stand.put(&host, report(&host, next(), Body::Inventory(Box::new(document)))).await.unwrap();
    }
    stand.user("kim", Role::Administrator, None).await;
    stand.user(LONG, Role::Customer, Some(LONG)).await;
    let _ = stand.token(Role::Auditor, None).await;
}

/// What the tool says, and whether it is content.
async fn looked(web: std::net::SocketAddr) -> (bool, String) {
    let python = std::env::var_os("VOW_TEST_PYTHON")
        .expect("VOW_TEST_PYTHON with tools/requirements.txt: ./test sets it");
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let shots = std::env::var_os("VOW_TEST_SHOTS");
    let asked = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(python);
        command.arg(TOOL).arg(format!("http://{web}")).arg("kim").arg(&password).arg("--axe");
        if let Some(shots) = shots {
            command.arg("--shots").arg(shots);
        }
        command.output().unwrap()
    });
    let done = asked.await.unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_accessible_and_fits_the_screen() {
    let mut stand = Stand::new(Kind::Sqlite).await;
    fill(&stand).await;
    let (_, web) = stand.serve();
    let (content, said) = looked(web).await;
    assert!(content, "{said}");
    for kind in ["/hosts/", "/sources/", "/runs/", "/tickets/", "/proofs/", "/vaults/", "/tenants/"] {
        assert!(said.contains(&format!("\"{kind}")), "no page below {kind} was looked at\n{said}");
    }
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_an_empty_console_are_whole_too() {
    if !vow_testkit::shell::is_soak() {
        return;
    }
    let mut stand = Stand::new(Kind::Sqlite).await;
    stand.user("kim", Role::Administrator, None).await;
    let (_, web) = stand.serve();
    let (content, said) = looked(web).await;
    assert!(content, "{said}");
    stand.stop().await;
}
