//! From the listing to windows of work.

use super::context::Context;
use super::folders::Folders;
use super::job::FileJob;
use super::links::{LinkGroups, LinkJob, LinkState, Role};
use super::nodes::NodeJob;
use super::probe::{Part, Use};
use super::window::Window;
use crate::archive::ArchiveError;
use crate::listing::entry::{Content, Entry, Kind};
use crate::listing::path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use vow_base::ObjectId;

/// About what a window may take in memory, in bytes. Two exist at a time.
const WINDOW_BYTES: usize = 16 << 20;
/// The first window is smaller, so that the workers start soon; each next one may be four times larger.
const FIRST_WINDOW_BYTES: usize = 512 << 10;
/// About what an entry, a chunk reference and an extent take in memory, in bytes.
const ENTRY_BYTES: usize = 400;
const USE_BYTES: usize = 320;
const EXTENT_BYTES: usize = 48;

/// What part of the snapshot goes where.
pub(super) struct Scope {
    /// Only this and what is below it; empty for everything.
    pub(super) under: Vec<u8>,
    /// This much of each path is left out at the target.
    pub(super) strip: Vec<u8>,
    /// The entry at the target itself is to be made right even if we did not make it.
    pub(super) own_target: bool,
}

impl Scope {
    /// Where an entry goes, below the target.
    fn place(&self, path: &[u8]) -> Vec<u8> {
        let rest = path.strip_prefix(&self.strip[..]).unwrap_or(path);
        rest.strip_prefix(b"/").unwrap_or(rest).to_vec()
    }
}

pub(super) struct Planner<'c, 'a> {
    ctx: &'c Context<'a>,
    scope: Scope,
    folders: Folders,
    links: LinkGroups,
    window: Window,
    limit: usize,
    out: SyncSender<Window>,
}

impl<'c, 'a> Planner<'c, 'a> {
    pub(super) fn new(
        ctx: &'c Context<'a>,
        scope: Scope,
        made_target: bool,
        out: SyncSender<Window>,
    ) -> Self {
        Self {
            ctx,
            scope,
            folders: Folders::new(made_target),
            links: LinkGroups::default(),
            window: Window::default(),
            limit: FIRST_WINDOW_BYTES,
            out,
        }
    }

    /// Plans everything, window by window.
    pub(super) fn run(mut self) {
        self.enter_ancestors();
        let under = self.scope.under.clone();
        for entry in self.ctx.snapshot.entries(Some(&under)) {
            if self.ctx.is_stopped() {
                return;
            }
            match entry {
                Ok(entry) => self.plan(entry),
                Err(error) => self.lost(error),
            }
            self.hand_over(false);
        }
        let folders = std::mem::replace(&mut self.folders, Folders::new(false));
        folders.close_all(&mut self.window);
        self.hand_over(true);
    }

    /// Part of the listing cannot be read; the rest is restored.
    fn lost(&self, error: ArchiveError) {
        if error.is_gone() {
            return self.ctx.stop(error.into());
        }
        self.ctx.problem(&self.scope.under, &format!("not everything below can be restored: {error}"));
    }

    /// The folders above what is asked for get their own metadata if we make them.
    fn enter_ancestors(&mut self) {
        let under = self.scope.under.clone();
        if under.is_empty() || !self.scope.strip.is_empty() {
            return;
        }
        for step in super::dirs::steps_between(b"", path::parent(&under).unwrap_or_default()) {
            let entry = self.ctx.snapshot.entry(&step).ok().filter(|entry| entry.kind == Kind::Dir);
            if !self.folders.is_blocked(&step) {
                self.folders.enter(self.ctx, step, entry, true, false);
            }
        }
    }

    fn plan(&mut self, entry: Entry<ObjectId>) {
        let place = self.scope.place(&entry.path);
        if place.is_empty() {
            if entry.kind == Kind::Dir {
                let apply = self.scope.own_target && !entry.ancestor;
                self.folders.describe_target(entry, apply, self.ctx);
            } else {
                self.ctx.problem(&entry.path, "it is not a folder, but the top of what is to be restored");
            }
            return;
        }
        self.folders.close_before(&place, &mut self.window);
        if self.folders.is_blocked(&place) {
            return;
        }
        self.folders.make_parents(self.ctx, &place);
        if self.folders.is_blocked(&place) {
            return;
        }
        let xattrs: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        let extents = entry.extents.as_ref().map_or(0, Vec::len) * EXTENT_BYTES;
        self.window.weight += ENTRY_BYTES + 2 * place.len() + xattrs + entry.target.len() + extents;
        if entry.kind == Kind::Dir {
            let gently = entry.ancestor;
            self.folders.enter(self.ctx, place, Some(entry), gently, true);
            return;
        }
        let fresh = self.folders.is_fresh();
        let link = match self.links.role(&entry, &place) {
            Role::Alone => None,
            Role::First(state) => Some(state),
            Role::Other(first) => {
                let (kind, size) = (entry.kind, entry.size);
                self.window.links.push(LinkJob { first, place, fresh, kind, size });
                return;
            }
        };
        if entry.kind == Kind::File {
            self.plan_file(entry, place, fresh, link);
        } else {
            self.window.nodes.push(NodeJob { entry, place, fresh, link });
        }
    }

    fn plan_file(
        &mut self,
        mut entry: Entry<ObjectId>,
        place: Vec<u8>,
        fresh: bool,
        link: Option<Arc<LinkState>>,
    ) {
        let content = std::mem::replace(&mut entry.content, Content::Empty);
        let dense = entry.extents.is_none();
        let uses = match content {
            Content::Empty => Vec::new(),
            Content::Slice { chunk, offset, digest } => {
                // Lengths of slices were checked against their bundles, which are at most 16 MiB.
                let length = entry.data_bytes() as u32;
                vec![Use { chunk, at: 0, slice: Some((offset, length, digest)) }]
            }
            Content::Chunks(chunks) if chunks.len() == 1 => {
                vec![Use { chunk: chunks[0], at: 0, slice: None }]
            }
            content => return self.plan_large(Entry { content, ..entry }, place, fresh, link),
        };
        let job = FileJob::new(entry, place, fresh, dense, link);
        self.add(&job, true, true, uses);
        job.give_token(self.ctx);
    }

    /// A file of many chunks: its parts may be in several windows.
    fn plan_large(
        &mut self,
        mut entry: Entry<ObjectId>,
        place: Vec<u8>,
        fresh: bool,
        link: Option<Arc<LinkState>>,
    ) {
        let whole = entry.clone();
        entry.content = Content::Empty;
        let job = FileJob::new(entry, place, fresh, false, link);
        let (mut first, mut at, mut uses) = (true, 0, Vec::new());
        let snapshot = self.ctx.snapshot.clone();
        for chunk in snapshot.chunks(&whole) {
            match chunk {
                Ok(chunk) => {
                    uses.push(Use { chunk, at, slice: None });
                    at += u64::from(chunk.length);
                    self.window.weight += USE_BYTES;
                }
                Err(error) if error.is_gone() => {
                    self.ctx.stop(error.into());
                    break;
                }
                Err(error) => {
                    job.fail(format!("cannot be restored: {error}"));
                    break;
                }
            }
            if self.window.weight >= self.limit {
                self.add(&job, first, false, std::mem::take(&mut uses));
                first = false;
                self.hand_over(false);
                if self.ctx.is_stopped() {
                    break;
                }
            }
        }
        self.add(&job, first, true, uses);
        job.give_token(self.ctx);
    }

    fn add(&mut self, job: &Arc<FileJob>, first: bool, last: bool, uses: Vec<Use>) {
        job.take_tokens(1);
        self.window.parts.push(Part { job: job.clone(), first, whole: first && last, uses });
    }

    /// Sends the window to the workers when it is full; waits while they are behind.
    fn hand_over(&mut self, last: bool) {
        if !last && self.window.weight < self.limit {
            return;
        }
        self.limit = (self.limit * 4).min(WINDOW_BYTES);
        let window = std::mem::take(&mut self.window);
        // When nobody receives any more the restore was stopped, and that is noticed at the next entry.
        let _ = self.out.send(window);
    }
}
