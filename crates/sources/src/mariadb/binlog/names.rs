//! Names of files of a binary log, and what is missing between them. Pure.

use std::fmt;

/// A number has at least so many digits.
const DIGITS: usize = 6;

/// A file of a binary log: `mysql-bin.000042`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogName {
    /// What all of them begin with.
    pub(super) base: String,
    /// They are counted from 1.
    pub(super) number: u64,
}

impl LogName {
    /// Reads a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (base, digits) = name.rsplit_once('.')?;
        let is_number = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        let plain = !base.is_empty() && !base.contains(['/', '\0']);
        let number = digits.parse().ok().filter(|_| is_number && plain)?;
        Some(Self { base: base.to_owned(), number })
    }

    /// The one with another number.
    pub(super) fn with(&self, number: u64) -> Self {
        Self { base: self.base.clone(), number }
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:0width$}", self.base, self.number, width = DIGITS)
    }
}

/// What is missing among the files `there` from `from` on, as a sentence; nothing when they follow each other without a gap. Files of
/// another name are not looked at.
pub(super) fn missing(from: &LogName, there: &[LogName]) -> Option<String> {
    let mut numbers: Vec<_> =
        there.iter().filter(|name| name.base == from.base).map(|name| name.number).collect();
    numbers.retain(|number| *number >= from.number);
    numbers.sort_unstable();
    numbers.dedup();
    let mut next = from.number;
    for number in numbers {
        if number > next {
            let (first, last) = (from.with(next), from.with(number - 1));
            return Some(match first == last {
                true => format!("the binary log lacks {first}"),
                false => format!("the binary log lacks {first} to {last}"),
            });
        }
        next = number + 1;
    }
    (next == from.number).then(|| format!("no file of the binary log from {from} on is there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for name in ["mysql-bin.000001", "a.b.000042", "binlog.1234567"] {
            assert_eq!(LogName::parse(name).map(|name| name.to_string()).as_deref(), Some(name));
        }
        for name in ["binlog.index", "binlog.00001", ".000001", "a/b.000001", "binlog.00000x", "captured"] {
            assert_eq!(LogName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn gaps_are_found() {
        let names = |numbers: &[u64]| {
            numbers.iter().map(|number| LogName { base: "b".into(), number: *number }).collect::<Vec<_>>()
        };
        let from = LogName { base: "b".into(), number: 3 };
        assert_eq!(missing(&from, &names(&[1, 4, 3, 5, 4])), None);
        let says = |numbers: &[u64]| missing(&from, &names(numbers)).unwrap_or_default();
        assert_eq!(says(&[4]), "the binary log lacks b.000003");
        assert_eq!(says(&[3, 7]), "the binary log lacks b.000004 to b.000006");
        assert_eq!(says(&[1, 2]), "no file of the binary log from b.000003 on is there");
        assert!(missing(&from.with(1), &[LogName { base: "other".into(), number: 1 }]).is_some());
    }
}
