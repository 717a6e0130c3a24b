//! A vault with its server in a process of its own, and hosts and readers that have joined over the network.

use crate::wire::{Reply, Wire, tcp_from};
use crate::{child, tree};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::id::hex;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::Kind;
use vow_base::{Fingerprint, HostId, ObjectId};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object, Snapshot};
use vow_vault::Vault;
use vow_vault::server::admin::{Client, NewJoinToken};

pub(crate) struct Stand {
    scratch: TempDir,
    pub vault: PathBuf,
    pub pin: Fingerprint,
    pub address: SocketAddr,
    child: Child,
}

/// Somebody with a key, at an address of their own.
pub(crate) struct Party {
    pub key: SigningKey,
    pub from: IpAddr,
    pub address: SocketAddr,
    pub pin: Fingerprint,
}

/// A key by its seed.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

impl Stand {
    /// A new vault, served with this configuration.
    pub(crate) fn new(config: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let vault = scratch.path().join("vault");
        Self::on(scratch, vault, config)
    }

    /// A new vault in this folder, served with this configuration.
    pub(crate) fn on(scratch: TempDir, vault: PathBuf, config: &str) -> Self {
        let made = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &vault).unwrap();
        let pin = Fingerprint::of(&made.public_key());
        drop(made);
        let socket = scratch.path().join("run/vault.sock");
        let config = format!("listen = [\"127.0.0.1:0\"]\nsocket = {socket:?}\n{config}");
        std::fs::write(scratch.path().join("vault.toml"), config).unwrap();
        let (child, address) = start(scratch.path(), &vault);
        Self { scratch, vault, pin, address, child }
    }

    /// Ends the server as a crash would, and starts it again.
    pub(crate) fn crash(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends the server as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        (self.child, self.address) = start(self.scratch.path(), &self.vault);
    }

    /// Asks the server to stop.
    pub(crate) fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    /// Waits for its end: its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The local socket.
    pub(crate) fn admin(&self) -> Client {
        Client::new(&self.scratch.path().join("run/vault.sock"))
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }

    /// Somebody whom the vault does not know.
    pub(crate) fn stranger(&self, seed: u8) -> Party {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, seed));
        Party { key: key(seed), from, address: self.address, pin: self.pin }
    }

    /// A host that has joined, its key being that of [`FakeHost::new`] with the same seed.
    pub(crate) fn host(&self, seed: u8, tenant: &str) -> Party {
        let token =
            NewJoinToken { right: "write".into(), tenant: Some(tenant.into()), ..NewJoinToken::default() };
        self.joined(seed, &token, &[])
    }

    /// Somebody with a right.
    pub(crate) fn with(&self, seed: u8, right: &str) -> Party {
        self.joined(seed, &NewJoinToken { right: right.into(), ..NewJoinToken::default() }, &[])
    }

    fn joined(&self, seed: u8, token: &NewJoinToken, readers: &[PublicKey]) -> Party {
        let secret = self.admin().join_token(token).unwrap().secret;
        let party = self.stranger(seed);
        let readers: Vec<_> = readers.iter().map(|key| hex(&key.0)).collect();
        let body = serde_json::json!({"secret": secret, "name": format!("n{seed}"), "readers": readers});
        let reply = party.ask("POST", "/v1/join", Some(body.to_string().as_bytes()));
        assert_eq!(reply.status, 200, "{}", reply.text());
        party
    }

    /// Memory that the server uses, in bytes: now, and at most so far.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Files and sockets that the server has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Everything that is stored.
    pub(crate) fn tree(&self) -> BTreeMap<String, ObjectId> {
        tree::of(&self.vault)
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().rev().take(8).collect();
            eprintln!("the last lines of the log, newest first:\n{}", lines.join("\n"));
        }
    }
}

fn start(scratch: &Path, vault: &Path) -> (Child, SocketAddr) {
    let ready = scratch.join("ready");
    let _ = std::fs::remove_file(&ready);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(scratch.join("log")).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::serve", "--ignored", "--nocapture"])
        .env(child::VAULT, vault)
        .env(child::CONFIG, scratch.join("vault.toml"))
        .env(child::READY, &ready)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            return (child, text.lines().next().unwrap().parse().unwrap());
        }
        if let Some(status) = child.try_wait().unwrap() {
            let log = std::fs::read_to_string(scratch.join("log")).unwrap_or_default();
            panic!("the server ended: {status}\n{log}");
        }
        assert!(Instant::now() < until, "the server does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal, by name.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap().success());
}

impl Party {
    pub(crate) fn id(&self) -> HostId {
        self.key.public().host_id()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> io::Result<Wire> {
        Wire::open(tcp_from(self.from, self.address)?, self.pin, Some(&self.key))
    }

    /// A new connection without a key.
    pub(crate) fn connect_without_key(&self) -> io::Result<Wire> {
        Wire::open(tcp_from(self.from, self.address)?, self.pin, None)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, target: &str, body: Option<&[u8]>) -> Reply {
        let reply = self.connect().and_then(|mut wire| wire.ask(method, target, body));
        reply.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// The path of one of its own objects.
    pub(crate) fn path(&self, kind: Kind, id: &ObjectId) -> String {
        path_of(&self.id(), kind, id)
    }

    /// Stores an object of its own.
    pub(crate) fn put(&self, object: &Object) -> Reply {
        self.ask("PUT", &self.path(object.kind, &object.id), Some(&object.bytes))
    }

    /// Stores a snapshot's objects and commits it.
    #[track_caller]
    pub(crate) fn commit(&self, snapshot: &Snapshot) -> Reply {
        let mut wire = self.connect().unwrap();
        for object in &snapshot.objects {
            let reply = wire.ask("PUT", &self.path(object.kind, &object.id), Some(&object.bytes)).unwrap();
            assert!(matches!(reply.status, 200 | 201), "{} {}", reply.status, reply.text());
        }
        wire.ask("PUT", &self.path(Kind::Manifest, &snapshot.manifest.id), Some(&snapshot.manifest.bytes))
            .unwrap()
    }
}

/// The path of an object.
pub(crate) fn path_of(host: &HostId, kind: Kind, id: &ObjectId) -> String {
    format!("/v1/hosts/{host}/{}/{id}", kind.folder())
}

/// A made-up snapshot of the host with this seed.
pub(crate) fn snapshot(seed: u8, sequence: u64) -> Snapshot {
    FakeHost::new(seed).snapshot(sequence, 3, &mut Dice::new(u64::from(seed) << 32 | sequence))
}
