//! Which snapshots count: only these fill the rules, so that a flood of empty, broken or hasty ones displaces nothing.
//!
//! Judged in ledger order, each by what counted before it and never by what came later. So a judgement does not change when time
//! passes or others expire; it changes when a doubt is raised or settled, or when `spacing` is set anew.

use super::snapshot::Snapshot;
use super::term::Term;
use std::fmt;
use vow_base::ObjectId;
use vow_base::manifest::Status;

/// How many of the last counted snapshots say what is usual.
const USUAL_OF: usize = 5;
/// How many shrunk ones in a row, over at least [`ROW_LASTS`], are believed.
const ROW: usize = 3;
/// A row shorter than this may be one bad afternoon, or an intruder with a loop.
const ROW_LASTS: Term = Term::days(1);
/// Sources of fewer files than this, such as dumps of databases, are judged by their bytes alone.
const FEW_FILES: u64 = 10;

/// Why a snapshot does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// A drill or a person found it wrong.
    Doubted,
    /// The host said that something is missing.
    Partial,
    /// Nothing is in it, and there was before.
    Empty,
    /// Less than half of what is usual.
    Shrunk {
        /// Its bytes.
        bytes: u64,
        /// The usual bytes.
        usual_bytes: u64,
        /// Which one of a row that says the same.
        in_row: usize,
    },
    /// Too soon after one that counts.
    TooSoon {
        /// That one.
        after: ObjectId,
    },
}

/// In words that follow "not counted: ".
impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubted => f.write_str("found wrong, and not right since"),
            Self::Partial => f.write_str("partial"),
            Self::Empty => f.write_str("empty, and earlier ones were not"),
            Self::Shrunk { bytes, usual_bytes, in_row } => write!(
                f,
                "shrunk to {bytes} bytes from the usual {usual_bytes} (number {in_row} in a row; the third, a day later, counts)"
            ),
            Self::TooSoon { after } => write!(f, "too soon after {}", after.short()),
        }
    }
}

impl Uncounted {
    /// One word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Doubted => "doubted",
            Self::Partial => "partial",
            Self::Empty => "empty",
            Self::Shrunk { .. } => "shrunk",
            Self::TooSoon { .. } => "too-soon",
        }
    }
}

/// For each snapshot of one source, in ledger order: why it does not count, if it does not.
pub(super) fn judge(history: &[&Snapshot], spacing: Term) -> Vec<Option<Uncounted>> {
    let mut judge = Judge::default();
    history.iter().map(|snapshot| judge.next(snapshot, spacing)).collect()
}

#[derive(Default)]
struct Judge<'s> {
    /// The last one that counted.
    last: Option<&'s Snapshot>,
    /// Whether any that counted had content.
    had_content: bool,
    /// The last that counted and say what is usual, since a shrink was believed.
    usual: Vec<Size>,
    /// Shrunk ones that say the same, with nothing counted between them: the first one, how many, the last one's size.
    row: Option<(&'s Snapshot, usize, Size)>,
}

#[derive(Clone, Copy)]
struct Size {
    files: u64,
    bytes: u64,
}

impl<'s> Judge<'s> {
    fn next(&mut self, snapshot: &'s Snapshot, spacing: Term) -> Option<Uncounted> {
        let size = Size { files: snapshot.files, bytes: snapshot.bytes };
        if snapshot.marks.is_doubted() {
            return Some(Uncounted::Doubted);
        }
        if snapshot.status != Status::Ok {
            return Some(Uncounted::Partial);
        }
        if snapshot.is_empty() && self.had_content {
            return Some(Uncounted::Empty);
        }
        if let Some(last) = self.last
            && snapshot.received < spacing.after(last.received)
        {
            return Some(Uncounted::TooSoon { after: last.manifest });
        }
        if let Some(usual) = self.usual_size().filter(|usual| size.is_shrunk_from(*usual)) {
            let in_row = self.lengthen_row(snapshot, size);
            if !self.row_is_believed(snapshot) {
                return Some(Uncounted::Shrunk { bytes: size.bytes, usual_bytes: usual.bytes, in_row });
            }
            self.usual.clear();
        }
        self.row = None;
        self.last = Some(snapshot);
        self.had_content |= !snapshot.is_empty();
        if self.usual.len() == USUAL_OF {
            self.usual.remove(0);
        }
        self.usual.push(size);
        None
    }

    /// The median of the last counted ones; of an even number the lower one of the two in the middle.
    fn usual_size(&self) -> Option<Size> {
        let median = |of: fn(&Size) -> u64| {
            let mut sorted: Vec<_> = self.usual.iter().map(of).collect();
            sorted.sort_unstable();
            sorted.get(sorted.len().saturating_sub(1) / 2).copied()
        };
        Some(Size { files: median(|size| size.files)?, bytes: median(|size| size.bytes)? })
    }

    /// Which one of its row this shrunk one is. It starts a new row when it does not say the same as the one before it.
    fn lengthen_row(&mut self, snapshot: &'s Snapshot, size: Size) -> usize {
        let (first, before) = match self.row {
            Some((first, before, last)) if !size.is_shrunk_from(last) && !last.is_shrunk_from(size) => {
                (first, before)
            }
            _ => (snapshot, 0),
        };
        self.row = Some((first, before + 1, size));
        before + 1
    }

    fn row_is_believed(&self, snapshot: &Snapshot) -> bool {
        self.row.is_some_and(|(first, length, _)| {
            length >= ROW && snapshot.received >= ROW_LASTS.after(first.received)
        })
    }
}

impl Size {
    /// Less than half of both. Few files say nothing by their number.
    fn is_shrunk_from(self, usual: Self) -> bool {
        let less_than_half = |now: u64, before: u64| now < before.div_ceil(2);
        less_than_half(self.bytes, usual.bytes)
            && (usual.files < FEW_FILES || less_than_half(self.files, usual.files))
    }
}

#[cfg(test)]
mod tests;
