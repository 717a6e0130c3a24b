//! The names in a directory, sorted, in one piece of memory: a million names must not become a million allocations.

use rustix::fd::AsFd;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// Bytes of directory entries asked for at once.
const BUFFER_BYTES: usize = 128 * 1024;
/// Names of more bytes than this keep the memory they were read into.
const KEEP_BYTES: usize = 1 << 20;

/// What the directory says an entry is; not every file system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    Unknown,
    Dir,
    Socket,
    Other,
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    length: u16,
    hint: Hint,
}

/// Sorted names.
#[derive(Default)]
pub(crate) struct Names {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

/// Working memory for reading names, one per thread.
#[derive(Default)]
pub(crate) struct NamesBuffer {
    raw: Vec<u8>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Names {
    /// Reads all names of an open directory. With an error, those read until then.
    pub(crate) fn read(folder: impl AsFd, buffer: &mut NamesBuffer) -> (Self, Option<Errno>) {
        buffer.bytes.clear();
        buffer.spans.clear();
        let error = fill(folder, buffer).err();
        if buffer.bytes.capacity() > KEEP_BYTES {
            // Too much to hold twice, even for a moment.
            let (bytes, mut spans) = (std::mem::take(&mut buffer.bytes), std::mem::take(&mut buffer.spans));
            sort(&bytes, &mut spans);
            return (Self { bytes: bytes.into(), spans: spans.into() }, error);
        }
        (Self::sorted(&buffer.bytes, &mut buffer.spans), error)
    }

    /// These names, which must be sorted and shorter than 64 KiB.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for name in names {
            // A plan's names come from paths that were opened, so these always fit.
            let _ = push(&mut bytes, &mut spans, name, Hint::Unknown);
        }
        Self { bytes: bytes.into(), spans: spans.into() }
    }

    fn sorted(bytes: &[u8], spans: &mut [Span]) -> Self {
        sort(bytes, spans);
        let mut packed = Vec::with_capacity(bytes.len());
        let mut placed = Vec::with_capacity(spans.len());
        for span in &*spans {
            // No larger than where they come from, so the positions fit.
            let start = u32::try_from(packed.len()).unwrap_or(u32::MAX);
            packed.extend_from_slice(slice(bytes, *span));
            placed.push(Span { start, ..*span });
        }
        Self { bytes: packed.into(), spans: placed.into() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// A name, and what the directory said about it.
    pub(crate) fn get(&self, index: usize) -> (&[u8], Hint) {
        let span = self.spans[index];
        (slice(&self.bytes, span), span.hint)
    }

    /// Whether this name is among them.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.spans.binary_search_by(|span| slice(&self.bytes, *span).cmp(name)).is_ok()
    }

    /// These names but those.
    pub(crate) fn without(&self, gone: &[Vec<u8>]) -> Self {
        let stays = |span: &&Span| !gone.iter().any(|name| *name == slice(&self.bytes, **span));
        let mut spans: Vec<_> = self.spans.iter().filter(stays).copied().collect();
        Self::sorted(&self.bytes, &mut spans)
    }

    /// These names and `more`.
    pub(crate) fn with<'a>(&self, more: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut bytes, mut spans) = (self.bytes.to_vec(), self.spans.to_vec());
        for name in more.filter(|name| !self.contains(name)) {
            let _ = push(&mut bytes, &mut spans, name, Hint::Unknown);
        }
        Self::sorted(&bytes, &mut spans)
    }
}

fn sort(bytes: &[u8], spans: &mut [Span]) {
    spans.sort_unstable_by(|a, b| slice(bytes, *a).cmp(slice(bytes, *b)));
}

fn slice(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start as usize..][..usize::from(span.length)]
}

fn push(bytes: &mut Vec<u8>, spans: &mut Vec<Span>, name: &[u8], hint: Hint) -> Result<(), Errno> {
    let start = u32::try_from(bytes.len()).map_err(|_| Errno::OVERFLOW)?;
    let length = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
    bytes.extend_from_slice(name);
    spans.push(Span { start, length, hint });
    Ok(())
}

fn fill(folder: impl AsFd, buffer: &mut NamesBuffer) -> Result<(), Errno> {
    buffer.raw.reserve(BUFFER_BYTES);
    let mut entries = RawDir::new(folder, buffer.raw.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let hint = match entry.file_type() {
            FileType::Unknown => Hint::Unknown,
            FileType::Directory => Hint::Dir,
            FileType::Socket => Hint::Socket,
            _ => Hint::Other,
        };
        push(&mut buffer.bytes, &mut buffer.spans, name, hint)?;
    }
    Ok(())
}

/// Whether an open directory has any entry.
pub(crate) fn has_entries(folder: impl AsFd) -> Result<bool, Errno> {
    let mut raw = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(folder, &mut raw);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            return Ok(true);
        }
    }
    Ok(false)
}
