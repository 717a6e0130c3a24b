//! Many hosts storing at once through the real client: throughput, memory of the server, and what each host got.
//!
//!     cargo run --release -p vow-vault --example load -- [FOLDER] [HOSTS] [STREAMS OF EACH] [SECONDS] [PACK KIB] [STREAMS OF THE GREEDY ONE]
//!
//! The server is a process of its own: this program, started again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::sign::SigningKey;
use vow_base::vault::{Deposit, Kind};
use vow_base::{Fingerprint, ObjectId};
use vow_protocol::client::{JoinAs, Options, RemoteVault};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object};
use vow_vault::Vault;
use vow_vault::server::admin::{Client, NewJoinToken};
use vow_vault::server::{Config, Server, Stop};

const SERVE: &str = "VOW_LOAD_SERVE";

struct Plan {
    hosts: usize,
    streams: usize,
    time: Duration,
    pack_bytes: usize,
    greedy_streams: usize,
}

/// What one host got done.
#[derive(Default)]
struct Tally {
    bytes: AtomicU64,
    snapshots: AtomicU64,
    slowest_ms: AtomicU64,
}

fn main() {
    if let Some(folder) = std::env::var_os(SERVE) {
        return serve(Path::new(&folder));
    }
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mut number = |default: usize| arguments.next().map_or(default, |text| text.parse().unwrap());
    let plan = Plan {
        hosts: number(64),
        streams: number(2),
        time: Duration::from_secs(number(20) as u64),
        pack_bytes: number(4096) << 10,
        greedy_streams: number(0),
    };
    let scratch = tempfile::tempdir_in(folder).unwrap();
    let vault =
        Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &scratch.path().join("vault")).unwrap();
    let pin = Fingerprint::of(&vault.public_key());
    drop(vault);
    let mut server = start(scratch.path());
    let address = std::fs::read_to_string(scratch.path().join("ready")).unwrap();
    run(&plan, scratch.path(), &address, pin, server.id());
    Command::new("kill").arg(server.id().to_string()).status().unwrap();
    server.wait().unwrap();
}

fn serve(folder: &Path) {
    let socket = folder.join("run/vault.sock");
    let config = format!(
        "listen = [\"127.0.0.1:0\"]\nsocket = {socket:?}\n[limits]\njoins_per_minute = 100000\nsnapshots_per_hour = 1000000\n"
    );
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), &folder.join("vault")).unwrap();
    let server = Server::open(vault, Config::parse(&config).unwrap()).unwrap();
    let stop = Stop::default();
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM]).unwrap();
    let told = stop.clone();
    std::thread::spawn(move || signals.forever().for_each(|_| told.stop()));
    std::fs::write(folder.join("new"), server.addresses()[0].to_string()).unwrap();
    std::fs::rename(folder.join("new"), folder.join("ready")).unwrap();
    server.run(&stop).unwrap();
}

fn start(folder: &Path) -> Child {
    let child = Command::new(std::env::current_exe().unwrap()).env(SERVE, folder).spawn().unwrap();
    while !folder.join("ready").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn run(plan: &Plan, folder: &Path, address: &str, pin: Fingerprint, server: u32) {
    let admin = Client::new(&folder.join("run/vault.sock"));
    let address = format!("https://{address}").parse().unwrap();
    let hosts: Vec<_> = (0..plan.hosts)
        .map(|number| {
            let key = SigningKey::from_seed(&[number as u8 + 1; 32]);
            let token = NewJoinToken {
                right: "write".into(),
                tenant: Some("load".into()),
                ..NewJoinToken::default()
            };
            let secret = admin.join_token(&token).unwrap().secret;
            let vault =
                RemoteVault::new(&address, pin, &key, Options { connections: 64, ..Options::default() })
                    .unwrap();
            let name = format!("host-{number}");
            vault
                .join(&secret, JoinAs { tenant: None, name: &name, readers: &[], introduction: None })
                .unwrap();
            vault
        })
        .collect();
    println!("{} hosts have joined; memory of the server {} MiB", plan.hosts, memory(server, "VmRSS:") >> 20);
    let tallies: Vec<_> = (0..plan.hosts).map(|_| Tally::default()).collect();
    let over = AtomicBool::new(false);
    let noise = Dice::new(7).bytes(1 << 20).repeat(plan.pack_bytes.div_ceil(1 << 20));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (number, (vault, tally)) in hosts.iter().zip(&tallies).enumerate() {
            let streams =
                if number == 0 && plan.greedy_streams > 0 { plan.greedy_streams } else { plan.streams };
            let sequence = Arc::new(AtomicU64::new(1));
            for stream in 0..streams {
                let (over, noise, sequence) = (&over, &noise[..plan.pack_bytes], sequence.clone());
                scope.spawn(move || store(number, stream, vault, tally, noise, &sequence, over));
            }
        }
        std::thread::sleep(plan.time);
        over.store(true, Ordering::SeqCst);
    });
    report(&tallies, began.elapsed(), server, plan);
}

/// Four packs, an index segment, a commit; again and again.
fn store(
    host: usize,
    stream: usize,
    vault: &RemoteVault,
    tally: &Tally,
    noise: &[u8],
    sequence: &AtomicU64,
    over: &AtomicBool,
) {
    let fake = FakeHost::new(host as u8 + 1);
    let mut dice = Dice::new((host as u64) << 32 | stream as u64);
    while !over.load(Ordering::SeqCst) {
        let mut packs = Vec::new();
        for _ in 0..4 {
            let mut bytes = noise.to_vec();
            bytes[..8].copy_from_slice(&dice.roll().to_le_bytes());
            let pack = Object { kind: Kind::Pack, id: ObjectId::of(&bytes), bytes };
            let began = Instant::now();
            vault.put(pack.kind, &pack.id, &pack.bytes).unwrap();
            tally.slowest_ms.fetch_max(began.elapsed().as_millis() as u64, Ordering::Relaxed);
            tally.bytes.fetch_add(pack.bytes.len() as u64, Ordering::Relaxed);
            packs.push(Object { bytes: Vec::new(), ..pack });
            if over.load(Ordering::SeqCst) {
                return;
            }
        }
        let snapshot = fake.snapshot_of(sequence.fetch_add(1, Ordering::SeqCst), &packs, &mut dice);
        for object in snapshot.objects.iter().filter(|object| object.kind != Kind::Pack) {
            vault.put(object.kind, &object.id, &object.bytes).unwrap();
        }
        snapshot.commit(vault).unwrap();
        tally.snapshots.fetch_add(1, Ordering::Relaxed);
    }
}

fn report(tallies: &[Tally], took: Duration, server: u32, plan: &Plan) {
    let mut bytes: Vec<_> = tallies.iter().map(|tally| tally.bytes.load(Ordering::Relaxed)).collect();
    let total: u64 = bytes.iter().sum();
    let snapshots: u64 = tallies.iter().map(|tally| tally.snapshots.load(Ordering::Relaxed)).sum();
    let slowest = tallies.iter().map(|tally| tally.slowest_ms.load(Ordering::Relaxed)).max().unwrap();
    println!(
        "{} hosts, {} streams each, packs of {} KiB: {:.1} MB/s, {:.1} snapshots/s, slowest put {slowest} ms",
        plan.hosts,
        plan.streams,
        plan.pack_bytes >> 10,
        total as f64 / 1e6 / took.as_secs_f64(),
        snapshots as f64 / took.as_secs_f64(),
    );
    if plan.greedy_streams > 0 {
        let greedy = bytes.remove(0);
        let mean = bytes.iter().sum::<u64>() / bytes.len().max(1) as u64;
        println!(
            "one with {} streams got {:.1} times the mean of the others",
            plan.greedy_streams,
            greedy as f64 / mean.max(1) as f64
        );
    }
    bytes.sort_unstable();
    let (sum, squares) =
        bytes.iter().fold((0.0, 0.0), |(sum, squares), b| (sum + *b as f64, squares + (*b as f64).powi(2)));
    let jain = sum * sum / (bytes.len() as f64 * squares);
    println!(
        "per host: least {:.1} MB, median {:.1} MB, most {:.1} MB; fairness (Jain) {jain:.3}",
        bytes[0] as f64 / 1e6,
        bytes[bytes.len() / 2] as f64 / 1e6,
        bytes[bytes.len() - 1] as f64 / 1e6
    );
    println!(
        "memory of the server: now {} MiB, at most {} MiB",
        memory(server, "VmRSS:") >> 20,
        memory(server, "VmHWM:") >> 20
    );
}

fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|found| found.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
