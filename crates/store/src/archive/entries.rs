//! The entries of a snapshot in order, with one leaf and one path of nodes in memory.

use super::{ArchiveError, Snapshot};
use crate::listing::entry::{Entry, display_path};
use crate::listing::path::{self, compare};
use crate::listing::tree::read_leaf;
use crate::listing::{ListingError, Node};
use crate::record::{ChunkRef, RecordType};
use std::vec::IntoIter;
use vow_base::ObjectId;

/// Streams entries. See [`Snapshot::entries`].
pub struct Entries {
    snapshot: Snapshot,
    under: Vec<u8>,
    /// The nodes above the leaf at hand, the top first.
    nodes: Vec<Level>,
    leaf: IntoIter<Entry<ObjectId>>,
    last: Option<Vec<u8>>,
    /// A folder whose contents are passed over, without being read where that is possible.
    passed_over: Option<Vec<u8>>,
    content: Vec<u8>,
    done: bool,
}

/// A node and how far it was read.
struct Level {
    depth: u8,
    children: IntoIter<(Vec<u8>, ChunkRef<ObjectId>)>,
    /// Where the part that this node covers ends.
    end: Option<Vec<u8>>,
}

impl Entries {
    pub(super) fn new(snapshot: Snapshot, under: Option<&[u8]>) -> Self {
        let Node { depth, children } = snapshot.root().top.clone();
        let top = Level { depth, children: children.into_iter(), end: None };
        let under = under.unwrap_or_default().to_vec();
        let leaf = Vec::new().into_iter();
        let (last, passed_over, content) = (None, None, Vec::new());
        Self { snapshot, under, nodes: vec![top], leaf, last, passed_over, content, done: false }
    }

    /// Goes on behind everything that lies below `folder`, the entry that was just handed out. Leaves and nodes that hold nothing else
    /// are not read.
    pub(super) fn pass_over(&mut self, folder: &[u8]) {
        self.passed_over = Some(folder.to_vec());
    }

    fn is_passed_over(&self, path: &[u8]) -> bool {
        self.passed_over.as_deref().is_some_and(|folder| path::is_within(path, folder))
    }

    /// Goes to the next leaf that can hold something wanted; false at the end.
    fn descend(&mut self) -> Result<bool, ArchiveError> {
        while let Some(level) = self.nodes.last_mut() {
            let depth = level.depth;
            let Some((first, chunk)) = level.children.next() else {
                self.nodes.pop();
                continue;
            };
            let next = level.children.as_slice().first().map(|(path, _)| path);
            let end = next.or(level.end.as_ref()).cloned();
            if end.as_ref().is_some_and(|end| compare(end, &self.under).is_le()) {
                continue;
            }
            if compare(&first, &self.under).is_gt() && !path::is_within(&first, &self.under) {
                return Ok(false);
            }
            // What lies between two paths of a folder lies in that folder.
            if self.is_passed_over(&first) && end.as_ref().is_some_and(|end| self.is_passed_over(end)) {
                continue;
            }
            let read = self.enter(depth, &first, &chunk, end);
            read.map_err(|source| ArchiveError::Part {
                from: display_path(&first),
                source: Box::new(source),
            })?;
            if depth == 1 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads one child: a leaf below depth 1, else a node.
    fn enter(
        &mut self,
        depth: u8,
        first: &[u8],
        chunk: &ChunkRef<ObjectId>,
        end: Option<Vec<u8>>,
    ) -> Result<(), ArchiveError> {
        let malformed = |reason| Snapshot::listing_error(chunk, ListingError::Malformed(reason));
        let refused = |source| Snapshot::listing_error(chunk, source);
        let before_end = |path: &[u8]| end.as_ref().is_none_or(|end| compare(path, end).is_lt());
        if depth == 1 {
            self.snapshot.read(chunk, RecordType::Leaf, &mut self.content)?;
            let entries = read_leaf(&self.content).map_err(refused)?;
            if entries.first().is_none_or(|entry| entry.path != first) {
                return Err(malformed("a leaf that does not start where its node says"));
            }
            if entries.last().is_some_and(|entry| !before_end(&entry.path)) {
                return Err(malformed("a leaf that reaches into the next one"));
            }
            self.leaf = entries.into_iter();
            return Ok(());
        }
        self.snapshot.read(chunk, RecordType::Node, &mut self.content)?;
        let node = Node::read(&self.content).map_err(refused)?;
        if node.depth != depth - 1 {
            return Err(malformed("a node of wrong depth"));
        }
        if node.children.first().is_none_or(|(path, _)| path != first) {
            return Err(malformed("a node that does not start where the one above says"));
        }
        if node.children.last().is_some_and(|(path, _)| !before_end(path)) {
            return Err(malformed("a node that reaches into the next one"));
        }
        self.nodes.push(Level { depth: node.depth, children: node.children.into_iter(), end });
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<Entry<ObjectId>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let Some(entry) = self.leaf.next() else {
                match self.descend() {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(error) => return Some(Err(error)),
                }
            };
            if path::is_within(&entry.path, &self.under) {
                // Bounds of leaves are checked above, so this only fails if they are not bounds at all.
                let in_order = self.last.as_ref().is_none_or(|last| compare(last, &entry.path).is_lt());
                if !in_order {
                    self.done = true;
                    let path = entry.display();
                    return Some(Err(ArchiveError::Content { path, reason: "it is out of order" }));
                }
                self.last = Some(entry.path.clone());
                if self.is_passed_over(&entry.path) {
                    continue;
                }
                return Some(Ok(entry));
            }
            if compare(&entry.path, &self.under).is_gt() {
                break;
            }
        }
        self.done = true;
        None
    }
}
