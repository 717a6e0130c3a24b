//! The walk as its caller sees it: takes the pieces in order and puts them together to a listing.

use super::RootCounts;
use super::folder::Dir;
use super::names::{Names, NamesBuffer};
use super::plan::Plan;
use super::queue::Queue;
use super::read::{Context, Entry, Outcome, Scope, Work};
use super::roots::Survey;
use super::tally::Tally;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use vow_store::source::{Folder, Found, Item};

/// Entries handed over at once, and bytes of their paths: the deeper the tree, the longer they are.
const BATCH_ENTRIES: usize = 512;
const BATCH_PATH_BYTES: usize = 1 << 20;

/// What the threads share.
struct Shared {
    context: Context,
    queue: Queue,
}

/// A directory in the middle of being reported.
struct Frame {
    dir: Arc<Dir>,
    names: Arc<Names>,
    entries: std::vec::IntoIter<Entry>,
    /// The work for those entries that are descended into.
    inside: std::vec::IntoIter<u32>,
    /// The pieces of a large directory that are still to come.
    pieces: std::vec::IntoIter<u32>,
    /// Length of the path of the directory above.
    path_above: usize,
}

/// A walk under way.
pub(crate) struct Walk {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    first: Option<u32>,
    frames: Vec<Frame>,
    path: Vec<u8>,
    buffer: NamesBuffer,
    found: Vec<Found>,
    tally: Tally,
    counts: Vec<u64>,
    targets: Vec<Option<Vec<Vec<u8>>>>,
}

impl Walk {
    /// Starts reading ahead.
    pub(crate) fn start(survey: Survey, context: impl FnOnce(Plan) -> Context, threads: usize) -> Self {
        let Survey { plan, notes, targets, .. } = survey;
        let context = context(plan);
        let root = context.plan.root(Plan::TOP);
        let scope = Scope { place: Some(Plan::TOP), root, explicit: root.is_some(), device: 0 };
        let first = Work::Dir { parent: None, name: b"/"[..].into(), scope };
        let (queue, first) = Queue::new(first, (context.pool.budget() / 2).max(1));
        let shared = Arc::new(Shared { context, queue });
        let threads = (0..threads).filter_map(|number| {
            let shared = Arc::clone(&shared);
            // Without a thread the caller does the work itself.
            std::thread::Builder::new().name(format!("walk-{number}")).spawn(move || serve(&shared)).ok()
        });
        Self {
            threads: threads.collect(),
            shared,
            first: Some(first),
            frames: Vec::new(),
            path: Vec::new(),
            buffer: NamesBuffer::default(),
            found: notes.into_iter().map(Found::Note).collect(),
            tally: Tally::default(),
            counts: vec![0; targets.len()],
            targets,
        }
    }

    /// The next entries; `None` at the end, when `counts` are complete.
    pub(crate) fn next(&mut self, counts: &RootCounts) -> Result<Option<Vec<Found>>, String> {
        if let Some(first) = self.first.take() {
            self.begin(first)?;
        }
        let (mut batch, mut path_bytes) = (std::mem::take(&mut self.found), 0);
        batch.reserve(BATCH_ENTRIES);
        while batch.len() < BATCH_ENTRIES && path_bytes < BATCH_PATH_BYTES {
            let Some(frame) = self.frames.last_mut() else {
                if batch.is_empty() {
                    counts.set(&self.counts, &self.targets);
                    let notes = std::mem::take(&mut self.tally).notes(&self.shared.context.excludes);
                    batch.extend(notes.into_iter().map(Found::Note));
                }
                break;
            };
            if let Some(entry) = frame.entries.next() {
                let item = item(frame, &self.path, &entry);
                if let Some(root) = entry.root {
                    self.counts[root as usize] += 1;
                }
                let (length, name_bytes) = (item.path.len(), item.name_bytes);
                path_bytes += length;
                if entry.descend
                    && let Some(number) = frame.inside.next()
                {
                    let above = self.path.len();
                    if above > 0 {
                        self.path.push(b'/');
                    }
                    self.path.extend_from_slice(&item.path[length - name_bytes..]);
                    batch.push(Found::Item(item));
                    self.enter(number, above)?;
                    batch.append(&mut self.found);
                } else {
                    batch.push(Found::Item(item));
                }
            } else if let Some(piece) = frame.pieces.next() {
                self.go_on(piece)?;
                batch.append(&mut self.found);
            } else {
                self.path.truncate(frame.path_above);
                self.frames.pop();
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// The root of the file system: its own entry has no directory above to come from.
    fn begin(&mut self, first: u32) -> Result<(), String> {
        self.enter(first, 0)?;
        let Some(frame) = self.frames.last() else {
            return Err("cannot open the root of the file system".to_owned());
        };
        let stat = frame
            .dir
            .stat(b".")
            .map_err(|error| format!("cannot read the root of the file system: {error}"))?;
        let folder = Arc::clone(&frame.dir) as Arc<dyn Folder>;
        let ancestor = self.shared.context.plan.root(Plan::TOP).is_none();
        self.found.push(Found::Item(Item { path: Vec::new(), stat, folder, name_bytes: 0, ancestor }));
        Ok(())
    }

    fn obtain(&mut self, number: u32) -> Result<Outcome, String> {
        let (shared, buffer) = (&*self.shared, &mut self.buffer);
        let mut outcome = shared.queue.obtain(number, |work| guarded(&shared.context, work, buffer));
        if let Some(fault) = outcome.fault {
            return Err(fault);
        }
        self.found.append(&mut outcome.found);
        self.tally.merge(std::mem::take(&mut outcome.tally));
        Ok(outcome)
    }

    fn enter(&mut self, number: u32, path_above: usize) -> Result<(), String> {
        let Outcome { dir, names, entries, numbers, .. } = self.obtain(number)?;
        let Some(dir) = dir else {
            self.path.truncate(path_above);
            return Ok(());
        };
        let descended = entries.iter().any(|entry| entry.descend);
        let (inside, pieces) = if descended { (numbers, Vec::new()) } else { (Vec::new(), numbers) };
        let (entries, inside, pieces) = (entries.into_iter(), inside.into_iter(), pieces.into_iter());
        self.frames.push(Frame { dir, names, entries, inside, pieces, path_above });
        Ok(())
    }

    fn go_on(&mut self, piece: u32) -> Result<(), String> {
        let Outcome { entries, numbers, .. } = self.obtain(piece)?;
        if let Some(frame) = self.frames.last_mut() {
            (frame.entries, frame.inside) = (entries.into_iter(), numbers.into_iter());
        }
        Ok(())
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            // What it had to say about a fault stands in an outcome.
            let _ = thread.join();
        }
    }
}

fn serve(shared: &Shared) {
    let mut buffer = NamesBuffer::default();
    shared.queue.serve(|work| guarded(&shared.context, work, &mut buffer));
}

/// Does a piece; a panic becomes an outcome, so that nobody waits for it in vain.
fn guarded(context: &Context, work: Work, buffer: &mut NamesBuffer) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| context.perform(work, buffer))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        let fault =
            format!("the walk met a fault of this program and was given up ({text}); please report it");
        Outcome { fault: Some(fault), ..Outcome::default() }
    })
}

fn item(frame: &Frame, above: &[u8], entry: &Entry) -> Item {
    let (name, _) = frame.names.get(entry.name);
    let mut path = Vec::with_capacity(above.len() + 1 + name.len());
    if !above.is_empty() {
        path.extend_from_slice(above);
        path.push(b'/');
    }
    path.extend_from_slice(name);
    let folder = Arc::clone(&frame.dir) as Arc<dyn Folder>;
    Item { path, stat: entry.stat, folder, name_bytes: name.len(), ancestor: entry.ancestor }
}

#[cfg(test)]
mod tests;
