//! Names of segments of the log, and what is missing between them. Pure.

use std::fmt;

/// A segment of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Its timeline.
    pub timeline: u32,
    /// Its number, counted from the beginning of the log.
    pub number: u64,
}

/// Segments in 4 GiB of log, which the names count by.
fn per_file(segment_bytes: u64) -> u64 {
    (1 << 32) / segment_bytes.clamp(1 << 20, 1 << 30)
}

impl Segment {
    /// The one with this name: 24 hexadecimal digits.
    pub fn parse(name: &str, segment_bytes: u64) -> Option<Self> {
        let digits = |range: std::ops::Range<usize>| {
            let part = name.get(range)?;
            let upper = part.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
            upper.then(|| u32::from_str_radix(part, 16).ok()).flatten()
        };
        if name.len() != 24 {
            return None;
        }
        let (timeline, high, low) = (digits(0..8)?, digits(8..16)?, digits(16..24)?);
        let per_file = per_file(segment_bytes);
        (u64::from(low) < per_file)
            .then(|| Self { timeline, number: u64::from(high) * per_file + u64::from(low) })
    }

    /// The one that holds a position such as `0/2000028`.
    pub fn at(timeline: u32, lsn: &str, segment_bytes: u64) -> Option<Self> {
        let (high, low) = lsn.split_once('/')?;
        let high = u64::from(u32::from_str_radix(high, 16).ok()?);
        let low = u64::from(u32::from_str_radix(low, 16).ok()?);
        Some(Self { timeline, number: ((high << 32) | low) / segment_bytes.max(1) })
    }

    /// Its name.
    pub fn name(self, segment_bytes: u64) -> String {
        let per_file = per_file(segment_bytes);
        format!("{:08X}{:08X}{:08X}", self.timeline, self.number / per_file, self.number % per_file)
    }
}

/// A stretch of segments that is missing: the first and the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} segments", self.last - self.first + 1)
    }
}

/// What is missing among `there` from the number `from` on, whatever the timelines: when the timeline changes, the segment in which that
/// happens exists on both, and so its number is there. `there` may be in any order.
pub fn gaps(from: u64, there: &[Segment]) -> Vec<Gap> {
    let mut numbers: Vec<_> = there.iter().map(|segment| segment.number).filter(|n| *n >= from).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let (mut next, mut gaps) = (from, Vec::new());
    for number in numbers {
        if number > next {
            gaps.push(Gap { first: next, last: number - 1 });
        }
        next = number + 1;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB16: u64 = 16 << 20;

    #[test]
    fn names_are_read_and_written() {
        for (name, bytes, timeline, number) in [
            ("000000010000000000000002", MIB16, 1, 2),
            ("0000000A00000001000000FF", MIB16, 10, 511),
            ("000000010000000100000003", 1 << 30, 1, 7),
        ] {
            let segment = Segment { timeline, number };
            assert_eq!(Segment::parse(name, bytes), Some(segment), "{name}");
            assert_eq!(segment.name(bytes), name);
        }
        for name in [
            "00000001000000000000000",
            "000000010000000000000002.partial",
            "00000002.history",
            "000000010000000000000100",
        ] {
            assert_eq!(Segment::parse(name, MIB16), None, "{name}");
        }
        assert_eq!(Segment::at(1, "1/FF000028", MIB16), Some(Segment { timeline: 1, number: 511 }));
        assert_eq!(Segment::at(1, "nonsense", MIB16), None);
    }

    #[test]
    fn gaps_are_found() {
        let segments = |numbers: &[(u32, u64)]| {
            numbers
                .iter()
                .map(|(timeline, number)| Segment { timeline: *timeline, number: *number })
                .collect::<Vec<_>>()
        };
        assert_eq!(gaps(3, &segments(&[(1, 3), (1, 4), (2, 4), (2, 5)])), []);
        assert_eq!(
            gaps(3, &segments(&[(1, 1), (1, 4), (1, 7)])),
            [Gap { first: 3, last: 3 }, Gap { first: 5, last: 6 }]
        );
        assert_eq!(gaps(3, &[]), []);
    }
}
