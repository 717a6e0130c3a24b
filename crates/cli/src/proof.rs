//! Proving a snapshot: some of its files, or all, are restored and compared with the live ones byte for byte.

mod sample;

use crate::entries::shown;
use crate::failure::{Failure, Outcome};
use crate::ui::{Problem, Task};
use sample::{Sample, choose};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use vow_base::ObjectId;
use vow_store::archive::{ArchiveError, Snapshot};
use vow_store::listing::entry::Entry;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// The source.
    pub(crate) source: String,
    /// The level it was restored from.
    pub(crate) level: String,
    /// Files that were compared and are the same.
    pub(crate) compared: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Files in the snapshot.
    pub(crate) of_files: u64,
    /// Their bytes.
    pub(crate) of_bytes: u64,
    /// Files that changed on the host since, and so prove nothing.
    pub(crate) changed_since: u64,
    /// Files that are not what the snapshot should hold, or could not be restored.
    pub(crate) problems: Vec<Problem>,
}

impl Proof {
    /// Whether something was compared, and nothing was wrong.
    pub(crate) fn holds(&self) -> bool {
        self.problems.is_empty() && self.compared > 0
    }

    /// For programs.
    pub(crate) fn value(&self) -> Value {
        let status = match (self.problems.is_empty(), self.compared) {
            (false, _) => "failed",
            (true, 0) => "nothing",
            (true, _) => "ok",
        };
        let problems: Vec<_> =
            self.problems.iter().map(|p| json!({"path": p.path, "text": p.text})).collect();
        json!({
            "source": self.source,
            "level": self.level,
            "status": status,
            "compared": self.compared,
            "bytes": self.bytes,
            "of_files": self.of_files,
            "of_bytes": self.of_bytes,
            "changed_since": self.changed_since,
            "problems": problems,
        })
    }
}

/// A private folder for what is restored; it goes when this is dropped.
pub(crate) struct Scratch(PathBuf);

const SCRATCH: &str = "proof-";

impl Scratch {
    /// Makes it in `dir`. What processes that were killed left there is removed.
    pub(crate) fn create(dir: &Path) -> Outcome<Self> {
        remove_stale(dir).map_err(|e| Failure::io("tidy up", dir, e))?;
        let path = dir.join(format!("{SCRATCH}{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Failure::io("create the folder", &path, e))?;
        Ok(Self(path))
    }
}

fn remove_stale(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.strip_prefix(SCRATCH)) else { continue };
        let own = process == std::process::id().to_string();
        if own || !Path::new("/proc").join(process).exists() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Restores a sample of the snapshot into `scratch` and compares it.
pub(crate) fn prove(snapshot: &Snapshot, level: &str, scratch: &Scratch, task: &Task) -> Outcome<Proof> {
    let Sample { entries, of_files, of_bytes, unread } = choose(snapshot)?;
    let mut proof = Proof {
        source: snapshot.info().manifest.source.clone(),
        level: level.to_owned(),
        of_files,
        of_bytes,
        problems: unread,
        ..Proof::default()
    };
    let counters = &task.monitor.counters;
    counters.total_files.store(entries.len() as u64, Ordering::Relaxed);
    let total = entries.iter().fold(0u64, |total, entry| total.saturating_add(entry.size));
    counters.total_bytes.store(total, Ordering::Relaxed);
    let mut reader = snapshot.reader()?;
    let file = scratch.0.join("file");
    for entry in &entries {
        if task.monitor.is_cancelled() {
            return Err(Failure::interrupted());
        }
        let restored = restore(&mut reader, entry, &file)?;
        let outcome = match restored {
            Ok(()) => compare(snapshot, entry, &file)?,
            Err(error) => Compared::Wrong(format!("cannot be restored: {error}")),
        };
        match outcome {
            Compared::Same => {
                proof.compared += 1;
                proof.bytes = proof.bytes.saturating_add(entry.size);
            }
            Compared::ChangedSince => proof.changed_since += 1,
            Compared::Wrong(text) => proof.problems.push(Problem { path: shown(&entry.path), text }),
        }
        counters.files.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(entry.size, Ordering::Relaxed);
    }
    Ok(proof)
}

/// What cannot be restored is a finding; that the scratch folder fails is not.
fn restore(
    reader: &mut vow_store::archive::Reader,
    entry: &Entry<ObjectId>,
    path: &Path,
) -> Outcome<Result<(), ArchiveError>> {
    let out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut out = out.map_err(|e| Failure::io("create", path, e))?;
    match reader.content(entry, &mut out) {
        Ok(_) => Ok(Ok(())),
        Err(ArchiveError::Write(e)) => Err(Failure::io("write", path, e)),
        Err(error) => Ok(Err(error)),
    }
}

enum Compared {
    Same,
    ChangedSince,
    Wrong(String),
}

fn compare(snapshot: &Snapshot, entry: &Entry<ObjectId>, restored: &Path) -> Outcome<Compared> {
    let live = PathBuf::from(OsStr::from_bytes(&[b"/", &entry.path[..]].concat()));
    let is_as_it_was = |meta: &fs::Metadata| {
        meta.is_file()
            && meta.size() == entry.size
            && (meta.mtime(), meta.mtime_nsec()) == (entry.mtime.secs, i64::from(entry.mtime.nanos))
    };
    let before = match fs::symlink_metadata(&live) {
        Ok(meta) if is_as_it_was(&meta) && !entry.changed => meta,
        // It changed, or is gone, or its folder is: not the snapshot's fault.
        _ => return Ok(Compared::ChangedSince),
    };
    let Ok(file) = File::open(&live) else {
        return Ok(Compared::Wrong("cannot be read any more, so nothing can be compared".into()));
    };
    let copy = File::open(restored).map_err(|e| Failure::io("open", restored, e))?;
    if same(file, copy).map_err(|e| Failure::io("compare", &live, e))? {
        return Ok(Compared::Same);
    }
    let changed_since = before.ctime().saturating_mul(1_000_000_000) + before.ctime_nsec()
        >= snapshot.info().manifest.started
        || !fs::symlink_metadata(&live).is_ok_and(|after| is_as_it_was(&after));
    Ok(if changed_since {
        Compared::ChangedSince
    } else {
        Compared::Wrong("differs from the live file".into())
    })
}

fn same(a: File, b: File) -> std::io::Result<bool> {
    const PIECE_BYTES: usize = 256 << 10;
    let (mut a, mut b) = (BufReader::with_capacity(PIECE_BYTES, a), BufReader::with_capacity(PIECE_BYTES, b));
    let (mut left, mut right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    loop {
        let (n, m) = (fill(&mut a, &mut left)?, fill(&mut b, &mut right)?);
        if n != m || left[..n] != right[..m] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn fill(from: &mut impl Read, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < piece.len() {
        match from.read(&mut piece[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}
