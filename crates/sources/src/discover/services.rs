//! What listens: sockets of `/proc/net/tcp`, the processes that hold them, their units and containers. Every network namespace that a
//! process is in is looked at.

use super::machine::{Machine, shown};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A program that listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Service {
    /// The program's name; `?` when it could not be seen.
    pub process: String,
    /// Its ports, TCP.
    pub ports: BTreeSet<u16>,
    /// Whether others than this machine can reach it.
    pub public: bool,
    /// Its file.
    pub program: Option<String>,
    /// Its unit.
    pub unit: Option<String>,
    /// Its container.
    pub container: Option<String>,
}

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) inode: u64,
}

const PROCESSES_MAX: usize = 50_000;
const SPACES_MAX: usize = 500;
const SOCKETS_MAX: usize = 20_000;

/// What listens here.
pub(super) fn look(machine: &Machine) -> Vec<Service> {
    let pids: Vec<u32> = machine
        .names("/proc")
        .iter()
        .filter_map(|name| name.to_str()?.parse().ok())
        .take(PROCESSES_MAX)
        .collect();
    let mut sockets = Vec::new();
    // One process of each network namespace shows all of its sockets.
    let mut spaces: BTreeMap<_, String> = BTreeMap::new();
    for pid in &pids {
        if let Some(space) = machine.link(format!("/proc/{pid}/ns/net")).filter(|_| spaces.len() < SPACES_MAX)
        {
            spaces.entry(space).or_insert_with(|| pid.to_string());
        }
    }
    if spaces.is_empty() {
        spaces.insert("this".into(), "self".to_owned());
    }
    for pid in spaces.values() {
        for file in ["tcp", "tcp6"] {
            let text = machine.text(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
            sockets.extend(listening(&text));
        }
    }
    sockets.truncate(SOCKETS_MAX);
    let wanted: BTreeSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
    let holders = holders(machine, &pids, &wanted);
    let mut services: BTreeMap<(String, Option<String>, Option<String>), Service> = BTreeMap::new();
    for socket in sockets {
        let pid = holders.get(&socket.inode);
        let about = pid.map(|pid| about(machine, *pid)).unwrap_or_default();
        let process = about.process.unwrap_or_else(|| "?".to_owned());
        let key = (process.clone(), about.unit.clone(), about.container.clone());
        let service = services.entry(key).or_insert_with(|| Service {
            process,
            ports: BTreeSet::new(),
            public: false,
            program: about.program,
            unit: about.unit,
            container: about.container,
        });
        service.ports.insert(socket.port);
        service.public |= !socket.address.is_loopback();
    }
    services.into_values().collect()
}

/// Which process holds which socket.
fn holders(machine: &Machine, pids: &[u32], wanted: &BTreeSet<u64>) -> HashMap<u64, u32> {
    let mut holders = HashMap::new();
    if wanted.is_empty() {
        return holders;
    }
    let mut hidden = 0;
    for pid in pids {
        let folder = machine.path(format!("/proc/{pid}/fd"));
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                hidden += u64::from(error.kind() == std::io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        for entry in entries.flatten().take(PROCESSES_MAX) {
            let Ok(target) = std::fs::read_link(entry.path()) else { continue };
            let inode = target
                .to_str()
                .and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.contains(inode)) {
                holders.entry(inode).or_insert(*pid);
            }
        }
    }
    if hidden > 0 {
        machine.missed(
            "programs behind ports",
            format!("{hidden} processes belong to others: run it as root to see them"),
        );
    }
    holders
}

#[derive(Default)]
struct About {
    process: Option<String>,
    program: Option<String>,
    unit: Option<String>,
    container: Option<String>,
}

fn about(machine: &Machine, pid: u32) -> About {
    let comm = machine.text(format!("/proc/{pid}/comm")).map(|text| text.trim().to_owned());
    let (unit, container) =
        machine.text(format!("/proc/{pid}/cgroup")).map(|text| group(&text)).unwrap_or_default();
    let program = machine.link(format!("/proc/{pid}/exe")).map(|path| shown(&path));
    About { process: comm.filter(|name| !name.is_empty()), program, unit, container }
}

/// Listening sockets of `/proc/net/tcp` and `tcp6`.
pub(super) fn listening(text: &str) -> Vec<Socket> {
    let one = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (address, port) = words.get(1)?.split_once(':')?;
        if *words.get(3)? != "0A" {
            return None;
        }
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(Socket { address: address_of(address)?, port, inode: words.get(9)?.parse().ok()? })
    };
    text.lines().skip(1).filter_map(one).collect()
}

/// Connections of `/proc/net/tcp` and `tcp6`: the port here, and address and port there.
pub(super) fn established(text: &str) -> Vec<(u16, IpAddr, u16)> {
    let one = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let ((_, here), (address, there)) = (words.get(1)?.split_once(':')?, words.get(2)?.split_once(':')?);
        if *words.get(3)? != "01" {
            return None;
        }
        let port = |digits| u16::from_str_radix(digits, 16).ok();
        Some((port(here)?, address_of(address)?, port(there)?))
    };
    text.lines().skip(1).filter_map(one).collect()
}

/// Words of 32 bits in the machine's own order.
fn address_of(digits: &str) -> Option<IpAddr> {
    let word =
        |at: usize| u32::from_str_radix(digits.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    match digits.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

/// The unit and the container of a process, by its control group.
pub(super) fn group(text: &str) -> (Option<String>, Option<String>) {
    let (mut unit, mut container) = (None, None);
    for line in text.lines() {
        let Some(path) = line.splitn(3, ':').nth(2) else { continue };
        for name in path.split('/') {
            let id = name.strip_suffix(".scope").unwrap_or(name);
            let id = id.rsplit_once('-').map_or(id, |(_, id)| id);
            if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                container = Some(id[..12].to_owned());
            } else if name.starts_with("lxc.payload.") {
                container = Some(name.trim_start_matches("lxc.payload.").to_owned());
            } else if name.ends_with(".service") {
                unit = Some(name.to_owned());
            }
        }
    }
    (unit, container)
}
