//! The folders on the way to the entry at hand, and what becomes of each.

use super::context::Context;
use super::dirs::{Dirs, file_type, look, steps_between, unlink};
use super::handle::chmod_name;
use super::window::{ClosedDir, Window};
use crate::listing::entry::Entry;
use crate::listing::path::{is_within, name, parent};
use rustix::fs::Mode;
use std::io;
use std::os::fd::AsFd;
use vow_base::ObjectId;

/// The folders above the entry at hand, the target first.
pub(super) struct Folders {
    stack: Vec<ClosedDir>,
    /// Bytes of their paths.
    path_bytes: usize,
    /// A folder that cannot be had: nothing below it is tried.
    blocked: Option<Vec<u8>>,
}

/// What the paths of all folders above an entry may take together, in bytes: some thousands of levels. Deeper trees are hostile.
const PATH_BYTES_MAX: usize = 64 << 20;

impl Folders {
    /// Starts at the target, which we made (or would make) when `made`.
    pub(super) fn new(made: bool) -> Self {
        let root = ClosedDir { place: Vec::new(), entry: None, made, counts: false, replaced: false };
        Self { stack: vec![root], path_bytes: 0, blocked: None }
    }

    /// Closes the folders that do not contain `place`.
    pub(super) fn close_before(&mut self, place: &[u8], window: &mut Window) {
        while self.stack.len() > 1
            && let Some(dir) = self.stack.pop_if(|dir| !(is_within(place, &dir.place) && place != dir.place))
        {
            window.weight += dir.place.len() + 200;
            self.path_bytes -= dir.place.len();
            window.closed.push(dir);
        }
    }

    /// Closes everything, the target last.
    pub(super) fn close_all(mut self, window: &mut Window) {
        while let Some(dir) = self.stack.pop() {
            window.closed.push(dir);
        }
    }

    /// Whether nothing can be restored at this place, as was said before.
    pub(super) fn is_blocked(&self, place: &[u8]) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| is_within(place, blocked))
    }

    /// Whether the folder of the next entry was made by us, so that nothing can be in it.
    pub(super) fn is_fresh(&self) -> bool {
        self.stack.last().is_some_and(|dir| dir.made)
    }

    /// The metadata of the target itself.
    pub(super) fn describe_target(&mut self, entry: Entry<ObjectId>, apply: bool, ctx: &Context<'_>) {
        if let Some(root) = self.stack.first_mut() {
            root.counts = true;
            if apply || root.made {
                root.entry = Some(entry);
            }
            if root.made && !ctx.dry_run {
                // Until it is finished nobody else looks in.
                let closed = ctx.dirs.open(b"").and_then(|fd| Ok(rustix::fs::fchmod(&*fd, Mode::RWXU)?));
                closed.unwrap_or_else(|e| ctx.problem(b"", &ctx.words(b"", "close this folder", &e)));
            }
        }
    }

    /// Makes folders whose own entries were lost, or are not asked for.
    pub(super) fn make_parents(&mut self, ctx: &Context<'_>, place: &[u8]) {
        let base = self.stack.last().map(|dir| dir.place.clone()).unwrap_or_default();
        for step in steps_between(&base, parent(place).unwrap_or_default()) {
            if self.is_blocked(&step) {
                return;
            }
            self.enter(ctx, step, None, false, false);
        }
    }

    /// Makes or opens a folder. When it cannot be had, everything below it is blocked.
    ///
    /// `entry` is what it is to be like; with `gently` only if we made it.
    pub(super) fn enter(
        &mut self,
        ctx: &Context<'_>,
        place: Vec<u8>,
        entry: Option<Entry<ObjectId>>,
        gently: bool,
        counts: bool,
    ) {
        let made = if self.path_bytes + place.len() > PATH_BYTES_MAX {
            Err(io::Error::other("it lies too deep"))
        } else {
            make(ctx, &place, self.is_fresh())
        };
        match made {
            Ok((made, replaced)) => {
                self.path_bytes += place.len();
                let entry = entry.filter(|_| made || !gently);
                self.stack.push(ClosedDir { place, entry, made, counts, replaced });
            }
            Err(error) => {
                let text = ctx.words(&place, "use this folder; nothing in it was restored", &error);
                ctx.problem(&place, &text);
                self.blocked = Some(place);
            }
        }
    }
}

/// Makes a folder, unless it is there; says whether it was made, and whether something else was in its place.
fn make(ctx: &Context<'_>, place: &[u8], fresh: bool) -> io::Result<(bool, bool)> {
    if ctx.dry_run && fresh {
        return Ok((true, false));
    }
    let (dir, own_name) = ctx.dirs.place(place)?;
    let mut replaced = false;
    if !fresh && let Some(stat) = look(dir.as_fd(), own_name)? {
        let found = file_type(&stat);
        if found.is_dir() {
            open_existing(ctx, &ctx.dirs, dir.as_fd(), place, stat.st_mode)?;
            return Ok((false, false));
        }
        if found.is_symlink() {
            return Err(io::Error::other(
                "there is a symbolic link in its place, and links are not followed",
            ));
        }
        replaced = true;
        if !ctx.dry_run {
            unlink(dir.as_fd(), own_name)?;
        }
    }
    if !ctx.dry_run {
        rustix::fs::mkdirat(&*dir, own_name, Mode::RWXU)?;
        ctx.dirs.open_child(dir.as_fd(), place)?;
    }
    Ok((true, replaced))
}

/// Opens a folder that was there. Ordinary users may have to give themselves the right to change it; its mode is set in the end.
fn open_existing(
    ctx: &Context<'_>,
    dirs: &Dirs,
    dir: std::os::fd::BorrowedFd<'_>,
    place: &[u8],
    mode: u32,
) -> io::Result<()> {
    const OWNER_ALL: u32 = 0o700;
    if !ctx.privileged && !ctx.dry_run && mode & OWNER_ALL != OWNER_ALL {
        // When it is not ours this fails, and so will what is to be done in it, by name.
        let _ = chmod_name(dir, name(place), mode & 0o7777 | OWNER_ALL);
    }
    dirs.open_child(dir, place).map(|_| ())
}
