//! Holes of a sparse file that is already there: whatever stands in them goes.

use super::job::write_all;
use crate::archive::Spans;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;

const BLOCK_BYTES: usize = 64 << 10;

/// Zeros shorter than this stay: blocks that a hole shares with data cannot be given back.
const EDGE_BYTES: u64 = 128 << 10;

/// Empties the holes; says whether there was anything in them.
pub(super) fn punch_holes(fd: &OwnedFd, spans: &Spans, size: u64, dry_run: bool) -> io::Result<bool> {
    let mut changed = false;
    for (offset, length) in spans.holes(size) {
        let end = offset + length;
        let mut at = offset;
        while let Some((start, stop)) = data_in(fd, at, end)? {
            at = stop;
            if stop - start < EDGE_BYTES && is_zero(fd, start, stop - start)? {
                continue;
            }
            changed |= empty(fd, start, stop - start, dry_run)?;
        }
    }
    Ok(changed)
}

/// The next stretch of the file between `at` and `end` that is not a hole.
fn data_in(fd: &OwnedFd, at: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= end {
        return Ok(None);
    }
    let start = match rustix::fs::seek(fd, SeekFrom::Data(at)) {
        Ok(start) if start < end => start,
        // Nothing more up to the end of the hole, or of the file.
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        // A file system that does not know holes: everything is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, end))),
        Err(error) => return Err(error.into()),
    };
    let stop = rustix::fs::seek(fd, SeekFrom::Hole(start))?.min(end);
    Ok(Some((start, stop.max(start + 1))))
}

fn empty(fd: &OwnedFd, offset: u64, length: u64, dry_run: bool) -> io::Result<bool> {
    if dry_run {
        return Ok(true);
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(fd, flags, offset, length) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(fd, offset, length),
        Err(error) => Err(error.into()),
    }
}

fn is_zero(fd: &OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
    let mut zero = true;
    each_block(offset, length, |at, block| {
        zero &= is_block_zero(fd, at, block)?;
        Ok(())
    })?;
    Ok(zero)
}

/// Where the file system has no holes: zeros over whatever is not zero.
fn write_zeros(fd: &OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
    let mut changed = false;
    each_block(offset, length, |at, block| {
        if !is_block_zero(fd, at, block)? {
            changed = true;
            block.fill(0);
            write_all(fd, block, at)?;
        }
        Ok(())
    })?;
    Ok(changed)
}

fn each_block(
    offset: u64,
    length: u64,
    mut work: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut done = 0;
    while done < length {
        let now = (length - done).min(BLOCK_BYTES as u64);
        work(offset + done, &mut block[..now as usize])?;
        done += now;
    }
    Ok(())
}

fn is_block_zero(fd: &OwnedFd, offset: u64, block: &mut [u8]) -> io::Result<bool> {
    let read = super::probe::read_up_to(fd, block, offset)?;
    Ok(block[..read].iter().all(|byte| *byte == 0))
}
