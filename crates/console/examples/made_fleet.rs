//! Fills a new console with a made-up fleet: `cargo run --example made_fleet -- DIR HOSTS SOURCES DAYS`.
//!
//! What is old is made by the database itself, rolled up as pruning leaves it; then a few hundred real reports go through ingest, so that there
//! are tickets, proofs, shapes and logs. The last thing printed is the password of the user `admin`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use vow_base::clock::{Clock, SystemClock};
use vow_console::admin::{self, NewUser};
use vow_console::auth::{Role, secret};
use vow_console::db::hosts::{self, KnownHost};
use vow_console::db::{Db, Scope, day_of, vaults};
use vow_console::ingest::Arrived;
use vow_console::server::{App, Folder};
use vow_protocol::report::{
    Alive, Body, Expected, FORMAT, LevelReport, Outcome, ProofReport, Report, RunReport, Shape, Tree,
    VERSION, Verdict,
};
use vow_protocol::wire::{Counts, Space, Status};

/// Raw runs are made for this many days.
const RAW_DAYS: i64 = 14;
const VAULTS: [(&str, &str); 2] = [("local", "aa"), ("remote", "bb")];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, numbers @ ..] = arguments.as_slice() else { panic!("DIR HOSTS SOURCES DAYS") };
    let number = |at: usize, usual: i64| numbers.get(at).map_or(usual, |text| text.parse().unwrap());
    let (hosts, sources, days) = (number(0, 40), number(1, 4), number(2, 365));
    let dir = Path::new(dir);
    let folder = match Folder::open(dir) {
        Ok(folder) => folder,
        Err(_) => {
            std::fs::create_dir_all(dir).unwrap();
            Folder::create(dir, "address = \"https://console.example.net:8444\"\nlisten_hosts = [\"127.0.0.1:8444\"]\nlisten_web = [\"127.0.0.1:8445\"]\n").unwrap()
        }
    };
    let app = folder.app(Arc::new(SystemClock)).await.unwrap();
    let now = SystemClock.now() / 1_000_000_000;
    old(&app.db, hosts, sources, days, now).await;
    recent(&app, now).await;
    let password = secret::random_id().unwrap();
    let new = NewUser {
        name: "admin".into(),
        password: password.clone().into(),
        role: Role::Administrator,
        tenant: None,
    };
    admin::add_user(&app, &admin::at_the_machine(), &new).await.unwrap();
    app.db.close().await;
    println!("{password}");
}

/// Years of quiet, made where they are kept. SQLite only.
async fn old(db: &Db, hosts: i64, sources: i64, days: i64, now: i64) {
    let today = day_of(now);
    let first = today - days;
    let raw = today - RAW_DAYS.min(days);
    let tenants = (hosts / 8).clamp(1, 250);
    let count = |name: &str, number: i64| {
        format!(
            "WITH RECURSIVE {name}(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM {name} WHERE n < {number})"
        )
    };
    let kinds =
        "CASE k.n % 4 WHEN 1 THEN 'files' WHEN 2 THEN 'postgres' WHEN 3 THEN 'mariadb' ELSE 'files' END";
    let names = "CASE k.n WHEN 1 THEN 'system' WHEN 2 THEN 'orders' WHEN 3 THEN 'shop' WHEN 4 THEN 'mail' ELSE 'data-' || k.n END";
    let size = "((s.id * 7919 % 997 + 3) * 40000000)";
    let statements = [
        format!(
            "{} INSERT INTO tenants (name, created_secs) SELECT 'customer-' || n, {now} FROM c",
            count("c", tenants)
        ),
        format!(
            "{} INSERT INTO hosts (tenant_id, name, created_secs, heard_secs, software, judged_secs) SELECT 1 + n % {tenants}, \
             CASE n % 5 WHEN 0 THEN 'web-' WHEN 1 THEN 'db-' WHEN 2 THEN 'mail-' WHEN 3 THEN 'app-' ELSE 'files-' END || n, \
             {now} - 86400 * {days}, {now} - n % 240, 'vow 0.1.0', {now} FROM c",
            count("c", hosts)
        ),
        format!(
            "{} INSERT INTO sources (host_id, tenant_id, name, source_type, created_secs, last_started_secs, last_outcome, last_good_secs, next_secs, judged_secs, usual_gap_secs, expected) \
             SELECT h.id, h.tenant_id, {names}, {kinds}, h.created_secs, {now} - h.id % 3600, 'ok', {now} - h.id % 3600, {now} + 3600 - h.id % 3600, {now}, 3600, \
             '{{\"source\":\"' || {names} || '\",\"source_type\":\"files\",\"schedule\":\"0 * * * *\",\"time_zone\":\"UTC\",\"next_secs\":null,\"levels\":[\"local\",\"remote\"],\"restore_target_secs\":3600}}' \
             FROM hosts h, k",
            count("k", sources)
        ),
        format!(
            "INSERT INTO source_levels (source_id, level, vault_fingerprint, snapshot, sequence, received_secs, reported_received, proven_secs, proven_snapshot, drilled_secs, drill_verdict, restore_secs) \
             SELECT s.id, l.name, 'SHA256:' || l.print, printf('%064x', s.id), 1, {now} - s.id % 3600, 1, \
             CASE WHEN s.id % 17 = 0 THEN NULL ELSE {now} - 86400 * (s.id % 60) END, printf('%064x', s.id), {now} - 86400 * (s.id % 60), 'proven', 20 + s.id % 900 \
             FROM sources s, (SELECT 'local' AS name, '{a}' AS print UNION SELECT 'remote', '{b}') l",
            a = "aa".repeat(32),
            b = "bb".repeat(32)
        ),
        format!(
            "{} INSERT INTO source_days (source_id, day, ok, partial, failed, files, bytes, added_bytes, duration_secs, last_started_secs) \
             SELECT s.id, {first} + d.n, 24 - (abs(random()) % 400 = 0), abs(random()) % 400 = 0, abs(random()) % 800 = 0, 1000 + s.id % 5000 + d.n, \
             {size} + d.n * {size} / 600 + abs(random()) % 30000000, 24 * (1000000 + abs(random()) % 9000000), 24 * (20 + s.id % 400 + abs(random()) % 30), ({first} + d.n) * 86400 \
             FROM sources s, d",
            count("d", days)
        ),
        format!(
            "{} INSERT INTO host_days (host_id, day, level, ok, partial, failed) SELECT h.id, {first} + d.n, l.name, 24 * {sources}, \
             CASE WHEN l.name = '' AND abs(random()) % 60 = 0 THEN 1 ELSE 0 END, CASE WHEN abs(random()) % 90 = 0 THEN 1 ELSE 0 END \
             FROM hosts h, d, (SELECT '' AS name UNION SELECT 'local' UNION SELECT 'remote') l",
            count("d", days)
        ),
        format!(
            "{} INSERT INTO runs (host_id, source_id, tenant_id, report, run, started_secs, received_secs, duration_secs, outcome, snapshot, sequence, files, dirs, bytes, added_bytes, errors, attempt, healthy) \
             SELECT s.host_id, s.id, s.tenant_id, printf('%016x%016x', s.id, d.n), printf('%016x%016x', s.host_id, d.n), {raw} * 86400 + d.n * 3600, {raw} * 86400 + d.n * 3600 + 60, \
             20 + s.id % 400 + abs(random()) % 30, 'ok', printf('%032x%032x', s.id, d.n), d.n, 1000, 100, {size} + abs(random()) % 30000000, 1000000 + abs(random()) % 9000000, 0, 1, 1 FROM sources s, d",
            count("d", (RAW_DAYS.min(days)) * 24 - 1)
        ),
        "UPDATE sources SET last_run_id = (SELECT MAX(id) FROM runs WHERE source_id = sources.id)".to_owned(),
    ];
    let mut conn = db.write().await.unwrap();
    for statement in statements {
        conn.run(sqlx::AssertSqlSafe(statement), vec![]).await.unwrap();
    }
    conn.commit().await.unwrap();
    made_vaults(db, days, now).await;
    let kept = format!(
        "{} INSERT INTO snapshots (host_id, tenant_id, source_id, manifest, sequence, captured_secs, first_received_secs, outcome, healthy, files, bytes, added_bytes) \
         SELECT s.host_id, s.tenant_id, s.id, printf('%032x%032x', s.id, d.n), d.n, {now} - d.n * 43200, {now} - d.n * 43200 + 30, 'ok', 1, 1000, {size}, 5000000 FROM sources s, d",
        count("d", 40)
    );
    let mut conn = db.write().await.unwrap();
    conn.run(sqlx::AssertSqlSafe(kept), vec![]).await.unwrap();
    let copies = "INSERT INTO copies (snapshot_id, vault_id, position, received_secs) SELECT n.id, v.id, n.id, n.first_received_secs FROM snapshots n, vaults v";
    conn.run(copies, vec![]).await.unwrap();
    conn.run("ANALYZE", vec![]).await.unwrap();
    conn.commit().await.unwrap();
}

async fn made_vaults(db: &Db, days: i64, now: i64) {
    let mut conn = db.write().await.unwrap();
    for (at, (name, print)) in (1_u64..).zip(VAULTS) {
        let fingerprint = format!("SHA256:{}", print.repeat(32));
        let id = vaults::add(
            &mut conn,
            name,
            None,
            &format!("https://{name}.vault.example.net:8443"),
            &fingerprint,
            now,
        )
        .await
        .unwrap();
        for day in (0..days.min(120)).rev() {
            let total = 40_u64 << 40;
            let used = (20 << 40) + at * (120 - day as u64) * (90 << 30);
            let space = Some(Space {
                total_bytes: total,
                free_bytes: total.saturating_sub(used),
                reserve_bytes: 1 << 30,
            });
            let counts = Counts { hosts: 40, snapshots: 9000, objects: 400_000, bytes: used, condemned: 0 };
            let status = Status { software: "vow 0.1.0".into(), space, counts, ..Status::default() };
            vaults::answered(&mut conn, id, &status, now - day * 86_400).await.unwrap();
        }
        vaults::read_to(&mut conn, id, 184_201, &"cd".repeat(32)).await.unwrap();
        vaults::reconciled(&mut conn, id, now - 3000).await.unwrap();
    }
    conn.commit().await.unwrap();
}

/// Real reports of a few hosts: healthy, failing, shrinking, with odd names.
async fn recent(app: &App, now: i64) {
    let all = hosts::list(&mut app.read().await.unwrap(), Scope::All, &hosts::Wanted::default(), 12, 0)
        .await
        .unwrap();
    for (at, host) in all.iter().enumerate() {
        let known = KnownHost {
            host_id: host.id,
            tenant_id: host.tenant_id,
            tenant: host.tenant.clone(),
            host: host.name.clone(),
        };
        let report = |body| Report {
            format: FORMAT.into(),
            version: VERSION,
            id: secret::random_id().unwrap(),
            tenant: known.tenant.clone(),
            host: known.host.clone(),
            made_secs: now,
            software: "vow 0.1.0".into(),
            body,
        };
        let source = "documents";
        let expected = |name: &str| Expected {
            source: name.into(),
            source_type: "files".into(),
            schedule: Some("0 * * * *".into()),
            time_zone: Some("Europe/Berlin".into()),
            next_secs: Some(now + 1800),
            levels: vec!["local".into(), "remote".into()],
            restore_target_secs: Some(3600),
            drill_within_secs: None,
        };
        let mut plan: Vec<Expected> = Vec::new();
        for name in ["system", "orders", "shop", "mail", source] {
            plan.push(expected(name));
        }
        let alive =
            Alive { since_secs: now - 86_400, waiting: at as u64 % 3, sources: plan, ..Alive::default() };
        put(app, &known, report(Body::Alive(alive))).await;
        for back in (0..30).rev() {
            let (last, started) = (back == 0, now - back * 3600 - 120);
            let mut run = run(source, started, 4_000_000_000 + back as u64 * 1_000_000);
            match (at % 6, last) {
                (1, true) => {
                    run.outcome = Outcome::Failed;
                    run.snapshot = None;
                    run.error = Some(
                        "pg_dump ended with 1: connection to server on socket \"/run/postgresql\" failed"
                            .into(),
                    );
                    run.hint = Some("start the server, or correct the URL of the source".into());
                }
                (2, true) => run.bytes /= 12,
                (3, true) => {
                    run.outcome = Outcome::Partial;
                    run.errors = 3;
                    run.problems = vec![
                        "/srv/data/<script>alert(1)</script>: permission denied".into(),
                        "/srv/data/\u{202e}gnp.exe: changed while it was read".into(),
                    ];
                    run.levels[1].received = Some(false);
                    run.levels[1].error =
                        Some("the vault at https://remote.vault.example.net:8443 is full".into());
                }
                _ => {}
            }
            put(app, &known, report(Body::Run(Box::new(run)))).await;
        }
        for back in [40, 12, 1] {
            let verdict = if at % 5 == 2 && back == 1 { Verdict::Failed } else { Verdict::Proven };
            put(app, &known, report(Body::Proof(Box::new(proof(source, now - back * 86_400, verdict)))))
                .await;
        }
    }
}

async fn put(app: &App, known: &KnownHost, report: Report) {
    app.queue.put(Arrived { known: known.clone(), report, output: None }).await.unwrap();
}

fn run(source: &str, started_secs: i64, bytes: u64) -> RunReport {
    let level = |name: &str, print: &str| LevelReport {
        name: name.into(),
        vault: Some(format!("SHA256:{}", print.repeat(32))),
        received: Some(true),
        error: None,
    };
    RunReport {
        run: secret::random_id().unwrap(),
        source: source.into(),
        source_type: "files".into(),
        started_secs,
        duration_secs: 95.0 + (started_secs % 17) as f64,
        outcome: Outcome::Ok,
        snapshot: Some(format!("{}{}", secret::random_id().unwrap(), secret::random_id().unwrap())),
        sequence: Some(started_secs as u64 / 3600),
        files: 18_000,
        dirs: 900,
        bytes,
        added_bytes: 40_000_000 + started_secs as u64 % 9_000_000,
        errors: 0,
        error: None,
        hint: None,
        problems: vec![],
        notes: vec!["2 files changed while they were read and were read again".into()],
        levels: vec![level("local", "aa"), level("remote", "bb")],
        end_marker: None,
        shape: Some(Shape {
            trees: [("/srv/data/contracts", 9000, bytes / 2), ("/srv/data/photos", 9000, bytes / 2)]
                .map(|(path, files, bytes)| (path.to_owned(), Tree { files, bytes }))
                .into(),
            new_files: 12,
            changed_files: 40,
            gone_files: 3,
            typed_files: 900,
            mistyped_files: 1,
            ..Shape::default()
        }),
        objects: Default::default(),
        attempt: 1,
        next_secs: Some(started_secs + 3600),
        plan: None,
        recipients: vec![],
    }
}

fn proof(source: &str, started_secs: i64, verdict: Verdict) -> ProofReport {
    ProofReport {
        source: source.into(),
        source_type: "files".into(),
        snapshot: "ef".repeat(32),
        received_secs: started_secs - 7200,
        level: "remote".into(),
        vault: Some(format!("SHA256:{}", "bb".repeat(32))),
        recipient: "3f".repeat(16),
        started_secs,
        restore_secs: 310.0 + (started_secs % 91) as f64,
        compare_secs: 55.0,
        verdict,
        compared: 18_023,
        files: 18_000,
        files_read: 1800,
        bytes: 4_000_000_000,
        problems: if verdict == Verdict::Failed {
            vec!["/srv/data/contracts/2024.pdf: its content is not what was captured".into()]
        } else {
            vec![]
        },
        blocked: vec![],
        restore_target_secs: Some(3600),
        drill_within_secs: None,
    }
}
