//! Extended attributes of an entry in an open directory. There is no such call relative to a directory, so the way leads over
//! `/proc/self/fd`, which also reaches what cannot be opened: symbolic links, devices, files that one may not read.

use super::sys;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use std::sync::OnceLock;
use vow_store::source::Attributes;

/// What `/proc` says it is.
const PROC_MAGIC: u32 = 0x9fa0;
/// How often a value is asked for again when it grew between asking for its length and reading it.
const TRIES: u32 = 16;

/// Whether `/proc` is there: without it the attributes of anything but files and directories stay unknown.
pub(crate) fn has_proc() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, "/proc/self/fd", flags, rustix::fs::Mode::empty())
            .is_ok_and(|folder| sys::file_system_type(&folder) == PROC_MAGIC)
    })
}

/// All attributes of `name` in `folder`, sorted by name. Empty where the file system has none.
pub(crate) fn read(folder: &OwnedFd, name: &[u8]) -> Result<Attributes, Errno> {
    if has_proc() {
        let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        return collect(
            |list| match list {
                Some(list) => rustix::fs::llistxattr(&*path, list),
                None => rustix::fs::llistxattr_query(&*path),
            },
            |name, value| match value {
                Some(value) => rustix::fs::lgetxattr(&*path, name, value),
                None => rustix::fs::lgetxattr_query(&*path, name),
            },
        );
    }
    read_open(folder, name)
}

/// Without `/proc`: through the open file. Links and devices cannot be opened for that and count as having none; the source
/// says so in a note.
fn read_open(folder: &OwnedFd, name: &[u8]) -> Result<Attributes, Errno> {
    use vow_store::listing::Kind::{Dir, File};
    match sys::stat_at(folder, name)? {
        sys::Seen::Entry(stat) if matches!(stat.kind, File | Dir) => {}
        _ => return Ok(Vec::new()),
    }
    let file = sys::open_at(folder, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    read_file(&file)
}

/// All attributes of an open file, sorted by name.
pub(crate) fn read_file(file: &impl rustix::fd::AsFd) -> Result<Attributes, Errno> {
    collect(
        |list| match list {
            Some(list) => rustix::fs::flistxattr(file, list),
            None => rustix::fs::flistxattr_query(file),
        },
        |name, value| match value {
            Some(value) => rustix::fs::fgetxattr(file, name, value),
            None => rustix::fs::fgetxattr_query(file, name),
        },
    )
}

/// Puts the attributes together from calls that, without a buffer, answer with the length needed.
fn collect(
    list: impl Fn(Option<&mut [u8]>) -> Result<usize, Errno>,
    get: impl Fn(&[u8], Option<&mut [u8]>) -> Result<usize, Errno>,
) -> Result<Attributes, Errno> {
    let names = match grow(&list) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Attributes::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match grow(|value| get(name, value)) {
            Ok(value) => found.push((name.to_vec(), value)),
            // Removed since it was listed, or listed by a file system that does not let anybody read it.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(Errno::PERM | Errno::ACCESS) if is_privileged(name) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether only privileged processes may read it, whatever the permissions of the file.
fn is_privileged(name: &[u8]) -> bool {
    name.starts_with(b"trusted.") || name.starts_with(b"security.")
}

/// Reads something whose length is not known before.
fn grow(read: impl Fn(Option<&mut [u8]>) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    for _ in 0..TRIES {
        let length = read(None)?;
        if length == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; length];
        match read(Some(&mut bytes)) {
            Ok(length) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Err(Errno::RANGE) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_proc_files_and_directories_still_have_theirs() {
        let dir = tempfile::tempdir().expect("temporary");
        std::fs::write(dir.path().join("file"), b"").expect("write");
        std::os::unix::fs::symlink("file", dir.path().join("link")).expect("symlink");
        let value = b"value";
        let set =
            rustix::fs::lsetxattr(dir.path().join("file"), "user.x", value, rustix::fs::XattrFlags::empty());
        let folder = OwnedFd::from(std::fs::File::open(dir.path()).expect("open"));
        for name in [&b"file"[..], b"."] {
            assert_eq!(read_open(&folder, name), read(&folder, name));
        }
        assert_eq!(read_open(&folder, b"link"), Ok(Vec::new()));
        if set.is_ok() {
            assert!(
                read_open(&folder, b"file").expect("read").contains(&(b"user.x".to_vec(), value.to_vec()))
            );
        }
    }
}
