//! One listing: its order, its shape, and every reference in it against the trailer of the pack it points into.

use super::CheckError;
use super::findings::Findings;
use super::host::Host;
use super::trailers::Trailers;
use crate::archive::{ArchiveError, Snapshot};
use crate::listing::entry::{Content, Entry};
use crate::listing::path::{self, compare, is_within};
use crate::listing::tree::{Node, read_chunk_list, read_leaf};
use crate::record::{ChunkRef, RecordType};
use std::collections::{BTreeSet, HashMap};
use vow_base::ObjectId;
use vow_base::vault::Kind;

/// Leaves that were checked for another snapshot: unchanged parts of a tree are the same leaves.
#[derive(Default)]
pub(super) struct Known {
    leaves: HashMap<(ObjectId, u32), Leaf>,
}

struct Leaf {
    /// Numbers of the packs it refers to.
    packs: Box<[u32]>,
    /// Its last path, and whether that is a directory.
    last: (Box<[u8]>, bool),
}

/// Checks the listing of a snapshot whose manifest names the packs marked in `named`.
pub(super) fn check(
    host: &Host<'_>,
    snapshot: &Snapshot,
    named: &[bool],
    known: &mut Known,
    trailers: &mut Trailers,
    findings: &mut Findings,
) -> Result<(), CheckError> {
    let at = snapshot.info().manifest.root;
    let walk = Walk { host, snapshot, named, known, trailers, findings, last: None, content: Vec::new() };
    walk.run(at.pack)
}

struct Walk<'w, 'a> {
    host: &'w Host<'a>,
    snapshot: &'w Snapshot,
    named: &'w [bool],
    known: &'w mut Known,
    trailers: &'w mut Trailers,
    findings: &'w mut Findings,
    /// The path before, and whether it is a directory.
    last: Option<(Box<[u8]>, bool)>,
    content: Vec<u8>,
}

/// Where something stands that is being checked: what is wrong with it is this pack's fault.
#[derive(Clone, Copy)]
struct At {
    pack: ObjectId,
    record: u32,
}

impl Walk<'_, '_> {
    fn run(mut self, root: ObjectId) -> Result<(), CheckError> {
        let at = At { pack: root, record: self.snapshot.info().manifest.root.record };
        let top = self.snapshot.root().top.clone();
        self.node(at, &top, None)
    }

    fn node(&mut self, at: At, node: &Node, end: Option<&[u8]>) -> Result<(), CheckError> {
        for (number, (first, chunk)) in node.children.iter().enumerate() {
            self.host.go_on()?;
            self.findings.go_on()?;
            let end = node.children.get(number + 1).map(|(path, _)| &path[..]).or(end);
            let kind = if node.depth == 1 { RecordType::Leaf } else { RecordType::Node };
            self.reference(at, chunk, kind);
            let here = At { pack: chunk.place.pack, record: chunk.place.record };
            if node.depth == 1 {
                self.leaf(here, first, chunk, end);
                continue;
            }
            match self.read_node(chunk) {
                Ok(below)
                    if below.depth + 1 == node.depth
                        && below.children.first().is_some_and(|c| c.0 == *first) =>
                {
                    self.node(here, &below, end)?;
                }
                Ok(_) => self.wrong(here, "a node that is not what the one above says"),
                Err(error) => self.findings.blame(here.pack, error),
            }
        }
        Ok(())
    }

    fn read_node(&mut self, chunk: &ChunkRef<ObjectId>) -> Result<Node, ArchiveError> {
        self.snapshot.read(chunk, RecordType::Node, &mut self.content)?;
        Node::read(&self.content).map_err(|source| Snapshot::listing_error(chunk, source))
    }

    fn leaf(&mut self, here: At, first: &[u8], chunk: &ChunkRef<ObjectId>, end: Option<&[u8]>) {
        let key = (here.pack, here.record);
        if let Some(leaf) = self.known.leaves.get(&key) {
            let unnamed = leaf.packs.iter().any(|pack| !self.named[*pack as usize]);
            let last = leaf.last.clone();
            if unnamed {
                self.wrong(here, "it refers to a pack that a manifest does not name");
            }
            self.follow(here, first, false);
            self.end_of(here, last, end);
            return;
        }
        let read = self.snapshot.read(chunk, RecordType::Leaf, &mut self.content);
        let entries = read
            .and_then(|()| read_leaf(&self.content).map_err(|source| Snapshot::listing_error(chunk, source)));
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.findings.blame(here.pack, error);
                // What follows cannot be judged by what came before.
                self.last = None;
                return;
            }
        };
        if entries.first().is_none_or(|entry| entry.path != first) {
            return self.wrong(here, "a leaf that does not start where its node says");
        }
        let mut packs = BTreeSet::new();
        for entry in &entries {
            self.entry(here, entry, &mut packs);
        }
        if let Some(last) = self.last.clone() {
            let leaf = Leaf { packs: packs.into_iter().collect(), last: last.clone() };
            self.known.leaves.insert(key, leaf);
            self.end_of(here, last, end);
        }
    }

    fn end_of(&mut self, here: At, last: (Box<[u8]>, bool), end: Option<&[u8]>) {
        if end.is_some_and(|end| compare(&last.0, end).is_ge()) {
            self.wrong(here, "a leaf that reaches into the next one");
        }
        self.last = Some(last);
    }

    /// A path must come after the one before, and its folder must have come.
    fn follow(&mut self, here: At, path: &[u8], is_dir: bool) {
        if let Some((last, last_is_dir)) = &self.last {
            if compare(last, path).is_ge() {
                self.wrong(here, "paths out of order");
            } else if let Some(folder) = path::parent(path).filter(|folder| !folder.is_empty())
                && (!is_within(last, folder) || (&**last == folder && !*last_is_dir))
            {
                self.wrong(here, "an entry whose folder is missing");
            }
        }
        self.last = Some((path.into(), is_dir));
    }

    fn entry(&mut self, here: At, entry: &Entry<ObjectId>, packs: &mut BTreeSet<u32>) {
        self.follow(here, &entry.path, entry.kind == crate::listing::Kind::Dir);
        let kind = match entry.content {
            Content::Lists(_) => RecordType::ChunkList,
            _ => RecordType::Data,
        };
        let mut before = None;
        for chunk in entry.content.chunks() {
            if before != Some(chunk) {
                packs.extend(self.reference(here, chunk, kind));
            }
            before = Some(chunk);
        }
        if let Content::Lists(lists) = &entry.content {
            let mut bytes = 0u64;
            for list in lists {
                bytes = bytes.saturating_add(self.list(list, packs).unwrap_or_default());
            }
            // A list that cannot be read has been reported already.
            let readable = !lists.iter().any(|list| self.findings.is_damaged(Kind::Pack, &list.place.pack));
            if readable && bytes != entry.data_bytes() {
                self.wrong(here, "a file whose chunk lists do not add up to its size");
            }
        }
    }

    fn list(&mut self, list: &ChunkRef<ObjectId>, packs: &mut BTreeSet<u32>) -> Option<u64> {
        let read = self.snapshot.read(list, RecordType::ChunkList, &mut self.content);
        let chunks = read.and_then(|()| {
            read_chunk_list(&self.content).map_err(|source| Snapshot::listing_error(list, source))
        });
        match chunks {
            Ok(chunks) => {
                let at = At { pack: list.place.pack, record: list.place.record };
                for chunk in &chunks {
                    packs.extend(self.reference(at, chunk, RecordType::Data));
                }
                Some(chunks.iter().map(|chunk| u64::from(chunk.length)).sum())
            }
            Err(error) => {
                self.findings.blame(list.place.pack, error);
                None
            }
        }
    }

    /// Compares a reference with the row in the trailer of its pack; returns the number of the pack.
    fn reference(&mut self, at: At, chunk: &ChunkRef<ObjectId>, kind: RecordType) -> Option<u32> {
        let place = chunk.place;
        let Some(number) = self.host.numbers.get(&place.pack).copied() else {
            // Missing packs that the manifest names were found before.
            if !self.findings.is_damaged(Kind::Pack, &place.pack) {
                self.wrong(at, "it refers to a pack that is not in the vault and that no manifest names");
            }
            return None;
        };
        if !self.named[number as usize] {
            self.wrong(at, "it refers to a pack that the manifest does not name");
        }
        let records = self.trailers.of(self.host, number, self.findings);
        if let Some(records) = records {
            let fits = records.get(place.record as usize).is_some_and(|(there, row)| {
                there.offset == place.offset
                    && there.stored == place.stored
                    && row.holds(chunk)
                    && row.kind == kind as u8
            });
            if !fits && !self.is_another(number, &place.pack) {
                self.wrong(at, "a reference that does not fit the pack it points into");
            }
        }
        Some(number)
    }

    /// Whether a pack is not what its name says. Asked only when something does not fit: then the pack is to blame, or the listing.
    fn is_another(&mut self, number: u32, pack: &ObjectId) -> bool {
        match self.host.archive.vault().get(&self.host.id, Kind::Pack, pack) {
            Ok(_) => false,
            Err(error) => {
                self.findings.blame(*pack, error.into());
                self.trailers.give_up(number);
                true
            }
        }
    }

    fn wrong(&mut self, at: At, reason: &str) {
        self.findings.add(Kind::Pack, at.pack, format!("record {}: {reason}", at.record));
    }
}
