//! Disks and parts that nothing mounts: bytes that no walk over folders ever sees.

use super::{Entry, State};
use vow_sources::discover::{Device, Inventory, MountKind};

/// What is smaller holds the beginning of a start, and nothing else.
const SMALL_BYTES: u64 = 16 << 20;

/// One entry for each device that is used by nothing that is known.
pub(super) fn entries(inventory: &Inventory) -> Vec<Entry> {
    // In a container the disks that show are those of the machine around it.
    let is_inside =
        inventory.mounts.iter().any(|mount| mount.point == "/" && mount.kind == MountKind::Overlay);
    if is_inside {
        return Vec::new();
    }
    let has_parts = |device: &Device| {
        inventory.devices.iter().any(|part| part.part_of.as_deref() == Some(device.name.as_str()))
    };
    let is_unused =
        |device: &&Device| device.mounted.is_empty() && device.holders.is_empty() && !has_parts(device);
    // The pools of ZFS do not say which disks they are made of where everybody can read it.
    let has_zfs = inventory.mounts.iter().any(|mount| mount.fs_type == "zfs");
    let one = |device: &Device| {
        let state = match device.used_as.as_deref() {
            Some("swap") => spare("it is swapped to"),
            Some("btrfs") => spare("it is a part of a file system that is mounted"),
            Some(_) => spare("it is a drive without a disk, or a file that is captured as a file"),
            None if device.size_bytes <= SMALL_BYTES => spare("it is too small for anything but the start"),
            None if has_zfs => spare("it may be a part of the pool of ZFS that is mounted"),
            None => State::Unknown { offer: None, kind: None },
        };
        Entry {
            finding: format!("device:{}", device.name),
            what: "disk or part that is not mounted".to_owned(),
            path: Some(format!("/dev/{}", device.name)),
            bytes: Some(device.size_bytes),
            at_least: false,
            state,
        }
    };
    inventory.devices.iter().filter(is_unused).map(one).collect()
}

fn spare(why: &str) -> State {
    State::Spare { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, size_bytes: u64) -> Device {
        Device {
            name: name.into(),
            device: "8:0".into(),
            size_bytes,
            part_of: None,
            holders: vec![],
            mounted: vec![],
            used_bytes: None,
            used_as: None,
        }
    }

    #[test]
    fn disks_that_nobody_mounts_are_found() {
        let part =
            Device { part_of: Some("sda".into()), mounted: vec!["/".into()], ..device("sda1", 1 << 40) };
        let swap =
            Device { part_of: Some("sda".into()), used_as: Some("swap".into()), ..device("sda2", 1 << 30) };
        let raid = Device { holders: vec!["md0".into()], ..device("sdb", 1 << 40) };
        let devices =
            vec![device("sda", 1 << 41), part, swap, raid, device("sdc", 1 << 40), device("sdd", 1 << 20)];
        let inventory = Inventory { devices, ..Inventory::default() };
        let found: Vec<_> = entries(&inventory)
            .into_iter()
            .filter(|one| matches!(one.state, State::Unknown { .. }))
            .map(|one| one.finding)
            .collect();
        assert_eq!(found, ["device:sdc"]);
    }
}
