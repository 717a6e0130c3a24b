//! The collector: takes entries in listing order once their packs have landed, and builds leaves, cache and index from them.

use super::block::{Block, LinkRole, Ready};
use super::cache::{CacheWriter, PackUse};
use super::engine::Engine;
use super::links::Links;
use super::packs::{Landed, PackNo};
use super::{BackupError, HostKeys};
use crate::compress::Packer;
use crate::index::{SEGMENT_ROWS, seal_segment};
use crate::listing::tree::{LeafBuilder, NODE_CHILDREN, Node, write_chunk_list};
use crate::listing::{Content, Entry, Kind, Root};
use crate::record::{ChunkRef, RecordType};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use vow_base::ObjectId;
use vow_base::manifest::Counts;
use vow_base::vault::Kind as ObjectKind;

/// What the collector hears.
pub(super) enum Message {
    /// The next block, in order.
    Block(Arc<Block>),
    /// Some block has become complete, or the planner waits.
    BlockDone,
    /// A pack is durable on at least one level.
    Landed(Landed),
    /// The planner and the readers are done.
    End,
}

/// Files with more chunks than this keep their references in chunk lists.
const CHUNKS_INLINE: usize = 4096;
/// A chunk list ends after a chunk whose id is divisible by this.
const LIST_CUT_DIVISOR: u64 = 2048;
/// A chunk list never holds more references.
const LIST_MAX: usize = 8192;
/// Index rows are sent when they are this many, so that a run that is cut off need not send its packs again.
const ROWS_CHECKPOINT: usize = 32 * 1024;
/// And when they are those of this many packs, about a gigabyte.
const PACKS_CHECKPOINT: usize = 64;

/// Builds the listing.
pub(super) struct Collector<'e, 'a> {
    engine: &'e Engine<'a>,
    messages: Receiver<Message>,
    keys: &'e HostKeys,
    /// The collector's own slot; data slots come before it.
    slot: usize,
    packer: Packer,
    blocks: VecDeque<Arc<Block>>,
    /// Entries of the block at the front that are not in the listing yet.
    front: VecDeque<Box<Ready>>,
    /// The pack that the entry at the front waits for.
    waits_for: Option<PackNo>,
    ended: bool,
    /// Ids by pack number; none while a pack has not landed.
    ids: Vec<Option<ObjectId>>,
    leaf: LeafBuilder,
    children: Vec<(Vec<u8>, ChunkRef<PackNo>)>,
    cache: CacheWriter,
    links: Links,
    rows: Vec<ChunkRef<ObjectId>>,
    /// Packs whose rows wait.
    unsettled: usize,
    owners: (BTreeSet<u32>, BTreeSet<u32>),
    out: Collected,
}

/// What became of all entries.
#[derive(Default)]
pub(super) struct Collected {
    /// Where the root record lies.
    pub(super) root: Option<ChunkRef<ObjectId>>,
    /// What was counted; problems are counted elsewhere.
    pub(super) counts: Counts,
    /// Every pack the snapshot needs.
    pub(super) packs: Vec<PackUse>,
    /// Index segments sent in this run.
    pub(super) segments: Vec<ObjectId>,
    live: HashMap<PackNo, u64>,
    sent: HashMap<PackNo, u64>,
}

/// What a step says: whether to go on. `false` when the run has failed elsewhere.
type Step = Result<bool, BackupError>;

impl<'e, 'a> Collector<'e, 'a> {
    pub(super) fn new(
        engine: &'e Engine<'a>,
        messages: Receiver<Message>,
        keys: &'e HostKeys,
        cache: CacheWriter,
    ) -> io::Result<Self> {
        Ok(Self {
            engine,
            messages,
            keys,
            slot: engine.slots.len() - 1,
            packer: Packer::new(3)?,
            blocks: VecDeque::new(),
            front: VecDeque::new(),
            waits_for: None,
            ended: false,
            ids: engine.packs.ids(),
            leaf: LeafBuilder::default(),
            children: Vec::new(),
            cache,
            links: Links::default(),
            rows: Vec::new(),
            unsettled: 0,
            owners: Default::default(),
            out: Collected::default(),
        })
    }

    /// Works until every entry is in the listing and the listing is durable; `None` when the run failed elsewhere.
    ///
    /// `earlier` are the packs of the last snapshot, whose order is kept.
    pub(super) fn run(
        mut self,
        earlier: &[PackUse],
    ) -> Result<Option<(Collected, CacheWriter)>, BackupError> {
        while !(self.ended && self.blocks.is_empty() && self.front.is_empty()) {
            if !(self.hear()? && self.advance()?) {
                return Ok(None);
            }
        }
        if !self.leaf.is_empty() {
            self.end_leaf()?;
        }
        if self.engine.options.dry_run {
            return Ok(Some((self.out, self.cache)));
        }
        if !(self.build_tree()? && self.settle(1)?) {
            return Ok(None);
        }
        self.list_packs(earlier);
        Ok(Some((self.out, self.cache)))
    }

    /// Takes the next message.
    fn hear(&mut self) -> Step {
        match self.messages.recv() {
            _ if self.engine.has_failed() => return Ok(false),
            Err(_) => return Ok(false),
            Ok(Message::Block(block)) => self.blocks.push_back(block),
            Ok(Message::BlockDone) => {}
            Ok(Message::End) => self.ended = true,
            Ok(Message::Landed(landed)) => return self.landed(landed),
        }
        Ok(true)
    }

    fn landed(&mut self, landed: Landed) -> Step {
        let number = landed.number as usize;
        if self.ids.len() <= number {
            self.ids.resize(number + 1, None);
        }
        self.ids[number] = Some(landed.id);
        self.out.sent.insert(landed.number, landed.bytes);
        self.out.counts.added_bytes += landed.bytes;
        let chunks = landed.records.iter().flat_map(|(place, row)| row.chunks(*place));
        self.rows.extend(chunks.map(|chunk| chunk.with_pack(landed.id)));
        self.unsettled += 1;
        if self.unsettled >= PACKS_CHECKPOINT { self.settle(1) } else { self.settle(ROWS_CHECKPOINT) }
    }

    /// Sends and remembers index rows when there are at least this many.
    fn settle(&mut self, least: usize) -> Step {
        if self.rows.len() < least {
            return Ok(true);
        }
        let rows = std::mem::take(&mut self.rows);
        self.unsettled = 0;
        for part in rows.chunks(SEGMENT_ROWS) {
            let sealed = seal_segment(part, &self.keys.secret.index_secret(&self.engine.options.recipients))
                .map_err(|e| self.engine.state_error("seal an index segment in", io::Error::other(e)))?;
            let id = ObjectId::of(&sealed);
            let took =
                self.engine.levels.iter().filter(|level| level.put(ObjectKind::Index, &id, &sealed)).count();
            if took == 0 {
                self.engine.fail_without_level();
                return Ok(false);
            }
            self.out.segments.push(id);
        }
        let settled = self.engine.index.settle(&rows, |id| self.engine.packs.known(id));
        settled.map_err(|e| self.engine.state_error("write the index in", e))?;
        Ok(true)
    }

    /// Moves entries whose packs have landed into the listing.
    fn advance(&mut self) -> Step {
        loop {
            while let Some(ready) = self.front.front_mut() {
                if ready.link == LinkRole::Further {
                    self.links.give(ready);
                }
                if let Some(pack) = first_open(&self.ids, self.waits_for, ready) {
                    self.waits_for = Some(pack);
                    if self.ended || self.engine.permits.is_starving() {
                        self.engine.flush(0..self.slot)?;
                    }
                    return Ok(true);
                }
                self.waits_for = None;
                let Some(ready) = self.front.pop_front() else { break };
                if !self.emit(*ready)? {
                    return Ok(false);
                }
                if self.front.is_empty() {
                    self.engine.permits.free();
                }
            }
            match self.blocks.front() {
                Some(block) if block.is_complete() => {
                    self.front = block.take().into_iter().flatten().collect();
                    self.blocks.pop_front();
                    if self.front.is_empty() {
                        self.engine.permits.free();
                    }
                }
                _ => return Ok(true),
            }
        }
    }

    /// Puts one entry into the listing.
    fn emit(&mut self, mut ready: Ready) -> Step {
        if ready.link == LinkRole::Further {
            self.engine.problem(&ready.entry.path, "is another name of a file that could not be read");
            return Ok(true);
        }
        self.count(&ready.entry);
        self.links.remember(&ready);
        if let Content::Chunks(chunks) = &ready.entry.content
            && chunks.len() > CHUNKS_INLINE
        {
            let chunks = chunks.clone();
            for chunk in &chunks {
                add_live(&mut ready.inner, chunk.place.pack, chunk.stored_share(chunk.length.into()));
            }
            match self.write_lists(&chunks)? {
                Some(lists) => ready.entry.content = Content::Lists(lists),
                None => return Ok(false),
            }
        }
        self.count_live(&ready);
        let ids = &self.ids;
        let id = |pack: PackNo| ids.get(pack as usize).copied().flatten();
        self.cache.entry(&ready, self.engine.trust_before, id);
        let content = ready.entry.content.with_packs(id).ok_or(BackupError::Worker)?;
        self.leaf.push(&ready.entry.with_content(content));
        if self.leaf.is_complete() {
            self.end_leaf()?;
        }
        Ok(true)
    }

    fn count(&mut self, entry: &Entry<PackNo>) {
        let counts = &mut self.out.counts;
        match entry.kind {
            Kind::File => {
                counts.files += 1;
                counts.bytes = counts.bytes.saturating_add(entry.size);
            }
            Kind::Dir => counts.dirs += 1,
            _ => counts.others += 1,
        }
        self.owners.0.insert(entry.uid);
        self.owners.1.insert(entry.gid);
    }

    fn count_live(&mut self, ready: &Ready) {
        let live = &mut self.out.live;
        match &ready.entry.content {
            Content::Slice { chunk, .. } => {
                *live.entry(chunk.place.pack).or_default() += chunk.stored_share(ready.entry.size);
            }
            content => {
                for chunk in content.chunks() {
                    *live.entry(chunk.place.pack).or_default() += chunk.stored_share(chunk.length.into());
                }
            }
        }
        for (pack, bytes) in &ready.inner {
            *live.entry(*pack).or_default() += bytes;
        }
    }

    /// Stores the references of a large file; their packs land before this returns.
    fn write_lists(
        &mut self,
        chunks: &[ChunkRef<PackNo>],
    ) -> Result<Option<Vec<ChunkRef<PackNo>>>, BackupError> {
        let resolved: Option<Vec<_>> = chunks
            .iter()
            .map(|chunk| Some(chunk.with_pack(self.ids.get(chunk.place.pack as usize).copied()??)))
            .collect();
        let resolved = resolved.ok_or(BackupError::Worker)?;
        let ends = |chunk: &ChunkRef<ObjectId>| id_number(&chunk.id.0).is_multiple_of(LIST_CUT_DIVISOR);
        let mut lists = Vec::new();
        for part in resolved.split_inclusive(ends).flat_map(|part| part.chunks(LIST_MAX)) {
            lists.push(self.store(RecordType::ChunkList, &write_chunk_list(part))?);
        }
        Ok(self.land()?.then_some(lists))
    }

    fn end_leaf(&mut self) -> Result<(), BackupError> {
        let (first, content) = std::mem::take(&mut self.leaf).finish();
        let chunk = self.store(RecordType::Leaf, &content)?;
        self.children.push((first, chunk));
        let written = self.cache.leaf(&content);
        written.map_err(|e| self.engine.state_error("write the cache in", e))
    }

    fn store(&mut self, kind: RecordType, content: &[u8]) -> Result<ChunkRef<PackNo>, BackupError> {
        let chunk = self.engine.store(self.slot, kind, content, &mut self.packer)?;
        if kind != RecordType::ChunkList {
            *self.out.live.entry(chunk.place.pack).or_default() += u64::from(chunk.place.stored);
        }
        Ok(chunk)
    }

    /// Closes the collector's own pack and waits until everything sent so far has landed.
    fn land(&mut self) -> Step {
        self.engine.flush(self.slot..self.slot + 1)?;
        if self.engine.options.dry_run {
            return Ok(true);
        }
        let sealed: Vec<_> = self.engine.packs.ids().iter().map(Option::is_some).collect();
        let landed = |ids: &[Option<ObjectId>]| {
            sealed
                .iter()
                .enumerate()
                .all(|(number, sealed)| !sealed || ids.get(number).copied().flatten().is_some())
        };
        while !landed(&self.ids) {
            if !self.hear()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Builds nodes over the leaves, and the root over the nodes.
    fn build_tree(&mut self) -> Step {
        let mut depth = 1;
        loop {
            if !self.land()? {
                return Ok(false);
            }
            let children = std::mem::take(&mut self.children);
            let resolve = |(path, chunk): (Vec<u8>, ChunkRef<PackNo>)| {
                Some((path, chunk.with_pack(self.ids.get(chunk.place.pack as usize).copied()??)))
            };
            let children: Option<Vec<_>> = children.into_iter().map(resolve).collect();
            let children = children.ok_or(BackupError::Worker)?;
            if children.len() <= NODE_CHILDREN {
                return self.write_root(Node { depth, children });
            }
            let ends = |(path, _): &(Vec<u8>, _)| {
                id_number(blake3::hash(path).as_bytes()).is_multiple_of(NODE_CHILDREN as u64 / 4)
            };
            for part in children.split_inclusive(ends).flat_map(|part| part.chunks(NODE_CHILDREN)) {
                let node = Node { depth, children: part.to_vec() };
                let chunk = self.store(RecordType::Node, &node.write())?;
                self.children.push((part[0].0.clone(), chunk));
            }
            depth += 1;
        }
    }

    fn write_root(&mut self, top: Node) -> Step {
        let engine = self.engine;
        let options = engine.options;
        let mut problems = engine.problems.lock().unwrap_or_else(PoisonError::into_inner).first.clone();
        problems.sort();
        let root = Root {
            id_secret: *self.keys.secret.id_secret(),
            host_key: self.keys.signing.public().0,
            source: options.source.clone(),
            source_type: options.source_type.clone(),
            roots: options.roots.iter().map(|root| root.as_os_str().as_bytes().to_vec()).collect(),
            excludes: options.excludes.clone(),
            top,
            problems,
            notes: engine.notes.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            users: super::owners::names("/etc/passwd", &self.owners.0),
            groups: super::owners::names("/etc/group", &self.owners.1),
        };
        let chunk = self.store(RecordType::Root, &root.write())?;
        if !self.land()? {
            return Ok(false);
        }
        let pack = self.ids.get(chunk.place.pack as usize).copied().flatten().ok_or(BackupError::Worker)?;
        self.out.root = Some(chunk.with_pack(pack));
        Ok(true)
    }

    /// Lists the packs the snapshot needs: those of the last snapshot in their order, then the new ones.
    fn list_packs(&mut self, earlier: &[PackUse]) {
        let mut live: HashMap<ObjectId, (PackNo, u64)> = HashMap::new();
        for (number, bytes) in &self.out.live {
            if let Some(id) = self.ids.get(*number as usize).copied().flatten() {
                live.insert(id, (*number, *bytes));
            }
        }
        for old in earlier {
            if let Some((_, live_bytes)) = live.remove(&old.id) {
                self.out.packs.push(PackUse { live_bytes, ..*old });
            }
        }
        let mut new: Vec<_> = live.into_iter().collect();
        new.sort_by_key(|(_, (number, _))| *number);
        for (id, (number, live_bytes)) in new {
            // A pack of another source's snapshot, or of a run that was cut off: its length is not known here, and not needed.
            let total_bytes = self.out.sent.get(&number).copied().unwrap_or(live_bytes);
            self.out.packs.push(PackUse { id, live_bytes, total_bytes });
        }
    }
}

/// A pack the entry refers to that has not landed.
fn first_open(ids: &[Option<ObjectId>], asked: Option<PackNo>, ready: &Ready) -> Option<PackNo> {
    let open = |pack: &PackNo| ids.get(*pack as usize).copied().flatten().is_none();
    // Asking for the one found last time first keeps a file of many chunks from being gone through again and again.
    asked
        .filter(open)
        .or_else(|| ready.entry.content.chunks().iter().map(|chunk| chunk.place.pack).find(open))
}

fn add_live(inner: &mut Vec<(PackNo, u64)>, pack: PackNo, bytes: u64) {
    // Chunks of one file lie in few packs at a time: the last ones are the likely ones.
    match inner.iter_mut().rev().find(|(known, _)| *known == pack) {
        Some((_, live)) => *live += bytes,
        None => inner.push((pack, bytes)),
    }
}

fn id_number(id: &[u8; 32]) -> u64 {
    u64::from_le_bytes(id[..8].try_into().expect("8 of 32 bytes"))
}
