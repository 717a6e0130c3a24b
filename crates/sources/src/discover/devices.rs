//! Disks and their parts, from `/sys/block`: what is there, and what of it is mounted.

use super::machine::Machine;
use super::mounts::Mount;
use serde::Serialize;

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
}

const SECTOR_BYTES: u64 = 512;

/// What disks there are.
pub(super) fn look(machine: &Machine, mounts: &[Mount]) -> Vec<Device> {
    let mut devices = Vec::new();
    for name in machine.names("/sys/block") {
        let name = name.to_string_lossy().into_owned();
        // Memory, and loops without a file, are no disks.
        if name.starts_with("ram") || name.starts_with("zram") {
            continue;
        }
        let folder = format!("/sys/block/{name}");
        let Some(disk) = one(machine, &folder, &name, None, mounts) else { continue };
        devices.push(disk);
        for part in machine.names(&folder) {
            let part = part.to_string_lossy().into_owned();
            if part.starts_with(&name) {
                devices.extend(one(machine, &format!("{folder}/{part}"), &part, Some(&name), mounts));
            }
        }
    }
    devices
}

fn one(
    machine: &Machine,
    folder: &str,
    name: &str,
    part_of: Option<&str>,
    mounts: &[Mount],
) -> Option<Device> {
    let read = |file: &str| machine.text(format!("{folder}/{file}")).map(|text| text.trim().to_owned());
    let size_bytes = read("size")?.parse::<u64>().ok()?.saturating_mul(SECTOR_BYTES);
    let device = read("dev")?;
    if size_bytes == 0 {
        return None;
    }
    let on_it: Vec<_> = mounts.iter().filter(|mount| mount.device == device).collect();
    let holders = machine.names(format!("{folder}/holders"));
    Some(Device {
        name: read("dm/name").map_or_else(|| name.to_owned(), |mapped| format!("mapper/{mapped}")),
        device,
        size_bytes,
        part_of: part_of.map(str::to_owned),
        holders: holders.iter().map(|name| name.to_string_lossy().into_owned()).collect(),
        mounted: on_it.iter().map(|mount| mount.point.clone()).collect(),
        used_bytes: on_it.iter().find_map(|mount| mount.used_bytes),
    })
}
