//! Sockets in the file system on which others of this machine listen. A network of one's own does not keep anybody from them, and some
//! servers let in whoever has the right account: a scratch server would be let into the one that it was captured from.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The script that takes them away and becomes another program: how many there are, each of them, the program and its arguments. What is
/// no socket any more needs no hiding.
pub(super) const HIDE: &str = "n=$1; shift; while [ \"$n\" -gt 0 ]; do \
     mount -n --bind /dev/null \"$1\" 2>/dev/null || [ ! -S \"$1\" ] || { echo \"ERROR: the socket $1 of another program cannot be hidden\" >&2; exit 1; }; \
     shift; n=$((n - 1)); done; exec \"$@\"";

/// All of them that can be seen from here, those of containers included.
pub(super) fn all() -> BTreeSet<PathBuf> {
    let (mut networks, mut found) = (BTreeSet::new(), BTreeSet::new());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = entries.map(|entry| entry.path()).filter(|path| is_process(path));
    // What is listed there may be read of every process; which network it is, only of those that may be looked at.
    let first = ["/proc/self", "/proc/1"].map(PathBuf::from);
    for (process, is_first) in
        first.into_iter().map(|path| (path, true)).chain(others.map(|path| (path, false)))
    {
        let is_new =
            fs::read_link(process.join("ns/net")).map_or(is_first, |network| networks.insert(network));
        if is_new {
            found.extend(listed(&fs::read(process.join("net/unix")).unwrap_or_default()));
        }
    }
    found.retain(|path| fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket()));
    found
}

fn is_process(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit))
}

/// The paths in a table of `/proc/net/unix`.
fn listed(table: &[u8]) -> impl Iterator<Item = PathBuf> {
    let path = |line: &[u8]| {
        let at = line.windows(2).position(|pair| pair == b" /")?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(&line[at + 1..])))
    };
    table.split(|byte| *byte == b'\n').filter_map(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn paths_are_read_and_names_without_a_file_are_not() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/my server/s\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12346 @/tmp/abstract\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 12347\n";
        assert_eq!(listed(table).collect::<Vec<_>>(), [PathBuf::from("/run/my server/s")]);
    }

    #[test]
    fn a_socket_that_somebody_listens_on_is_seen_and_a_file_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let _listener = UnixListener::bind(&path).expect("bound");
        assert!(all().contains(&path));
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "").expect("written");
        assert!(!all().contains(&path));
    }
}
