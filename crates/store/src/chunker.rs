//! Where files are cut: content-defined, keyed by the host's secret, finer for data in which small changes are scattered.

use crate::keys::HostSecret;
use fastcdc::v2020::{Normalization, cut_gear, select_masks};

/// Files up to this are bundled with their neighbours.
pub const BUNDLE_FILE_BYTES: u64 = 96 << 10;
/// Average chunk of ordinary files.
const COARSE_BYTES: usize = 1 << 20;
/// Average chunk of database dumps and disk images.
const FINE_BYTES: usize = 64 << 10;
/// The largest average: four times of it is the limit of a record's content.
const AVERAGE_MAX_BYTES: usize = 4 << 20;
/// No file is cut into many more chunks than this, so that its references fit in memory.
const CHUNKS_PER_FILE: u64 = 1 << 18;
/// Chunks of a stream until the average is doubled: the first time after 8 GiB, the last after half a tebibyte.
const STREAM_STEP_CHUNKS: u64 = 1 << 17;

/// How finely a file is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Ordinary files.
    Coarse,
    /// Database dumps, database files, disk images.
    Fine,
}

impl Grain {
    /// What fits a file with this name that starts with these bytes.
    pub fn of(name: &[u8], head: &[u8]) -> Self {
        let fine = FINE_MAGIC.iter().any(|(at, magic)| head.get(*at..).is_some_and(|h| h.starts_with(magic)))
            || is_sql_text(head)
            || FINE_SUFFIXES.iter().any(|suffix| ends_with_ignoring_case(name, suffix));
        if fine { Self::Fine } else { Self::Coarse }
    }
}

/// File types in which a change touches few places.
const FINE_MAGIC: &[(usize, &[u8])] = &[
    (0, b"PGDMP"),
    (0, b"SQLite format 3\0"),
    (0, b"QFI\xfb"),
    (0, b"KDMV"),
    (0, b"conectix"),
    (0, b"vhdxfile"),
    (0, b"<<< "),
    (0, b"REDIS0"),
    (510, b"\x55\xaa"),
    (1080, b"\x53\xef"),
    (0, b"XFSB"),
];

const FINE_SUFFIXES: &[&str] = &[
    ".sql", ".dump", ".dmp", ".img", ".raw", ".qcow2", ".vmdk", ".vdi", ".vhd", ".vhdx", ".ibd", ".ldif",
    ".mdf", ".db", ".sqlite", ".sqlite3", ".rdb", ".mdb", ".ova",
];

fn is_sql_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(4096)];
    let has = |word: &[u8]| head.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    head.starts_with(b"--") && (has(b" dump") || has(b"create table"))
        || head.starts_with(b"/*M!")
        || has(b"insert into ") && has(b"values")
}

fn ends_with_ignoring_case(name: &[u8], suffix: &str) -> bool {
    let start = name.len().saturating_sub(suffix.len());
    name[start..].eq_ignore_ascii_case(suffix.as_bytes())
}

/// The host's keyed tables.
pub struct Chunker {
    gear: Box<[u64; 256]>,
    shifted: Box<[u64; 256]>,
}

/// Sizes and masks for one file.
#[derive(Debug, Clone, Copy)]
pub struct Cutter {
    grain: Grain,
    average: usize,
    masks: (u64, u64),
}

impl Chunker {
    /// With the tables that derive from the host's secret.
    pub fn new(secret: &HostSecret) -> Self {
        let gear = secret.gear();
        let mut shifted = gear.clone();
        shifted.iter_mut().for_each(|number| *number <<= 1);
        Self { gear, shifted }
    }

    /// Length of the first chunk of `data`, which must hold [`Cutter::max_bytes`] bytes unless it is the end of the file.
    pub fn cut(&self, cutter: &Cutter, data: &[u8]) -> usize {
        let (small, large) = cutter.masks;
        let Cutter { average, .. } = *cutter;
        let (_, length) = cut_gear(
            data,
            average / 4,
            average,
            cutter.max_bytes(),
            small,
            large,
            small << 1,
            large << 1,
            &self.gear[..],
            &self.shifted[..],
        );
        length
    }
}

impl Cutter {
    /// For a file of this grain and size in bytes. Very large files are cut more coarsely, so that their references stay few.
    pub fn new(grain: Grain, size: u64) -> Self {
        let base = match grain {
            Grain::Coarse => COARSE_BYTES,
            Grain::Fine => FINE_BYTES,
        };
        let wanted = (size / CHUNKS_PER_FILE).next_power_of_two();
        let average = usize::try_from(wanted).unwrap_or(AVERAGE_MAX_BYTES).clamp(base, AVERAGE_MAX_BYTES);
        Self { grain, average, masks: select_masks(average, Normalization::Level1) }
    }

    /// How finely the file is cut.
    pub fn grain(&self) -> Grain {
        self.grain
    }

    /// For the next chunk of a stream whose size nobody knows, after this many. As it grows it is cut more coarsely, at places that
    /// depend on nothing but what lies before them, so that the next dump is cut in the same places.
    pub fn of_stream(chunks: u64) -> Self {
        let doublings = u32::try_from(chunks / STREAM_STEP_CHUNKS).unwrap_or(u32::MAX).min(31);
        let average = (FINE_BYTES << doublings).min(AVERAGE_MAX_BYTES);
        Self { grain: Grain::Fine, average, masks: select_masks(average, Normalization::Level1) }
    }

    /// The longest chunk, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.average * 4
    }
}

#[cfg(test)]
mod tests;
