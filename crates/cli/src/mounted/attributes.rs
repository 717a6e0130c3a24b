//! What `stat` says.

use super::tree::{Node, Tree};
use fuser::{FileAttr, FileType, INodeNo};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_store::listing::Time;
use vow_store::listing::entry::{Entry, Kind};

/// Bytes of a block, as `stat` counts them.
const BLOCK: u64 = 512;
/// What programs read at once.
const READ_BYTES: u32 = 128 << 10;

/// The attributes of something.
pub(super) fn attributes(tree: &Tree, number: u64, node: &Node) -> FileAttr {
    match node {
        Node::Entry(_, entry) => of_entry(number, entry),
        node => of_folder(number, file_type(node), tree.received(node)),
    }
}

/// What kind of file something is.
pub(super) fn file_type(node: &Node) -> FileType {
    match node {
        Node::Latest(..) => FileType::Symlink,
        Node::Entry(_, entry) => of_kind(entry.kind),
        _ => FileType::Directory,
    }
}

fn of_kind(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Dir => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::Fifo => FileType::NamedPipe,
    }
}

fn of_entry(number: u64, entry: &Entry<ObjectId>) -> FileAttr {
    let time = system_time(entry.mtime);
    let size = if entry.kind == Kind::Symlink { entry.target.len() as u64 } else { entry.size };
    let (major, minor) = entry.device.unwrap_or_default();
    FileAttr {
        ino: INodeNo(number),
        size,
        blocks: entry.data_bytes().div_ceil(BLOCK),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: of_kind(entry.kind),
        perm: (entry.mode & 0o7777) as u16,
        nlink: if entry.link.is_some() || entry.kind == Kind::Dir { 2 } else { 1 },
        uid: entry.uid,
        gid: entry.gid,
        rdev: device_number(major, minor),
        blksize: READ_BYTES,
        flags: 0,
    }
}

/// What is not in a snapshot belongs to whoever mounts, and others may look.
fn of_folder(number: u64, kind: FileType, received: Nanos) -> FileAttr {
    let time = UNIX_EPOCH + Duration::from_nanos(u64::try_from(received).unwrap_or_default());
    FileAttr {
        ino: INodeNo(number),
        size: 0,
        blocks: 0,
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm: if kind == FileType::Symlink { 0o777 } else { 0o555 },
        nlink: 2,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        rdev: 0,
        blksize: READ_BYTES,
        flags: 0,
    }
}

fn system_time(time: Time) -> SystemTime {
    let secs = Duration::from_secs(time.secs.unsigned_abs());
    let whole = if time.secs < 0 { UNIX_EPOCH.checked_sub(secs) } else { UNIX_EPOCH.checked_add(secs) };
    whole.unwrap_or(UNIX_EPOCH) + Duration::from_nanos(time.nanos.into())
}

/// A device number as the kernel's FUSE side writes it (`new_encode_dev`): 12 bits of major, 20 of minor.
fn device_number(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)
}
