//! Reading a stream: bytes of unknown number, cut finely, and a verdict at the end. A stream that fails ends the run.
//!
//! Why readers cannot wait for each other for ever: a reader in here waits for the program behind its own stream and for nothing
//! else. A stream never waits for another one (see [`Stream`]), its chunks are only offered to readers that are idle, and an entry
//! that needs other streams to be finished (the truth of a source) is handed out by the source after they are, on the planner's
//! thread. When the run fails, streams still queued are dropped, which is how a source learns that they will not finish.

use super::BackupError;
use super::assembly::{Assembly, Finish};
use super::block::Place;
use super::engine::Engine;
use super::group::Stretch;
use super::read::Reader;
use super::stream::READ_BYTES;
use crate::chunker::Cutter;
use crate::monitor::add;
use crate::source::{Item, Stream};
use std::sync::Arc;

impl Reader<'_, '_> {
    /// Reads a stream to its end and asks for its verdict.
    pub(super) fn pipe(
        &mut self,
        item: Item,
        mut stream: Box<dyn Stream>,
        place: Place,
    ) -> Result<(), BackupError> {
        let assembly = Arc::new(Assembly::default());
        let size = self.cut_stream(stream.as_mut(), &assembly)?;
        let engine = self.engine;
        let missing = stream.finish(&|| is_stopped(engine)).map_err(|e| refused(engine, e))?;
        missing.iter().for_each(|text| engine.problem(&item.path, text));
        let stat = crate::source::Stat { size, ..item.stat };
        assembly.finish(
            item,
            place,
            Finish { stat, extents: None, xattrs: Vec::new(), changed: false },
            self.engine,
        );
        Ok(())
    }

    /// Cuts and stores all there is; says how many bytes.
    fn cut_stream(&mut self, stream: &mut dyn Stream, assembly: &Arc<Assembly>) -> Result<u64, BackupError> {
        let engine = self.engine;
        let stop = move || is_stopped(engine);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut cutter = Cutter::of_stream(0);
        // `start` is where the next chunk starts; what lies before it are the chunks of the stretch at hand.
        let (mut held, mut start, mut total, mut chunks, mut ended) = (0, 0, 0, 0, false);
        let mut stretch = Stretch::new(cutter.grain());
        while !ended {
            if stop() {
                return Err(BackupError::Cancelled);
            }
            let done = start - stretch.bytes();
            buffer.copy_within(done..held, 0);
            (held, start) = (held - done, start - done);
            buffer.resize(buffer.len().max(READ_BYTES).max(start + cutter.max_bytes() * 2), 0);
            while !ended && held < buffer.len() {
                let read = stream.read(&mut buffer[held..], &stop).map_err(|e| refused(engine, e))?;
                ended = read == 0;
                held += read;
                total += read as u64;
                add(&engine.monitor.counters.bytes, read as u64);
            }
            // Cut while a whole chunk is certain to be in the buffer, or the stream has ended.
            while held - start >= cutter.max_bytes() || ended && held > start {
                let length = engine.chunker.cut(&cutter, &buffer[start..held]);
                if stretch.ends_before(length) {
                    self.hand_on(&buffer[..start], stretch.take(), assembly)?;
                }
                stretch.push(length);
                start += length;
                if stretch.ends_before(0) {
                    self.hand_on(&buffer[..start], stretch.take(), assembly)?;
                }
                chunks += 1;
                cutter = Cutter::of_stream(chunks);
            }
        }
        if stretch.count() > 0 {
            self.hand_on(&buffer[..start], stretch, assembly)?;
        }
        self.buffer = buffer;
        Ok(total)
    }
}

fn is_stopped(engine: &Engine<'_>) -> bool {
    engine.has_failed() || engine.monitor.is_cancelled()
}

/// What a stream said, unless it only said that it was stopped.
fn refused(engine: &Engine<'_>, error: String) -> BackupError {
    if engine.monitor.is_cancelled() { BackupError::Cancelled } else { BackupError::Source(error) }
}
