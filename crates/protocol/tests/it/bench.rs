//! A vault in memory, its server, and clients of it.

use crate::server::Server;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vow_base::disk::Disk;
use vow_base::sign::SigningKey;
use vow_base::vault::{Kind, Retrieve};
use vow_base::{Fingerprint, HostId, ObjectId};
use vow_protocol::client::{Options, Retry, Timing};
use vow_protocol::wire::Role;
use vow_protocol::{Address, RemoteVault};
use vow_testkit::fixture::FakeHost;
use vow_testkit::{Dice, FixedClock, MemDisk};
use vow_vault::Vault;

/// The seeds of the keys that take part.
pub(crate) const HOST: u8 = 1;
pub(crate) const RESTORER: u8 = 50;
pub(crate) const REPLICA: u8 = 51;
pub(crate) const CONSOLE: u8 = 52;

/// A running vault that one host has joined and that every role may use.
pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) host: FakeHost,
    pub(crate) dice: Dice,
}

impl Bench {
    /// A vault in memory.
    pub(crate) fn new() -> Self {
        let bench = Self::without_host();
        bench.vault().join(&bench.host.public()).unwrap();
        bench
    }

    /// A vault that nobody has joined.
    pub(crate) fn without_host() -> Self {
        let (disk, root): (Arc<dyn Disk>, _) = (Arc::new(MemDisk::new()), PathBuf::from("/vault"));
        let vault = Vault::create(disk.clone(), Arc::new(FixedClock(7)), &root).unwrap();
        let text = disk.read(&root.join("vault.key"), 100).unwrap();
        let seed = vow_base::id::from_hex(std::str::from_utf8(&text).unwrap().trim()).unwrap();
        let server = Server::start(vault, disk, root, &SigningKey::from_seed(&seed));
        for (seed, role) in [(RESTORER, Role::Restore), (REPLICA, Role::Replicate), (CONSOLE, Role::Console)]
        {
            server.shared.grants.lock().unwrap().insert(key(seed).public(), role);
        }
        Self { server, host: FakeHost::new(HOST), dice: Dice::new(1) }
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.server.shared.vault
    }

    /// The vault as the key with this seed sees it.
    pub(crate) fn client(&self, seed: u8) -> RemoteVault {
        self.client_at(self.server.address, seed, quick())
    }

    /// Likewise, through a proxy or with other options.
    pub(crate) fn client_at(&self, at: SocketAddr, seed: u8, options: Options) -> RemoteVault {
        connect(at, self.server.fingerprint, seed, options)
    }

    /// What the host has there.
    pub(crate) fn stored(&self, kind: Kind) -> Vec<(ObjectId, u64)> {
        self.vault().objects(&self.host.id(), kind).unwrap()
    }

    pub(crate) fn host_id(&self) -> HostId {
        self.host.id()
    }
}

/// The vault at an address.
pub(crate) fn connect(at: SocketAddr, pin: Fingerprint, seed: u8, options: Options) -> RemoteVault {
    RemoteVault::new(&address(at), pin, &key(seed), options).unwrap()
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn address(at: SocketAddr) -> Address {
    format!("https://{at}").parse().unwrap()
}

/// Options that give up soon.
pub(crate) fn quick() -> Options {
    Options {
        retry: Retry { tries: 3, first_pause: Duration::from_millis(1), ..Retry::default() },
        connect: Duration::from_secs(5),
        ..Options::default()
    }
}

/// Options that try once.
pub(crate) fn once() -> Options {
    Options { retry: Retry { tries: 1, ..Retry::default() }, ..quick() }
}

/// Time that passes only when somebody sleeps.
#[derive(Default)]
pub(crate) struct FakeTiming(Mutex<Duration>);

impl Timing for FakeTiming {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, pause: Duration) {
        *self.0.lock().unwrap() += pause;
    }

    fn random(&self) -> f64 {
        0.7
    }
}
