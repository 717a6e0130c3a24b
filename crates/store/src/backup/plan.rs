//! The planner: merges what the source finds with what the cache knows, and decides what must be read.

use super::BackupError;
use super::block::{Block, LinkRole, Ready};
use super::cache::{CacheReader, Cached};
use super::collect::Message;
use super::engine::Engine;
use super::packs::PackNo;
use super::queue::{Job, Queue};
use super::read::{Bundle, entry_of, ready};
use crate::chunker::BUNDLE_FILE_BYTES;
use crate::listing::{Content, Kind};
use crate::monitor::{Change, Observer, add};
use crate::source::{Found, Item, Source};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use vow_base::ObjectId;

/// A bundle of at least this size may end.
const BUNDLE_MIN_BYTES: u64 = 256 << 10;
/// A bundle of this size ends.
const BUNDLE_MAX_BYTES: u64 = 1 << 20;
/// A bundle of this many files ends: each may hold a folder open.
const BUNDLE_MEMBERS: usize = 512;
/// Bundles end after a file whose name and size hash to a multiple of this. Names and sizes are known before anything is read,
/// and a folder that was moved is still cut in the same places.
const BUNDLE_CUT_DIVISOR: u64 = 128;
/// Entries in one block.
const BLOCK_ENTRIES: usize = 1024;

/// Decides what is read.
pub(super) struct Planner<'e, 'a> {
    engine: &'e Engine<'a>,
    queue: &'e Queue,
    messages: Sender<Message>,
    cache: Option<CacheReader>,
    block: Arc<Block>,
    bundle: Bundle,
    /// Links seen of files with several, until all were seen.
    links: HashMap<(u64, u64), u32>,
}

impl<'e, 'a> Planner<'e, 'a> {
    pub(super) fn new(
        engine: &'e Engine<'a>,
        queue: &'e Queue,
        messages: Sender<Message>,
        cache: Option<CacheReader>,
    ) -> Self {
        let block = Block::new(messages.clone());
        Self { engine, queue, messages, cache, block, bundle: Bundle::default(), links: HashMap::new() }
    }

    /// Goes through the whole source.
    pub(super) fn run(mut self, source: &mut dyn Source) -> Result<(), BackupError> {
        loop {
            let found = match source.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                // A source whose stream was let go of only says so; why is known here.
                Err(_) if self.engine.has_failed() => return Ok(()),
                Err(_) if self.engine.monitor.is_cancelled() => return Err(BackupError::Cancelled),
                Err(error) => return Err(BackupError::Source(error)),
            };
            if self.engine.monitor.is_cancelled() {
                return Err(BackupError::Cancelled);
            }
            if self.engine.has_failed() {
                return Ok(());
            }
            for found in found {
                match found {
                    Found::Item(item) => self.item(item),
                    Found::Stream(item, stream) => {
                        let place = self.block.reserve();
                        self.queue.push(Job::Stream(item, stream, place));
                    }
                    Found::Problem { path, text } => self.engine.problem(&path, &text),
                    Found::Note(text) => {
                        self.engine.monitor.note(&text);
                        let mut notes =
                            self.engine.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        notes.push(text);
                    }
                }
                if self.block.len() >= BLOCK_ENTRIES {
                    self.end_block();
                }
            }
        }
        self.end_block();
        self.end_bundle();
        if let (Some(cache), Some(observer)) = (&mut self.cache, self.engine.monitor.observer()) {
            cache.rest(&mut |gone| observer.gone(&gone.entry.path, gone.entry.kind));
        }
        Ok(())
    }

    fn item(&mut self, item: Item) {
        let observer = self.engine.monitor.observer();
        let gone = |gone: Cached| {
            if let Some(observer) = observer {
                observer.gone(&gone.entry.path, gone.entry.kind);
            }
        };
        let cached = self.cache.as_mut().and_then(|cache| cache.at(&item.path, gone));
        if let Some(observer) = observer {
            observe(observer, &item, self.cache.is_some(), cached.as_ref());
        }
        if item.stat.kind == Kind::Dir {
            add(&self.engine.monitor.counters.dirs, 1);
        }
        if item.stat.kind == Kind::File && item.stat.links > 1 && !self.is_first_link(&item) {
            // It takes the content of its first link, which comes earlier in the listing.
            let entry = entry_of(&item, &item.stat, Content::Empty, Vec::new());
            add(&self.engine.monitor.counters.files, 1);
            return self.block.push(Ready { link: LinkRole::Further, ..ready(entry, &item.stat) });
        }
        if let Some(ready) = cached.and_then(|cached| self.unchanged(&item, cached)) {
            return self.block.push(ready);
        }
        match item.stat.kind {
            Kind::File if item.stat.size > BUNDLE_FILE_BYTES => {
                let place = self.block.reserve();
                self.queue.push(Job::File(item, place));
            }
            Kind::File => {
                let ends = self.bundle.bytes >= BUNDLE_MIN_BYTES
                    && name_hash(&item).is_multiple_of(BUNDLE_CUT_DIVISOR);
                self.bundle.bytes += item.stat.size;
                let place = self.block.reserve();
                self.bundle.members.push((item, place));
                if ends
                    || self.bundle.bytes >= BUNDLE_MAX_BYTES
                    || self.bundle.members.len() >= BUNDLE_MEMBERS
                {
                    self.end_bundle();
                }
            }
            _ => self.without_data(&item),
        }
    }

    /// The entry as the cache has it, when the file cannot have changed and its packs may be referred to.
    fn unchanged(&self, item: &Item, cached: Cached) -> Option<Ready> {
        if !cached.matches(item) {
            return None;
        }
        let mut usable = |id: ObjectId| -> Option<PackNo> {
            let number = self.engine.packs.known(&id)?;
            self.engine.is_usable(number).then_some(number)
        };
        let content = cached.entry.content.with_packs(&mut usable)?;
        let inner = cached.inner.iter().map(|(id, live)| Some((usable(*id)?, *live)));
        let inner = inner.collect::<Option<Vec<_>>>()?;
        let mut entry = entry_of(item, &item.stat, content, cached.entry.xattrs);
        entry.target = cached.entry.target;
        entry.extents = cached.entry.extents;
        if entry.kind == Kind::File {
            add(&self.engine.monitor.counters.files, 1);
            add(&self.engine.monitor.counters.bytes, item.stat.size);
        }
        Some(Ready { inner, ..ready(entry, &item.stat) })
    }

    fn without_data(&mut self, item: &Item) {
        let name = item.name();
        let read = item.folder.attributes(name).and_then(|xattrs| {
            let target = match item.stat.kind {
                Kind::Symlink => item.folder.read_link(name)?,
                _ => Vec::new(),
            };
            Ok((xattrs, target))
        });
        match read {
            Ok((xattrs, target)) => {
                let mut entry = entry_of(item, &item.stat, Content::Empty, xattrs);
                entry.target = target;
                self.block.push(ready(entry, &item.stat));
            }
            Err(error) => self.engine.problem(&item.path, &format!("cannot be read: {error}")),
        }
    }

    fn is_first_link(&mut self, item: &Item) -> bool {
        let key = (item.stat.device, item.stat.inode);
        let seen = self.links.entry(key).or_default();
        *seen += 1;
        let first = *seen == 1;
        if *seen >= item.stat.links {
            self.links.remove(&key);
        }
        first
    }

    fn end_block(&mut self) {
        let engine = self.engine;
        if !engine.permits.try_take() {
            // Entries pile up because their data waits in a bundle or pack that does not fill.
            self.end_bundle();
            // The collector is told that somebody waits; it closes open packs when they are what it waits for.
            let _ = self.messages.send(Message::BlockDone);
            engine.permits.take(|| engine.has_failed());
        }
        let block = std::mem::replace(&mut self.block, Block::new(self.messages.clone()));
        let _ = self.messages.send(Message::Block(Arc::clone(&block)));
        block.close();
    }

    fn end_bundle(&mut self) {
        if !self.bundle.members.is_empty() {
            self.queue.push(Job::Bundle(std::mem::take(&mut self.bundle)));
        }
    }
}

fn observe(observer: &dyn Observer, item: &Item, known: bool, cached: Option<&Cached>) {
    let change = match cached {
        None if known => Change::New,
        None => Change::Unknown,
        Some(cached) if cached.looks_like(item) => Change::Same,
        Some(_) => Change::Changed,
    };
    observer.entry(&item.path, item.stat.kind, item.stat.size, change);
}

/// FNV-1a over the name and the size.
fn name_hash(item: &Item) -> u64 {
    let size = item.stat.size.to_le_bytes();
    let bytes = item.name().iter().chain(&size);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
