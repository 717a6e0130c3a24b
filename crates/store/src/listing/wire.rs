//! How entries and references are written: CBOR maps with integer keys, references through a table.

use super::entry::{Attributes, Content, Entry, Kind, Time};
use super::path;
use super::tree::ListingError::{self, Malformed};
use crate::keys::ChunkId;
use crate::pack::chunk_id;
use crate::record::{CONTENT_LIMIT_BYTES, ChunkRef, Place};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::HashMap;
use vow_base::ObjectId;
use vow_base::id::{join_ids, split_ids};

/// One row of a reference table.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub(super) struct Row {
    #[n(0)]
    pack: u32,
    #[n(1)]
    record: u32,
    #[n(2)]
    offset: u32,
    #[n(3)]
    stored: u32,
    #[n(4)]
    length: u32,
    #[cbor(n(5), with = "chunk_id")]
    id: ChunkId,
    /// Of a chunk in a group, like the next.
    #[n(6)]
    start: Option<u32>,
    #[n(7)]
    whole: Option<u32>,
}

/// A reference table being written.
#[derive(Default)]
pub(super) struct TableBuilder {
    packs: Vec<ObjectId>,
    pack_numbers: HashMap<ObjectId, u32>,
    rows: Vec<Row>,
    row_numbers: HashMap<(u32, u32, u32), u32>,
}

impl TableBuilder {
    /// The number of this reference; added when new.
    pub(super) fn number(&mut self, chunk: &ChunkRef<ObjectId>) -> u32 {
        let row = self.lone_row(chunk);
        let rows = &mut self.rows;
        *self.row_numbers.entry((row.pack, row.record, chunk.start)).or_insert_with(|| {
            rows.push(row);
            rows.len() as u32 - 1
        })
    }

    /// The row of a reference, for tables in which rows may repeat; only its pack is remembered here.
    pub(super) fn lone_row(&mut self, chunk: &ChunkRef<ObjectId>) -> Row {
        let Place { pack, record, offset, stored } = chunk.place;
        let packs = &mut self.packs;
        let pack = *self.pack_numbers.entry(pack).or_insert_with(|| {
            packs.push(pack);
            packs.len() as u32 - 1
        });
        let part = chunk.is_part().then_some((chunk.start, chunk.whole));
        let (start, whole) = part.unzip();
        Row { pack, record, offset, stored, length: chunk.length, id: chunk.id, start, whole }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn finish(self) -> (ByteVec, Vec<Row>) {
        (join_ids(&self.packs).into(), self.rows)
    }
}

/// Resolves a table as read.
pub(super) fn resolve(packs: &[u8], rows: &[Row]) -> Result<Vec<ChunkRef<ObjectId>>, ListingError> {
    let packs = split_ids(packs).ok_or(Malformed("pack ids of odd length"))?;
    let mut records = HashMap::new();
    let one = |row: &Row| {
        let pack = packs.get(row.pack as usize).ok_or(Malformed("a pack that is not in the table"))?;
        let (start, whole) = match (row.start, row.whole) {
            (None, None) => (0, row.length),
            (Some(start), Some(whole)) => (start, whole),
            _ => return Err(Malformed("a chunk reference of wrong length")),
        };
        let place = Place { pack: *pack, record: row.record, offset: row.offset, stored: row.stored };
        let chunk = ChunkRef { place, start, length: row.length, whole, id: row.id };
        if !chunk.is_possible() {
            return Err(Malformed("a chunk beyond its record, or a record longer than records may be"));
        }
        if row.stored as usize > 2 * CONTENT_LIMIT_BYTES {
            return Err(Malformed("a record longer than records may be"));
        }
        let record = (row.offset, row.stored, whole);
        if *records.entry((row.pack, row.record)).or_insert(record) != record {
            return Err(Malformed("two references that do not agree on their record"));
        }
        Ok(chunk)
    };
    rows.iter().map(one).collect()
}

/// Appends `entry` as CBOR; its path is written against the path before it in the leaf.
pub(super) fn encode_entry(
    bytes: &mut Vec<u8>,
    before: &[u8],
    entry: &Entry<ObjectId>,
    table: &mut TableBuilder,
) {
    let written = write_entry(&mut Encoder::new(bytes), before, entry, table);
    written.expect("a vector takes every write");
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write_entry(
    e: &mut Encoder<&mut Vec<u8>>,
    before: &[u8],
    entry: &Entry<ObjectId>,
    table: &mut TableBuilder,
) -> Written {
    let shared = before.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
    let flags = u8::from(entry.changed) | u8::from(entry.ancestor) << 1;
    let numbers = [
        (0, shared as u64),
        (2, entry.kind as u64),
        (3, u64::from(entry.mode)),
        (4, u64::from(entry.uid)),
        (5, u64::from(entry.gid)),
        (7, u64::from(entry.mtime.nanos)),
        (8, entry.size),
        (15, u64::from(flags)),
    ];
    let content = !matches!(entry.content, Content::Empty);
    let optional = [
        true,
        entry.mtime.secs != 0,
        content,
        !entry.target.is_empty(),
        entry.device.is_some(),
        !entry.xattrs.is_empty(),
        entry.link.is_some(),
        entry.extents.is_some(),
    ];
    let keys = numbers.iter().filter(|(_, n)| *n != 0).count() + optional.iter().filter(|o| **o).count();
    e.map(keys as u64)?;
    for (key, number) in numbers.iter().filter(|(_, n)| *n != 0) {
        e.u8(*key)?.u64(*number)?;
    }
    e.u8(1)?.bytes(&entry.path[shared..])?;
    if entry.mtime.secs != 0 {
        e.u8(6)?.i64(entry.mtime.secs)?;
    }
    if content {
        e.u8(9)?;
        write_content(e, &entry.content, table)?;
    }
    if !entry.target.is_empty() {
        e.u8(10)?.bytes(&entry.target)?;
    }
    if let Some((major, minor)) = entry.device {
        e.u8(11)?.array(2)?.u32(major)?.u32(minor)?;
    }
    if !entry.xattrs.is_empty() {
        e.u8(12)?.array(entry.xattrs.len() as u64)?;
        for (name, value) in &entry.xattrs {
            e.array(2)?.bytes(name)?.bytes(value)?;
        }
    }
    if let Some((device, inode)) = entry.link {
        e.u8(13)?.array(2)?.u64(device)?.u64(inode)?;
    }
    if let Some(extents) = &entry.extents {
        e.u8(14)?.array(extents.len() as u64 * 2)?;
        for (offset, length) in extents {
            e.u64(*offset)?.u64(*length)?;
        }
    }
    Ok(())
}

fn write_content(
    e: &mut Encoder<&mut Vec<u8>>,
    content: &Content<ObjectId>,
    table: &mut TableBuilder,
) -> Written {
    let (kind, chunks) = match content {
        Content::Empty => (1, &[][..]),
        Content::Slice { chunk, offset, digest } => {
            let number = table.number(chunk);
            e.array(4)?.u8(0)?.u32(number)?.u32(*offset)?.bytes(digest)?;
            return Ok(());
        }
        Content::Chunks(chunks) => (1, &chunks[..]),
        Content::Lists(chunks) => (2, &chunks[..]),
    };
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for chunk in chunks {
        let number = table.number(chunk);
        match runs.last_mut() {
            Some((first, count)) if *first + *count == number => *count += 1,
            _ => runs.push((number, 1)),
        }
    }
    e.array(1 + runs.len() as u64 * 2)?.u8(kind)?;
    for (first, count) in runs {
        e.u32(first)?.u32(count)?;
    }
    Ok(())
}

/// Reads one entry; `before` is the path of the entry before it in the leaf.
pub(super) fn decode_entry(
    d: &mut Decoder<'_>,
    before: &[u8],
    table: &[ChunkRef<ObjectId>],
) -> Result<Entry<ObjectId>, ListingError> {
    let mut entry = Entry {
        path: Vec::new(),
        kind: Kind::File,
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        size: 0,
        content: Content::Empty,
        target: Vec::new(),
        device: None,
        xattrs: Vec::new(),
        link: None,
        extents: None,
        changed: false,
        ancestor: false,
    };
    let (mut shared, mut suffix) = (0, &[][..]);
    for _ in 0..length(d.map()?)? {
        match d.u64()? {
            0 => shared = d.u32()? as usize,
            1 => suffix = d.bytes()?,
            2 => entry.kind = Kind::from_tag(d.u8()?).ok_or(Malformed("an entry of unknown kind"))?,
            3 => entry.mode = d.u32()? & 0o7777,
            4 => entry.uid = d.u32()?,
            5 => entry.gid = d.u32()?,
            6 => entry.mtime.secs = d.i64()?,
            7 => entry.mtime.nanos = d.u32()?,
            8 => entry.size = d.u64()?,
            9 => entry.content = read_content(d, table)?,
            10 => entry.target = d.bytes()?.to_vec(),
            11 => entry.device = Some((pair(d)?.u32()?, d.u32()?)),
            12 => entry.xattrs = read_xattrs(d)?,
            13 => entry.link = Some((pair(d)?.u64()?, d.u64()?)),
            14 => entry.extents = Some(read_extents(d)?),
            15 => {
                let flags = d.u8()?;
                (entry.changed, entry.ancestor) = (flags & 1 != 0, flags & 2 != 0);
            }
            _ => d.skip()?,
        }
    }
    let start = before.get(..shared).ok_or(Malformed("a path that shares more than there is"))?;
    if shared + suffix.len() > PATH_LIMIT_BYTES {
        return Err(Malformed("a path that is too long"));
    }
    entry.path = [start, suffix].concat();
    check(&entry)?;
    Ok(entry)
}

/// The longest path that is read, in bytes.
const PATH_LIMIT_BYTES: usize = 1 << 20;

/// The largest file that is read, in bytes: no system has larger ones.
const SIZE_MAX: u64 = i64::MAX as u64;

fn check(entry: &Entry<ObjectId>) -> Result<(), ListingError> {
    if !path::is_clean(&entry.path) {
        return Err(Malformed("a path that is not clean"));
    }
    if entry.mtime.nanos >= 1_000_000_000 {
        return Err(Malformed("a time with too many nanoseconds"));
    }
    if entry.size > SIZE_MAX {
        return Err(Malformed("a file longer than files may be"));
    }
    let mut end = 0;
    for (offset, length) in entry.extents.iter().flatten() {
        let next = offset.checked_add(*length).filter(|next| *next <= entry.size);
        if *offset < end || *length == 0 {
            return Err(Malformed("extents out of order"));
        }
        end = next.ok_or(Malformed("an extent beyond the end of its file"))?;
    }
    let data = entry.data_bytes();
    let held = match &entry.content {
        Content::Empty => Some(0),
        Content::Slice { chunk, offset, .. } => {
            let fits = u64::from(*offset) + data <= u64::from(chunk.length);
            fits.then_some(data)
        }
        Content::Chunks(chunks) => Some(chunks.iter().map(|chunk| u64::from(chunk.length)).sum()),
        Content::Lists(_) => Some(data),
    };
    if entry.kind == Kind::File && held != Some(data) {
        return Err(Malformed("a file whose content does not add up to its size"));
    }
    if entry.target.contains(&0) || entry.xattrs.iter().any(|(name, _)| name.is_empty() || name.contains(&0))
    {
        return Err(Malformed("a name with a NUL in it"));
    }
    Ok(())
}

fn length(declared: Option<u64>) -> Result<u64, ListingError> {
    declared.ok_or(Malformed("indefinite lengths are not used"))
}

fn pair<'d, 'b>(d: &'d mut Decoder<'b>) -> Result<&'d mut Decoder<'b>, ListingError> {
    if length(d.array()?)? == 2 { Ok(d) } else { Err(Malformed("not a pair")) }
}

fn read_content(
    d: &mut Decoder<'_>,
    table: &[ChunkRef<ObjectId>],
) -> Result<Content<ObjectId>, ListingError> {
    let items = length(d.array()?)?;
    let outside = || Malformed("a chunk that is not in the table");
    match (d.u8()?, items) {
        (0, 4) => {
            let chunk = *table.get(d.u32()? as usize).ok_or_else(outside)?;
            let offset = d.u32()?;
            let digest = d.bytes()?.try_into().map_err(|_| Malformed("a digest of wrong length"))?;
            Ok(Content::Slice { chunk, offset, digest })
        }
        (kind @ (1 | 2), items) if items % 2 == 1 => {
            let mut chunks = Vec::new();
            for _ in 0..items / 2 {
                let (first, count) = (d.u32()? as usize, d.u32()? as usize);
                let run =
                    first.checked_add(count).and_then(|end| table.get(first..end)).ok_or_else(outside)?;
                if run.is_empty() || chunks.len() + count > CHUNKS_MAX {
                    return Err(Malformed("a run of no chunks, or too many"));
                }
                chunks.extend_from_slice(run);
            }
            Ok(if kind == 1 { Content::Chunks(chunks) } else { Content::Lists(chunks) })
        }
        _ => Err(Malformed("content of unknown kind")),
    }
}

/// The most chunks an entry may refer to directly: a hostile leaf may name one chunk over and over.
const CHUNKS_MAX: usize = 1 << 20;

fn read_xattrs(d: &mut Decoder<'_>) -> Result<Attributes, ListingError> {
    let mut xattrs = Vec::new();
    for _ in 0..length(d.array()?)? {
        let d = pair(d)?;
        xattrs.push((d.bytes()?.to_vec(), d.bytes()?.to_vec()));
    }
    Ok(xattrs)
}

fn read_extents(d: &mut Decoder<'_>) -> Result<Vec<(u64, u64)>, ListingError> {
    let numbers = length(d.array()?)?;
    if numbers % 2 != 0 {
        return Err(Malformed("an extent without a length"));
    }
    let mut extents = Vec::new();
    for _ in 0..numbers / 2 {
        extents.push((d.u64()?, d.u64()?));
    }
    Ok(extents)
}
