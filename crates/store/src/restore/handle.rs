//! A thing whose metadata is set: through a descriptor, or by its name when it must not be opened (links, devices, FIFOs).

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Timestamps, Uid, XattrFlags};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

pub(super) enum Handle<'a> {
    /// An open file or folder.
    Open(BorrowedFd<'a>),
    /// A name in a folder, never followed.
    Name(BorrowedFd<'a>, &'a [u8]),
}

impl Handle<'_> {
    pub(super) fn stat(&self) -> io::Result<Stat> {
        Ok(match self {
            Self::Open(fd) => rustix::fs::fstat(fd)?,
            Self::Name(dir, name) => rustix::fs::statat(dir, *name, AtFlags::SYMLINK_NOFOLLOW)?,
        })
    }

    pub(super) fn chown(&self, uid: Option<u32>, gid: u32) -> io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), Some(Gid::from_raw(gid)));
        let done = match self {
            Self::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Self::Name(dir, name) => rustix::fs::chownat(dir, *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        };
        Ok(done?)
    }

    pub(super) fn chmod(&self, mode: u32) -> io::Result<()> {
        match self {
            Self::Open(fd) => Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?),
            Self::Name(dir, name) => chmod_name(*dir, name, mode),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> io::Result<()> {
        let done = match self {
            Self::Open(fd) => rustix::fs::futimens(fd, times),
            Self::Name(dir, name) => rustix::fs::utimensat(dir, *name, times, AtFlags::SYMLINK_NOFOLLOW),
        };
        Ok(done?)
    }

    pub(super) fn list_xattrs(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(match self {
            Self::Open(fd) => rustix::fs::flistxattr(fd, buffer)?,
            Self::Name(dir, name) => rustix::fs::llistxattr(through_proc(*dir, name), buffer)?,
        })
    }

    pub(super) fn get_xattr(&self, xattr: &[u8], buffer: &mut [u8]) -> io::Result<usize> {
        Ok(match self {
            Self::Open(fd) => rustix::fs::fgetxattr(fd, xattr, buffer)?,
            Self::Name(dir, name) => rustix::fs::lgetxattr(through_proc(*dir, name), xattr, buffer)?,
        })
    }

    pub(super) fn set_xattr(&self, xattr: &[u8], value: &[u8]) -> io::Result<()> {
        let flags = XattrFlags::empty();
        let done = match self {
            Self::Open(fd) => rustix::fs::fsetxattr(fd, xattr, value, flags),
            Self::Name(dir, name) => rustix::fs::lsetxattr(through_proc(*dir, name), xattr, value, flags),
        };
        Ok(done?)
    }

    pub(super) fn remove_xattr(&self, xattr: &[u8]) -> io::Result<()> {
        let done = match self {
            Self::Open(fd) => rustix::fs::fremovexattr(fd, xattr),
            Self::Name(dir, name) => rustix::fs::lremovexattr(through_proc(*dir, name), xattr),
        };
        Ok(done?)
    }
}

/// Changes the mode of a name without following it: fchmodat cannot, on most kernels.
pub(super) fn chmod_name(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let file_type = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    if file_type.is_symlink() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
}

/// A path to a name in an open folder, for calls that take no descriptor of the folder. Only its last part is a name from outside,
/// and those calls do not follow it.
fn through_proc(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat()
}
