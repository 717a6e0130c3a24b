//! File systems: `/proc/self/mountinfo`, and how full each is.

use super::machine::Machine;
use serde::Serialize;

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
    let mut mounts: Vec<Mount> = Vec::new();
    for mount in text.lines().filter_map(line) {
        mounts.retain(|other| other.point != mount.point);
        mounts.push(mount);
    }
    // The second one of a file system is a second view of it.
    for at in 0..mounts.len() {
        let earlier = mounts[..at].iter().any(|other| {
            other.device == mounts[at].device
                && other.kind == MountKind::Disk
                && other.fs_type == mounts[at].fs_type
        });
        if earlier && mounts[at].kind == MountKind::Disk && !is_subvolume(&mounts[at].fs_type) {
            mounts[at].kind = MountKind::Bind;
        }
    }
    mounts
}

fn line(line: &str) -> Option<Mount> {
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
    } else if root != "/" && !is_subvolume(fs_type) {
        MountKind::Bind
    } else {
        MountKind::Disk
    };
    Some(Mount {
        point: unescape(point),
        fs_type: fs_type.to_owned(),
        source: unescape(source),
        device: device.to_owned(),
        kind,
        read_only: options.split(',').any(|option| option == "ro"),
        size_bytes: None,
        used_bytes: None,
    })
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
