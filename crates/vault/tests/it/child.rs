//! The server as a process of its own: this binary, started again with one test chosen and the rest of what it is told in its environment.

use std::path::Path;
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_vault::Vault;
use vow_vault::server::{Config, Server, Stop};

/// Names of environment variables: the vault's folder, the configuration, the file that says where it listens.
pub(crate) const VAULT: &str = "VOW_TEST_CHILD_VAULT";
pub(crate) const CONFIG: &str = "VOW_TEST_CHILD_CONFIG";
pub(crate) const READY: &str = "VOW_TEST_CHILD_READY";

/// Not a test: what [`super::stand::Stand`] starts.
#[test]
#[ignore = "the server of other tests"]
fn serve() {
    let Ok(vault) = std::env::var(VAULT) else { return };
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
    let config = std::fs::read_to_string(std::env::var(CONFIG).unwrap()).unwrap();
    let config = Config::parse(&config).unwrap();
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), Path::new(&vault)).unwrap();
    let stop = Stop::default();
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM]).unwrap();
    let told = stop.clone();
    std::thread::spawn(move || signals.forever().for_each(|_| told.stop()));
    let server = Server::open(vault, config).unwrap();
    let ready = std::env::var(READY).unwrap();
    let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
    std::fs::write(format!("{ready}.new"), addresses.join("\n")).unwrap();
    std::fs::rename(format!("{ready}.new"), ready).unwrap();
    server.run(&stop).unwrap();
    std::process::exit(0);
}
