//! A part of the listing that is restored as one, small enough for memory, large enough that a pack is read once or twice.

use super::context::{Context, Outcome};
use super::fetch::{Need, fetch};
use super::handle::Handle;
use super::links::LinkJob;
use super::meta::{Known, apply};
use super::nodes::NodeJob;
use super::parallel;
use super::probe::Part;
use crate::listing::entry::Entry;
use crate::monitor::add;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use vow_base::ObjectId;

/// Parts and nodes are dealt with in groups of this many, so that neighbours share open folders; large files in smaller groups, so that
/// all threads have something to compare.
const GROUP: usize = 64;
const GROUP_BYTES: u64 = 16 << 20;

/// What was planned for one part of the listing.
#[derive(Default)]
pub(super) struct Window {
    pub(super) parts: Vec<Part>,
    pub(super) nodes: Vec<NodeJob>,
    pub(super) links: Vec<LinkJob>,
    /// Folders of which nothing comes any more, the deepest first.
    pub(super) closed: Vec<ClosedDir>,
    /// How much memory it takes, about, in bytes.
    pub(super) weight: usize,
}

/// A folder with nothing left to restore in it.
pub(super) struct ClosedDir {
    pub(super) place: Vec<u8>,
    /// What it is to be like; nothing when its entry was lost, or it is not ours to change.
    pub(super) entry: Option<Entry<ObjectId>>,
    /// We made it (or would, in a dry run).
    pub(super) made: bool,
    /// It is one of the entries asked for, and counts.
    pub(super) counts: bool,
    /// It replaced something.
    pub(super) replaced: bool,
}

impl Window {
    pub(super) fn run(self, ctx: &Context<'_>) {
        let needs = self.probe(ctx);
        fetch(ctx, needs);
        parallel::for_each(ctx.threads, self.links.len(), |number| self.links[number].run(ctx));
        for dir in &self.closed {
            if ctx.is_stopped() {
                return;
            }
            if let Err(error) = dir.finish(ctx) {
                ctx.problem(&dir.place, &ctx.words(&dir.place, "finish this folder", &error));
            }
        }
    }

    fn groups(&self) -> Vec<&[Part]> {
        let mut groups = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for (number, part) in self.parts.iter().enumerate() {
            bytes += part.uses.iter().map(|one| u64::from(one.length())).sum::<u64>();
            if number + 1 - start >= GROUP || bytes >= GROUP_BYTES || number + 1 == self.parts.len() {
                groups.push(&self.parts[start..=number]);
                (start, bytes) = (number + 1, 0);
            }
        }
        groups
    }

    /// Makes the nodes, looks at the places of files, and returns what has to be read, in listing order.
    fn probe(&self, ctx: &Context<'_>) -> Vec<Need> {
        let groups = self.groups();
        let found: Vec<Mutex<Vec<Need>>> = groups.iter().map(|_| Mutex::default()).collect();
        parallel::for_each(ctx.threads, groups.len(), |number| {
            let mut buffer = Vec::new();
            let mut needs = Vec::new();
            for part in groups[number] {
                let needed = part.probe(ctx, &mut buffer);
                needs.extend(needed.into_iter().map(|what| Need { job: part.job.clone(), what }));
                part.job.give_token(ctx);
            }
            *found[number].lock().unwrap_or_else(PoisonError::into_inner) = needs;
        });
        let nodes: Vec<_> = self.nodes.chunks(GROUP).collect();
        parallel::for_each(ctx.threads, nodes.len(), |number| {
            nodes[number].iter().for_each(|node| node.run(ctx));
        });
        found
            .into_iter()
            .flat_map(|needs| needs.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}

impl ClosedDir {
    fn finish(&self, ctx: &Context<'_>) -> io::Result<()> {
        let mut changed = false;
        if let Some(entry) = &self.entry
            && !(ctx.dry_run && self.made)
        {
            let fd = ctx.dirs.open(&self.place)?;
            let applied = apply(ctx, &Handle::Open(fd.as_fd()), entry, Known::Any, ctx.dry_run);
            applied.problems.iter().for_each(|text| ctx.problem(&self.place, text));
            changed = applied.changed;
        }
        ctx.count(match (self.made, self.replaced || changed) {
            (true, _) if self.replaced => Outcome::Changed,
            (true, _) => Outcome::Created,
            (false, true) => Outcome::Changed,
            (false, false) => Outcome::Same,
        });
        if self.counts {
            add(&ctx.tally.dirs, 1);
            add(&ctx.monitor.counters.dirs, 1);
        }
        Ok(())
    }
}
