//! What stands where a file is to be restored, and which of its data is already right.

use super::context::Context;
use super::dirs::{file_type, look, unlink};
use super::handle::Handle;
use super::job::{FileJob, Found, OPEN_BOTH, OPEN_READ, may_replace};
use super::meta::{Known, apply};
use crate::keys::SliceDigest;
use crate::monitor::add;
use crate::record::{ChunkRef, RecordType};
use rustix::fs::{Mode, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use vow_base::ObjectId;

/// Some of the data of a file, in order.
pub(super) struct Part {
    pub(super) job: Arc<FileJob>,
    /// It is the first one of its file.
    pub(super) first: bool,
    /// It is all of its file.
    pub(super) whole: bool,
    pub(super) uses: Vec<Use>,
}

/// A chunk, or a slice of one, and where its data goes.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub(super) chunk: ChunkRef<ObjectId>,
    /// Where it starts in the data of the file, in bytes.
    pub(super) at: u64,
    /// Of a bundle: offset and length in its content, and the digest.
    pub(super) slice: Option<(u32, u32, SliceDigest)>,
}

impl Use {
    pub(super) fn length(&self) -> u32 {
        self.slice.map_or(self.chunk.length, |(_, length, _)| length)
    }

    fn is_right(&self, ctx: &Context<'_>, data: &[u8]) -> bool {
        match self.slice {
            Some((_, _, digest)) => ctx.snapshot.ids().slice_digest(data) == digest,
            None => ctx.snapshot.ids().id(RecordType::Data, data) == self.chunk.id,
        }
    }
}

impl Part {
    /// Looks at what is there, and returns what is still needed. The tokens of what is returned are taken.
    pub(super) fn probe(&self, ctx: &Context<'_>, buffer: &mut Vec<u8>) -> Vec<Use> {
        let job = &self.job;
        if job.has_failed() || ctx.is_stopped() {
            return Vec::new();
        }
        let needed = match self.try_probe(ctx, buffer) {
            Ok(needed) => needed,
            Err(error) => {
                job.fail(ctx.words(&job.place, "restore it", &error));
                return Vec::new();
            }
        };
        if ctx.dry_run {
            job.count_written(ctx, needed.iter().map(|one| u64::from(one.length())).sum());
            return Vec::new();
        }
        job.take_tokens(needed.len());
        needed
    }

    fn try_probe(&self, ctx: &Context<'_>, buffer: &mut Vec<u8>) -> io::Result<Vec<Use>> {
        let job = &self.job;
        if self.first {
            if job.fresh {
                job.lock().found = Found::Nothing { replaced: false };
            } else if let Some(needed) = self.begin(ctx, buffer)? {
                return Ok(needed);
            }
        }
        let (found, fd) = {
            let state = job.lock();
            (state.found, state.fd.clone())
        };
        match (found, fd) {
            (Found::There { .. }, Some(fd)) => self.compare(ctx, &fd, buffer),
            (Found::There { .. }, None) => {
                let (dir, name) = ctx.dirs.place(&job.place)?;
                self.compare(ctx, &rustix::fs::openat(&*dir, name, OPEN_READ, Mode::empty())?, buffer)
            }
            _ => Ok(self.uses.clone()),
        }
    }

    /// The first look at the place of a file. Decides whether what is there is used; what is needed when that is known already.
    fn begin(&self, ctx: &Context<'_>, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<Use>>> {
        let job = &self.job;
        job.lock().found = Found::Nothing { replaced: false };
        if ctx.dry_run && ctx.dirs.open(crate::listing::path::parent(&job.place).unwrap_or_default()).is_err()
        {
            return Ok(None);
        }
        let (dir, name) = ctx.dirs.place(&job.place)?;
        let Some(stat) = look(dir.as_fd(), name)? else { return Ok(None) };
        let found = file_type(&stat);
        if found.is_dir() {
            return Err(io::Error::other("there is a directory in its place"));
        }
        let shared = stat.st_nlink > 1;
        if found.is_file() {
            let how = if job.small || shared || ctx.dry_run { OPEN_READ } else { OPEN_BOTH };
            let opened = rustix::fs::openat(&*dir, name, how, Mode::empty()).map_err(io::Error::from);
            match opened {
                Ok(fd) if !shared => return self.use_it(ctx, fd, &stat, buffer),
                Err(error) if !may_replace(&error) => return Err(error),
                // Other names of it may lie outside the target, or belong to something else: it is never written to. It may also
                // be a program that runs. Such a file is only left when there is nothing to write.
                Ok(_) | Err(_) => {
                    if let Some(fd) = self.leave_it(ctx, &dir, name, shared, buffer)? {
                        let mut state = job.lock();
                        (state.found, state.fd) = (Found::There { id: (stat.st_dev, stat.st_ino) }, Some(fd));
                        return Ok(Some(Vec::new()));
                    }
                }
            }
        }
        if !ctx.dry_run {
            unlink(dir.as_fd(), name)?;
        }
        job.lock().found = Found::Nothing { replaced: true };
        Ok(None)
    }

    /// What is there is compared, and written to where it differs.
    fn use_it(
        &self,
        ctx: &Context<'_>,
        fd: OwnedFd,
        stat: &Stat,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Vec<Use>>> {
        let job = &self.job;
        let found = Found::There { id: (stat.st_dev, stat.st_ino) };
        let fd = Arc::new(fd);
        job.lock().found = found;
        let same_size = stat.st_size as u64 == job.entry.size;
        let needed =
            if job.small && !same_size { self.uses.clone() } else { self.compare(ctx, &fd, buffer)? };
        // The descriptor of a large file can be written to; that of a small one only serves when nothing is to be written.
        if !job.small || needed.is_empty() && same_size || ctx.dry_run {
            job.keep_open(ctx, fd);
        }
        Ok(Some(needed))
    }

    /// The file, when its content (and, of one with several names, everything about it) is right as it is.
    fn leave_it(
        &self,
        ctx: &Context<'_>,
        dir: &OwnedFd,
        name: &[u8],
        shared: bool,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Arc<OwnedFd>>> {
        let entry = &self.job.entry;
        if !self.whole || entry.extents.is_some() || shared && entry.link.is_none() {
            return Ok(None);
        }
        let Ok(fd) = rustix::fs::openat(dir, name, OPEN_READ, Mode::empty()) else { return Ok(None) };
        if rustix::fs::fstat(&fd)?.st_size as u64 != entry.size || !self.compare(ctx, &fd, buffer)?.is_empty()
        {
            return Ok(None);
        }
        let right = !shared || !apply(ctx, &Handle::Open(fd.as_fd()), entry, Known::Any, true).changed;
        Ok(right.then(|| Arc::new(fd)))
    }

    /// What of this part is not in the file as it should be.
    fn compare(&self, ctx: &Context<'_>, fd: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<Vec<Use>> {
        let mut needed = Vec::new();
        for one in &self.uses {
            if ctx.is_stopped() {
                break;
            }
            let length = one.length() as usize;
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            let mut read = 0;
            for (offset, piece) in self.job.spans.pieces(one.at, length as u64) {
                let piece = piece as usize;
                let got = read_up_to(fd, &mut buffer[read..read + piece], offset)?;
                read += got;
                if got < piece {
                    break;
                }
            }
            if read == length && one.is_right(ctx, &buffer[..length]) {
                add(&ctx.monitor.counters.bytes, length as u64);
            } else {
                needed.push(*one);
            }
        }
        Ok(needed)
    }
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_up_to(fd: &OwnedFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match rustix::io::pread(fd, &mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read)
}
