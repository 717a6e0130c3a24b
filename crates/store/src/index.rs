//! Which chunks the host has sent before, and where they lie. It only saves sending them again: no restore ever reads it, a pack
//! it names must still be in the vault when the manifest is committed, and a copy that does not verify counts as absent.
//!
//! New chunks are held in memory until their packs are published, then written to a sorted file of the local cache and, sealed,
//! to the vault, so that a lost cache costs re-reading files, not re-sending them.

mod local;
mod segment;

pub use local::{IndexRow, LocalIndex};
pub use segment::{SegmentError, open_segment, seal_segment};

/// The most rows in one segment, so that it stays below its size limit.
pub const SEGMENT_ROWS: usize = 1 << 17;
