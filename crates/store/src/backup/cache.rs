//! The cache of the last snapshot of a source: leaves as they were, with what recognises each file. Only ever a hint: whatever
//! does not verify is treated as absent and read again.

use super::block::Ready;
use super::packs::PackNo;
use crate::listing::{Entry, Kind, Time, path, tree};
use crate::source::{Item, Stat};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use vow_base::ObjectId;
use vow_base::id::{join_ids, split_ids};

/// The longest frame that is read, in bytes.
const FRAME_LIMIT_BYTES: usize = 64 << 20;
const CHECK_BYTES: usize = 16;
/// Stands for the nanoseconds of a ctime that must not be trusted.
const UNTRUSTED: u32 = u32::MAX;

/// What is known of the packs of the last snapshot, in the order in which they came into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackUse {
    /// The pack.
    pub(super) id: ObjectId,
    /// Stored bytes of it that the snapshot refers to.
    pub(super) live_bytes: u64,
    /// Its stored length.
    pub(super) total_bytes: u64,
}

/// What binds a cache to the snapshot it came from.
#[derive(Encode, Decode, Debug)]
#[cbor(map)]
pub(super) struct CacheHead {
    /// The snapshot.
    #[cbor(n(0), with = "vow_base::manifest::id")]
    pub(super) manifest: ObjectId,
    /// The run, which the entries' checks are keyed with.
    #[cbor(n(1), with = "minicbor::bytes")]
    run: [u8; 16],
    #[n(2)]
    packs: ByteVec,
    #[n(3)]
    live_bytes: Vec<u64>,
    #[n(4)]
    total_bytes: Vec<u64>,
}

impl CacheHead {
    pub(super) fn new(manifest: ObjectId, run: [u8; 16], packs: &[PackUse]) -> Self {
        let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
        Self {
            manifest,
            run,
            packs: join_ids(&ids).into(),
            live_bytes: packs.iter().map(|pack| pack.live_bytes).collect(),
            total_bytes: packs.iter().map(|pack| pack.total_bytes).collect(),
        }
    }

    /// The packs of the last snapshot.
    pub(super) fn packs(&self) -> Vec<PackUse> {
        let ids = split_ids(&self.packs).unwrap_or_default();
        let sizes = self.live_bytes.iter().zip(&self.total_bytes);
        let one = |(id, (live, total)): (ObjectId, (&u64, &u64))| PackUse {
            id,
            live_bytes: *live,
            total_bytes: *total,
        };
        ids.into_iter().zip(sizes).map(one).collect()
    }
}

/// Where the cache of one source lies.
pub(super) struct CacheFiles {
    head: PathBuf,
    entries: PathBuf,
    key: [u8; 32],
}

impl CacheFiles {
    pub(super) fn new(folder: &Path, source: &str, index_secret: &[u8; 32]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let key = blake3::derive_key("vow v1 local cache", index_secret);
        let path = |kind: &str| folder.join(format!("{source}.{kind}"));
        Ok(Self { head: path("head"), entries: path("entries"), key })
    }

    /// The head, if there is one that verifies.
    pub(super) fn head(&self) -> Option<CacheHead> {
        let mut file = BufReader::new(File::open(&self.head).ok()?);
        vow_base::cbor::decode(&read_frame(&mut file, &self.key)?).ok()
    }

    /// The entries that belong to `head`.
    pub(super) fn entries(&self, head: &CacheHead) -> Option<CacheReader> {
        let file = File::open(&self.entries).ok()?;
        let input = BufReader::with_capacity(1 << 20, file);
        Some(CacheReader {
            input,
            key: self.run_key(&head.run),
            waiting: Vec::new().into_iter(),
            next: None,
            done: false,
        })
    }

    /// A new file of entries; it replaces the old one with [`Self::commit`].
    pub(super) fn create(&self, run: &[u8; 16]) -> io::Result<CacheWriter> {
        let out = BufWriter::with_capacity(1 << 20, File::create(self.entries.with_extension("new"))?);
        Ok(CacheWriter { out, key: self.run_key(run), sides: Vec::new() })
    }

    /// Puts a finished file of entries in force. A crash in between leaves a head and entries that do not fit each other.
    pub(super) fn commit(&self, writer: CacheWriter, head: &CacheHead) -> io::Result<()> {
        writer.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(self.entries.with_extension("new"), &self.entries)?;
        let unfinished = self.head.with_extension("head.new");
        let mut out = BufWriter::new(File::create(&unfinished)?);
        write_frame(&mut out, &vow_base::cbor::encode(head), &self.key)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(unfinished, &self.head)
    }

    fn run_key(&self, run: &[u8; 16]) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, run).as_bytes()
    }
}

#[derive(Encode, Decode)]
struct Side {
    #[n(0)]
    inode: u64,
    #[n(1)]
    secs: i64,
    #[n(2)]
    nanos: u32,
    #[n(3)]
    inner: Option<Inner>,
}

#[derive(Encode, Decode)]
struct Inner {
    #[n(0)]
    packs: ByteVec,
    #[n(1)]
    live_bytes: Vec<u64>,
}

#[derive(Encode, Decode)]
struct Frame {
    #[n(0)]
    leaf: ByteVec,
    #[n(1)]
    sides: Vec<Side>,
}

/// Writes the cache while the listing is built.
pub(super) struct CacheWriter {
    out: BufWriter<File>,
    key: [u8; 32],
    sides: Vec<Side>,
}

impl CacheWriter {
    /// Notes what recognises the entry that was just added to the leaf.
    pub(super) fn entry(
        &mut self,
        ready: &Ready,
        trust_before: Time,
        id: impl Fn(PackNo) -> Option<ObjectId>,
    ) {
        let trusted = is_before(ready.ctime, trust_before) && !ready.entry.changed;
        let nanos = if trusted { ready.ctime.nanos } else { UNTRUSTED };
        let inner = (!ready.inner.is_empty()).then(|| {
            let ids: Vec<_> = ready.inner.iter().filter_map(|(pack, _)| id(*pack)).collect();
            Inner {
                packs: join_ids(&ids).into(),
                live_bytes: ready.inner.iter().map(|(_, live)| *live).collect(),
            }
        });
        self.sides.push(Side { inode: ready.inode, secs: ready.ctime.secs, nanos, inner });
    }

    /// Writes the leaf that these entries became.
    pub(super) fn leaf(&mut self, leaf: &[u8]) -> io::Result<()> {
        let frame = Frame { leaf: leaf.to_vec().into(), sides: std::mem::take(&mut self.sides) };
        write_frame(&mut self.out, &vow_base::cbor::encode(&frame), &self.key)
    }
}

/// Whether a change at `start` or later would have a later ctime than this, however coarse the file system's clock is.
fn is_before(ctime: Time, start: Time) -> bool {
    // The kernel stamps with the last tick of its clock, up to 10 ms ago. Whole milliseconds are the mark of file systems that keep
    // whole seconds, or two: small ext4 inodes, network shares.
    let lag_nanos = if ctime.nanos.is_multiple_of(1_000_000) { 2_000_000_000 } else { 20_000_000 };
    let nanos = |time: Time| i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
    nanos(ctime) + lag_nanos < nanos(start)
}

/// An entry of the last snapshot.
pub(super) struct Cached {
    /// The entry.
    pub(super) entry: Entry<ObjectId>,
    /// For chunk lists: the packs their chunks lie in.
    pub(super) inner: Vec<(ObjectId, u64)>,
    inode: u64,
    ctime: Option<Time>,
}

impl Cached {
    /// Whether the file cannot have changed since.
    pub(super) fn matches(&self, item: &Item) -> bool {
        let Stat { kind, size, mtime, ctime, inode, .. } = item.stat;
        let size = if kind == Kind::File { size } else { 0 };
        (self.entry.kind, self.entry.size, self.entry.mtime, self.ctime, self.inode)
            == (kind, size, mtime, Some(ctime), inode)
    }

    /// Whether nothing shows that its content changed since: what people call unchanged.
    pub(super) fn looks_like(&self, item: &Item) -> bool {
        let size = if item.stat.kind == Kind::File { item.stat.size } else { 0 };
        (self.entry.kind, self.entry.size, self.entry.mtime) == (item.stat.kind, size, item.stat.mtime)
    }
}

/// Reads the cache in path order.
pub(super) struct CacheReader {
    input: BufReader<File>,
    key: [u8; 32],
    waiting: std::vec::IntoIter<Cached>,
    next: Option<Cached>,
    done: bool,
}

impl CacheReader {
    /// The entry of this path, if there is one. Paths must be asked for in order; entries that are passed over are `gone`.
    pub(super) fn at(&mut self, wanted: &[u8], mut gone: impl FnMut(Cached)) -> Option<Cached> {
        loop {
            if self.next.is_none() {
                self.next = self.read_next();
            }
            match path::compare(&self.next.as_ref()?.entry.path, wanted) {
                std::cmp::Ordering::Less => self.next.take().into_iter().for_each(&mut gone),
                std::cmp::Ordering::Equal => return self.next.take(),
                std::cmp::Ordering::Greater => return None,
            }
        }
    }

    /// Every entry after the last one that was asked for.
    pub(super) fn rest(&mut self, gone: &mut dyn FnMut(Cached)) {
        while let Some(cached) = self.next.take().or_else(|| self.read_next()) {
            gone(cached);
        }
    }

    fn read_next(&mut self) -> Option<Cached> {
        loop {
            if let Some(cached) = self.waiting.next() {
                return Some(cached);
            }
            if self.done {
                return None;
            }
            match self.read_leaf() {
                Some(entries) => self.waiting = entries.into_iter(),
                None => self.done = true,
            }
        }
    }

    /// `None` at the end, and at the first frame that does not verify.
    fn read_leaf(&mut self) -> Option<Vec<Cached>> {
        let frame: Frame = vow_base::cbor::decode(&read_frame(&mut self.input, &self.key)?).ok()?;
        let entries = tree::read_leaf(&frame.leaf).ok()?;
        if entries.len() != frame.sides.len() {
            return None;
        }
        let one = |(entry, side): (Entry<ObjectId>, Side)| {
            let inner = side.inner.map_or_else(Vec::new, |inner| {
                split_ids(&inner.packs).unwrap_or_default().into_iter().zip(inner.live_bytes).collect()
            });
            let ctime = (side.nanos != UNTRUSTED).then_some(Time { secs: side.secs, nanos: side.nanos });
            Cached { entry, inner, inode: side.inode, ctime }
        };
        Some(entries.into_iter().zip(frame.sides).map(one).collect())
    }
}

fn write_frame(out: &mut impl Write, payload: &[u8], key: &[u8; 32]) -> io::Result<()> {
    out.write_all(&(payload.len() as u32).to_le_bytes())?;
    out.write_all(&blake3::keyed_hash(key, payload).as_bytes()[..CHECK_BYTES])?;
    out.write_all(payload)
}

fn read_frame(input: &mut impl Read, key: &[u8; 32]) -> Option<Vec<u8>> {
    let (mut length, mut check) = ([0; 4], [0; CHECK_BYTES]);
    input.read_exact(&mut length).ok()?;
    input.read_exact(&mut check).ok()?;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_LIMIT_BYTES {
        return None;
    }
    let mut payload = Vec::new();
    input.by_ref().take(length as u64).read_to_end(&mut payload).ok()?;
    let whole =
        payload.len() == length && blake3::keyed_hash(key, &payload).as_bytes()[..CHECK_BYTES] == check;
    whole.then_some(payload)
}
