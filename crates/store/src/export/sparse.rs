//! Sparse files in GNU's format 1.0: a map, then the data of the extents.
//!
//! GNU tar reads each extent from a block of its own, libarchive reads them as one stream. Both are right when every extent but the last
//! is a whole number of blocks, so extents are widened to blocks, with zeros from the holes around them.

use super::header::{BLOCK, pad};

/// The widened extents of one file, and how much of them was written.
pub(super) struct Sparse {
    extents: Vec<(u64, u64)>,
    size: u64,
    /// The extent being written, and the offset in the file from which on nothing was written.
    current: usize,
    at: u64,
}

impl Sparse {
    pub(super) fn new(extents: &[(u64, u64)], size: u64) -> Self {
        let block = BLOCK as u64;
        let mut wide: Vec<(u64, u64)> = Vec::new();
        for (offset, length) in extents {
            let start = offset / block * block;
            let end = (offset + length).checked_next_multiple_of(block).map_or(size, |end| end.min(size));
            match wide.last_mut() {
                Some((first, bytes)) if *first + *bytes >= start => *bytes = end - *first,
                _ => wide.push((start, end - start)),
            }
        }
        let at = wide.first().map_or(0, |(offset, _)| *offset);
        Self { extents: wide, size, current: 0, at }
    }

    /// Bytes of data behind the map.
    pub(super) fn data_bytes(&self) -> u64 {
        self.extents.iter().map(|(_, length)| length).sum()
    }

    /// The map, in blocks of its own.
    pub(super) fn map(&self) -> Vec<u8> {
        let end = self.extents.last().map_or(0, |(offset, length)| offset + length);
        // A hole at the end is an empty extent there.
        let tail = (end < self.size).then_some((self.size, 0));
        let mut map = format!("{}\n", self.extents.len() + usize::from(tail.is_some())).into_bytes();
        for (offset, length) in self.extents.iter().copied().chain(tail) {
            map.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
        }
        pad(&mut map);
        map
    }

    /// How many zeros come before what the file has at `offset`; data is given in order.
    pub(super) fn zeros_before(&mut self, offset: u64) -> u64 {
        let mut zeros = 0;
        while let Some((start, length)) = self.extents.get(self.current) {
            let end = start + length;
            if offset < end {
                zeros += offset - self.at;
                self.at = offset;
                break;
            }
            zeros += end - self.at;
            self.current += 1;
            self.at = self.extents.get(self.current).map_or(self.size, |(next, _)| *next);
        }
        zeros
    }

    /// Data of this length was written.
    pub(super) fn wrote(&mut self, length: u64) {
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_widened_to_blocks_and_joined() {
        let mut sparse = Sparse::new(&[(600, 10), (1100, 1), (5000, 100)], 5100);
        assert_eq!(sparse.extents, [(512, 1024), (4608, 492)]);
        assert_eq!(sparse.data_bytes(), 1516);
        let mut written = 0;
        for (offset, length) in [(600, 10), (1100, 1), (5000, 100)] {
            written += sparse.zeros_before(offset) + length;
            sparse.wrote(length);
        }
        assert_eq!(written + sparse.zeros_before(5100), 1516);
    }

    #[test]
    fn a_file_that_is_one_hole_has_a_map() {
        assert!(Sparse::new(&[], 1 << 20).map().starts_with(b"1\n1048576\n0\n"));
    }
}
