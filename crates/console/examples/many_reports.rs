//! How many reports a second a console takes in: `cargo run --release --example many_reports -- DIR NUMBER`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use vow_base::clock::{Clock, SystemClock};
use vow_console::auth::secret;
use vow_console::db::hosts::{self, KnownHost};
use vow_console::db::{Scope, sources};
use vow_console::ingest::Arrived;
use vow_console::server::Folder;
use vow_protocol::report::{Body, FORMAT, LevelReport, Outcome, Report, RunReport, VERSION};

/// Reports that wait for their answer at a time, as of many hosts.
const AT_ONCE: usize = 64;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, number] = arguments.as_slice() else { panic!("DIR NUMBER") };
    let number: usize = number.parse().unwrap();
    let app = Arc::new(Folder::open(Path::new(dir)).unwrap().app(Arc::new(SystemClock)).await.unwrap());
    let now = SystemClock.now() / 1_000_000_000;
    let mut conn = app.read().await.unwrap();
    let mut known = Vec::new();
    for host in hosts::list(&mut conn, Scope::All, &hosts::Wanted::default(), 500, 0).await.unwrap() {
        let names: Vec<String> = sources::of_host(&mut conn, host.id)
            .await
            .unwrap()
            .into_iter()
            .map(|source| source.name)
            .collect();
        let host =
            KnownHost { host_id: host.id, tenant_id: host.tenant_id, tenant: host.tenant, host: host.name };
        known.extend(names.into_iter().map(|name| (host.clone(), name)));
    }
    drop(conn);
    let known = Arc::new(known);
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (app, known) = (app.clone(), known.clone());
        workers.spawn(async move {
            for at in (worker..number).step_by(AT_ONCE) {
                let (host, source) = &known[at * 7919 % known.len()];
                let report = report(host, source, now - (number - at) as i64 / 10);
                app.queue.put(Arrived { known: host.clone(), report, output: None }).await.unwrap();
            }
        });
    }
    while workers.join_next().await.is_some() {}
    let secs = began.elapsed().as_secs_f64();
    println!("{number} reports in {secs:.1} s: {:.0} a second", number as f64 / secs);
    app.db.close().await;
}

fn report(host: &KnownHost, source: &str, started_secs: i64) -> Report {
    let level =
        |name: &str| LevelReport { name: name.into(), vault: None, received: Some(true), error: None };
    let body = RunReport {
        run: secret::random_id().unwrap(),
        source: source.into(),
        source_type: "files".into(),
        started_secs,
        duration_secs: 61.0,
        outcome: Outcome::Ok,
        snapshot: Some(format!("{}{}", secret::random_id().unwrap(), secret::random_id().unwrap())),
        sequence: Some(1),
        files: 1000,
        dirs: 100,
        bytes: 1 << 30,
        added_bytes: 5 << 20,
        errors: 0,
        error: None,
        hint: None,
        problems: vec![],
        notes: vec![],
        levels: vec![level("local"), level("remote")],
        end_marker: None,
        shape: None,
        objects: Default::default(),
        attempt: 1,
        next_secs: Some(started_secs + 3600),
        plan: None,
        recipients: vec![],
    };
    Report {
        format: FORMAT.into(),
        version: VERSION,
        id: secret::random_id().unwrap(),
        tenant: host.tenant.clone(),
        host: host.host.clone(),
        made_secs: started_secs,
        software: "vow 0.1.0".into(),
        body: Body::Run(Box::new(body)),
    }
}
