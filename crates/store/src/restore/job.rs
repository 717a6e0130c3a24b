//! One regular file being restored: what stands in its place, its descriptor, and who finishes it.
//!
//! A file is finished when its last token is given back. Tokens are held by the planner while it still adds parts, by each part that
//! was not looked at yet, and by each chunk that is still to be written.

use super::context::{Context, Outcome};
use super::dirs::{look, unlink};
use super::handle::Handle;
use super::holes::punch_holes;
use super::links::LinkState;
use super::meta::{Known, apply};
use crate::archive::Spans;
use crate::listing::entry::Entry;
use crate::monitor::add;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vow_base::ObjectId;

const OPEN_WRITE: OFlags = OFlags::WRONLY.union(SAFE);
pub(super) const OPEN_READ: OFlags = OFlags::RDONLY.union(SAFE);
pub(super) const OPEN_BOTH: OFlags = OFlags::RDWR.union(SAFE);
/// Never through a link, never waiting for the other end of a FIFO, never kept by a child.
const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

pub(super) struct FileJob {
    /// The entry, without its content.
    pub(super) entry: Entry<ObjectId>,
    /// Its path below the target.
    pub(super) place: Vec<u8>,
    /// We made the folder, so nothing can stand in its place.
    pub(super) fresh: bool,
    /// All its data comes in one piece.
    pub(super) small: bool,
    pub(super) spans: Spans,
    pub(super) link: Option<Arc<LinkState>>,
    pub(super) state: Mutex<State>,
    tokens: AtomicUsize,
    failed: AtomicBool,
    written: AtomicU64,
}

/// What is known about the place of a file.
#[derive(Default)]
pub(super) struct State {
    pub(super) found: Found,
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// `fd` counts as one of the large files that are open.
    counted: bool,
    failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Found {
    /// Not looked yet, or there is nothing (any more); something was there when `replaced`.
    Nothing { replaced: bool },
    /// Nobody looked.
    #[default]
    Unknown,
    /// We made it. Device and inode, to know it again.
    Made { replaced: bool, id: (u64, u64) },
    /// It was there, and only what differs is written. Device and inode, to know it again.
    There { id: (u64, u64) },
}

impl FileJob {
    pub(super) fn new(
        entry: Entry<ObjectId>,
        place: Vec<u8>,
        fresh: bool,
        small: bool,
        link: Option<Arc<LinkState>>,
    ) -> Arc<Self> {
        let spans = Spans::of(&entry);
        Arc::new(Self {
            entry,
            place,
            fresh,
            small,
            spans,
            link,
            state: Mutex::default(),
            tokens: AtomicUsize::new(1),
            failed: AtomicBool::new(false),
            written: AtomicU64::new(0),
        })
    }

    pub(super) fn take_tokens(&self, count: usize) {
        self.tokens.fetch_add(count, Ordering::Relaxed);
    }

    /// Gives a token back; the last one finishes the file.
    pub(super) fn give_token(&self, ctx: &Context<'_>) {
        if self.tokens.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(ctx);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers why the file cannot be restored; the first reason is reported when it is finished.
    pub(super) fn fail(&self, reason: String) {
        self.lock().failure.get_or_insert(reason);
        self.failed.store(true, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Counts bytes that were written, or would be.
    pub(super) fn count_written(&self, ctx: &Context<'_>, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        add(&ctx.tally.written_bytes, bytes);
    }

    /// Writes data at its place, `at` counted without holes.
    pub(super) fn write(&self, ctx: &Context<'_>, at: u64, data: &[u8]) {
        if self.has_failed() || ctx.is_stopped() {
            return;
        }
        if let Err(error) = self.try_write(ctx, at, data) {
            self.fail(ctx.words(&self.place, "write it", &error));
        }
    }

    fn try_write(&self, ctx: &Context<'_>, at: u64, data: &[u8]) -> io::Result<()> {
        let fd = self.fd(ctx)?;
        let mut rest = data;
        for (offset, length) in self.spans.pieces(at, data.len() as u64) {
            let (now, after) = rest.split_at(length as usize);
            write_all(&fd, now, offset)?;
            rest = after;
        }
        self.count_written(ctx, data.len() as u64);
        Ok(())
    }

    /// The file open for writing; made when it is not there.
    fn fd(&self, ctx: &Context<'_>) -> io::Result<Arc<OwnedFd>> {
        let mut state = self.lock();
        if let Some(fd) = &state.fd {
            return Ok(fd.clone());
        }
        let (dir, name) = ctx.dirs.place(&self.place)?;
        let fd = match state.found {
            Found::There { id } | Found::Made { id, .. } => {
                match reopen(&dir, name, id) {
                    // A program that runs, or a file that not even we may write to.
                    Err(error) if self.small && may_replace(&error) => {
                        unlink(dir.as_fd(), name)?;
                        state.found = Found::Nothing { replaced: true };
                        self.create(&mut state, &dir, name)?
                    }
                    result => result?,
                }
            }
            Found::Nothing { .. } | Found::Unknown => self.create(&mut state, &dir, name)?,
        };
        let fd = Arc::new(fd);
        self.keep(ctx, &mut state, fd.clone());
        Ok(fd)
    }

    fn create(&self, state: &mut State, dir: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
        let flags = OPEN_WRITE | OFlags::CREATE | OFlags::EXCL;
        let fd = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
        // A small file stays open until it is finished, so it need not be known again.
        let id = if self.small { (0, 0) } else { identity(&fd)? };
        state.found = Found::Made { replaced: state.found == Found::Nothing { replaced: true }, id };
        Ok(fd)
    }

    /// The last step: size, holes, metadata; or cleaning up when something failed.
    fn finish(&self, ctx: &Context<'_>) {
        if ctx.is_stopped() && !self.has_failed() {
            // Left as it is: the next run goes on from here.
            self.close(ctx);
            return;
        }
        if !self.has_failed()
            && let Err(error) = self.settle(ctx)
        {
            self.fail(ctx.words(&self.place, "finish it", &error));
        }
        if self.has_failed() {
            self.give_up(ctx);
        }
        self.close(ctx);
        if let Some(link) = &self.link {
            link.settle(!self.has_failed());
        }
    }

    fn settle(&self, ctx: &Context<'_>) -> io::Result<()> {
        let written = self.written.load(Ordering::Relaxed);
        let looked_at = matches!(self.lock().found, Found::There { .. });
        let mut touched = false;
        let mut kept = looked_at;
        // A dry run has nothing to look at when the file is not there.
        if !ctx.dry_run || looked_at {
            let fd = self.fd_to_finish(ctx)?;
            kept = matches!(self.lock().found, Found::There { .. });
            if (kept || !self.small) && rustix::fs::fstat(&fd)?.st_size as u64 != self.entry.size {
                touched = true;
                if !ctx.dry_run {
                    rustix::fs::ftruncate(&fd, self.entry.size)?;
                }
            }
            if kept && self.entry.extents.is_some() {
                touched |= punch_holes(&fd, &self.spans, self.entry.size, ctx.dry_run)?;
            }
            let known = if self.fresh { Known::New } else { Known::Any };
            let applied = apply(ctx, &Handle::Open(fd.as_fd()), &self.entry, known, ctx.dry_run);
            applied.problems.iter().for_each(|text| ctx.problem(&self.place, text));
            touched |= applied.changed;
        }
        ctx.count(match self.lock().found {
            Found::There { .. } if written == 0 && !touched => Outcome::Same,
            Found::There { .. } | Found::Nothing { replaced: true } | Found::Made { replaced: true, .. } => {
                Outcome::Changed
            }
            _ => Outcome::Created,
        });
        if kept && written == 0 {
            add(&ctx.tally.unchanged_files, 1);
        }
        count_file(ctx, self.entry.size);
        Ok(())
    }

    /// An open file is enough to set metadata through, however it was opened.
    fn fd_to_finish(&self, ctx: &Context<'_>) -> io::Result<Arc<OwnedFd>> {
        let open = self.lock().fd.clone();
        match open {
            Some(fd) => Ok(fd),
            None if ctx.dry_run => {
                let (dir, name) = ctx.dirs.place(&self.place)?;
                Ok(Arc::new(rustix::fs::openat(&*dir, name, OPEN_READ, Mode::empty())?))
            }
            None => self.fd(ctx),
        }
    }

    /// Keeps a descriptor for the next use, unless too many are open.
    pub(super) fn keep_open(&self, ctx: &Context<'_>, fd: Arc<OwnedFd>) {
        self.keep(ctx, &mut self.lock(), fd);
    }

    fn keep(&self, ctx: &Context<'_>, state: &mut State, fd: Arc<OwnedFd>) {
        if self.small || state.counted {
            state.fd = Some(fd);
        } else if ctx.open_files.fetch_add(1, Ordering::Relaxed) < ctx.open_files_max {
            state.counted = true;
            state.fd = Some(fd);
        } else {
            ctx.open_files.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Removes what we made, and says what is left.
    fn give_up(&self, ctx: &Context<'_>) {
        let (found, reason) = {
            let mut state = self.lock();
            (state.found, state.failure.take().unwrap_or_default())
        };
        let mut text = reason;
        match found {
            Found::Made { .. } => {
                let removed = ctx.dirs.place(&self.place).and_then(|(dir, name)| {
                    let is_file =
                        look(dir.as_fd(), name)?.is_some_and(|s| super::dirs::file_type(&s).is_file());
                    if is_file { unlink(dir.as_fd(), name) } else { Ok(()) }
                });
                if let Err(error) = removed {
                    text += &format!("; the unfinished file could not be removed: {error}");
                }
            }
            Found::There { .. } if self.written.load(Ordering::Relaxed) > 0 => {
                text += "; the file is partly old and partly restored, and not to be used";
            }
            Found::There { .. } => text += "; the file that was there is left as it was",
            Found::Unknown | Found::Nothing { .. } => (),
        }
        ctx.problem(&self.place, &text);
    }

    fn close(&self, ctx: &Context<'_>) {
        let mut state = self.lock();
        state.fd = None;
        if std::mem::take(&mut state.counted) {
            ctx.open_files.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Counts a file that is as it should be.
pub(super) fn count_file(ctx: &Context<'_>, size: u64) {
    add(&ctx.tally.files, 1);
    add(&ctx.tally.bytes, size);
    add(&ctx.monitor.counters.files, 1);
}

/// Whether a file that cannot be opened for writing may be replaced by a new one.
pub(super) fn may_replace(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::TXTBSY | Errno::ACCESS))
}

pub(super) fn identity(fd: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Refuses a file that took the place of the one we know: it might be a link to one outside the target.
fn known_again(fd: &OwnedFd, id: (u64, u64)) -> io::Result<()> {
    let text = "another file took its place meanwhile";
    if identity(fd)? == id { Ok(()) } else { Err(io::Error::other(text)) }
}

fn reopen(dir: &OwnedFd, name: &[u8], id: (u64, u64)) -> io::Result<OwnedFd> {
    let fd = rustix::fs::openat(dir, name, OPEN_BOTH, Mode::empty())?;
    known_again(&fd, id)?;
    Ok(fd)
}

pub(super) fn write_all(fd: &OwnedFd, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        match rustix::io::pwrite(fd, data, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                data = &data[count..];
                offset += count as u64;
            }
            Err(Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
