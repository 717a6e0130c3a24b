//! Machines of their own on one machine: network namespaces with a cable between each and a switch, which can be pulled. Needs root.

use crate::shell::{run, tool};
use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The same command where it is to run: on a machine of a lab, or here.
pub(crate) fn there(on: Option<&(Arc<Lab>, u8)>, command: Command) -> Command {
    match on {
        Some((lab, machine)) => lab.command(*machine, &command),
        None => command,
    }
}

/// Some machines that hear nobody but each other. They go away with the value.
pub struct Lab {
    tag: String,
    machines: u8,
}

impl Lab {
    /// So many machines, numbered from 1, all cables plugged in.
    #[track_caller]
    pub fn new(machines: u8) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        // Names of links have at most 15 characters.
        let tag =
            format!("v{:x}-{:x}", std::process::id() & 0xf_ffff, COUNTER.fetch_add(1, Ordering::Relaxed));
        let lab = Self { tag, machines };
        let switch = lab.switch();
        ip(["netns", "add", &switch]);
        inside(&switch, ["link", "add", "br0", "type", "bridge"]);
        inside(&switch, ["link", "set", "br0", "up"]);
        for machine in 1..=machines {
            let (name, port) = (lab.machine(machine), lab.port(machine));
            ip(["netns", "add", &name]);
            inside(&name, ["link", "set", "lo", "up"]);
            inside(&name, ["link", "add", "eth0", "type", "veth", "peer", "name", &port]);
            inside(&name, ["link", "set", &port, "netns", &switch]);
            inside(&switch, ["link", "set", &port, "master", "br0", "up"]);
            inside(&name, ["addr", "add", &format!("{}/24", lab.address(machine)), "dev", "eth0"]);
            inside(&name, ["link", "set", "eth0", "up"]);
        }
        lab
    }

    /// The address of a machine.
    pub fn address(&self, machine: u8) -> String {
        format!("10.77.0.{machine}")
    }

    /// The words that run a program on a machine.
    pub fn on(&self, machine: u8) -> [String; 4] {
        ["ip".into(), "netns".into(), "exec".into(), self.machine(machine)]
    }

    /// The same program, on a machine.
    pub fn command(&self, machine: u8, command: &Command) -> Command {
        let [ip, words @ ..] = self.on(machine);
        let mut there = Command::new(ip);
        there.args(words).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            there.current_dir(folder);
        }
        there
    }

    /// Pulls the cable of a machine: what is under way is lost, and nobody is told.
    #[track_caller]
    pub fn pull(&self, machine: u8) {
        inside(&self.switch(), ["link", "set", &self.port(machine), "down"]);
    }

    /// Plugs it in again.
    #[track_caller]
    pub fn plug(&self, machine: u8) {
        inside(&self.switch(), ["link", "set", &self.port(machine), "up"]);
    }

    fn switch(&self) -> String {
        format!("{}-sw", self.tag)
    }

    fn machine(&self, machine: u8) -> String {
        format!("{}-{machine}", self.tag)
    }

    fn port(&self, machine: u8) -> String {
        format!("port{machine}")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let machines = (1..=self.machines).map(|machine| self.machine(machine));
        for name in machines.chain([self.switch()]) {
            // Whatever still runs there keeps it alive; it is gone when that ends.
            let _ = run(Command::new("ip").args(["netns", "del", &name]));
        }
    }
}

#[track_caller]
fn ip<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) {
    tool("ip", words);
}

#[track_caller]
fn inside<'w>(namespace: &'w str, words: impl IntoIterator<Item = &'w str>) {
    ip(["-n", namespace].into_iter().chain(words));
}
