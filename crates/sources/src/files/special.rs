//! Directories that are not what they contain: file systems of the kernel, caches, the data of a running database server.

use super::names::Names;
use super::sys;
use rustix::fd::AsFd;
use rustix::fs::OFlags;

/// File systems whose files are the kernel's answers, by the magic number of `statfs` (`linux/magic.h`).
const KERNEL_FILE_SYSTEMS: [(u32, &str); 25] = [
    (0x9fa0, "proc"),
    (0x9fa1, "openprom"),
    (0x9fa2, "usbdevfs"),
    (0x6265_6572, "sysfs"),
    (0x1cd1, "devpts"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xcafe_4a11, "bpf"),
    (0x6165_676c, "pstore"),
    (0xde5e_81e4, "efivarfs"),
    (0x1980_0202, "mqueue"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x6265_6570, "configfs"),
    (0x6573_5543, "fusectl"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"),
    (0x6e73_6673, "nsfs"),
    (0x6759_6969, "rpc_pipefs"),
    (0x6e66_7364, "nfsd"),
    (0x9584_58f6, "hugetlbfs"),
    (0x0765_5821, "resctrl"),
    (0xabba_1974, "xenfs"),
];
/// `tmpfs`, and also what the kernel mounts on `/dev`.
const TMPFS: u32 = 0x0102_1994;

/// The name of a file system that holds no data of its own; `path` is the place in the listing.
pub(crate) fn kernel_file_system(folder: impl AsFd, path: impl FnOnce() -> Vec<u8>) -> Option<&'static str> {
    let found = sys::file_system_type(folder);
    if found == TMPFS && path() == b"dev" {
        return Some("devtmpfs");
    }
    KERNEL_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == found).map(|(_, name)| *name)
}

/// The file that marks a cache, and how it starts (bford.info/cachedir).
pub(crate) const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether the directory is marked as a cache.
pub(crate) fn is_cache(folder: impl AsFd, names: &Names) -> bool {
    if !names.contains(CACHE_TAG) {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(file) = sys::open_at(folder, CACHE_TAG, flags) else { return false };
    let mut start = [0; CACHE_SIGNATURE.len()];
    rustix::io::pread(&file, &mut start, 0).is_ok_and(|length| start[..length] == *CACHE_SIGNATURE)
}

/// The server and the source type to use, when the names are those of the data directory of a database server in use. Copied
/// file by file while the server writes, such a directory cannot be relied upon.
pub(crate) fn live_database(names: &Names) -> Option<(&'static str, &'static str)> {
    if names.contains(b"PG_VERSION") && names.contains(b"postmaster.pid") {
        return Some(("a running PostgreSQL", "postgres"));
    }
    let innodb: [&[u8]; 3] = [b"mysql", b"aria_log_control", b"ib_logfile0"];
    if names.contains(b"ibdata1") && innodb.iter().any(|name| names.contains(name)) {
        return Some(("MariaDB or MySQL", "mariadb"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(names: &[&str]) -> Option<&'static str> {
        let mut names = names.to_vec();
        names.sort_unstable();
        live_database(&Names::of(names.iter().map(|name| name.as_bytes()))).map(|(_, source)| source)
    }

    #[test]
    fn only_the_data_directory_of_a_server_in_use_is_one() {
        assert_eq!(database(&["PG_VERSION", "base", "postmaster.pid"]), Some("postgres"));
        assert_eq!(database(&["PG_VERSION", "base"]), None);
        assert_eq!(database(&["ibdata1", "mysql"]), Some("mariadb"));
        assert_eq!(database(&["ibdata1", "aria_log_control"]), Some("mariadb"));
        assert_eq!(database(&["ib_logfile0", "ibdata1"]), Some("mariadb"));
        assert_eq!(database(&["ibdata1"]), None);
        assert_eq!(database(&[]), None);
    }

    #[test]
    fn the_kernels_own_file_systems_are_known() {
        if !crate::files::attributes::has_proc() {
            return;
        }
        let proc = std::fs::File::open("/proc").expect("open");
        assert_eq!(kernel_file_system(&proc, Vec::new), Some("proc"));
        let here = std::fs::File::open(".").expect("open");
        assert_eq!(kernel_file_system(&here, Vec::new), None);
    }
}
