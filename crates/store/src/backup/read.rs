//! Reading files: small ones into bundles, larger ones in chunks. What changes while it is read is read again, then marked.

use super::BackupError;
use super::assembly::{Assembly, Finish};
use super::block::{LinkRole, Place, Ready};
use super::engine::Engine;
use super::extents::{cut_extents, sparse_extents};
use super::packs::PackNo;
use super::queue::{Job, Queue};
use crate::chunker::{BUNDLE_FILE_BYTES, Cutter, Grain};
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
/// How often a file is read before it is marked as changing.
const ATTEMPTS: usize = 3;
/// The least that is read at once.
pub(super) const READ_BYTES: usize = 4 << 20;

/// Small files that become one chunk.
#[derive(Default)]
pub(super) struct Bundle {
    /// The files, in path order.
    pub(super) members: Vec<(Item, Place)>,
    /// The sum of their sizes as the walk saw them.
    pub(super) bytes: u64,
}

/// A chunk that was read by another thread.
pub(super) struct ChunkJob {
    data: Vec<u8>,
    number: usize,
    assembly: Arc<Assembly>,
}

/// One reading thread.
pub(super) struct Reader<'e, 'a> {
    pub(super) engine: &'e Engine<'a>,
    queue: &'e Queue,
    slot: usize,
    packer: Packer,
    pub(super) buffer: Vec<u8>,
}

type Outcome<T> = Result<T, Failed>;

/// Why a file was not read.
enum Failed {
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
        Ok(Self { engine, queue, slot, packer, buffer: Vec::new() })
    }

    pub(super) fn queue(&self) -> &'e Queue {
        self.queue
    }

    /// Works until there is no more, or the run has failed.
    pub(super) fn work(&mut self) {
        while let Some(job) = self.queue.pop() {
            if self.engine.has_failed() {
                continue;
            }
            let done = match job {
                Job::Bundle(bundle) => self.bundle(bundle),
                Job::File(item, place) => self.file(item, place),
                Job::Stream(item, stream, place) => self.pipe(item, stream, place),
                Job::Chunk(job) => self.chunk(job),
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
                // It has grown beyond what is bundled.
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

    /// Appends a small file to `content`; `None` when it is not small any more.
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
            if before.size > BUNDLE_FILE_BYTES {
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

    /// Cuts and stores the data; says how many bytes of data there were, and whether all that were expected.
    fn stream(
        &mut self,
        file: &File,
        stat: &Stat,
        extents: Option<&[(u64, u64)]>,
        name: &[u8],
        assembly: &Arc<Assembly>,
    ) -> Outcome<(u64, bool)> {
        let whole = [(0, stat.size)];
        let mut extents = extents.unwrap_or(&whole).iter().copied();
        let mut head = [0; 4096];
        let length = read_full(file, &mut head, 0)?;
        let cutter = Cutter::new(Grain::of(name, &head[..length]), stat.size);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(READ_BYTES.max(cutter.max_bytes() * 2), 0);
        let (mut held, mut start, mut total) = (0, 0, 0);
        let mut current = extents.next();
        let mut complete = true;
        let result = loop {
            // Fill the buffer.
            if start > 0 {
                buffer.copy_within(start..held, 0);
                (held, start) = (held - start, 0);
            }
            while let Some((offset, left)) = current {
                if held == buffer.len() {
                    break;
                }
                let room = (buffer.len() - held).min(usize::try_from(left).unwrap_or(usize::MAX));
                let read = match read_full(file, &mut buffer[held..held + room], offset) {
                    Ok(read) => read,
                    Err(error) => return Err(Failed::File(error)),
                };
                held += read;
                total += read as u64;
                add(&self.engine.monitor.counters.bytes, read as u64);
                current = match left - read as u64 {
                    _ if read < room => {
                        complete = false;
                        None
                    }
                    0 => extents.next(),
                    more => Some((offset + read as u64, more)),
                };
            }
            if held == 0 {
                break Ok((total, complete));
            }
            // Cut while a whole chunk is certain to be in the buffer, or the file ends.
            while held - start >= cutter.max_bytes() || current.is_none() && held > start {
                let length = self.engine.chunker.cut(&cutter, &buffer[start..held]);
                if let Err(error) = self.one_chunk(&buffer[start..start + length], assembly) {
                    return Err(Failed::Run(error));
                }
                start += length;
            }
            if current.is_none() {
                break Ok((total, complete));
            }
            if self.engine.has_failed() || self.engine.monitor.is_cancelled() {
                return Err(Failed::Run(BackupError::Cancelled));
            }
        };
        self.buffer = buffer;
        result
    }

    pub(super) fn one_chunk(&mut self, data: &[u8], assembly: &Arc<Assembly>) -> Result<(), BackupError> {
        let number = assembly.expect_one();
        let offered =
            self.queue.offer(|| ChunkJob { data: data.to_vec(), number, assembly: Arc::clone(assembly) });
        if !offered {
            let chunk = self.engine.store(self.slot, RecordType::Data, data, &mut self.packer)?;
            assembly.give(number, chunk, self.engine);
        }
        Ok(())
    }

    fn chunk(&mut self, job: ChunkJob) -> Result<(), BackupError> {
        let chunk = self.engine.store(self.slot, RecordType::Data, &job.data, &mut self.packer)?;
        job.assembly.give(job.number, chunk, self.engine);
        Ok(())
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
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
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
