//! What the files of a snapshot look like, noted down while they are captured: nothing is read for it, memory is bounded, and of many
//! files only some are looked at closely.

mod kinds;

use kinds::Promise;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use vow_protocol::report::{NAMED_MAX, Shape, Tree};
use vow_store::listing::Kind;
use vow_store::listing::entry::display_path;
use vow_store::monitor::{Change, Observer};

/// Trees that are counted apart; what lies in others counts for the tree above.
const TREES_MAX: usize = 10_000;
/// Folders below a root that make a tree of their own.
const LEVELS: usize = 2;
/// Files whose content is looked at closely without choosing; of more, every [`ONE_IN`]th.
const LOOKED_AT: u64 = 1000;
const ONE_IN: u64 = 8;
/// Bytes of a file that are looked at.
const SAMPLE_BYTES: usize = 4096;
/// Samples shorter than this say nothing about randomness.
const SAMPLE_LEAST_BYTES: usize = 512;

/// Looks at what a backup captures.
pub struct Looker {
    /// Roots as paths of the listing, longest first.
    roots: Vec<Vec<u8>>,
    found: Mutex<FoundSoFar>,
    contents: AtomicU64,
    typed: AtomicU64,
    mistyped: AtomicU64,
    sampled_bytes: AtomicU64,
    random_bytes: AtomicU64,
}

#[derive(Default)]
struct FoundSoFar {
    trees: BTreeMap<Vec<u8>, Tree>,
    /// The tree of the last file: entries come in the order of the listing, so it is mostly that of the next one.
    last: Vec<u8>,
    /// How much of it is the root.
    last_root: usize,
    last_folder: Vec<u8>,
    here: Tree,
    compared: bool,
    new: u64,
    changed: u64,
    gone: u64,
}

impl Looker {
    /// Looks at a source with these roots.
    pub fn new(roots: &[PathBuf]) -> Self {
        let mut roots: Vec<_> = roots.iter().map(|root| listing_path(root)).collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        Self {
            roots,
            found: Mutex::default(),
            contents: AtomicU64::new(0),
            typed: AtomicU64::new(0),
            mistyped: AtomicU64::new(0),
            sampled_bytes: AtomicU64::new(0),
            random_bytes: AtomicU64::new(0),
        }
    }

    /// What was seen so far.
    pub fn shape(&self) -> Shape {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.settle();
        Shape {
            trees: largest(&found.trees),
            compared: found.compared,
            new_files: found.new,
            changed_files: found.changed,
            gone_files: found.gone,
            typed_files: self.typed.load(Relaxed),
            mistyped_files: self.mistyped.load(Relaxed),
            sampled_bytes: self.sampled_bytes.load(Relaxed),
            random_bytes: self.random_bytes.load(Relaxed),
        }
    }

    /// The tree that a file in this folder counts for, and how much of its path is the root.
    fn tree_of(&self, folder: &[u8]) -> (Vec<u8>, usize) {
        let inside = |root: &&Vec<u8>| {
            root.is_empty() || folder.starts_with(root) && matches!(folder.get(root.len()), None | Some(b'/'))
        };
        let Some(root) = self.roots.iter().find(inside) else {
            // A root that is a file, or one behind a link: by what it is called.
            return (folder.to_vec(), 0);
        };
        let below = folder[root.len()..].strip_prefix(b"/").unwrap_or(&folder[root.len()..]);
        let end = below.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(LEVELS - 1);
        let below = &below[..end.map_or(below.len(), |(at, _)| at)];
        let tree = match (root.is_empty(), below.is_empty()) {
            (_, true) => root.clone(),
            (true, false) => below.to_vec(),
            (false, false) => [root, below].join(&b'/'),
        };
        (tree, root.len())
    }
}

impl FoundSoFar {
    /// Adds what was counted for the tree at hand to it.
    fn settle(&mut self) {
        let here = std::mem::take(&mut self.here);
        if here == Tree::default() {
            return;
        }
        let mut tree = self.last.as_slice();
        while !self.trees.contains_key(tree) && self.trees.len() >= TREES_MAX && tree.len() > self.last_root {
            tree = parent(tree);
        }
        let sum = self.trees.entry(tree.to_vec()).or_default();
        sum.files += here.files;
        sum.bytes += here.bytes;
    }
}

impl Observer for Looker {
    fn entry(&self, path: &[u8], kind: Kind, size: u64, change: Change) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.compared |= change != Change::Unknown;
        if kind != Kind::File {
            return;
        }
        let folder = parent(path);
        if found.last_folder != folder {
            found.last_folder.clear();
            found.last_folder.extend_from_slice(folder);
            let (tree, root) = self.tree_of(folder);
            if tree != found.last {
                found.settle();
                (found.last, found.last_root) = (tree, root);
            }
        }
        found.here.files += 1;
        found.here.bytes += size;
        match change {
            Change::New => found.new += 1,
            Change::Changed => found.changed += 1,
            Change::Same | Change::Unknown => {}
        }
    }

    fn gone(&self, _path: &[u8], kind: Kind) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.compared = true;
        found.gone += u64::from(kind == Kind::File);
    }

    fn content(&self, name: &[u8], first: &[u8]) {
        let number = self.contents.fetch_add(1, Relaxed);
        if number >= LOOKED_AT && !number.is_multiple_of(ONE_IN) || first.is_empty() {
            return;
        }
        let sample = &first[..first.len().min(SAMPLE_BYTES)];
        let random = sample.len() >= SAMPLE_LEAST_BYTES && kinds::looks_random(sample);
        let promise = kinds::promise(name);
        if let Some(holds) = promise.holds(sample, random) {
            self.typed.fetch_add(1, Relaxed);
            self.mistyped.fetch_add(u64::from(!holds), Relaxed);
        }
        if sample.len() >= SAMPLE_LEAST_BYTES {
            self.sampled_bytes.fetch_add(sample.len() as u64, Relaxed);
            let unexpected = random && !matches!(promise, Promise::Packed(_) | Promise::Sealed);
            self.random_bytes.fetch_add(if unexpected { sample.len() as u64 } else { 0 }, Relaxed);
        }
    }
}

/// Half of them by bytes, half by files: a tree of many small files is as worth watching as one of few large ones.
fn largest(trees: &BTreeMap<Vec<u8>, Tree>) -> BTreeMap<String, Tree> {
    let mut by_bytes: Vec<_> = trees.iter().collect();
    let mut by_files = by_bytes.clone();
    by_bytes.sort_by_key(|(_, tree)| std::cmp::Reverse(tree.bytes));
    by_files.sort_by_key(|(_, tree)| std::cmp::Reverse(tree.files));
    let mut chosen = BTreeMap::new();
    for (path, tree) in by_bytes.iter().zip(&by_files).flat_map(|(a, b)| [*a, *b]) {
        if chosen.len() >= NAMED_MAX {
            break;
        }
        chosen.insert(display_path(path), *tree);
    }
    chosen
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |at| &path[..at])
}

/// An absolute path as the listing has it.
fn listing_path(path: &Path) -> Vec<u8> {
    let names = path.components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    });
    names.collect::<Vec<_>>().join(&b'/')
}

#[cfg(test)]
mod tests;
