//! A snapshot as a PAX archive that GNU tar and bsdtar read, for whoever has no Vow at hand.

mod acl;
mod header;
mod sparse;
#[cfg(test)]
mod tests;

use crate::archive::{ArchiveError, Reader, Snapshot, Spans};
use crate::listing::entry::{Entry, Kind, display_path};
use crate::monitor::{Monitor, add};
use header::{BLOCK, Member};
use sparse::Sparse;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::Ordering::Relaxed;
use vow_base::ObjectId;

/// Archives are written in records of 20 blocks, as tar does.
const RECORD: u64 = 20 * BLOCK as u64;

/// What was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub dirs: u64,
    /// Symbolic links, devices and FIFOs.
    pub others: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Problems: entries that were left out.
    pub errors: u64,
}

/// Why an export stopped. What was written until then is not a whole archive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The snapshot cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The output cannot be written.
    #[error("cannot write the archive: {0}")]
    Write(#[source] io::Error),
    /// The data of a file failed after the archive had promised it: going on would put wrong bytes in its place.
    #[error("{path} cannot be read to its end, so the archive ends here: {source}")]
    Data {
        /// The file.
        path: String,
        /// Why.
        source: ArchiveError,
    },
    /// Somebody asked it to stop.
    #[error("stopped; the archive is not complete")]
    Cancelled,
}

/// Writes a snapshot, or what is at and under one path, as a PAX archive.
///
/// An entry whose data cannot be read is left out, reported and counted, as long as nothing of it was written.
///
/// # Errors
/// No such path, a vault that is gone, an output that cannot be written, or a large file that is damaged somewhere behind its start.
pub fn export(
    snapshot: &Snapshot,
    under: Option<&[u8]>,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<ExportReport, ExportError> {
    if let Some(under) = under.filter(|under| !under.is_empty()) {
        snapshot.entry(under)?;
    } else {
        let counts = &snapshot.info().manifest.counts;
        monitor.counters.total_bytes.store(counts.bytes, Relaxed);
        monitor.counters.total_files.store(counts.files, Relaxed);
    }
    let reader = snapshot.reader()?;
    let mut export = Export {
        snapshot,
        reader,
        monitor,
        out: Out { out, written: 0 },
        links: HashMap::new(),
        report: ExportReport::default(),
    };
    for entry in snapshot.entries(under) {
        if monitor.is_cancelled() {
            return Err(ExportError::Cancelled);
        }
        match entry {
            Ok(entry) => export.entry(&entry)?,
            Err(error) if error.is_gone() => return Err(error.into()),
            Err(error) => export.problem(under.unwrap_or_default(), &error.to_string()),
        }
    }
    export.finish()
}

struct Export<'a> {
    snapshot: &'a Snapshot,
    reader: Reader,
    monitor: &'a Monitor,
    out: Out<'a>,
    /// The first name of every file with several names.
    links: HashMap<(u64, u64), (Kind, u64, Vec<u8>)>,
    report: ExportReport,
}

impl Export<'_> {
    fn entry(&mut self, entry: &Entry<ObjectId>) -> Result<(), ExportError> {
        let path = member_path(entry);
        if let Some(first) = self.first_name(entry) {
            let member = Member { kind: b'1', link: &first, ..self.member(entry, &path) };
            self.out.all(&member.headers())?;
            self.count(entry);
            return Ok(());
        }
        if entry.kind == Kind::File {
            return self.file(entry, &path);
        }
        let kind = match entry.kind {
            Kind::File => b'0',
            Kind::Dir => b'5',
            Kind::Symlink => b'2',
            Kind::CharDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Fifo => b'6',
        };
        let device = entry.device.unwrap_or_default();
        let member = Member { kind, device, link: &entry.target, ..self.member(entry, &path) };
        self.out.all(&member.headers())?;
        self.remember(entry);
        self.count(entry);
        Ok(())
    }

    fn file(&mut self, entry: &Entry<ObjectId>, path: &[u8]) -> Result<(), ExportError> {
        let mut member = Member { kind: b'0', size: entry.data_bytes(), ..self.member(entry, path) };
        let mut sparse = entry.extents.as_ref().map(|extents| Sparse::new(extents, entry.size));
        let map = sparse.as_ref().map(Sparse::map).unwrap_or_default();
        if let Some(sparse) = &sparse {
            member.size = map.len() as u64 + sparse.data_bytes();
            member.plain_name = Some([b"GNUSparseFile.0/", crate::listing::path::name(path)].concat());
            let size = entry.size.to_string();
            let records: [(&[u8], &[u8]); 4] = [
                (b"GNU.sparse.major", b"1"),
                (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", path),
                (b"GNU.sparse.realsize", size.as_bytes()),
            ];
            member.records.extend(records.map(|(key, value)| (key.to_vec(), value.to_vec())));
        }
        let mut start = member.headers();
        start.extend_from_slice(&map);
        let before = self.out.written;
        let (out, mut held, spans) = (&mut self.out, Some(start), Spans::of(entry));
        let copied = self.reader.pieces(entry, |at, data| {
            // The headers wait for the first data, so that a file that cannot be read at all can be left out.
            if let Some(start) = held.take() {
                out.out(&start)?;
            }
            let Some(sparse) = &mut sparse else { return out.out(data) };
            let mut rest = data;
            for (offset, length) in spans.pieces(at, data.len() as u64) {
                let (now, after) = rest.split_at(length as usize);
                out.zeros(sparse.zeros_before(offset))?;
                out.out(now)?;
                sparse.wrote(length);
                rest = after;
            }
            Ok(())
        });
        match copied {
            Ok(()) => {
                if let Some(start) = held {
                    self.out.all(&start)?;
                }
                if let Some(sparse) = &mut sparse {
                    self.out.all(&vec![0; sparse.zeros_before(entry.size) as usize])?;
                }
            }
            Err(ArchiveError::Write(error)) => return Err(ExportError::Write(error)),
            Err(error) if error.is_gone() => return Err(error.into()),
            Err(error) if self.out.written == before => {
                self.problem(&entry.path, &format!("left out: {error}"));
                return Ok(());
            }
            Err(source) => return Err(ExportError::Data { path: entry.display(), source }),
        }
        self.out.pad(BLOCK as u64)?;
        self.remember(entry);
        self.count(entry);
        Ok(())
    }

    fn member<'m>(&'m self, entry: &Entry<ObjectId>, path: &'m [u8]) -> Member<'m> {
        let root = self.snapshot.root();
        let records = entry.xattrs.iter().map(|(name, value)| (xattr_key(name), value.clone()));
        let acls = entry.xattrs.iter();
        let acls = acls.filter_map(|(name, value)| Some((acl::key(name)?.to_vec(), acl::text(value)?)));
        Member {
            path,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            user: root.users.get(&entry.uid).map_or("", String::as_str),
            group: root.groups.get(&entry.gid).map_or("", String::as_str),
            mtime: entry.mtime,
            records: records.chain(acls).collect(),
            ..Member::default()
        }
    }

    fn first_name(&self, entry: &Entry<ObjectId>) -> Option<Vec<u8>> {
        let (kind, size, first) = self.links.get(&entry.link?)?;
        (*kind == entry.kind && *size == entry.size).then(|| first.clone())
    }

    fn remember(&mut self, entry: &Entry<ObjectId>) {
        if let Some(group) = entry.link.filter(|_| entry.kind != Kind::Dir) {
            self.links.insert(group, (entry.kind, entry.size, member_path(entry)));
        }
    }

    fn count(&mut self, entry: &Entry<ObjectId>) {
        let counters = &self.monitor.counters;
        match entry.kind {
            Kind::File => {
                self.report.files += 1;
                self.report.bytes = self.report.bytes.saturating_add(entry.size);
                add(&counters.files, 1);
                add(&counters.bytes, entry.size);
            }
            Kind::Dir => {
                self.report.dirs += 1;
                add(&counters.dirs, 1);
            }
            _ => self.report.others += 1,
        }
    }

    fn problem(&mut self, path: &[u8], text: &str) {
        self.report.errors += 1;
        self.monitor.problem(&display_path(path), text);
    }

    fn finish(mut self) -> Result<ExportReport, ExportError> {
        self.out.all(&[0; 2 * BLOCK])?;
        self.out.pad(RECORD)?;
        self.out.out.flush().map_err(ExportError::Write)?;
        Ok(self.report)
    }
}

/// The output, and how much went into it.
struct Out<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Out<'_> {
    fn out(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        // Counted before: after an error nobody knows how much was written.
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(ArchiveError::Write)
    }

    fn zeros(&mut self, count: u64) -> Result<(), ArchiveError> {
        // Less than two blocks at a time: what lies between an extent and the blocks around it.
        self.out(&vec![0; count as usize])
    }

    fn all(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(ExportError::Write)
    }

    fn pad(&mut self, multiple: u64) -> Result<(), ExportError> {
        let missing = self.written.next_multiple_of(multiple) - self.written;
        self.all(&vec![0; missing as usize])
    }
}

/// Names are relative; folders end with a slash.
fn member_path(entry: &Entry<ObjectId>) -> Vec<u8> {
    let mut path = if entry.path.is_empty() { b".".to_vec() } else { entry.path.clone() };
    if entry.kind == Kind::Dir {
        path.push(b'/');
    }
    path
}

/// `%` and `=` would end the key too early; GNU tar writes them like this.
fn xattr_key(name: &[u8]) -> Vec<u8> {
    let mut key = b"SCHILY.xattr.".to_vec();
    for byte in name {
        match byte {
            b'%' => key.extend_from_slice(b"%25"),
            b'=' => key.extend_from_slice(b"%3D"),
            byte => key.push(*byte),
        }
    }
    key
}
