//! Reading files: small ones into bundles, larger ones in chunks. What changes while it is read is read again, then marked.

use super::BackupError;
use super::assembly::{Assembly, Finish};
use super::block::{LinkRole, Place, Ready};
use super::engine::Engine;
use super::extents::{cut_extents, sparse_extents};
use super::packs::PackNo;
use super::queue::{Job, Queue};
use crate::chunker::BUNDLE_FILE_BYTES;
use crate::compress::Packer;
use crate::listing::{Content, Entry, Kind};
use crate::monitor::add;
use crate::record::RecordType;
use crate::source::{Attributes, Item, Stat};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Files up to this are read again when they changed meanwhile; larger ones are marked at once.
const REREAD_BYTES: u64 = 64 << 20;
/// A bundle takes no more than this, however much its files grew since the walk saw them: a record has a limit.
const BUNDLE_LIMIT_BYTES: u64 = 4 << 20;
/// How often a file is read before it is marked as changing.
const ATTEMPTS: usize = 3;

/// Small files that become one chunk.
#[derive(Default)]
pub(super) struct Bundle {
    /// The files, in path order.
    pub(super) members: Vec<(Item, Place)>,
    /// The sum of their sizes as the walk saw them.
    pub(super) bytes: u64,
}

/// One reading thread.
pub(super) struct Reader<'e, 'a> {
    pub(super) engine: &'e Engine<'a>,
    pub(super) queue: &'e Queue,
    pub(super) slot: usize,
    pub(super) packer: Packer,
    pub(super) buffer: Vec<u8>,
    /// New chunks of a stretch of which others are known.
    pub(super) gathered: Vec<u8>,
}

pub(super) type Outcome<T> = Result<T, Failed>;

/// Why a file was not read.
pub(super) enum Failed {
    /// Only this file is affected.
    File(io::Error),
    /// The run is.
    Run(BackupError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<BackupError> for Failed {
    fn from(error: BackupError) -> Self {
        Self::Run(error)
    }
}

impl<'e, 'a> Reader<'e, 'a> {
    pub(super) fn new(engine: &'e Engine<'a>, queue: &'e Queue, slot: usize) -> io::Result<Self> {
        let packer = Packer::new(engine.options.compression)?;
        Ok(Self { engine, queue, slot, packer, buffer: Vec::new(), gathered: Vec::new() })
    }

    pub(super) fn queue(&self) -> &'e Queue {
        self.queue
    }

    /// Works until there is no more, or the run has failed.
    pub(super) fn work(&mut self) {
        while let Some((job, _taken)) = self.queue.pop() {
            if self.engine.has_failed() {
                continue;
            }
            let done = match job {
                Job::Bundle(bundle) => self.bundle(bundle),
                Job::File(item, place) => self.file(item, place),
                Job::Stream(item, stream, place) => self.pipe(item, stream, place),
                Job::Stretch(job) => self.stretch(&job.data, &job.stretch, job.first, &job.assembly),
            };
            if let Err(error) = done {
                self.engine.fail(error);
                self.queue.close();
            }
        }
    }

    fn bundle(&mut self, bundle: Bundle) -> Result<(), BackupError> {
        let mut content = std::mem::take(&mut self.buffer);
        content.clear();
        let mut slices = Vec::with_capacity(bundle.members.len());
        for (item, place) in bundle.members {
            match self.small(&item, &mut content) {
                Ok(Some((start, stat, xattrs, changed))) => {
                    slices.push((item, place, start, stat, xattrs, changed))
                }
                // It, or all before it, grew beyond what is bundled.
                Ok(None) => self.file(item, place)?,
                Err(Failed::Run(error)) => return Err(error),
                Err(Failed::File(error)) => self.unreadable(&item, place, &error),
            }
        }
        let chunk = match content.is_empty() {
            true => None,
            false => Some(self.engine.store(self.slot, RecordType::Data, &content, &mut self.packer)?),
        };
        for (item, place, start, stat, xattrs, changed) in slices {
            let end = start + stat.size as usize;
            if let Some(observer) = self.engine.monitor.observer() {
                observer.content(item.name(), &content[start..end]);
            }
            let content = match chunk {
                Some(chunk) if end > start => {
                    let digest = self.engine.ids.slice_digest(&content[start..end]);
                    Content::Slice { chunk, offset: start as u32, digest }
                }
                _ => Content::Empty,
            };
            let mut entry = entry_of(&item, &stat, content, xattrs);
            entry.changed = changed;
            read_done(self.engine, &item, &stat, changed);
            place.fill(Some(ready(entry, &stat)));
        }
        self.buffer = content;
        Ok(())
    }

    /// Appends a small file to `content`; `None` when it does not fit any more.
    #[allow(clippy::type_complexity)]
    fn small(
        &mut self,
        item: &Item,
        content: &mut Vec<u8>,
    ) -> Outcome<Option<(usize, Stat, Attributes, bool)>> {
        let start = content.len();
        let mut attempt = 1;
        loop {
            content.truncate(start);
            let (file, before) = open(item)?;
            if before.size > BUNDLE_FILE_BYTES || start as u64 + before.size > BUNDLE_LIMIT_BYTES {
                return Ok(None);
            }
            // One byte more than expected shows that it grew.
            content.resize(start + before.size as usize + 1, 0);
            let read = read_full(&file, &mut content[start..], 0)?;
            content.truncate(start + read.min(before.size as usize));
            let mut after = stat_of(&file)?;
            let changed = is_changed(&before, &after) || read as u64 != before.size;
            if changed && attempt < ATTEMPTS {
                attempt += 1;
                continue;
            }
            after.size = (content.len() - start) as u64;
            let xattrs = item.folder.attributes_of(&file)?;
            return Ok(Some((start, after, xattrs, changed)));
        }
    }

    fn file(&mut self, item: Item, place: Place) -> Result<(), BackupError> {
        match self.large(&item) {
            Ok((assembly, finish)) => {
                assembly.finish(item, place, finish, self.engine);
                Ok(())
            }
            Err(Failed::Run(error)) => Err(error),
            Err(Failed::File(error)) => {
                self.unreadable(&item, place, &error);
                Ok(())
            }
        }
    }

    fn large(&mut self, item: &Item) -> Outcome<(Arc<Assembly>, Finish)> {
        let mut attempt = 1;
        loop {
            let (file, before) = open(item)?;
            let extents =
                if before.allocated < before.size { sparse_extents(&file, before.size)? } else { None };
            let assembly = Arc::new(Assembly::default());
            let (read, whole) = self.stream(&file, &before, extents.as_deref(), item.name(), &assembly)?;
            let mut stat = stat_of(&file)?;
            let changed = is_changed(&before, &stat) || !whole;
            if changed && attempt < ATTEMPTS && before.size <= REREAD_BYTES {
                attempt += 1;
                continue;
            }
            // The entry says what was read, whatever the file has become since.
            let extents = extents.map(|extents| cut_extents(extents, read));
            stat.size = match (&extents, whole) {
                (Some(_), true) => before.size,
                (Some(cut), false) => cut.last().map_or(0, |(offset, length)| offset + length),
                (None, _) => read,
            };
            let xattrs = item.folder.attributes_of(&file)?;
            return Ok((assembly, Finish { stat, extents, xattrs, changed }));
        }
    }

    fn unreadable(&self, item: &Item, place: Place, error: &io::Error) {
        let text = match error.kind() {
            io::ErrorKind::NotFound => "vanished before it could be read".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        self.engine.problem(&item.path, &text);
        place.fill(None);
    }
}

/// Counts a file that was read, and reports it when it changed meanwhile.
pub(super) fn read_done(engine: &Engine<'_>, item: &Item, stat: &Stat, changed: bool) {
    add(&engine.monitor.counters.files, 1);
    if stat.size <= BUNDLE_FILE_BYTES {
        add(&engine.monitor.counters.bytes, stat.size);
    }
    if changed {
        engine.problem(&item.path, "changed while it was read; what was captured may mix old and new");
    }
}

/// An entry from what the file system said.
pub(super) fn entry_of(
    item: &Item,
    stat: &Stat,
    content: Content<PackNo>,
    xattrs: Attributes,
) -> Entry<PackNo> {
    let device = matches!(stat.kind, Kind::CharDevice | Kind::BlockDevice).then_some(stat.rdev);
    let link = (stat.kind != Kind::Dir && item.stat.links > 1).then_some((item.stat.device, item.stat.inode));
    Entry {
        path: item.path.clone(),
        kind: stat.kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime,
        size: if stat.kind == Kind::File { stat.size } else { 0 },
        content,
        target: Vec::new(),
        device,
        xattrs,
        link,
        extents: None,
        changed: false,
        ancestor: item.ancestor,
    }
}

/// An entry that only waits for its packs.
pub(super) fn ready(entry: Entry<PackNo>, stat: &Stat) -> Ready {
    let links = if entry.link.is_some() { stat.links } else { 1 };
    Ready { entry, inode: stat.inode, ctime: stat.ctime, inner: Vec::new(), link: LinkRole::First, links }
}

fn open(item: &Item) -> io::Result<(File, Stat)> {
    let file = item.folder.open_file(item.name())?;
    let stat = stat_of(&file)?;
    if stat.kind != Kind::File {
        return Err(io::Error::other("it was replaced by something that is not a regular file"));
    }
    Ok((file, stat))
}

fn stat_of(file: &File) -> io::Result<Stat> {
    let stat = rustix::fs::fstat(file)?;
    Ok(Stat::from_raw(&stat))
}

fn is_changed(before: &Stat, after: &Stat) -> bool {
    (before.size, before.mtime, before.ctime) != (after.size, after.mtime, after.ctime)
}

/// Reads until `buffer` is full or the file ends; says how much.
pub(super) fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
