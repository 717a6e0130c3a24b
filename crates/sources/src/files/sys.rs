//! The system calls of the walk, each relative to an open directory. None of them follows a symbolic link.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags, major, makedev, minor,
};
use rustix::io::Errno;
use std::sync::atomic::{AtomicU8, Ordering};
use vow_store::listing::{Kind, Time};
use vow_store::source::Stat;

/// What an entry turned out to be.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// Something that a listing can hold.
    Entry(Stat),
    /// A socket: it has no meaning without the process that made it.
    Socket,
}

/// Whether the kernel, or a filter around this process, lets `openat2` pass. It is newer than some filters.
static OPENAT2: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const WORKS: u8 = 1;
const ABSENT: u8 = 2;

/// Opens `name` in `folder` without following links. Asks not to touch the access time, and does without where that is not
/// allowed (it is the owner's privilege).
pub(crate) fn open_at(folder: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if flags.contains(OFlags::PATH) {
        return open_secure(&folder, name, flags);
    }
    match open_secure(&folder, name, flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open_secure(&folder, name, flags),
        result => result,
    }
}

fn open_secure(folder: &impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let known = OPENAT2.load(Ordering::Relaxed);
    if known == ABSENT {
        return open_plain(folder, name, flags);
    }
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve);
    match opened {
        Ok(_) if known == UNKNOWN => OPENAT2.store(WORKS, Ordering::Relaxed),
        // A filter that does not know the call may also say that it is not permitted.
        Err(Errno::NOSYS | Errno::PERM) if known == UNKNOWN => {
            let opened = open_plain(folder, name, flags);
            if opened.is_ok() {
                OPENAT2.store(ABSENT, Ordering::Relaxed);
            }
            return opened;
        }
        _ => {}
    }
    opened
}

/// A single name with `O_NOFOLLOW` leaves nothing else to be resolved, so the older call is as safe.
fn open_plain(folder: &impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// Opens the root of the file system.
pub(crate) fn open_top(flags: OFlags) -> Result<OwnedFd, Errno> {
    open_at(CWD, b"/", flags)
}

/// The stat of `name` in `folder`; with an empty name, of the open folder itself.
pub(crate) fn stat_at(folder: impl AsFd, name: &[u8]) -> Result<Seen, Errno> {
    let mut flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    flags.set(AtFlags::EMPTY_PATH, name.is_empty());
    match rustix::fs::statx(&folder, name, flags, StatxFlags::BASIC_STATS) {
        Ok(found) => seen(&found),
        Err(Errno::NOSYS) => old_stat_at(&folder, name, flags),
        Err(errno) => Err(errno),
    }
}

fn seen(found: &Statx) -> Result<Seen, Errno> {
    let mode = u32::from(found.stx_mode);
    let Some(kind) = kind(FileType::from_raw_mode(mode))? else { return Ok(Seen::Socket) };
    Ok(Seen::Entry(Stat {
        kind,
        mode: mode & 0o7777,
        uid: found.stx_uid,
        gid: found.stx_gid,
        size: if kind == Kind::File { found.stx_size } else { 0 },
        mtime: Time { secs: found.stx_mtime.tv_sec, nanos: found.stx_mtime.tv_nsec },
        ctime: Time { secs: found.stx_ctime.tv_sec, nanos: found.stx_ctime.tv_nsec },
        device: makedev(found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        links: found.stx_nlink,
        rdev: (found.stx_rdev_major, found.stx_rdev_minor),
        allocated: found.stx_blocks.saturating_mul(512),
    }))
}

/// The kind of a listing; `None` for a socket.
fn kind(file_type: FileType) -> Result<Option<Kind>, Errno> {
    Ok(Some(match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => return Ok(None),
        FileType::Unknown => return Err(Errno::INVAL),
    }))
}

/// Where a filter forbids `statx`.
#[cold]
fn old_stat_at(folder: &impl AsFd, name: &[u8], flags: AtFlags) -> Result<Seen, Errno> {
    let found = rustix::fs::statat(folder, name, flags)?;
    let Some(kind) = kind(FileType::from_raw_mode(found.st_mode))? else { return Ok(Seen::Socket) };
    let nanos = |value: u64| u32::try_from(value).unwrap_or(0);
    let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(Seen::Entry(Stat {
        kind,
        mode: found.st_mode & 0o7777,
        uid: found.st_uid,
        gid: found.st_gid,
        size: if kind == Kind::File { unsigned(found.st_size) } else { 0 },
        mtime: Time { secs: found.st_mtime, nanos: nanos(found.st_mtime_nsec) },
        ctime: Time { secs: found.st_ctime, nanos: nanos(found.st_ctime_nsec) },
        device: found.st_dev,
        inode: found.st_ino,
        links: u32::try_from(found.st_nlink).unwrap_or(u32::MAX),
        rdev: (major(found.st_rdev), minor(found.st_rdev)),
        allocated: unsigned(found.st_blocks).saturating_mul(512),
    }))
}

/// The type of the file system under an open directory, as `statfs` numbers it; 0 when it does not say.
pub(crate) fn file_system_type(folder: impl AsFd) -> u32 {
    rustix::fs::fstatfs(folder).map_or(0, |found| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the magic numbers have 32 bits"
        )]
        let magic = found.f_type as u32;
        magic
    })
}

/// What an error means, for a person.
pub(crate) fn reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_calls_say_the_same_and_follow_nothing_either() {
        let dir = tempfile::tempdir().expect("temporary");
        std::fs::write(dir.path().join("file"), b"x").expect("write");
        std::fs::create_dir(dir.path().join("dir")).expect("mkdir");
        std::os::unix::fs::symlink("dir", dir.path().join("link")).expect("symlink");
        let folder = std::fs::File::open(dir.path()).expect("open");
        for name in [&b"file"[..], b"dir", b"link"] {
            let (Ok(Seen::Entry(new)), Ok(Seen::Entry(old))) =
                (stat_at(&folder, name), old_stat_at(&&folder, name, AtFlags::SYMLINK_NOFOLLOW))
            else {
                panic!("an entry");
            };
            assert_eq!(new, old);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for open in [open_secure, open_plain] {
            assert!(open(&&folder, b"file", flags).is_ok());
            assert_eq!(open(&&folder, b"link", flags).err(), Some(Errno::LOOP));
            assert!(open(&&folder, b"link", flags | OFlags::DIRECTORY).is_err());
        }
    }
}
