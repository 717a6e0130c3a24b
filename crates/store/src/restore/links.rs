//! Hard links: the first name of a group is restored, the others are linked to it.

use super::context::{Context, Outcome};
use super::dirs::{file_type, look, unlink};
use super::job::count_file;
use crate::keys::half;
use crate::listing::entry::{Content, Entry, Kind};
use crate::monitor::add;
use rustix::fs::AtFlags;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use vow_base::ObjectId;

const PENDING: u8 = 0;
const RESTORED: u8 = 1;
const FAILED: u8 = 2;

/// The first name of a group.
pub(super) struct LinkState {
    place: Vec<u8>,
    status: AtomicU8,
}

impl LinkState {
    pub(super) fn settle(&self, restored: bool) {
        self.status.store(if restored { RESTORED } else { FAILED }, Ordering::Release);
    }
}

/// The groups met so far: the only part of a restore that grows with the tree, by the number of files with several names.
#[derive(Default)]
pub(super) struct LinkGroups {
    groups: HashMap<Group, Arc<LinkState>>,
}

/// Device and inode, and what else names of one file have in common.
type Group = ((u64, u64), [u8; 16]);

/// What to do with an entry that may be a link.
pub(super) enum Role {
    /// It is no link.
    Alone,
    /// It is the first of its group.
    First(Arc<LinkState>),
    /// It is to be linked to the first one.
    Other(Arc<LinkState>),
}

impl LinkGroups {
    pub(super) fn role(&mut self, entry: &Entry<ObjectId>, place: &[u8]) -> Role {
        let Some(group) = entry.link.filter(|_| entry.kind != Kind::Dir) else { return Role::Alone };
        // Entries that say they are one file but differ in kind or content are not linked.
        let key = (group, stamp(entry));
        if let Some(first) = self.groups.get(&key)
            && first.status.load(Ordering::Acquire) != FAILED
        {
            return Role::Other(first.clone());
        }
        let first = Arc::new(LinkState { place: place.to_vec(), status: AtomicU8::new(PENDING) });
        self.groups.insert(key, first.clone());
        Role::First(first)
    }
}

/// What can be compared between names of one file. References of larger files cannot: where a file is cut may depend on its name.
fn stamp(entry: &Entry<ObjectId>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[entry.kind as u8, u8::from(entry.extents.is_some())]).update(&entry.size.to_le_bytes());
    hasher.update(&entry.target);
    match &entry.content {
        Content::Slice { digest, .. } => hasher.update(digest),
        Content::Chunks(chunks) if chunks.len() == 1 => hasher.update(&half(&chunks[0].id)),
        _ => &mut hasher,
    };
    let mut stamp = [0; 16];
    stamp.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    stamp
}

/// One more name for something that was restored.
pub(super) struct LinkJob {
    pub(super) first: Arc<LinkState>,
    pub(super) place: Vec<u8>,
    pub(super) fresh: bool,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

impl LinkJob {
    pub(super) fn run(&self, ctx: &Context<'_>) {
        if ctx.is_stopped() {
            return;
        }
        if self.first.status.load(Ordering::Acquire) == FAILED {
            ctx.problem(&self.place, "the file that it is a hard link to could not be restored");
            return;
        }
        match self.link(ctx) {
            Ok(outcome) => {
                ctx.count(outcome);
                if self.kind == Kind::File {
                    count_file(ctx, self.size);
                    if outcome == Outcome::Same {
                        add(&ctx.tally.unchanged_files, 1);
                    }
                } else {
                    add(&ctx.tally.others, 1);
                }
            }
            Err(error) => ctx.problem(&self.place, &ctx.words(&self.place, "link it", &error)),
        }
    }

    fn link(&self, ctx: &Context<'_>) -> io::Result<Outcome> {
        if ctx.dry_run && self.fresh {
            return Ok(Outcome::Created);
        }
        let (to, to_name) = ctx.dirs.place(&self.place)?;
        let there = look(to.as_fd(), to_name)?;
        let (from, from_name) = match ctx.dirs.place(&self.first.place) {
            Err(_) if ctx.dry_run => return Ok(there.map_or(Outcome::Created, |_| Outcome::Changed)),
            place => place?,
        };
        let source = look(from.as_fd(), from_name)?;
        if let Some(there) = &there {
            if file_type(there).is_dir() {
                return Err(io::Error::other("there is a directory in its place"));
            }
            if source.is_some_and(|s| (s.st_dev, s.st_ino) == (there.st_dev, there.st_ino)) {
                return Ok(Outcome::Same);
            }
        }
        let outcome = there.map_or(Outcome::Created, |_| Outcome::Changed);
        if ctx.dry_run {
            return Ok(outcome);
        }
        if there.is_some() {
            unlink(to.as_fd(), to_name)?;
        }
        rustix::fs::linkat(&*from, from_name, &*to, to_name, AtFlags::empty())?;
        Ok(outcome)
    }
}
