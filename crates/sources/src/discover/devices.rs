//! Disks and their parts, from `/sys/block`: what is there, and what of it is mounted.

use super::machine::Machine;
use super::mounts::Mount;
use serde::Serialize;
use std::collections::BTreeSet;

/// A disk, a part of one, a mapped device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its name below `/dev`, or that of its mapping.
    pub name: String,
    /// Major and minor number.
    pub device: String,
    /// Its size.
    pub size_bytes: u64,
    /// The disk that it is a part of.
    pub part_of: Option<String>,
    /// Devices that are built on it: RAID, LVM, encryption.
    pub holders: Vec<String>,
    /// Where it is mounted.
    pub mounted: Vec<String>,
    /// Bytes taken on it, when it is mounted.
    pub used_bytes: Option<u64>,
    /// What uses it without a mount or a holder: `swap`, `btrfs`, `loop`, `empty drive`.
    pub used_as: Option<String>,
}

const SECTOR_BYTES: u64 = 512;

/// What disks there are.
pub(super) fn look(machine: &Machine, mounts: &[Mount]) -> Vec<Device> {
    let mut devices = Vec::new();
    let users = Users::look(machine);
    for name in machine.names("/sys/block") {
        let name = name.to_string_lossy().into_owned();
        // Memory, and loops without a file, are no disks.
        if name.starts_with("ram") || name.starts_with("zram") {
            continue;
        }
        let folder = format!("/sys/block/{name}");
        let Some(disk) = one(machine, &folder, &name, None, (mounts, &users)) else { continue };
        devices.push(disk);
        for part in machine.names(&folder) {
            let part = part.to_string_lossy().into_owned();
            if part.starts_with(&name) {
                devices.extend(one(
                    machine,
                    &format!("{folder}/{part}"),
                    &part,
                    Some(&name),
                    (mounts, &users),
                ));
            }
        }
    }
    devices
}

/// Files that are swapped to.
pub(super) fn swap_files(machine: &Machine) -> Vec<String> {
    let swaps = machine.text("/proc/swaps").unwrap_or_default();
    let words = swaps.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.get(1) == Some(&"file")).map(|words| words[0].to_owned()).collect()
}

fn one(
    machine: &Machine,
    folder: &str,
    name: &str,
    part_of: Option<&str>,
    (mounts, users): (&[Mount], &Users),
) -> Option<Device> {
    let read = |file: &str| machine.text(format!("{folder}/{file}")).map(|text| text.trim().to_owned());
    let size_bytes = read("size")?.parse::<u64>().ok()?.saturating_mul(SECTOR_BYTES);
    let device = read("dev")?;
    if size_bytes == 0 {
        return None;
    }
    // Some file systems have a number of their own, and name their device.
    let file = format!("/dev/{name}");
    let on_it: Vec<_> =
        mounts.iter().filter(|mount| mount.device == device || mount.source == file).collect();
    let holders = machine.names(format!("{folder}/holders"));
    Some(Device {
        name: read("dm/name").map_or_else(|| name.to_owned(), |mapped| format!("mapper/{mapped}")),
        device,
        size_bytes,
        part_of: part_of.map(str::to_owned),
        holders: holders.iter().map(|name| name.to_string_lossy().into_owned()).collect(),
        mounted: on_it.iter().map(|mount| mount.point.clone()).collect(),
        used_bytes: on_it.iter().find_map(|mount| mount.used_bytes),
        used_as: users.of(name, &file),
    })
}

/// Who uses devices besides mounts and holders.
struct Users {
    swaps: BTreeSet<String>,
    btrfs: BTreeSet<String>,
}

impl Users {
    fn look(machine: &Machine) -> Self {
        let swaps = machine.text("/proc/swaps").unwrap_or_default();
        let swaps =
            swaps.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().next()).map(str::to_owned);
        // Of a file system on several devices only one is in the list of mounts.
        let pools = machine.names("/sys/fs/btrfs");
        let members = pools
            .iter()
            .flat_map(|pool| machine.names(std::path::Path::new("/sys/fs/btrfs").join(pool).join("devices")));
        Self {
            swaps: swaps.collect(),
            btrfs: members.map(|name| name.to_string_lossy().into_owned()).collect(),
        }
    }

    fn of(&self, name: &str, file: &str) -> Option<String> {
        let word = match name {
            _ if self.swaps.contains(file) => "swap",
            _ if self.btrfs.contains(name) => "btrfs",
            _ if name.starts_with("loop") => "loop",
            _ if name.starts_with("sr") || name.starts_with("fd") => "empty drive",
            _ => return None,
        };
        Some(word.to_owned())
    }
}
