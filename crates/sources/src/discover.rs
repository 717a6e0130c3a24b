//! What is on this machine, beyond what adapters find: the other half of knowing what is not backed up.
//!
//! Each scanner is a file: a pure parser over text, and a few reads. Whoever is no administrator gets what it may see, and what it could
//! not see is said. Everything that is read has a limit; names of the machine are other people's words and are only ever quoted.

mod containers;
mod cron;
mod devices;
mod homes;
mod machine;
mod mounts;
mod network;
mod packages;
mod places;
mod services;
mod web;

pub use containers::Volume;
pub use cron::{CronJob, Timer};
pub use devices::Device;
pub use homes::Home;
pub use machine::{Machine, Unseen};
pub use mounts::{Mount, MountKind};
pub use network::Peer;
pub use packages::{Package, Packages};
pub use places::Place;
pub use services::Service;
pub use web::WebRoot;

use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What is on a machine.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Inventory {
    /// File systems that hold something.
    pub mounts: Vec<Mount>,
    /// Disks and their parts.
    pub devices: Vec<Device>,
    /// Files that are swapped to: what is in them is gone at every start.
    pub swap_files: Vec<String>,
    /// What listens.
    pub services: Vec<Service>,
    /// Folders that web servers show.
    pub web_roots: Vec<WebRoot>,
    /// Folders that are known to hold data: mail, directories of users.
    pub places: Vec<Place>,
    /// What is run by cron.
    pub cron_jobs: Vec<CronJob>,
    /// Timers that an administrator has added.
    pub timers: Vec<Timer>,
    /// Home folders.
    pub homes: Vec<Home>,
    /// What is installed, and what was changed of it.
    pub packages: Packages,
    /// Volumes of containers and pods.
    pub volumes: Vec<Volume>,
    /// Addresses of this machine.
    pub addresses: BTreeSet<IpAddr>,
    /// Ports of other machines that it is connected to.
    pub peers: BTreeSet<Peer>,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
    /// How long looking took.
    pub seconds: f64,
}

/// Looks at a machine.
pub fn look(machine: &Machine) -> Inventory {
    let watch = std::time::Instant::now();
    let mounts = mounts::look(machine);
    let mut inventory = Inventory {
        devices: devices::look(machine, &mounts),
        mounts,
        swap_files: devices::swap_files(machine),
        services: services::look(machine),
        web_roots: web::look(machine),
        places: places::look(machine),
        cron_jobs: cron::look(machine),
        timers: cron::timers(machine),
        homes: homes::look(machine),
        packages: packages::look(machine),
        volumes: containers::look(machine),
        addresses: network::addresses(machine),
        peers: network::peers(machine),
        unseen: Vec::new(),
        seconds: 0.0,
    };
    inventory.unseen = machine.unseen();
    inventory.seconds = watch.elapsed().as_secs_f64();
    inventory
}

#[cfg(test)]
mod tests;
