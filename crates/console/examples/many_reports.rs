//! How many reports a second a console takes in that is being served: `cargo run --release --example many_reports -- DIR ADDRESS NUMBER`.
//!
//! They come as from hosts: over TLS in which both sides prove a key, each host with its own, many at a time. `ADDRESS` is `https://IP:PORT`,
//! where the console of the folder `DIR` listens for hosts.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use vow_base::Fingerprint;
use vow_base::clock::{Clock, SystemClock};
use vow_base::id::hex;
use vow_base::sign::SigningKey;
use vow_console::auth::secret;
use vow_console::db::hosts::{self, Host};
use vow_console::db::{Scope, sources};
use vow_console::server::Folder;
use vow_protocol::Address;
use vow_protocol::client::{Options, RemoteConsole};
use vow_protocol::report::{Body, FORMAT, LevelReport, Outcome, Report, RunReport, VERSION};

/// Hosts that report, and how many of them at a time.
const HOSTS: i64 = 500;
const AT_ONCE: usize = 32;

/// A host, as which reports are sent.
struct Sender {
    host: Host,
    sources: Vec<String>,
    console: RemoteConsole,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, address, number] = arguments.as_slice() else { panic!("DIR ADDRESS NUMBER") };
    let number: usize = number.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let senders = runtime.block_on(senders(Path::new(dir), &address.parse().unwrap()));
    let now = SystemClock.now() / 1_000_000_000;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let senders = &senders;
            scope.spawn(move || {
                for at in (worker..number).step_by(AT_ONCE) {
                    // A host stays with its worker, as it would report one after the other.
                    let mine = senders.iter().skip(worker).step_by(AT_ONCE);
                    let sender = mine.clone().nth(at / AT_ONCE % mine.len()).unwrap();
                    let source = &sender.sources[at / senders.len() % sender.sources.len()];
                    let report = report(&sender.host, source, now - (number - at) as i64 / 10);
                    sender.console.report(&report).unwrap();
                }
            });
        }
    });
    let secs = began.elapsed().as_secs_f64();
    println!("{number} reports in {secs:.1} s: {:.0} a second", number as f64 / secs);
}

/// Hosts of the console, with keys that it knows from now on.
async fn senders(dir: &Path, address: &Address) -> Vec<Sender> {
    let app = Folder::open(dir).unwrap().app(Arc::new(SystemClock)).await.unwrap();
    let pin = Fingerprint::of(&app.public_key);
    let mut conn = app.db.write().await.unwrap();
    let mut senders = Vec::new();
    for host in hosts::list(&mut conn, Scope::All, &hosts::Wanted::default(), HOSTS, 0).await.unwrap() {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&host.id.to_le_bytes());
        let key = SigningKey::from_seed(&seed);
        let (id, public) = (key.public().host_id().to_string(), hex(&key.public().0));
        hosts::enrol(&mut conn, host.id, &id, &public, "benchmark", app.now()).await.unwrap();
        let all = sources::of_host(&mut conn, host.id).await.unwrap();
        let options = Options { connections: 1, ..Options::new(Arc::new(AtomicBool::new(false))) };
        senders.push(Sender {
            sources: all.into_iter().map(|source| source.name).collect(),
            console: RemoteConsole::new(address, pin, &key, options).unwrap(),
            host,
        });
    }
    conn.commit().await.unwrap();
    app.db.close().await;
    senders
}

fn report(host: &Host, source: &str, started_secs: i64) -> Report {
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
        host: host.name.clone(),
        made_secs: started_secs,
        software: "vow 0.1.0".into(),
        body: Body::Run(Box::new(body)),
    }
}
