//! Files: read back straight from the vault into memory, and hashed against the listing. Nothing is written, and memory stays flat.
//!
//! One thread walks the listing and hands out neighbours together (they share bundles, which are then decoded once); the others read,
//! hash what came out, and show it to an inspector. The listing itself is compared with what the manifest counts.

use super::rotation::{Rotation, STRETCH_BYTES};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use vow_base::ObjectId;
use vow_store::archive::{ArchiveError, Reader, Snapshot, Verifier};
use vow_store::listing::entry::{Entry, Kind};
use vow_store::monitor::Monitor;
use vow_store::record::RecordType;

/// Neighbours that one thread reads together: so many files, or so many bytes.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 32 << 20;
/// Problems that are kept word for word; the others are counted.
const KEPT_MAX: usize = 1000;
const NOT_THE_SAME: &str = "its data is not what the listing says";

/// Looks at the contents of files as they are read. One for each thread.
pub trait Inspector {
    /// A file begins, which will be shown whole; false when it is of no interest.
    fn begin(&mut self, entry: &Entry<ObjectId>) -> bool;
    /// The next piece of it.
    fn data(&mut self, piece: &[u8]);
    /// It ended, and was what the listing says. What is wrong with its content, as a sentence.
    fn end(&mut self) -> Option<String>;
    /// It broke off: what was shown of it counts for nothing.
    fn abandon(&mut self);
}

/// Damage done on purpose between reading and comparing: a drill that does not notice it is broken.
pub trait Tamper: Sync {
    /// Whether the entry is still there.
    fn keeps(&self, _entry: &Entry<ObjectId>) -> bool {
        true
    }
    /// The entry whose data comes in its place.
    fn instead<'e>(&'e self, entry: &'e Entry<ObjectId>) -> &'e Entry<ObjectId> {
        entry
    }
    /// Changes data; `at` is its place in the file's data.
    fn change(&self, _entry: &Entry<ObjectId>, _at: u64, _data: &mut Vec<u8>) {}
}

/// How to read.
pub struct Options<'o> {
    /// Which part.
    pub rotation: &'o Rotation,
    /// Threads; 0 for one per processor.
    pub threads: usize,
    /// Makes an inspector for each thread.
    pub inspectors: Option<&'o (dyn Fn() -> Box<dyn Inspector> + Sync)>,
    /// Damage to be noticed.
    pub tamper: Option<&'o dyn Tamper>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files in the listing, folders, other entries, and the bytes of the files.
    pub files: u64,
    /// Folders.
    pub dirs: u64,
    /// Symbolic links, devices, FIFOs.
    pub others: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files that were read, whole or in part, and are the same.
    pub files_read: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// What is wrong, as far as it is kept.
    pub problems: Vec<String>,
    /// How much is wrong.
    pub problem_count: u64,
    /// Files that came back true, with content that is not what its type says.
    pub spoiled: Vec<String>,
    /// How many.
    pub spoiled_count: u64,
    /// Files whose content was looked at by its type.
    pub inspected: u64,
}

impl Found {
    /// Something is wrong.
    pub fn problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < KEPT_MAX {
            self.problems.push(text);
        }
    }

    fn spoiled(&mut self, text: String) {
        self.spoiled_count += 1;
        if self.spoiled.len() < KEPT_MAX {
            self.spoiled.push(text);
        }
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The vault went away, or the identity does not open it.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It was asked to stop.
    #[error("interrupted")]
    Stopped,
}

/// Reads the files of a snapshot; `each` sees every entry of the listing.
///
/// # Errors
/// See [`FilesError`]. Damage is what the result is for.
pub fn read(
    snapshot: &Snapshot,
    options: &Options<'_>,
    monitor: &Monitor,
    mut each: impl FnMut(&Entry<ObjectId>),
) -> Result<Found, FilesError> {
    let shared = Shared { snapshot, options, monitor, found: Mutex::default(), ended: Mutex::default() };
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8),
        some => some,
    };
    let (out, batches) = sync_channel(threads);
    let batches = Mutex::new(batches);
    std::thread::scope(|scope| {
        // Dropped at the end of the listing, which ends the others.
        let out = out;
        for _ in 0..threads {
            let (shared, batches) = (&shared, &batches);
            scope.spawn(move || shared.work(batches));
        }
        let mut batch = Vec::new();
        let mut bytes = 0u64;
        for entry in snapshot.entries(None) {
            if shared.is_over() {
                break;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    shared.failed("the listing", error);
                    continue;
                }
            };
            if options.tamper.is_some_and(|tamper| !tamper.keeps(&entry)) {
                continue;
            }
            each(&entry);
            shared.count(&entry);
            if entry.kind == Kind::File {
                bytes = bytes.saturating_add(entry.size);
                batch.push(entry);
            }
            if (batch.len() >= BATCH_FILES || bytes >= BATCH_BYTES)
                && out.send(std::mem::take(&mut batch)).is_err()
            {
                break;
            }
            bytes = if batch.is_empty() { 0 } else { bytes };
        }
        // Nobody receives it any more only when it is over.
        let _ = out.send(batch);
    });
    if let Some(error) = shared.ended.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut found = shared.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    compare_counts(snapshot, &mut found);
    Ok(found)
}

/// The listing against the manifest, which the host signed and which is not reached through the listing.
fn compare_counts(snapshot: &Snapshot, found: &mut Found) {
    let counts = snapshot.info().manifest.counts;
    let pairs = [
        ("files", found.files, counts.files),
        ("folders", found.dirs, counts.dirs),
        ("other entries", found.others, counts.others),
        ("bytes of files", found.bytes, counts.bytes),
    ];
    for (what, found_number, wanted) in pairs {
        if found_number != wanted {
            found.problem(format!("the listing has {found_number} {what}, and the manifest says {wanted}"));
        }
    }
}

struct Shared<'s> {
    snapshot: &'s Snapshot,
    options: &'s Options<'s>,
    monitor: &'s Monitor,
    found: Mutex<Found>,
    /// Why it ends before its end.
    ended: Mutex<Option<FilesError>>,
}

impl Shared<'_> {
    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, entry: &Entry<ObjectId>) {
        let mut found = self.found();
        match entry.kind {
            Kind::File => {
                found.files += 1;
                found.bytes = found.bytes.saturating_add(entry.size);
            }
            Kind::Dir => found.dirs += 1,
            _ => found.others += 1,
        }
    }

    fn is_over(&self) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if self.monitor.is_cancelled() {
            ended.get_or_insert(FilesError::Stopped);
        }
        ended.is_some()
    }

    /// What one file has is a finding; that the vault is gone, or the identity is another, ends everything.
    fn failed(&self, what: &str, error: ArchiveError) {
        if error.is_gone() || error.is_identity() {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.get_or_insert(error.into());
        } else {
            self.found().problem(format!("{what}: {error}"));
        }
    }

    fn work(&self, batches: &Mutex<Receiver<Vec<Entry<ObjectId>>>>) {
        let mut reader = match self.snapshot.reader() {
            Ok(reader) => reader,
            Err(error) => {
                self.failed("the snapshot", error);
                // Taken and dropped, so that nobody waits for us.
                while batches.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok() {}
                return;
            }
        };
        let mut inspector = self.options.inspectors.map(|make| make());
        loop {
            let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = next else { return };
            for entry in &batch {
                // What is left is taken and dropped, so that nobody waits for us.
                if !self.is_over() {
                    self.file(entry, &mut reader, inspector.as_deref_mut());
                }
            }
        }
    }

    fn file(
        &self,
        entry: &Entry<ObjectId>,
        reader: &mut Reader,
        inspector: Option<&mut (dyn Inspector + 'static)>,
    ) {
        let rotation = self.options.rotation;
        let large = entry.data_bytes() > STRETCH_BYTES;
        let read = if large && !rotation.is_everything() {
            self.stretches(entry, reader)
        } else if rotation.takes(&entry.path, 0) {
            self.whole(entry, reader, inspector).map(Some)
        } else {
            return;
        };
        match read {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let mut found = self.found();
                found.files_read += 1;
                found.bytes_read = found.bytes_read.saturating_add(bytes);
                drop(found);
                self.monitor.counters.files.fetch_add(1, Relaxed);
            }
            Err(ArchiveError::Content { reason, .. }) => {
                self.found().problem(format!("{}: {reason}", entry.display()));
            }
            Err(error) => self.failed(&entry.display(), error),
        }
    }

    /// All of a file; gives its bytes.
    fn whole(
        &self,
        entry: &Entry<ObjectId>,
        reader: &mut Reader,
        inspector: Option<&mut (dyn Inspector + 'static)>,
    ) -> Result<u64, ArchiveError> {
        let wrong = |reason| ArchiveError::Content { path: entry.display(), reason };
        // An inspector sees a file as it is; holes are of no interest to it.
        let mut inspector = inspector.filter(|_| entry.extents.is_none());
        let mut inspector =
            if inspector.as_mut().is_some_and(|one| one.begin(entry)) { inspector } else { None };
        let mut verifier = Verifier::new(self.snapshot, entry);
        let from = self.options.tamper.map_or(entry, |tamper| tamper.instead(entry));
        let mut changed = Vec::new();
        let read = reader.pieces(from, |at, data| {
            let data = match self.options.tamper {
                Some(tamper) => {
                    changed.clear();
                    changed.extend_from_slice(data);
                    tamper.change(entry, at, &mut changed);
                    &changed
                }
                None => data,
            };
            if !verifier.feed(data)? {
                return Err(wrong(NOT_THE_SAME));
            }
            if let Some(inspector) = inspector.as_mut() {
                inspector.data(data);
            }
            self.monitor.counters.bytes.fetch_add(data.len() as u64, Relaxed);
            if self.is_over() { Err(wrong("interrupted")) } else { Ok(()) }
        });
        let verified = read.and_then(|()| match verifier.finish()? {
            true => Ok(()),
            false => Err(wrong(NOT_THE_SAME)),
        });
        if let Err(error) = verified {
            if let Some(inspector) = inspector {
                inspector.abandon();
            }
            return Err(error);
        }
        if let Some(inspector) = inspector {
            let said = inspector.end();
            let mut found = self.found();
            found.inspected += 1;
            if let Some(text) = said {
                found.spoiled(format!("{}: {text}", entry.display()));
            }
        }
        Ok(entry.data_bytes())
    }

    /// The stretches of a large file whose turn it is; a chunk belongs to the one that it begins in.
    fn stretches(&self, entry: &Entry<ObjectId>, reader: &mut Reader) -> Result<Option<u64>, ArchiveError> {
        let wrong = |reason| ArchiveError::Content { path: entry.display(), reason };
        let (mut at, mut read) = (0u64, 0u64);
        let mut turn: Option<(u64, bool)> = None;
        for chunk in self.snapshot.chunks(entry) {
            let chunk = chunk?;
            let stretch = at / STRETCH_BYTES;
            let taken = match turn {
                Some((known, taken)) if known == stretch => taken,
                _ => self.options.rotation.takes(&entry.path, stretch),
            };
            turn = Some((stretch, taken));
            if taken {
                let data = reader.chunk(&chunk)?;
                if self.snapshot.ids().id(RecordType::Data, data) != chunk.id {
                    return Err(wrong(NOT_THE_SAME));
                }
                read += data.len() as u64;
                self.monitor.counters.bytes.fetch_add(data.len() as u64, Relaxed);
                if self.is_over() {
                    return Err(wrong("interrupted"));
                }
            }
            at += u64::from(chunk.length);
        }
        Ok((read > 0).then_some(read))
    }
}
