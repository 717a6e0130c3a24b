//! Reading a larger file from its start to its end: cut into chunks, which are handed on in stretches.

use super::BackupError;
use super::assembly::Assembly;
use super::group::{Stretch, StretchJob};
use super::read::{Failed, Outcome, Reader, read_full};
use crate::chunker::{Cutter, Grain};
use crate::monitor::add;
use crate::source::Stat;
use std::fs::File;
use std::sync::Arc;

/// The least that is read at once.
pub(super) const READ_BYTES: usize = 4 << 20;

impl Reader<'_, '_> {
    /// Cuts and stores the data; says how many bytes of data there were, and whether all that were expected.
    pub(super) fn stream(
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
        if let Some(observer) = self.engine.monitor.observer() {
            observer.content(name, &head[..length]);
        }
        let cutter = Cutter::new(Grain::of(name, &head[..length]), stat.size);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(READ_BYTES.max(cutter.max_bytes() * 2), 0);
        // `start` is where the next chunk starts; what lies before it are the chunks of the stretch at hand.
        let (mut held, mut start, mut total) = (0, 0, 0);
        let mut stretch = Stretch::new(cutter.grain());
        let mut current = extents.next();
        let mut complete = true;
        let result = loop {
            // Fill the buffer.
            let done = start - stretch.bytes();
            if done > 0 {
                buffer.copy_within(done..held, 0);
                (held, start) = (held - done, start - done);
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
                if stretch.ends_before(length) {
                    self.hand_on(&buffer[..start], stretch.take(), assembly)?;
                }
                stretch.push(length);
                start += length;
                if stretch.ends_before(0) {
                    self.hand_on(&buffer[..start], stretch.take(), assembly)?;
                }
            }
            if current.is_none() {
                if stretch.count() > 0 {
                    self.hand_on(&buffer[..start], stretch, assembly)?;
                }
                break Ok((total, complete));
            }
            if self.engine.has_failed() || self.engine.monitor.is_cancelled() {
                return Err(Failed::Run(BackupError::Cancelled));
            }
        };
        self.buffer = buffer;
        result
    }

    /// Has the stretch at the end of `data` stored, by another reader if one is idle.
    pub(super) fn hand_on(
        &mut self,
        data: &[u8],
        stretch: Stretch,
        assembly: &Arc<Assembly>,
    ) -> Result<(), BackupError> {
        let data = &data[data.len() - stretch.bytes()..];
        let first = assembly.expect(stretch.count());
        let offered = self.queue.offer(|| StretchJob {
            data: data.to_vec(),
            stretch: stretch.clone(),
            first,
            assembly: Arc::clone(assembly),
        });
        if offered { Ok(()) } else { self.stretch(data, &stretch, first, assembly) }
    }

    pub(super) fn stretch(
        &mut self,
        data: &[u8],
        stretch: &Stretch,
        first: usize,
        assembly: &Assembly,
    ) -> Result<(), BackupError> {
        let chunks =
            self.engine.store_stretch(self.slot, data, stretch, &mut self.packer, &mut self.gathered)?;
        assembly.give(first, &chunks, self.engine);
        Ok(())
    }
}
