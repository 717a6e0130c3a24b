//! What the network tells of this machine and of others: its own addresses, and the ports of others that it is connected to. A console
//! holds what one host says of its ports against what others use of it.

use super::machine::Machine;
use super::services::{established, listening};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses and connections that are named at most.
const NAMED_MAX: usize = 2000;

/// A port of another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// The addresses of this machine, without those that only itself sees.
pub(super) fn addresses(machine: &Machine) -> BTreeSet<IpAddr> {
    let four = machine.text("/proc/net/fib_trie").map(|text| local_four(&text)).unwrap_or_default();
    let six = machine.text("/proc/net/if_inet6").map(|text| six(&text)).unwrap_or_default();
    four.into_iter().chain(six).filter(is_seen).take(NAMED_MAX).collect()
}

/// Ports of others to which something here has a connection: those that were called, not those who called.
pub(super) fn peers(machine: &Machine) -> BTreeSet<Peer> {
    let read = |file: &str| machine.text(format!("/proc/self/net/{file}")).unwrap_or_default();
    let texts = [read("tcp"), read("tcp6")];
    let own: BTreeSet<u16> =
        texts.iter().flat_map(|text| listening(text)).map(|socket| socket.port).collect();
    let called = texts.iter().flat_map(|text| established(text)).filter(|(local, ..)| !own.contains(local));
    called
        .map(|(_, address, port)| Peer { address, port })
        .filter(|peer| is_seen(&peer.address))
        .take(NAMED_MAX)
        .collect()
}

fn is_seen(address: &IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !link_local
}

/// The lines of `fib_trie` that say `host LOCAL` belong to the address above them.
fn local_four(text: &str) -> Vec<IpAddr> {
    let mut last = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.ends_with("host LOCAL") {
            found.extend(last.map(IpAddr::V4));
        }
    }
    found
}

fn six(text: &str) -> Vec<IpAddr> {
    let one = |line: &str| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok();
    text.lines().filter_map(one).map(|bits| IpAddr::V6(Ipv6Addr::from(bits))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_and_the_ports_of_others_are_read() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(
            local_four(trie).iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.7", "127.0.0.1"]
        );
        let folder = tempfile::tempdir().expect("a folder");
        let net = folder.path().join("proc/self/net");
        std::fs::create_dir_all(&net).expect("folders");
        std::fs::create_dir_all(folder.path().join("proc/net")).expect("folders");
        std::fs::write(folder.path().join("proc/net/fib_trie"), trie).expect("written");
        std::fs::write(folder.path().join("proc/net/if_inet6"), "fe80000000000000000000000000000a 02 40 20 80 eth0\nfd00000000000000000000000000000a 02 40 00 80 eth0\n").expect("written");
        // 22 listens here and was called; 5432 of 10.0.0.9 was called from here; the last one is over.
        let tcp = "head\n 0: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 1 1\n 1: 0700000A:0016 0800000A:9C40 01 0:0 00:0 0 0 0 2 1\n \
                   2: 0700000A:9C41 0900000A:1538 01 0:0 00:0 0 0 0 3 1\n 3: 0700000A:9C42 0900000A:0050 06 0:0 00:0 0 0 0 0 1\n";
        std::fs::write(net.join("tcp"), tcp).expect("written");
        let machine = Machine::below(folder.path());
        let found: Vec<_> = addresses(&machine).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.7", "fd00::a"]);
        let expected = if cfg!(target_endian = "little") { "10.0.0.9" } else { "9.0.0.10" };
        let called: Vec<_> =
            peers(&machine).iter().map(|peer| (peer.address.to_string(), peer.port)).collect();
        assert_eq!(called, [(expected.to_owned(), 5432)]);
    }
}
