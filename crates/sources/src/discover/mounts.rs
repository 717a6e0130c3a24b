//! File systems: `/proc/self/mountinfo`, and how full each is.

use super::machine::Machine;
use serde::Serialize;
use std::path::Path;

/// A mounted file system that holds something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where.
    pub point: String,
    /// The type of file system.
    pub fs_type: String,
    /// What is mounted: a device, an address.
    pub source: String,
    /// Major and minor number of its device.
    pub device: String,
    /// Of which sort.
    pub kind: MountKind,
    /// Whether nothing can be written to it.
    pub read_only: bool,
    /// Bytes there is room for; absent where asking could wait for a network.
    pub size_bytes: Option<u64>,
    /// Bytes that are taken.
    pub used_bytes: Option<u64>,
}

/// Sorts of mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// On a disk of this machine.
    Disk,
    /// Behind a network, or served by a program.
    Network,
    /// A part of another mount, shown once more.
    Bind,
    /// The layers of a container or a live system.
    Overlay,
    /// In memory: gone at the next start.
    Memory,
}

const NETWORK: [&str; 12] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ocfs2", "gfs2"];
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];
const PSEUDO: [&str; 27] = [
    "autofs",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
    "squashfs",
];

/// What is mounted here.
pub(super) fn look(machine: &Machine) -> Vec<Mount> {
    let text = machine.text("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts = parse(&text);
    for mount in &mut mounts {
        if mount.kind == MountKind::Network {
            continue;
        }
        match rustix::fs::statvfs(machine.path(&mount.point)) {
            Ok(stat) => {
                mount.size_bytes = Some(stat.f_blocks.saturating_mul(stat.f_frsize));
                mount.used_bytes =
                    Some(stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize));
            }
            Err(error) => machine.missed(&mount.point, error.to_string()),
        }
    }
    mounts
}

/// Reads `mountinfo`. Of mounts over each other only the last one is seen.
pub(super) fn parse(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<(Mount, String)> = Vec::new();
    for (mount, root) in text.lines().filter_map(line) {
        mounts.retain(|(other, _)| other.point != mount.point);
        mounts.push((mount, root));
    }
    let is_view: Vec<_> = (0..mounts.len()).map(|at| is_view(&mounts, at)).collect();
    let judged = mounts.into_iter().zip(is_view).map(|((mut mount, _), is_view)| {
        if is_view {
            mount.kind = MountKind::Bind;
        }
        mount
    });
    judged.collect()
}

/// Whether what a mount shows is seen in another one too. A volume of a container is not: of its disk nothing else is there.
fn is_view(mounts: &[(Mount, String)], at: usize) -> bool {
    let (mount, root) = &mounts[at];
    let shows = |(number, (other, other_root)): (usize, &(Mount, String))| {
        let is_same = other.device == mount.device && other.fs_type == mount.fs_type;
        let is_above = other_root != root && Path::new(root).starts_with(other_root);
        is_same && number != at && (is_above || other_root == root && number < at)
    };
    let is_disk = mount.kind == MountKind::Disk && !is_subvolume(&mount.fs_type);
    is_disk && mounts.iter().enumerate().any(shows)
}

/// A mount, and which folder of its file system is shown there.
fn line(line: &str) -> Option<(Mount, String)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device, root, point, options) = (left.next()?, left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs_type, source) = (right.next()?, right.next()?);
    if PSEUDO.contains(&fs_type) {
        return None;
    }
    let kind = if NETWORK.contains(&fs_type) || fs_type.starts_with("fuse") {
        MountKind::Network
    } else if MEMORY.contains(&fs_type) {
        MountKind::Memory
    } else if fs_type == "overlay" {
        MountKind::Overlay
    } else {
        MountKind::Disk
    };
    let mount = Mount {
        point: unescape(point),
        fs_type: fs_type.to_owned(),
        source: unescape(source),
        device: device.to_owned(),
        kind,
        read_only: options.split(',').any(|option| option == "ro"),
        size_bytes: None,
        used_bytes: None,
    };
    Some((mount, unescape(root)))
}

/// File systems whose parts are mounted one by one.
fn is_subvolume(fs_type: &str) -> bool {
    matches!(fs_type, "btrfs" | "bcachefs" | "zfs")
}

/// Blanks and the like stand as `\040`.
fn unescape(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let digits = bytes
            .get(at + 1..at + 4)
            .filter(|digits| bytes[at] == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
