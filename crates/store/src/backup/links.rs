//! Files with several links: the first one in the listing is read, later ones take its content.

use super::block::{LinkRole, Ready};
use super::packs::PackNo;
use crate::listing::{Entry, Kind};
use std::collections::HashMap;

/// First links, by device and inode, until all further ones were seen.
#[derive(Default)]
pub(super) struct Links(HashMap<(u64, u64), Linked>);

struct Linked {
    left: u32,
    entry: Entry<PackNo>,
    inner: Vec<(PackNo, u64)>,
}

impl Links {
    /// Keeps the content of a first link for those that follow.
    pub(super) fn remember(&mut self, ready: &Ready) {
        let first = ready.entry.kind == Kind::File && ready.link == LinkRole::First;
        let Some(link) = ready.entry.link.filter(|_| first) else { return };
        let left = ready.links.saturating_sub(1);
        self.0.insert(link, Linked { left, entry: ready.entry.clone(), inner: ready.inner.clone() });
    }

    /// Gives a further link the content of its first one. It stays as it is when that one could not be read.
    pub(super) fn give(&mut self, ready: &mut Ready) {
        let Some(link) = ready.entry.link else { return };
        let Some(Linked { left, entry: first, inner }) = self.0.get_mut(&link) else { return };
        ready.link = LinkRole::Given;
        ready.entry.content = first.content.clone();
        ready.entry.extents.clone_from(&first.extents);
        ready.entry.xattrs.clone_from(&first.xattrs);
        (ready.entry.size, ready.entry.mtime, ready.entry.changed) = (first.size, first.mtime, first.changed);
        ready.inner.clone_from(inner);
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.0.remove(&link);
        }
    }
}
