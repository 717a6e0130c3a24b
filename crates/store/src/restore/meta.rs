//! Owner, attributes, mode and times: set in the order in which the kernel does not undo them.

use super::context::Context;
use super::handle::Handle;
use super::xattrs;
use crate::listing::entry::{Entry, Kind};
use rustix::fs::{Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::io;
use vow_base::ObjectId;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;

/// What is known about the thing whose metadata is to be set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// We just made it in a folder we made: everything must be set, and there is nothing to remove.
    New,
    /// It may have any metadata: only what differs is set.
    Any,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Applied {
    /// Something differed.
    pub(super) changed: bool,
    /// What could not be set.
    pub(super) problems: Vec<String>,
}

/// Makes the metadata right; in a dry run only says whether it is.
pub(super) fn apply(
    ctx: &Context<'_>,
    handle: &Handle<'_>,
    entry: &Entry<ObjectId>,
    known: Known,
    dry_run: bool,
) -> Applied {
    let mut applied = Applied::default();
    if let Err(error) = try_apply(ctx, handle, entry, known, dry_run, &mut applied) {
        applied.problems.push(ctx.words(&entry.path, "read its metadata", &error));
    }
    applied
}

fn try_apply(
    ctx: &Context<'_>,
    handle: &Handle<'_>,
    entry: &Entry<ObjectId>,
    known: Known,
    dry_run: bool,
    applied: &mut Applied,
) -> io::Result<()> {
    let before = if known == Known::New { None } else { Some(handle.stat()?) };
    let mut mode = entry.mode;
    let owner_differs = before.as_ref().is_none_or(|s| (s.st_uid, s.st_gid) != (entry.uid, entry.gid));
    if owner_differs {
        let owned = if dry_run { before } else { own(ctx, handle, entry, applied)? };
        match owned {
            Some(stat) if !ctx.privileged => {
                mode = allowed_mode(entry, &stat);
                applied.changed |= before.is_none_or(|b| (b.st_uid, b.st_gid) != (stat.st_uid, stat.st_gid));
            }
            _ => applied.changed = true,
        }
    }
    let acl = xattrs::apply(ctx, handle, entry, known, dry_run, applied)?;
    let mode_differs = before.as_ref().is_none_or(|s| s.st_mode & 0o7777 != mode);
    if entry.kind != Kind::Symlink {
        applied.changed |= mode_differs;
        // Giving a file away takes its set-id bits, and an access list moves the group bits.
        if (mode_differs || owner_differs || acl) && !dry_run {
            let set = handle.chmod(mode);
            set.unwrap_or_else(|e| applied.problems.push(ctx.words(&entry.path, "set its mode", &e)));
        }
    }
    let time_differs = before.as_ref().is_none_or(|s| !same_time(s, entry));
    applied.changed |= time_differs;
    if time_differs && !dry_run {
        let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let mtime = Timespec { tv_sec: entry.mtime.secs, tv_nsec: entry.mtime.nanos.into() };
        let set = handle.set_times(&Timestamps { last_access: omit, last_modification: mtime });
        set.unwrap_or_else(|e| applied.problems.push(ctx.words(&entry.path, "set its time", &e)));
    }
    Ok(())
}

fn same_time(stat: &Stat, entry: &Entry<ObjectId>) -> bool {
    stat.st_mtime == entry.mtime.secs && stat.st_mtime_nsec == u64::from(entry.mtime.nanos)
}

/// Sets owner and group. When that is not permitted: the owner it has instead.
fn own(
    ctx: &Context<'_>,
    handle: &Handle<'_>,
    entry: &Entry<ObjectId>,
    applied: &mut Applied,
) -> io::Result<Option<Stat>> {
    let error = match handle.chown(Some(entry.uid), entry.gid) {
        Ok(()) => return Ok(None),
        Err(error) => error,
    };
    let refused = matches!(Errno::from_io_error(&error), Some(Errno::PERM | Errno::INVAL));
    if ctx.privileged || !refused {
        applied.problems.push(ctx.words(&entry.path, "set its owner", &error));
        return Ok(None);
    }
    ctx.note_owner();
    // One of our own groups can be set nevertheless; when it is not, the note has said so.
    let _ = handle.chown(None, entry.gid);
    handle.stat().map(Some)
}

/// The mode without the set-id bits of an owner that it does not have: they would lend out the wrong rights.
fn allowed_mode(entry: &Entry<ObjectId>, stat: &Stat) -> u32 {
    let mut mode = entry.mode;
    if stat.st_uid != entry.uid {
        mode &= !SET_UID;
    }
    if stat.st_gid != entry.gid && entry.kind != Kind::Dir {
        mode &= !SET_GID;
    }
    mode
}
