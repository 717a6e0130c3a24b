//! Capturing a source: entries in, sealed packs and a signed manifest out.
//!
//! Threads: the planner ([`plan`]) walks and decides; readers ([`read`]) cut, compress and seal; publishers ([`packs`]) wait for
//! vaults; the collector ([`collect`]) puts entries into the listing in order. They share the [`engine`].

mod assembly;
mod block;
mod cache;
mod collect;
mod commit;
mod doom;
mod engine;
mod extents;
mod group;
mod links;
mod owners;
mod packs;
mod pipe;
mod plan;
mod queue;
mod read;
mod rebuild;
mod state;
mod stream;

use crate::chunker::Chunker;
use crate::index::LocalIndex;
use crate::keys::{HostSecret, IdKeys};
use crate::listing::Time;
use crate::monitor::Monitor;
use crate::session::{Recipient, SessionKey};
use crate::source::Source;
use cache::{CacheFiles, CacheHead, PackUse};
use collect::{Collected, Collector, Message};
use engine::Engine;
use packs::{LevelState, PackTable};
use plan::Planner;
use queue::Queue;
use read::Reader;
use state::{Chain, State, continue_chain};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use vow_base::ObjectId;
use vow_base::clock::{Clock, Nanos};
use vow_base::disk::DiskError;
use vow_base::manifest::{Counts, Group, Status};
use vow_base::receipt::Receipt;
use vow_base::sign::SigningKey;
use vow_base::vault::{Deposit, VaultError};

/// The secrets a host keeps. None of them opens a snapshot.
pub struct HostKeys {
    /// Signs manifests.
    pub signing: SigningKey,
    /// Keys chunk ids, cut points and index segments.
    pub secret: HostSecret,
}

/// A place that takes the snapshot.
#[derive(Clone)]
pub struct Level {
    /// Its name in the plan.
    pub name: String,
    /// The vault, in the role of this host.
    pub deposit: Arc<dyn Deposit>,
    /// No other level can give this one what it lacks: that is not built upon, but sent again.
    pub alone: bool,
}

/// What to capture, and as what.
#[derive(Clone)]
pub struct BackupOptions {
    /// The customer.
    pub tenant: String,
    /// Name of the host.
    pub host: String,
    /// Name of the source.
    pub source: String,
    /// Type of the source.
    pub source_type: String,
    /// What the user asked for, as absolute paths; recorded.
    pub roots: Vec<PathBuf>,
    /// Exclude patterns; recorded.
    pub excludes: Vec<String>,
    /// Whom to seal to.
    pub recipients: Vec<Recipient>,
    /// zstd level.
    pub compression: i32,
    /// Read and count everything, send nothing.
    pub dry_run: bool,
    /// The program and its version; recorded.
    pub software: String,
    /// Id of the run.
    pub run: [u8; 16],
    /// What is read is as it was at this moment, which lies before the run; `None`: as it is while it is read.
    pub as_of: Option<Nanos>,
    /// What is captured at the same moment; recorded.
    pub group: Option<Group>,
}

/// What one level said.
#[derive(Debug)]
pub struct LevelReport {
    /// Its name.
    pub name: String,
    /// Its receipt, or why it has none.
    pub outcome: Result<Receipt, VaultError>,
}

/// What came of a backup.
#[derive(Debug)]
pub struct BackupReport {
    /// The snapshot; none after a dry run.
    pub snapshot: Option<ObjectId>,
    /// Whether the source was captured whole.
    pub status: Status,
    /// What was counted.
    pub counts: Counts,
    /// What each level said; at least one accepted it.
    pub levels: Vec<LevelReport>,
    /// Wall time in seconds.
    pub duration_secs: f64,
    /// What was left out on purpose.
    pub notes: Vec<String>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The source refused.
    #[error("{0}")]
    Source(String),
    /// Every level refused; the first reason is given.
    #[error("no vault accepted it: {level}: {source}")]
    NoLevel {
        /// The level that spoke first.
        level: String,
        /// What it said.
        source: VaultError,
    },
    /// The host's own state or cache could not be written.
    #[error(transparent)]
    State(#[from] vow_base::disk::DiskError),
    /// Sealing failed.
    #[error(transparent)]
    Build(#[from] crate::pack::BuildError),
    /// The key could not be wrapped.
    #[error(transparent)]
    Session(#[from] crate::session::SessionError),
    /// Another backup of this host is running.
    #[error("another backup of this host is running (lock {})", .0.display())]
    Busy(PathBuf),
    /// The vaults have a snapshot of this host that this machine did not make.
    #[error(
        "the vaults have snapshot number {sequence} of this host, which this machine did not make: another machine uses this \
         host's keys, or this machine's state was set back; if no other machine does, remove {} and run again",
        .record.display()
    )]
    OtherMachine {
        /// Its sequence number.
        sequence: u64,
        /// The record of this machine's own chain.
        record: PathBuf,
    },
    /// A part of the listing does not fit into a record.
    #[error(
        "a record of {0} bytes is larger than the format allows: there are paths or attributes of megabytes; leave them out with `exclude`"
    )]
    TooLarge(usize),
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// A thread died: a fault in this program.
    #[error("a worker stopped unexpectedly; this is a fault in vow, please report it")]
    Worker,
}

/// Captures `source` into every level. `state` is the host's state directory; it is created when missing.
///
/// A snapshot exists when at least one level has committed its manifest; what each level said is in the report.
pub fn backup(
    mut source: Box<dyn Source>,
    options: &BackupOptions,
    keys: &HostKeys,
    state: &Path,
    levels: &[Level],
    clock: &dyn Clock,
    monitor: &Monitor,
) -> Result<BackupReport, BackupError> {
    let watch = Instant::now();
    let started = clock.now();
    let state = State::lock(state)?;
    let states: Vec<_> = levels.iter().cloned().map(LevelState::new).collect();
    let public = keys.signing.public();
    let (mut chain, cache_fits) = continue_chain(&state, &public, &states, monitor)?;
    let folder = state.folder.as_path();
    let at = |action| move |e| BackupError::State(DiskError::at(action, folder)(e));
    let index_secret = keys.secret.index_secret(&options.recipients);
    let files =
        CacheFiles::new(&state.folder.join("cache"), &options.source, &index_secret).map_err(at("open"))?;
    let head = if cache_fits { files.head() } else { None };
    let earlier = head.as_ref().map(CacheHead::packs).unwrap_or_default();

    let packs = PackTable::default();
    let index_folder = state.folder.join("index");
    // Also when the segments were written for other recipients: their rows name packs that these cannot open.
    let known = LocalIndex::open(&index_folder, &index_secret, |_| None).map_err(at("open the index in"))?;
    let is_lost = known.is_empty() && !chain.segments.is_empty();
    drop(known);
    if !cache_fits || is_lost {
        rebuild::index(&index_folder, &index_secret, &states, &mut chain, monitor)
            .map_err(at("rebuild the index in"))?;
    }
    let index = LocalIndex::open(&index_folder, &index_secret, |id| Some(packs.number(id)))
        .map_err(at("open the index in"))?;
    for pack in &earlier {
        packs.number(&pack.id);
    }
    let doomed = doom::find(&packs, &earlier, &states);
    chain.segments = doom::present_segments(chain.segments, &states);

    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(WORKERS_MAX);
    let session = SessionKey::generate()?;
    let blob = session.wrap(&options.recipients)?;
    let (outgoing, sealed) = sync_channel(2);
    // What changed after the moment that is read may have the same ctime as a file of that moment.
    let trusted = options.as_of.map_or(started, |moment| moment.min(started));
    let trust_before =
        Time { secs: trusted.div_euclid(1_000_000_000), nanos: trusted.rem_euclid(1_000_000_000) as u32 };
    let engine = Engine::new(
        options,
        monitor,
        (session, blob),
        (IdKeys::new(&keys.secret.id_secret()), Chunker::new(&keys.secret)),
        (index, packs, doomed),
        workers + 1,
        outgoing,
        states,
        trust_before,
        state.folder.clone(),
    );
    let cache = head.as_ref().and_then(|head| files.entries(head));
    let writer = files.create(&options.run).map_err(at("write the cache in"))?;
    let collected = capture(&engine, source.as_mut(), cache, writer, keys, &earlier, workers, sealed);
    let (mut collected, writer) = match (engine.take_failure(), collected) {
        (Some(error), _) | (None, Err(error)) => return Err(error),
        (None, Ok(None)) => return Err(no_level(engine.levels)),
        (None, Ok(Some(collected))) => collected,
    };

    let errors = engine.monitor.counters.errors.load(std::sync::atomic::Ordering::Relaxed);
    collected.counts.errors = errors;
    let status = if errors == 0 { Status::Ok } else { Status::Partial };
    let notes = engine.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut report = BackupReport {
        snapshot: None,
        status,
        counts: collected.counts,
        levels: Vec::new(),
        duration_secs: 0.0,
        notes,
    };
    if let Some(root) = collected.root.filter(|_| !options.dry_run) {
        chain.segments.append(&mut collected.segments);
        commit::tidy_index(&engine, keys, &mut chain).map_err(at("tidy the index in"))?;
        let (id, outcomes) =
            commit::commit(engine, keys, &state, &chain, &collected, root, status, started, clock)?;
        report.snapshot = Some(id);
        report.levels = outcomes;
        chain = Chain {
            sequence: chain.sequence + 1,
            manifest: Some(id),
            segments: chain.segments,
            intended: Vec::new(),
        };
        state.record(&public.host_id(), &chain)?;
        let head = CacheHead::new(id, options.run, &collected.packs);
        files.commit(writer, &head).map_err(at("write the cache in"))?;
    } else {
        report.counts.added_bytes = monitor.counters.stored_bytes.load(std::sync::atomic::Ordering::Relaxed);
    }
    report.duration_secs = watch.elapsed().as_secs_f64();
    Ok(report)
}

/// Reading threads at most: each holds a pack and a buffer.
const WORKERS_MAX: usize = 8;
/// Threads that wait for vaults to make packs durable.
const PUBLISHERS: usize = 2;

/// Runs the threads: planner (this one), readers, publishers, collector.
#[allow(clippy::too_many_arguments)]
fn capture(
    engine: &Engine<'_>,
    source: &mut dyn Source,
    cache: Option<cache::CacheReader>,
    writer: cache::CacheWriter,
    keys: &HostKeys,
    earlier: &[PackUse],
    workers: usize,
    sealed: Receiver<packs::Outgoing>,
) -> Result<Option<(Collected, cache::CacheWriter)>, BackupError> {
    let queue = Queue::new(workers);
    let (sender, messages) = channel();
    let sealed = Mutex::new(sealed);
    let start = |error| engine.state_error("start a reader for", error);
    let collector = Collector::new(engine, messages, keys, writer).map_err(start)?;
    let mut readers = Vec::new();
    for slot in 0..workers {
        readers.push(Reader::new(engine, &queue, slot).map_err(start)?);
    }
    std::thread::scope(|scope| {
        for _ in 0..PUBLISHERS {
            let (sealed, landed, queue) = (&sealed, sender.clone(), &queue);
            scope.spawn(move || {
                let _closes = CloseOnPanic(engine, queue, Some(landed.clone()));
                engine.publish_all(sealed, &landed);
            });
        }
        let readers: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                scope.spawn(move || {
                    let _closes = CloseOnPanic(engine, reader.queue(), None);
                    reader.work();
                })
            })
            .collect();
        let collecting = {
            let (queue, engine) = (&queue, engine);
            scope.spawn(move || {
                let _closes = CloseOnPanic(engine, queue, None);
                let collected = collector.run(earlier);
                if !matches!(collected, Ok(Some(_))) {
                    engine.fail_without_level();
                    queue.close();
                }
                collected
            })
        };
        let planned = Planner::new(engine, &queue, sender.clone(), cache).run(source);
        if let Err(error) = planned {
            engine.fail(error);
        }
        queue.close();
        let died = readers.into_iter().filter_map(|reader| reader.join().err()).count();
        if died > 0 {
            engine.fail(BackupError::Worker);
        }
        let _ = sender.send(Message::End);
        drop(sender);
        let collected = collecting.join().unwrap_or(Err(BackupError::Worker));
        // With the last sender gone the publishers end.
        engine.outgoing.lock().unwrap_or_else(PoisonError::into_inner).take();
        collected
    })
}

/// Ends the run when its thread panics, so that nobody waits for it; tells the collector where nobody else would.
struct CloseOnPanic<'e, 'a>(&'e Engine<'a>, &'e Queue, Option<Sender<Message>>);

impl Drop for CloseOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(BackupError::Worker);
            self.1.close();
            let _ = self.2.as_ref().map(|collector| collector.send(Message::BlockDone));
        }
    }
}

fn no_level(levels: Vec<LevelState>) -> BackupError {
    for level in levels {
        let name = level.level.name.clone();
        if let Some(source) = level.into_failure() {
            return BackupError::NoLevel { level: name, source };
        }
    }
    BackupError::Worker
}
