//! The index on the host: rows in memory while their packs are open, sorted files of checked pages afterwards.

use super::segment::{ROW_BYTES, read_row, write_row};
use crate::keys::ChunkId;
use crate::record::{ChunkRef, Place};
use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use vow_base::ObjectId;
use vow_base::id::{join_ids, split_ids};

/// A row whose pack is a number in some table.
pub type IndexRow = ChunkRef<u32>;

/// A row without its id, which is the key: there may be tens of thousands in memory.
#[derive(Clone, Copy)]
struct Spot {
    place: Place<u32>,
    start: u32,
    length: u32,
    whole: u32,
}

impl Spot {
    fn row(self, id: ChunkId) -> IndexRow {
        let Self { place, start, length, whole } = self;
        ChunkRef { place, start, length, whole, id }
    }
}

const MAGIC: &[u8; 8] = b"VOWIDX02";
const PAGE_BYTES: usize = 4096;
const CHECK_BYTES: usize = 16;
const PAGE_ROWS: usize = (PAGE_BYTES - CHECK_BYTES) / ROW_BYTES;
/// More sorted files than this are merged into one.
const FILES_MAX: usize = 8;
const SHARDS: usize = 16;

/// All rows a host knows.
pub struct LocalIndex {
    folder: PathBuf,
    key: [u8; 32],
    fresh: Vec<Mutex<HashMap<ChunkId, Spot>>>,
    files: RwLock<Vec<SortedFile>>,
}

impl LocalIndex {
    /// Opens the sorted files in `folder`; files that do not verify are removed, which costs sending some chunks again.
    ///
    /// `number` names a pack by the caller's number; `None` leaves its rows out.
    pub fn open(
        folder: &Path,
        index_secret: &[u8; 32],
        mut number: impl FnMut(&ObjectId) -> Option<u32>,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let key = blake3::derive_key("vow v1 local index", index_secret);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match SortedFile::open(&path, &key, &mut number)? {
                Some(file) => files.push(file),
                None => fs::remove_file(&path)?,
            }
        }
        // Newer files, with higher numbers, are asked first.
        files.sort_by(|a, b| b.path.cmp(&a.path));
        let fresh = (0..SHARDS).map(|_| Mutex::default()).collect();
        Ok(Self { folder: folder.to_owned(), key, fresh, files: RwLock::new(files) })
    }

    /// Whether there are no settled rows.
    pub fn is_empty(&self) -> bool {
        self.files.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Where a chunk lies, if it was sent before.
    pub fn get(&self, id: &ChunkId) -> io::Result<Option<IndexRow>> {
        if let Some(spot) = self.shard(id).get(id) {
            return Ok(Some(spot.row(*id)));
        }
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        for file in files.iter() {
            if let Some(row) = file.get(id, &self.key)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Remembers a chunk of a pack that is still open.
    pub fn insert(&self, row: IndexRow) {
        let ChunkRef { place, start, length, whole, id } = row;
        self.shard(&id).insert(id, Spot { place, start, length, whole });
    }

    /// Moves rows, whose packs are published, from memory to a sorted file. `number` names the packs as in [`Self::open`].
    pub fn settle(
        &self,
        rows: &[ChunkRef<ObjectId>],
        number: impl FnMut(&ObjectId) -> Option<u32>,
    ) -> io::Result<()> {
        let mut sorted: Vec<_> = rows.to_vec();
        sorted.sort_by_key(|row| row.id);
        sorted.dedup_by_key(|row| row.id);
        let file = self.write_file(sorted.iter().map(|row| Ok(*row)), number)?;
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(0, file);
        for row in rows {
            self.shard(&row.id).remove(&row.id);
        }
        Ok(())
    }

    /// Merges the sorted files when they are many. Rows whose pack `number` does not know are left out.
    pub fn tidy(&self, mut number: impl FnMut(&ObjectId) -> Option<u32>) -> io::Result<()> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if files.len() <= FILES_MAX {
            return Ok(());
        }
        let known = |row: &ChunkRef<ObjectId>| number(&row.place.pack).is_some();
        let mut known = known;
        let rows: Vec<_> = files.iter().map(|file| file.rows(&self.key)).collect();
        let merged = Merge::new(rows)?.filter(|row| row.as_ref().map_or(true, &mut known));
        let numbers: HashMap<_, _> = files.iter().flat_map(|f| f.packs.iter().copied()).collect();
        let file = self.write_file(merged, |id| numbers.get(id).copied().flatten())?;
        let old = std::mem::replace(&mut *files, vec![file]);
        old.iter().try_for_each(|file| fs::remove_file(&file.path))
    }

    /// Every settled row, sorted by id.
    pub fn all_rows(&self) -> io::Result<Vec<ChunkRef<ObjectId>>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        Merge::new(files.iter().map(|file| file.rows(&self.key)).collect())?.collect()
    }

    fn shard(&self, id: &ChunkId) -> std::sync::MutexGuard<'_, HashMap<ChunkId, Spot>> {
        self.fresh[usize::from(id.0[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_file(
        &self,
        rows: impl Iterator<Item = io::Result<ChunkRef<ObjectId>>>,
        number: impl FnMut(&ObjectId) -> Option<u32>,
    ) -> io::Result<SortedFile> {
        let next = self.next_number()?;
        let path = self.folder.join(format!("{next:016}"));
        let unfinished = self.folder.join(format!("{next:016}.new"));
        let mut packs = Vec::new();
        let mut local = HashMap::new();
        let mut body = BufWriter::new(File::create(&unfinished)?);
        let mut page = Vec::with_capacity(PAGE_BYTES);
        let (mut count, mut pages) = (0u64, 0u64);
        for row in rows {
            let row = row?;
            let pack = *local.entry(row.place.pack).or_insert_with(|| {
                packs.push(row.place.pack);
                packs.len() as u32 - 1
            });
            write_row(&mut page, &row.with_pack(pack));
            count += 1;
            if page.len() == PAGE_ROWS * ROW_BYTES {
                write_page(&mut body, &mut page, pages, &self.key)?;
                pages += 1;
            }
        }
        if !page.is_empty() {
            write_page(&mut body, &mut page, pages, &self.key)?;
        }
        let mut footer = join_ids(&packs);
        footer.extend_from_slice(&(packs.len() as u64).to_le_bytes());
        footer.extend_from_slice(&count.to_le_bytes());
        footer.extend_from_slice(MAGIC);
        let check = check(&footer, u64::MAX, &self.key);
        body.write_all(&footer)?;
        body.write_all(&check)?;
        body.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&unfinished, &path)?;
        let mut number = number;
        SortedFile::open(&path, &self.key, &mut number)?
            .ok_or_else(|| io::Error::other("the index just written does not verify"))
    }

    fn next_number(&self) -> io::Result<u64> {
        let mut next = 1;
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.get(..16)).and_then(|digits| digits.parse().ok());
            next = next.max(number.unwrap_or(0) + 1);
        }
        Ok(next)
    }
}

fn write_page(out: &mut impl Write, page: &mut Vec<u8>, number: u64, key: &[u8; 32]) -> io::Result<()> {
    page.resize(PAGE_BYTES - CHECK_BYTES, 0);
    let check = check(page, number, key);
    page.extend_from_slice(&check);
    out.write_all(page)?;
    page.clear();
    Ok(())
}

fn check(bytes: &[u8], number: u64, key: &[u8; 32]) -> [u8; CHECK_BYTES] {
    let hash = blake3::Hasher::new_keyed(key).update(&number.to_le_bytes()).update(bytes).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash.as_bytes()[..CHECK_BYTES]);
    check
}

/// Rows sorted by id, in pages that each carry a keyed check.
struct SortedFile {
    path: PathBuf,
    file: File,
    packs: Vec<(ObjectId, Option<u32>)>,
    rows: u64,
}

impl SortedFile {
    /// `None` when the file does not verify.
    fn open(
        path: &Path,
        key: &[u8; 32],
        number: &mut impl FnMut(&ObjectId) -> Option<u32>,
    ) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut end = [0; 24 + CHECK_BYTES];
        let Some(end_at) = length.checked_sub(end.len() as u64) else { return Ok(None) };
        file.read_exact_at(&mut end, end_at)?;
        let long = |at: usize| end[at..at + 8].iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        let (packs, rows) = (long(0), long(8));
        let pages = rows.div_ceil(PAGE_ROWS as u64);
        let expected = pages
            .checked_mul(PAGE_BYTES as u64)
            .zip(packs.checked_mul(32))
            .and_then(|(p, k)| p.checked_add(k));
        if &end[16..24] != MAGIC || expected != Some(end_at) {
            return Ok(None);
        }
        let mut footer = vec![0; (packs * 32) as usize + 24];
        file.read_exact_at(&mut footer, pages * PAGE_BYTES as u64)?;
        if check(&footer, u64::MAX, key) != end[24..] {
            return Ok(None);
        }
        let ids = split_ids(&footer[..(packs * 32) as usize]).unwrap_or_default();
        let packs = ids.into_iter().map(|id| (id, number(&id))).collect();
        Ok(Some(Self { path: path.to_owned(), file, packs, rows }))
    }

    fn pages(&self) -> u64 {
        self.rows.div_ceil(PAGE_ROWS as u64)
    }

    /// The rows of a page; none when the page does not verify.
    fn page(&self, number: u64, key: &[u8; 32]) -> io::Result<Vec<IndexRow>> {
        let mut bytes = [0; PAGE_BYTES];
        self.file.read_exact_at(&mut bytes, number * PAGE_BYTES as u64)?;
        let (body, stored) = bytes.split_at(PAGE_BYTES - CHECK_BYTES);
        if check(body, number, key) != stored {
            return Ok(Vec::new());
        }
        let rows = (self.rows - number * PAGE_ROWS as u64).min(PAGE_ROWS as u64);
        Ok(body.as_chunks::<ROW_BYTES>().0[..rows as usize].iter().map(read_row).collect())
    }

    fn get(&self, id: &ChunkId, key: &[u8; 32]) -> io::Result<Option<IndexRow>> {
        // Ids are uniform, so the page is where the first bytes of the id say, give or take a few.
        let prefix = u64::from_be_bytes(id.0[..8].try_into().unwrap_or_default());
        let (mut low, mut high) = (0, self.pages());
        let mut guess = ((u128::from(prefix) * u128::from(high)) >> 64) as u64;
        while low < high {
            let rows = self.page(guess, key)?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
            if *id < first.id {
                high = guess;
            } else if *id > last.id {
                low = guess + 1;
            } else {
                let found = rows.binary_search_by_key(id, |row| row.id).ok().map(|at| rows[at]);
                return Ok(
                    found.and_then(|row| Some(row.with_pack(self.packs.get(row.place.pack as usize)?.1?)))
                );
            }
            // Step to the neighbour first; the guess is rarely off by more than one.
            guess = if *id < first.id {
                guess.saturating_sub(1).max(low)
            } else {
                (guess + 1).min(high.saturating_sub(1))
            };
        }
        Ok(None)
    }

    fn rows(&self, key: &[u8; 32]) -> FileRows<'_> {
        FileRows { file: self, key: *key, page: 0, rows: Vec::new().into_iter() }
    }
}

struct FileRows<'f> {
    file: &'f SortedFile,
    key: [u8; 32],
    page: u64,
    rows: std::vec::IntoIter<IndexRow>,
}

impl Iterator for FileRows<'_> {
    type Item = io::Result<ChunkRef<ObjectId>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                match self.file.packs.get(row.place.pack as usize) {
                    Some((id, _)) => return Some(Ok(row.with_pack(*id))),
                    None => continue,
                }
            }
            if self.page == self.file.pages() {
                return None;
            }
            match self.file.page(self.page, &self.key) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
            self.page += 1;
        }
    }
}

/// Rows of several sorted files in one order; of equal ids the one from the first file.
struct Merge<'f> {
    sources: Vec<FileRows<'f>>,
    heap: BinaryHeap<std::cmp::Reverse<(ChunkId, usize)>>,
    heads: Vec<Option<ChunkRef<ObjectId>>>,
    last: Option<ChunkId>,
}

impl<'f> Merge<'f> {
    fn new(mut sources: Vec<FileRows<'f>>) -> io::Result<Self> {
        let mut heap = BinaryHeap::new();
        let mut heads = Vec::new();
        for (number, source) in sources.iter_mut().enumerate() {
            let head = source.next().transpose()?;
            heap.extend(head.map(|row| std::cmp::Reverse((row.id, number))));
            heads.push(head);
        }
        Ok(Self { sources, heap, heads, last: None })
    }
}

impl Iterator for Merge<'_> {
    type Item = io::Result<ChunkRef<ObjectId>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let std::cmp::Reverse((id, number)) = self.heap.pop()?;
            let row = self.heads[number].take();
            match self.sources[number].next().transpose() {
                Ok(head) => {
                    self.heap.extend(head.map(|row| std::cmp::Reverse((row.id, number))));
                    self.heads[number] = head;
                }
                Err(error) => return Some(Err(error)),
            }
            if self.last.replace(id) != Some(id) {
                return row.map(Ok);
            }
        }
    }
}

#[cfg(test)]
mod tests;
