//! A host that lost its cache reads its own index segments back, so that it need not send everything again. F9 of the design.
//! Those that were written for other recipients do not open: then it does, because these could not open what it refers to.

use super::packs::LevelState;
use super::state::Chain;
use crate::index::{LocalIndex, open_segment};
use crate::monitor::Monitor;
use std::io;
use std::path::Path;

/// Replaces the local index by what the levels' segments say. Segments that do not open are left out.
pub(super) fn index(
    folder: &Path,
    index_secret: &[u8; 32],
    levels: &[LevelState],
    chain: &mut Chain,
    monitor: &Monitor,
) -> io::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    chain.segments.clear();
    let index = LocalIndex::open(folder, index_secret, |_| Some(0))?;
    let mut closed = 0;
    for level in levels.iter().filter(|level| level.is_alive()) {
        let segments = match level.level.deposit.index_segments() {
            Ok(segments) => segments,
            Err(error) => {
                level.fail(error);
                continue;
            }
        };
        for id in segments {
            if chain.segments.contains(&id) {
                continue;
            }
            let stored = level.level.deposit.index_segment(&id);
            let rows = stored.ok().and_then(|stored| open_segment(&stored, index_secret).ok());
            match rows {
                Some(rows) => {
                    index.settle(&rows, |_| Some(0))?;
                    index.tidy(|_| Some(0))?;
                    chain.segments.push(id);
                }
                None => closed += 1,
            }
        }
    }
    if closed > 0 {
        monitor.note(&format!(
            "{closed} index segments do not open: they are damaged, or of snapshots that were sealed to other recipients; what they \
             named is sent again"
        ));
    }
    Ok(())
}
