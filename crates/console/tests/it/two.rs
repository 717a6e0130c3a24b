//! Two consoles on one PostgreSQL that do everything at once: nobody is in anybody's way, nothing is done twice.

use crate::stand::{Kind, NOW, Stand, failed, report, run};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use vow_console::admin;
use vow_console::audit::desk;
use vow_console::db::hosts::KnownHost;
use vow_console::db::prune::{self, Terms};
use vow_console::db::{Scope, runs, sources, tickets};
use vow_console::ingest::{Arrived, look};
use vow_console::records::Action;
use vow_console::server::App;
use vow_console::tickets::Desk;
use vow_protocol::report::Body;

const HOSTS: usize = 8;
const SOURCES: [&str; 2] = ["orders", "system"];
const ROUNDS: usize = 8;
const DAY: i64 = 86_400;

/// Reports of all hosts through one console, by several at a time, each in an order of its own: sources fail, and recover.
async fn report_all(app: Arc<App>, hosts: Arc<Vec<KnownHost>>, consoles: usize, worker: usize) -> usize {
    let mut put = 0;
    for round in 0..ROUNDS {
        for step in 0..HOSTS {
            // Odd strides reach every host; each worker has another one.
            let host = &hosts[(step * (2 * worker + 1) + worker) % HOSTS];
            let source = SOURCES[(round + step) % SOURCES.len()];
            let (id, started) =
                (((worker * ROUNDS + round) * HOSTS + step) as u64, NOW - 7200 + (round * 60) as i64);
            let body = match (round + worker) % 2 {
                0 => failed(source, started, "no tape"),
                _ => run(source, started),
            };
            let arrived = Arrived {
                known: host.clone(),
                report: report(host, id, Body::Run(Box::new(body))),
                output: None,
            };
            app.queue
                .put(arrived)
                .await
                .unwrap_or_else(|error| panic!("console {}: {error}", worker % consoles));
            put += 1;
        }
    }
    put
}

/// Everything that is due by the clock, and what people do, again and again.
async fn keep_busy(app: Arc<App>, tenant_id: i64, done: Arc<AtomicBool>, rounds: Arc<AtomicUsize>) {
    let me = admin::at_the_machine();
    let terms = Terms { runs_secs: 14 * DAY, problems_secs: 400 * DAY, days_secs: 25 * DAY };
    while !done.load(Ordering::SeqCst) {
        look(&app.db, &app.judge, NOW, NOW).await.unwrap();
        let desk = Desk { store: &app.db, settings: &app.judge.tickets, routes: &app.judge.routes };
        // Tickets grow old: those that nobody has taken become worse.
        desk.tick(NOW + 2 * DAY).await.unwrap();
        desk::audit(&app, &me, tenant_id).await.unwrap();
        let wanted = tickets::Wanted::default();
        let open = tickets::list(&mut app.read().await.unwrap(), Scope::All, &wanted, 3, 0).await.unwrap();
        for ticket in open {
            let said = Action::Comment { by: "kim".into(), text: "seen".into() };
            admin::apply(&app, &me, &ticket.id, &said).await.unwrap();
        }
        prune::all(&app.db, terms, NOW).await.unwrap();
        rounds.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_looks_audits_and_people_get_into_nobodys_way() {
    let stand = Stand::new(Kind::Postgres).await;
    let consoles = [stand.app.clone(), stand.second().await];
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        hosts.push(stand.host("acme", &format!("host-{number}")).await);
    }
    let (tenant_id, hosts) = (hosts[0].tenant_id, Arc::new(hosts));
    let (done, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut busy = tokio::task::JoinSet::new();
    let mut reporting = tokio::task::JoinSet::new();
    for (at, app) in consoles.iter().enumerate() {
        busy.spawn(keep_busy(app.clone(), tenant_id, done.clone(), rounds.clone()));
        for worker in [at, at + 2] {
            reporting.spawn(report_all(app.clone(), hosts.clone(), consoles.len(), worker));
        }
    }
    let mut put = 0;
    while let Some(one) = reporting.join_next().await {
        put += one.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    while let Some(one) = busy.join_next().await {
        one.unwrap();
    }
    assert!(rounds.load(Ordering::SeqCst) >= 2, "nothing was looked at meanwhile");
    let mut conn = stand.app.read().await.unwrap();
    let sql = "SELECT CAST(deadlocks AS BIGINT) AS deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(conn.one(sql, vec![]).await.unwrap().int("deadlocks").unwrap(), 0);
    // Each report counts once, and each problem is one ticket.
    let mut counted = 0;
    for host in hosts.iter() {
        for source in sources::of_host(&mut conn, host.host_id).await.unwrap() {
            let days = runs::days(&mut conn, source.id, 0).await.unwrap();
            counted += days.iter().map(|day| day.ok + day.failed).sum::<i64>();
        }
    }
    assert_eq!(counted, put as i64);
    let open = tickets::list(&mut conn, Scope::All, &tickets::Wanted::default(), 1000, 0).await.unwrap();
    let mut keys: Vec<_> = open.iter().map(|ticket| ticket.key.to_string()).collect();
    let number = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), number, "a problem has two open tickets: {keys:?}");
}
