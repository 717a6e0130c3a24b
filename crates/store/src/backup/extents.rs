//! Where sparse files have data.

use std::fs::File;
use std::io;

/// The most extents that are recorded of one file; holes are widened to data until there are no more.
const EXTENTS_MAX: usize = 65_536;

/// Where a sparse file has data; `None` when the file system cannot tell, or there are no holes.
pub(super) fn sparse_extents(file: &File, size: u64) -> io::Result<Option<Vec<(u64, u64)>>> {
    use rustix::fs::{SeekFrom, seek};
    let mut extents: Vec<(u64, u64)> = Vec::new();
    let mut least_hole = 4096;
    let mut at = 0;
    while at < size {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => break,
            Err(rustix::io::Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = match seek(file, SeekFrom::Hole(start)) {
            Ok(end) => end.min(size),
            // It was cut short meanwhile: reading it will show that.
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        if start >= end {
            break;
        }
        match extents.last_mut() {
            Some((offset, length)) if start - (*offset + *length) < least_hole => *length = end - *offset,
            _ => extents.push((start, end - start)),
        }
        if extents.len() > EXTENTS_MAX {
            least_hole *= 4;
            extents = widen(&extents, least_hole);
        }
        at = end;
    }
    Ok((extents != [(0, size)]).then_some(extents))
}

/// The same extents without holes below `least_hole`.
fn widen(extents: &[(u64, u64)], least_hole: u64) -> Vec<(u64, u64)> {
    let mut wide: Vec<(u64, u64)> = Vec::new();
    for (start, length) in extents {
        match wide.last_mut() {
            Some((offset, held)) if start - (*offset + *held) < least_hole => {
                *held = start + length - *offset
            }
            _ => wide.push((*start, *length)),
        }
    }
    wide
}

/// The first `data` bytes of these extents.
pub(super) fn cut_extents(extents: Vec<(u64, u64)>, data: u64) -> Vec<(u64, u64)> {
    let mut left = data;
    let cut = extents.into_iter().map_while(|(offset, length)| {
        let kept = length.min(left);
        left -= kept;
        (kept > 0).then_some((offset, kept))
    });
    cut.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_cut_to_the_data_that_was_read() {
        let extents = vec![(0, 10), (100, 50), (1000, 5)];
        assert_eq!(cut_extents(extents.clone(), 65), extents);
        assert_eq!(cut_extents(extents.clone(), 30), [(0, 10), (100, 20)]);
        assert_eq!(cut_extents(extents, 0), []);
    }

    #[test]
    fn small_holes_are_widened_to_data() {
        assert_eq!(widen(&[(0, 10), (20, 10), (1000, 10)], 100), [(0, 30), (1000, 10)]);
    }
}
