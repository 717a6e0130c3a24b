//! The name of a kept proof says what it is of and what came of it, so that a few of them need to be read however many there are.

use std::collections::BTreeMap;
use vow_base::clock::Nanos;
use vow_base::id::{hex, sha256};
use vow_protocol::proof::ProofRecord;
use vow_protocol::report::Verdict;

const SUFFIX: &str = ".proof";

/// `TIME-SOURCE-LEVEL-SEQUENCE-VERDICT-DIGEST.proof`; in the order of names they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// When it was made, in nanoseconds since 1970.
    pub(super) made: Nanos,
    /// A hash of the host's key and the source.
    pub(super) source: String,
    /// A hash of the level.
    pub(super) level: String,
    /// The snapshot's number on its host.
    pub(super) sequence: u64,
    /// It is proven.
    pub(super) proven: bool,
}

impl Name {
    /// Of a proof that is made now.
    pub(super) fn of(record: &ProofRecord, made: Nanos) -> Self {
        let short = |text: &str, bytes: usize| hex(&sha256(text.as_bytes())[..bytes]);
        let report = &record.report;
        Self {
            made,
            source: short(&format!("{}\n{}", record.host_key, report.source), 8),
            level: short(&report.level, 4),
            sequence: record.sequence,
            proven: report.verdict == Verdict::Proven,
        }
    }

    /// As the name of a file with this content.
    pub(super) fn file(&self, stored: &[u8]) -> String {
        let Self { made, source, level, sequence, proven } = self;
        let (verdict, digest) = (if *proven { "proven" } else { "not" }, hex(&sha256(stored)[..8]));
        format!("{made:020}-{source}-{level}-{sequence}-{verdict}-{digest}{SUFFIX}")
    }

    /// Reads it. A name that says less, of an older version, is `Err` with what it says: when it was made. `None` is no proof.
    pub(super) fn parse(file: &str) -> Option<Result<Self, Nanos>> {
        let parts: Vec<_> = file.strip_suffix(SUFFIX)?.split('-').collect();
        let made = parts.first()?.parse().ok()?;
        let [_, source, level, sequence, verdict, _] = parts[..] else { return Some(Err(made)) };
        let (source, level) = (source.to_owned(), level.to_owned());
        Some(match sequence.parse() {
            Ok(sequence) => Ok(Self { made, source, level, sequence, proven: verdict == "proven" }),
            Err(_) => Err(made),
        })
    }
}

/// Reads, with `read`, which says whether it can be believed, what decides anything of these, in the order in which they were made: the
/// newest of each source on each level, the newest that is proven, and of each source the snapshot with the highest number. What says
/// nothing by its name is read in any case.
pub(super) fn read_deciding(names: &[Option<Name>], mut read: impl FnMut(usize) -> bool) {
    // What was read of a source on a level: anything, and anything proven.
    let mut seen: BTreeMap<(&str, &str), (bool, bool)> = BTreeMap::new();
    let mut of_source: BTreeMap<&str, Vec<(u64, usize)>> = BTreeMap::new();
    let mut believed: BTreeMap<usize, bool> = BTreeMap::new();
    for (number, name) in names.iter().enumerate().rev() {
        let Some(name) = name else {
            read(number);
            continue;
        };
        of_source.entry(&name.source).or_default().push((name.sequence, number));
        let (any, proven) = seen.entry((&name.source, &name.level)).or_default();
        if !*any || name.proven && !*proven {
            let is_good = read(number);
            believed.insert(number, is_good);
            *any |= is_good;
            *proven |= is_good && name.proven;
        }
    }
    for mut numbers in of_source.into_values() {
        numbers.sort_unstable();
        for (_, number) in numbers.into_iter().rev() {
            if *believed.entry(number).or_insert_with(|| read(number)) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(made: Nanos, source: &str, level: &str, sequence: u64, proven: bool) -> Option<Name> {
        Some(Name { made, source: source.into(), level: level.into(), sequence, proven })
    }

    fn numbers_read(names: &[Option<Name>], damaged: &[usize]) -> Vec<usize> {
        let mut all = Vec::new();
        read_deciding(names, |number| {
            all.push(number);
            !damaged.contains(&number)
        });
        all.sort_unstable();
        all
    }

    #[test]
    fn a_name_is_read_as_it_was_written_and_older_ones_say_when() {
        let name = name(1_795_869_963_525_415_362, "00ff00ff00ff00ff", "0a0b0c0d", 7, true).expect("it");
        assert_eq!(Name::parse(&name.file(b"content")), Some(Ok(name.clone())));
        let not = Name { proven: false, ..name };
        assert_eq!(Name::parse(&not.file(b"content")), Some(Ok(not)));
        assert_eq!(
            Name::parse("01795869963525415362-3c5a833f55759263.proof"),
            Some(Err(1_795_869_963_525_415_362))
        );
        assert!(Name::parse("drill.key").is_none() && Name::parse("x-y.proof").is_none());
    }

    #[test]
    fn a_few_of_each_source_and_level_are_read_however_many_there_are() {
        // Years of drills of two sources from two levels, and one that failed at last.
        let mut names: Vec<_> = (0..4000)
            .map(|n| name(n, ["a", "b"][n as usize % 2], ["near", "far"][n as usize / 2 % 2], n as u64, true))
            .collect();
        names.push(name(4000, "a", "near", 3, false));
        assert_eq!(numbers_read(&names, &[]), [3996, 3997, 3998, 3999, 4000]);
        // One that cannot be believed any more does not stand in for one that can.
        assert_eq!(numbers_read(&names, &[3996, 3999]), [3992, 3995, 3996, 3997, 3998, 3999, 4000]);
    }

    #[test]
    fn the_highest_number_is_known_also_when_older_snapshots_were_drilled_since() {
        let names =
            [name(1, "a", "near", 9, false), name(2, "a", "near", 4, true), name(3, "a", "far", 2, true)];
        assert_eq!(numbers_read(&names, &[]), [0, 1, 2]);
        assert_eq!(numbers_read(&[None, names[1].clone(), names[2].clone(), None], &[]), [0, 1, 2, 3]);
    }
}
